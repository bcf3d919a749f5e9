"""Grids of cells in (η, φ), and calorimeters that sum into them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.detector.response import (
    CHARGED,
    KINDS,
    Response,
    ResponseTable,
    response_table,
    rising,
)
from pyg_jets.errors import InputError

__all__ = ["Calorimeter", "Grid", "GridTable", "grid_table"]

_MAX_CELLS = 1 << 24


@dataclass(frozen=True)
class Grid:
    """Rectangular cells in (η, φ): rows in η, each cut in φ.

    φ is periodic if its edges span a full turn, as they do if ``phi`` is a size. Particles
    outside the grid are dropped.

    Args:
        eta: Size of the rows, or their edges, rising.
        phi: Size of the cells (rad), rounded so that a whole number goes round the circle; or
            their edges, rising, spanning a full turn at most.
        eta_max: With a size in ``eta``: the grid covers \\|η\\| up to here, rounded up to rows.
        merge: For each row, how many neighbours in φ are one cell; or one number for all rows.

    Raises:
        ValueError: For edges that do not rise, or sizes that are not positive.

    Examples:
        >>> Grid(0.05, 0.4, eta_max=2.0)
        Grid(eta=0.05, phi=0.4, eta_max=2.0)
        >>> Grid(0.05, 0.4, eta_max=2.0).shape
        (80, 16)
    """

    eta: float | tuple[float, ...]
    phi: float | tuple[float, ...]
    eta_max: float = 3.0
    merge: int | tuple[int, ...] = 1

    def __post_init__(self) -> None:
        for name in ("eta", "phi"):
            value = getattr(self, name)
            if isinstance(value, Sequence | np.ndarray):
                edges = rising(value, f"the edges in {name}")
                if len(edges) < 2:
                    raise InputError(f"Expected at least 2 edges in {name}, but got {edges}.")
                object.__setattr__(self, name, edges)
            elif not 0 < value < math.inf:
                raise InputError(f"Expected a positive size of cells in {name}, but got {value}.")
        if not 0 < self.eta_max < 20:
            raise InputError(f"Expected eta_max between 0 and 20, but got {self.eta_max}.")
        if isinstance(self.phi, tuple) and self.phi[-1] - self.phi[0] > 2 * math.pi + 1e-9:
            raise InputError(
                f"Expected the edges in phi to span 2π at most, but got {self.phi[0]} to "
                f"{self.phi[-1]}: leave out the cells that come twice."
            )
        self._check_merge()

    def _check_merge(self) -> None:
        if not isinstance(self.merge, int):
            object.__setattr__(self, "merge", tuple(int(m) for m in self.merge))
        rows, columns = self.shape
        if rows * columns > _MAX_CELLS:
            raise InputError(
                f"Expected at most {_MAX_CELLS} cells, but got {rows} × {columns}: take larger "
                "cells or a smaller range."
            )
        merge = (self.merge,) if isinstance(self.merge, int) else self.merge
        if len(merge) not in (1, rows) or any(m < 1 or columns % m for m in merge):
            raise InputError(
                f"Expected merge as divisors of the {columns} cells in phi, 1 or {rows} of them, "
                f"but got {merge}."
            )

    def __repr__(self) -> str:
        def short(value: object) -> str:
            if not isinstance(value, tuple) or len(value) <= 8:
                return repr(value)
            return f"({value[0]!r}, {value[1]!r}, …, {value[-1]!r}: {len(value)} values)"

        extra = "" if isinstance(self.eta, tuple) else f", eta_max={self.eta_max!r}"
        extra += "" if self.merge == 1 else f", merge={short(self.merge)}"
        return f"Grid(eta={short(self.eta)}, phi={short(self.phi)}{extra})"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows in η, and of cells in φ before merging."""
        return len(self.eta_edges) - 1, len(self.phi_edges) - 1

    @cached_property
    def eta_edges(self) -> np.ndarray:
        """Edges of the rows, float64."""
        if isinstance(self.eta, tuple):
            return np.array(self.eta)
        half = math.ceil(self.eta_max / self.eta - 1e-9)
        return np.arange(-half, half + 1) * self.eta

    @cached_property
    def phi_edges(self) -> np.ndarray:
        """Edges of the cells in φ before merging, float64 (rad)."""
        if isinstance(self.phi, tuple):
            return np.array(self.phi)
        return np.linspace(-math.pi, math.pi, max(1, round(2 * math.pi / self.phi)) + 1)

    @property
    def periodic(self) -> bool:
        """Whether φ goes round the circle."""
        return bool(abs(self.phi_edges[-1] - self.phi_edges[0] - 2 * math.pi) < 1e-6)


