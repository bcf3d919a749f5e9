"""`Selection`: cuts on jets and particles, and the order of particles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pyg_jets.columns import check_names
from pyg_jets.detector.random import TIES, particle_words
from pyg_jets.errors import InputError

__all__ = ["Selection"]

_ORDERS = ("pt",)


@dataclass(frozen=True)
class Selection:
    """Cuts on jets and on their particles.

    Args:
        max_particles: Keep this many particles of highest pT in each jet, ``None`` for all.
        min_pt: Drop particles of lower pT (GeV).
        order: ``"pt"`` for descending pT, ``None`` for the order of the file.
        pt: Keep jets with pT in this window ``(low, high)`` (GeV), ``None`` for all.
        mass: Keep jets with a mass in this window (GeV), ``None`` for all.
        ties: Which of equal pT ``max_particles`` keeps: ``"row"`` for the first ones of the file,
            or ``"random"`` for a draw that the jet's id decides.

    Raises:
        InputError: For an empty window, or a number outside its range.
    """

    max_particles: int | None = None
    min_pt: float = 0.0
    order: str | None = None
    pt: tuple[float, float] | None = None
    mass: tuple[float, float] | None = None
    ties: str = "row"

    def __post_init__(self) -> None:
        count = self.max_particles
        if count is not None and (isinstance(count, bool) or int(count) != count or count < 1):
            raise InputError(f"Expected max_particles of at least 1, or None, but got {count!r}.")
        if not self.min_pt >= 0:
            raise InputError(f"Expected min_pt of at least 0 GeV, but got {self.min_pt!r}.")
        check_names((self.ties,), ("row", "random"), "treatment of ties")
        if self.order is not None:
            check_names((self.order,), _ORDERS, "order")
        for name in ("pt", "mass"):
            window = getattr(self, name)
            if window is not None and not (len(window) == 2 and window[0] < window[1]):
                raise InputError(
                    f"Expected {name} as a window (low, high) in GeV, but got {window!r}."
                )

    @property
    def content(self) -> dict[str, Any]:
        """The cuts as plain values, from which folders get their names.

        Not ``ties``, which a data set that offers them adds itself: all others keep their folders.
        """
        return {name: value for name, value in vars(self).items() if name != "ties"}

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that the cuts and the order need."""
        particles = bool(self.max_particles or self.min_pt or self.order)
        jets = [f"jet_{name}" for name in ("pt", "mass") if getattr(self, name) is not None]
        return ("pt",) * particles + tuple(jets)

    def jets(self, columns: Any) -> np.ndarray | None:
        """Which jets lie in the windows, ``[J]`` bool; ``None`` if all do.

        Args:
            columns: Maps ``jet_pt`` and ``jet_mass`` to their values ``[J]``.
        """
        inside: np.ndarray | None = None
        for name in ("pt", "mass"):
            window = getattr(self, name)
            if window is not None:
                value = columns[f"jet_{name}"]
                passes = (value >= window[0]) & (value < window[1])
                inside = passes if inside is None else inside & passes
        return None if inside is None or inside.all() else inside

    def particles(
        self,
        columns: Any,
        ptr: np.ndarray,
        jets: np.ndarray | None,
        ids: np.ndarray | None = None,
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Rows of the kept particles, in their new order (``None`` for all), and their ptr.

        Args:
            columns: Maps ``pt`` to its values ``[N]``.
            ptr: Ragged pointer ``[J + 1]``.
            jets: Which jets are kept, or ``None`` for all.
            ids: Ids of the jets ``[J]``, which ties at random need.
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
            ties = None
            if self.max_particles and self.ties == "random":
                drawn = particle_words(torch.tensor(ids), torch.tensor(ptr), TIES)
                ties = drawn.numpy()
            rows = self._ordered(columns["pt"], owner, rows, ties)
        if rows is None:
            return None, ptr
        if owner is None:
            owner = np.repeat(np.arange(len(counts)), counts)
        kept = np.bincount(owner[rows], minlength=len(counts))
        kept = kept if jets is None else kept[jets]
        return rows, np.concatenate(([0], np.cumsum(kept)))

    def _ordered(
        self,
        pt: np.ndarray,
        owner: np.ndarray,
        rows: np.ndarray | None,
        ties: np.ndarray | None = None,
    ) -> np.ndarray | None:
        """The rows after ``max_particles`` and ``order``; ``owner`` is the jet of each particle."""
        if rows is not None:
            pt, owner, ties = pt[rows], owner[rows], None if ties is None else ties[rows]
        if ties is not None:
            assert self.max_particles is not None
            best = np.arange(len(owner)) - np.searchsorted(owner, owner) < self.max_particles
            kept = np.sort(np.lexsort((ties, -pt, owner))[best])
            if self.order:
                kept = kept[np.lexsort((-pt[kept], owner[kept]))]
            return kept if rows is None else rows[kept]
        order = None
        rising = (pt[1:] > pt[:-1]) & (owner[1:] == owner[:-1])
        if rising.any():
            order = np.lexsort((-pt, owner))  # stable, and jets keep their order
        if self.max_particles:
            first = np.searchsorted(owner, owner)  # owner is sorted
            best = np.arange(len(owner)) - first < self.max_particles
            order = np.flatnonzero(best) if order is None else order[best]
            if not self.order:
                order = np.sort(order)
        if order is None:
            return rows
        return order if rows is None else rows[order]
