"""`Selection`: which jets and which of their particles are kept, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError

__all__ = ["Selection"]

_ORDERS = ("pt",)


@dataclass(frozen=True)
class Selection:
    """Cuts on jets and on their particles.

    Args:
        max_particles: The hardest so many particles of each jet are kept, ``None`` for all.
        min_pt: Particles below are dropped (GeV).
        order: ``"pt"``, hardest first, or ``None`` as in the file.
        pt: Window of jet pT, ``(low, high)`` (GeV), or ``None``.
        mass: Window of jet mass (GeV), or ``None``.

    Raises:
        ValueError: For an empty window, or a number that is none.
    """

    max_particles: int | None = None
    min_pt: float = 0.0
    order: str | None = None
    pt: tuple[float, float] | None = None
    mass: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        count = self.max_particles
        if count is not None and (isinstance(count, bool) or int(count) != count or count < 1):
            raise InputError(f"Expected max_particles of at least 1, or None, but got {count!r}.")
        if not self.min_pt >= 0:
            raise InputError(f"Expected min_pt of at least 0 GeV, but got {self.min_pt!r}.")
        if self.order is not None:
            check_names((self.order,), _ORDERS, "order")
        for name in ("pt", "mass"):
            window = getattr(self, name)
            if window is not None and not (len(window) == 2 and window[0] < window[1]):
                raise InputError(
                    f"Expected {name} as a window (low, high) in GeV, but got {window!r}."
                )

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that the cuts look at."""
        particles = bool(self.max_particles or self.min_pt or self.order)
        jets = [f"jet_{name}" for name in ("pt", "mass") if getattr(self, name) is not None]
        return ("pt",) * particles + tuple(jets)

    def jets(self, columns: Any) -> np.ndarray | None:
        """Which jets are inside the windows, ``[J]`` bool; ``None`` for all.

        Args:
            columns: Gives ``jet_pt`` and ``jet_mass``.
        """
        inside = None
        for name in ("pt", "mass"):
            window = getattr(self, name)
            if window is not None:
                value = columns[f"jet_{name}"]
                here = (value >= window[0]) & (value < window[1])
                inside = here if inside is None else inside & here
        return None if inside is None or inside.all() else inside

    def particles(
        self, columns: Any, ptr: np.ndarray, jets: np.ndarray | None
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Rows of the particles that are kept, in their new order (``None``: all), and their ptr.

        Args:
            columns: Gives ``pt``.
            ptr: Ragged pointer ``[J + 1]``.
            jets: Which jets are kept, or ``None`` for all.
        """
        counts = np.diff(ptr)
        keep = None if jets is None else np.repeat(jets, counts)
        if self.min_pt > 0:
            hard = columns["pt"] >= self.min_pt
            if not hard.all():
                keep = hard if keep is None else keep & hard
        rows = None if keep is None else np.flatnonzero(keep)
        owner = None
        if self.order or (self.max_particles and counts.max(initial=0) > self.max_particles):
            owner = np.repeat(np.arange(len(counts)), counts)
            rows = self._hardest(columns["pt"], owner, rows)
        if rows is None:
            return None, ptr
        if owner is None:
            owner = np.repeat(np.arange(len(counts)), counts)
        left = np.bincount(owner[rows], minlength=len(counts))
        left = left if jets is None else left[jets]
        return rows, np.concatenate(([0], np.cumsum(left)))

    def _hardest(
        self, pt: np.ndarray, owner: np.ndarray, rows: np.ndarray | None
    ) -> np.ndarray | None:
        if rows is not None:
            pt, owner = pt[rows], owner[rows]
        order = None
        rising = (pt[1:] > pt[:-1]) & (owner[1:] == owner[:-1])
        if rising.any():
            order = np.lexsort((-pt, owner))  # stable, and jets stay where they are
        if self.max_particles:
            first = np.searchsorted(owner, owner)  # owner never falls
            best = np.arange(len(owner)) - first < self.max_particles
            order = np.flatnonzero(best) if order is None else order[best]
            if not self.order:
                order = np.sort(order)
        if order is None:
            return rows
        return order if rows is None else rows[order]
