"""What the kernels work with: the task, and the buffers of a group."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from pyg_jets.detector.elementary import fast
from pyg_jets.detector.grid import GridTable
from pyg_jets.detector.random import Key
from pyg_jets.detector.response import KINDS, ResponseTable

__all__ = ["Buffers", "Task", "buffers", "make_task"]


class Task(NamedTuple):
    """What a range of jets is worked on with."""

    x: np.ndarray  # [N, 6] float32
    ptr: np.ndarray  # [J + 1] int64
    ids: np.ndarray  # [J] int64
    angles: np.ndarray  # [J, V] float64
    cos: np.ndarray  # [J, V] float64
    sin: np.ndarray  # [J, V] float64
    turns: bool  # some angle is not zero
    about_jet: bool  # not about the origin
    smears: bool  # some particle has a response
    cuts: bool  # some particle may be lost
    plain: bool  # each relative resolution is a constant
    renames: bool  # some particle is taken for another
    shifts: bool  # some direction is smeared
    measures_energy: bool  # some particle's energy is measured
    sums_energy: bool  # some calorimeter sums energy
    cells_smear: bool  # some calorimeter has a response
    keys: tuple[tuple[np.uint64, np.uint64], tuple[np.uint64, np.uint64]]


class Buffers(NamedTuple):
    """A group of particles, or of cells, field by field."""

    pt: np.ndarray  # float32, as all that follow up to z2
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    charge: np.ndarray
    pdgid: np.ndarray
    energy: np.ndarray
    measured: np.ndarray
    ratio: np.ndarray  # m_T / pT
    relative2: np.ndarray  # (σ/s)²
    z: np.ndarray
    z2: np.ndarray
    words: np.ndarray  # [4, n] uint32
    kind: np.ndarray  # int64, as all that follow up to keep
    chance: np.ndarray
    number: np.ndarray  # of the particle in its jet, or of the cell
    variant: np.ndarray
    jet_id: np.ndarray
    keep: np.ndarray  # bool


@fast
def buffers(n: int) -> Buffers:
    """Buffers for a group of ``n``."""
    f, i = np.empty((12, n), np.float32), np.empty((5, n), np.int64)
    words, keep = np.empty((4, n), np.uint32), np.ones(n, np.bool_)
    return Buffers(
        f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10], f[11],
        words, i[0], i[1], i[2], i[3], i[4], keep,
    )  # fmt: skip


def _cuts(table: ResponseTable) -> bool:
    seen = table.chance[: len(KINDS), : table.limits.shape[1]]
    ends = np.isfinite(table.limits[: len(KINDS)]).any()
    return bool(ends or (seen < 2**32).any() or table.minimum.any())


def make_task(
    x: Tensor,
    ptr: Tensor,
    ids: Tensor,
    angles: Tensor,
    axis: str,
    responses: ResponseTable | None,
    grid: GridTable,
    keys: tuple[Key, Key],
) -> Task:
    """Everything as contiguous arrays, and what can be left out."""
    array = np.ascontiguousarray(x.detach().numpy())
    turned = np.ascontiguousarray(angles.numpy(), np.float64)
    energy = responses is not None and bool(responses.energy.any())
    limits = grid.response
    return Task(
        array,
        np.ascontiguousarray(ptr.numpy(), np.int64),
        np.ascontiguousarray(ids.numpy(), np.int64),
        turned,
        np.cos(turned),
        np.sin(turned),
        bool(turned.any()),
        axis == "jet",
        responses is not None,
        responses is not None and _cuts(responses),
        responses is not None and not (responses.terms[:, 0, 1:] != (0, 0, 0, 1, 0, 0)).any(),
        responses is not None and bool((responses.identity != (0, -1)).any()),
        responses is not None and bool(responses.angles.any()),
        energy,
        bool(grid.energy.any()),
        bool(limits.terms.any() or limits.minimum.any() or np.isfinite(limits.limits).any()),
        tuple((np.uint64(a), np.uint64(b)) for a, b in keys),  # type: ignore[arg-type]
    )
