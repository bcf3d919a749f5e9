"""Pairs of particles of one jet: what neighbours and radii have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel
from pyg_jets.ops.pointer import check_ragged

__all__ = [
    "check_finite",
    "check_points",
    "distance_reference",
    "distances_kernel",
    "padded",
    "pair_chunks",
]

#: Numbers held at once.
_AT_ONCE = 1 << 24
_TURN = np.float32(2 * math.pi)


def check_points(x: Tensor, ptr: Tensor, azimuth: int | None) -> int:
    """Check coordinates; returns the column of the azimuth, -1 for none.

    Raises:
        ValueError: If they are none.
    """
    check_ragged(x, ptr)
    if x.size(1) == 0:
        raise ValueError("Expected x [N, D] with at least one coordinate, but got D = 0.")
    if azimuth is not None and not -x.size(1) <= azimuth < x.size(1):
        raise ValueError(
            f"Expected azimuth as one of the {x.size(1)} columns of x, but got {azimuth}."
        )
    return -1 if azimuth is None else azimuth % x.size(1)


def check_finite(x: Tensor, ptr: Tensor) -> None:
    """Refuse coordinates that are not finite, on the CPU; another device would be waited for.

    Raises:
        ValueError: With the jet and the particle.
    """
    if x.device.type != "cpu" or bool(torch.isfinite(x.sum())):
        return
    wrong = ~torch.isfinite(x).all(1)
    if not wrong.any():  # only the sum is too large
        return
    row = int(wrong.nonzero()[0])
    jet = int(torch.searchsorted(ptr, row, right=True)) - 1
    raise ValueError(
        f"Jet {jet}, particle {row - int(ptr[jet])}, has coordinates that are not finite "
        f"({', '.join(f'{v:g}' for v in x[row].tolist())}): drop or mend it beforehand."
    )


@kernel(inline="always")
def padded(n):
    """``n``, rounded up to a multiple of 32."""
    return (n + 31) // 32 * 32


@kernel(fastmath={"contract"})
def distances_kernel(columns, i, n, azimuth, out):
    """Squared distances of point ``i`` to the points whose ``columns [D, padded(n)]`` are given.

    Loops go up to a multiple of what a compiler takes at once, so that none is left to be taken
    one by one. Behind the last point are infinities.
    """
    end = padded(n)
    for m in range(end):
        out[m] = np.float32(0)
    f, n_columns = 0, len(columns)
    while f < n_columns:
        if f + 4 <= n_columns and not f <= azimuth < f + 4:
            ai, bi, ci, di = columns[f, i], columns[f + 1, i], columns[f + 2, i], columns[f + 3, i]
            for m in range(end):  # four at once: a sum is loaded and stored a quarter as often
                da, db = columns[f, m] - ai, columns[f + 1, m] - bi
                dc, dd = columns[f + 2, m] - ci, columns[f + 3, m] - di
                out[m] += da * da + db * db + dc * dc + dd * dd
            f += 4
            continue
        ai = columns[f, i]
        if f == azimuth:
            for m in range(end):
                da = columns[f, m] - ai
                da -= _TURN * np.float32(math.floor(da / _TURN + np.float32(0.5)))
                out[m] += da * da
        else:
            for m in range(end):
                da = columns[f, m] - ai
                out[m] += da * da
        f += 1
    for m in range(n, end):
        out[m] = np.inf


def pair_chunks(ptr: Tensor, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """All ordered pairs of two particles of one jet, for some jets after the other.

    Args:
        ptr: Ragged pointer ``[J + 1]``.
        width: Numbers a pair that will be held.

    Yields:
        Rows of the first and of the second particle, sorted.
    """
    counts = ptr.diff()
    total = torch.cat((counts.new_zeros(1), (counts * (counts - 1)).cumsum(0)))
    at_once = max(_AT_ONCE // max(width, 1), 1)
    start, n_jets = 0, len(counts)
    while start < n_jets:
        limit = total[start] + at_once
        stop = max(int(torch.searchsorted(total, limit, right=True)) - 1, start + 1)
        yield _pairs(ptr[start : stop + 1])
        start = stop


def _pairs(ptr: Tensor) -> tuple[Tensor, Tensor]:
    counts = ptr.diff()
    rows = torch.arange(int(ptr[0]), int(ptr[-1]), device=ptr.device)
    begin, n_others = (v.repeat_interleave(counts) for v in (ptr[:-1], (counts - 1).clamp(min=0)))
    centre = rows.repeat_interleave(n_others)
    first = n_others.cumsum(0) - n_others
    place = torch.arange(len(centre), device=ptr.device) - first.repeat_interleave(n_others)
    other = begin.repeat_interleave(n_others) + place
    return centre, other + (other >= centre).long()


def distance_reference(x: Tensor, centre: Tensor, other: Tensor, azimuth: int) -> Tensor:
    """Squared distances of pairs, ``[P]``."""
    difference = x[other] - x[centre]
    if azimuth >= 0:
        turns = torch.floor(difference[:, azimuth] / (2 * math.pi) + 0.5)
        difference[:, azimuth] -= 2 * math.pi * turns
    return difference.square().sum(1)