@dataclass(frozen=True)
class Calorimeter:
    """Cells that sum what some kinds of particles leave in them; each gives a massless particle.

    The particle stands at the cell's centre. The resolution acts on the cell's sum: noise then
    counts once for a cell, and the two photons of one cell fluctuate as one.

    A charged particle without a track, because the tracker missed it or does not reach so far, is
    not lost if its kind is among ``untracked``: its true energy enters the cell that it points to
    and is measured with what else is there, as in the towers of Delphes (arXiv 1307.6346).

    Args:
        grid: The cells.
        kinds: The kinds of particles that it absorbs.
        sums: ``"energy"``, or ``"pt"`` for jets on a plane.
        response: Resolution and least energy of a cell. Default: perfect.
        pdgid: PDG id of the particle that a cell becomes.
        untracked: The kinds of charged particles that it absorbs only where they leave no track.
            Their response, with the efficiency, is that of the detector.

    Raises:
        ValueError: For unknown kinds, kinds that leave no track or are absorbed anyway among
            ``untracked``, or a response with efficiencies or angles, which cells lack.

    Examples:
        >>> Calorimeter(Grid(0.05, 0.4), kinds=("photon",), untracked=("electron",))
        Calorimeter(grid=Grid(eta=0.05, phi=0.4, eta_max=3.0), kinds=('photon',), sums='energy', \
response=None, pdgid=0, untracked=('electron',))
    """

    grid: Grid
    kinds: tuple[str, ...] = ("photon", "neutral_hadron")
    sums: Literal["energy", "pt"] = "energy"
    response: Response | None = field(default=None)
    pdgid: int = 0
    untracked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", check_names(self.kinds, KINDS, "kind of particle"))
        untracked = check_names(self.untracked, CHARGED, "kind of charged particle")
        object.__setattr__(self, "untracked", untracked)
        check_names((self.sums,), ("energy", "pt"), "summed quantity")
        r = self.response
        if r is not None and (
            r.measures != self.sums
            or r.sigma_eta
            or r.sigma_phi
            or any(e != 1 for row in r.efficiency for e in row)
        ):
            raise InputError(
                f"Expected a response of cells that measures {self.sums!r}, with full efficiency "
                f"and no angles, but got {r!r}: these belong to the response of particles."
            )


class GridTable(NamedTuple):
    """Calorimeters as arrays, a row for each, for kernels and tensors."""

    of_kind: np.ndarray  # [6] int64: calorimeter of each kind, -1 for none
    always: np.ndarray  # [6] bool: it absorbs all of the kind, not only what leaves no track
    kind_energy: np.ndarray  # [6] bool: the kind's energy is summed, not its pT
    energy: np.ndarray  # [C] bool: sums energy, not pT
    rows: np.ndarray  # [C] int64
    columns: np.ndarray  # [C] int64
    first: np.ndarray  # [C + 1] int64: the number of the first cell
    eta_edges: np.ndarray  # [C, R + 1] float32, padded with +inf
    phi_edges: np.ndarray  # [C, P + 1] float32, padded with +inf
    periodic: np.ndarray  # [C] bool
    merge: np.ndarray  # [C, R] int64
    pdgid: np.ndarray  # [C] float32
    response: ResponseTable


def grid_table(calorimeters: Sequence[Calorimeter]) -> GridTable:
    """Calorimeters as arrays.

    Raises:
        ValueError: If two of them absorb the same kind.
    """
    named = [kind for c in calorimeters for kind in (*c.kinds, *c.untracked)]
    check_names(named, KINDS, "kind of particle in calorimeters")
    shapes = [c.grid.shape for c in calorimeters]
    n = len(shapes)
    rows, columns = (max((s[i] for s in shapes), default=1) for i in (0, 1))
    table = GridTable(
        np.full(len(KINDS) + 1, -1, np.int64),
        np.zeros(len(KINDS) + 1, np.bool_),
        np.zeros(len(KINDS) + 1, np.bool_),
        np.array([c.sums == "energy" for c in calorimeters], np.bool_),
        np.array([s[0] for s in shapes], np.int64),
        np.array([s[1] for s in shapes], np.int64),
        np.cumsum([0, *(r * p for r, p in shapes)], dtype=np.int64),
        np.full((n, rows + 1), np.inf, np.float32),
        np.full((n, columns + 1), np.inf, np.float32),
        np.array([c.grid.periodic for c in calorimeters], np.bool_),
        np.ones((n, rows), np.int64),
        np.array([c.pdgid for c in calorimeters], np.float32),
        response_table([c.response for c in calorimeters]),
    )
    for i, c in enumerate(calorimeters):
        absorbed = [KINDS.index(kind) for kind in (*c.kinds, *c.untracked)]
        table.always[absorbed[: len(c.kinds)]] = True
        table.of_kind[absorbed], table.kind_energy[absorbed] = i, c.sums == "energy"
        table.eta_edges[i, : len(c.grid.eta_edges)] = c.grid.eta_edges
        table.phi_edges[i, : len(c.grid.phi_edges)] = c.grid.phi_edges
        table.merge[i, : shapes[i][0]] = c.grid.merge
    return table
