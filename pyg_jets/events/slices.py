"""Slices of the hard process's pT (pTHat), each with a weight, and how Pythia draws from them.

A jet in the window may stem from a hard process of far lower pT that radiated much. Such events are
many and seldom give a jet in the window. So a slice at low pTHat is generated more thinly, and each
of its jets has a larger weight; and Pythia drops an event whose partons, once the shower is down to
a twentieth of the window's pT, form no jet near the window: that takes a twentieth of the time of a
whole event.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from pyg_jets.errors import InputError

__all__ = [
    "BIASED",
    "SLICED",
    "PtHat",
    "Slice",
    "check_pthat",
    "selection_hook",
    "slice_of",
    "slices_in_gev",
]

#: ``pthat=`` for the slices of each process (:attr:`~pyg_jets.events.processes.Process.slices`).
SLICED = "sliced"
#: ``pthat=`` for Pythia's biased selection over the range of these slices.
BIASED = "biased"

# Pythia's numbers: the anti-kt algorithm, all particles of the final state, with their masses, and
# a call in a decay.
_ANTI_KT, _FINAL, _WITH_MASSES, _IN_DECAYS = -1, 1, 2, 5

#: A word, a pair, or slices (low, high, weight).
PtHat = str | tuple[float, float] | tuple[tuple[float, float, float], ...]


class Slice(NamedTuple):
    """A range of pTHat (GeV) and the weight of its events."""

    low: float
    high: float
    weight: float


def check_pthat(value: Any) -> PtHat:
    """Return ``pthat=`` as a word, a pair, or a tuple of slices (low, high, weight).

    Raises:
        InputError: For a word that does not exist, a range outside its bounds, slices that leave a
            gap, overlap or do not cover the window, or a weight that is no number above 0.
    """
    if isinstance(value, str):
        if value not in (SLICED, BIASED):
            raise InputError(
                f"Expected pthat as 'sliced', 'biased', a pair (low, high) or slices (low, high, "
                f"weight), but got {value!r}."
            )
        return value
    if isinstance(value, Sequence) and value and all(isinstance(v, Sequence) for v in value):
        return _check_slices(value)
    is_pair = isinstance(value, Sequence) and len(value) == 2
    if not is_pair or not all(map(_is_number, value)) or not 0 < value[0] < value[1]:
        raise InputError(
            "Expected pthat as 'sliced', 'biased', or (lowest, highest) in multiples of the pT "
            f"window with 0 < lowest < highest, but got {value!r}."
        )
    return float(value[0]), float(value[1])


def _check_slices(slices: Sequence[Any]) -> tuple[tuple[float, float, float], ...]:
    checked: list[tuple[float, float, float]] = []
    for given in slices:
        numbers_given = len(given) in (2, 3) and all(map(_is_number, given[:2]))
        if isinstance(given, str) or not numbers_given or not 0 < given[0] < given[1]:
            raise InputError(
                "Expected each slice of pthat as (low, high) or (low, high, weight) with "
                f"0 < low < high, but got {given!r}."
            )
        weight = given[2] if len(given) == 3 else 1.0
        if not _is_number(weight) or not weight > 0:
            raise InputError(
                f"Expected the weight of the slice of pthat from {given[0]:g} to {given[1]:g} as a "
                f"finite number above 0, but got {weight!r}: a slice of weight w is generated w "
                "times more thinly."
            )
        if checked and given[0] != checked[-1][1]:
            what = "a gap" if given[0] > checked[-1][1] else "an overlap"
            raise InputError(
                f"Expected slices of pthat one after the other, but got {what} between the slice "
                f"that ends at {checked[-1][1]:g} and the one that begins at {given[0]:g}: begin "
                "each slice where the one before ends."
            )
        checked.append((float(given[0]), float(given[1]), float(weight)))
    if checked[0][0] > 1 or checked[-1][1] < 1:
        raise InputError(
            "Expected slices of pthat that cover the pT window, from at most 1 × its lower to at "
            f"least 1 × its upper edge, but got {checked[0][0]:g} to {checked[-1][1]:g}: jets in "
            "the window would be missing."
        )
    return tuple(checked)


def slices_in_gev(
    slices: Sequence[tuple[float, float, float]], pt: tuple[float, float]
) -> tuple[Slice, ...]:
    """Slices in GeV: the last edge is a multiple of the window's upper edge, others of its lower.

    Args:
        slices: (low, high, weight) with edges in multiples of the window.
        pt: The window (GeV).
    """
    edges = [low * pt[0] for low, _, _ in slices] + [slices[-1][1] * pt[1]]
    if edges[-2] >= edges[-1]:
        raise InputError(
            f"Expected slices of pthat whose edges rise, but the last runs from {edges[-2]:g} GeV "
            f"(× {pt[0]:g} GeV) to {edges[-1]:g} GeV (× {pt[1]:g} GeV)."
        )
    return tuple(
        Slice(low, high, weight)
        for low, high, (_, _, weight) in zip(edges[:-1], edges[1:], slices, strict=True)
    )


def slice_of(pthat: np.ndarray, slices: Sequence[Slice]) -> np.ndarray:
    """The index of the slice of each event.

    Args:
        pthat: pT of the hard process of each event, ``[E]`` (GeV).
        slices: The slices, in order.
    """
    return np.searchsorted([s.low for s in slices[1:]], pthat, side="right")


def selection_hook(
    slices: Sequence[Slice], jet_pt: float, scale: float, eta_max: float, radius: float
) -> Any:
    """A hook with which Pythia selects hard processes of a slice 1 / weight times as often.

    Pythia itself then mixes the slices by their cross sections, in each chunk alike, and the
    weights are the same for any number of events. Its attribute ``hard_processes`` counts the hard
    processes of each slice, with those that are dropped.

    Args:
        slices: The slices.
        jet_pt: Events whose partons form no jet above this pT (GeV) are dropped.
        scale: The pT of the shower (GeV) at which they do.
        eta_max: Largest \\|η\\| of these partons.
        radius: Radius of the anti-kt jets.
    """
    return _hook_class()(slices, jet_pt, scale, eta_max, radius)


@lru_cache
def _hook_class() -> type:
    import pythia8mc

    class SliceSelection(pythia8mc.UserHooks):
        """Pythia's selection, biased by a step function of pTHat, of events with a hard jet."""

        def __init__(
            self,
            slices: Sequence[Slice],
            jet_pt: float,
            scale: float,
            eta_max: float,
            radius: float,
        ) -> None:
            super().__init__()
            self._tops = [s.high for s in slices[:-1]]
            self._biases = [1.0 / s.weight for s in slices]
            # The last two choose Pythia's own clustering: the other one prints a banner.
            shape = _ANTI_KT, radius, jet_pt, eta_max, _FINAL, _WITH_MASSES
            self._finder = pythia8mc.SlowJet(*shape, None, False)
            self._scale, self._slice = scale, 0
            self.start_counting()

        def start_counting(self) -> None:
            self.hard_processes = [0] * len(self._biases)

        def canBiasSelection(self) -> bool:
            return True

        def biasSelectionBy(self, process: Any, phase_space: Any, in_event: bool) -> float:
            pthat, self._slice = phase_space.pTHat(), 0
            for top in self._tops:
                self._slice += pthat >= top
            self.selBias = self._biases[self._slice]  # Pythia makes the event's weight of it
            return self.selBias

        def canVetoPT(self) -> bool:
            return True

        def scaleVetoPT(self) -> float:
            return self._scale

        def doVetoPT(self, position: int, event: Any) -> bool:
            if position == _IN_DECAYS:  # called once more for each resonance that decays
                return False
            self.hard_processes[self._slice] += 1  # the slice that was selected last
            return not (self._finder.analyze(event) and self._finder.sizeJet())

    return SliceSelection


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value)
