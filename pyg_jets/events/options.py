"""`Options`, the arguments that shape generated jets, validated once for every way to ask."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.events.processes import COMMON, PROCESSES, SHOWERS

__all__ = ["MARGIN", "Options", "check_count"]

#: Jets are kept from MARGIN[0] × the window's lower edge to MARGIN[1] × its upper edge.
MARGIN = (0.7, 1.4)

#: Beams of 13 TeV: no jet of theirs has more.
_MAX_PT = 6500.0

# Settings that an argument governs or that the jets' reproducibility hangs on, by their beginning.
_GOVERNED = {
    "random:": "use seed=",
    "phasespace:pthat": "use pthat= and pt=",
    "partonshowers:model": "use shower=",
    "phasespace:bias2": "weighted events are not supported, so leave it out",
    "phasespace:increasemaximum": "it makes events depend on those before, so leave it out",
}


@dataclass(frozen=True)
class Options:
    """What shapes generated jets: two equal `Options` give the same jets for a process.

    Args:
        pt: Window in the jet's pT before the detector, (lowest, highest) in GeV.
        eta_max: Largest \\|η\\| of a jet.
        radius: Radius of the anti-kt jets.
        pthat: Range of the hard process's pT: (× ``pt[0]``, × ``pt[1]``), the same for all classes.
        settings: Further Pythia settings, such as ``"Tune:pp = 14"``.
        shower: ``simple`` or ``vincia``.
        seed: Seed of the random numbers, not negative.
        events_per_chunk: Events that are generated, and may be lost, at a time.

    Raises:
        ValueError: For an argument outside its range.

    Examples:
        >>> Options(pt=(500, 600)).margin
        (350.0, 840.0)
        >>> Options(radius=0)
        Traceback (most recent call last):
        ValueError: Expected radius as a number above 0, up to 3, but got 0.
    """

    pt: tuple[float, float] = (500.0, 600.0)
    eta_max: float = 2.0
    radius: float = 0.8
    pthat: tuple[float, float] = (0.8, 1.6)
    settings: tuple[str, ...] = ()
    shower: str = "simple"
    seed: int = 0
    events_per_chunk: int = 250

    def __post_init__(self) -> None:
        lines = (self.settings,) if isinstance(self.settings, str) else self.settings
        values = {
            "pt": _pair("pt", self.pt, "GeV"),
            "pthat": _pair("pthat", self.pthat, "multiples of the pT window"),
            "eta_max": _positive("eta_max", self.eta_max, 10),
            "radius": _positive("radius", self.radius, 3),
            "settings": tuple(str(line).strip() for line in lines),
            "shower": check_names((self.shower,), SHOWERS, "shower")[0],
            "seed": check_count("seed", self.seed, least=0),
            "events_per_chunk": check_count("events_per_chunk", self.events_per_chunk),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_reach()

    def _check_reach(self) -> None:
        if self.events_per_chunk > 1 << 16:
            raise InputError(
                f"Expected events_per_chunk of at most 65536, but got {self.events_per_chunk}."
            )
        if self.pt[0] >= _MAX_PT:
            raise InputError(
                f"The pT window starts at {self.pt[0]:g} GeV, but a beam of 6500 GeV gives no such "
                "jet: give a lower window."
            )
        for line in self.settings:
            name = line.lower().replace(" ", "")
            for start, remedy in _GOVERNED.items():
                if name.startswith(start):
                    raise InputError(f"The setting {line!r} cannot be given here: {remedy}.")

    @property
    def margin(self) -> tuple[float, float]:
        """Range of pT of the jets that are kept (GeV)."""
        return round(MARGIN[0] * self.pt[0], 6), round(MARGIN[1] * self.pt[1], 6)

    @property
    def pthat_range(self) -> tuple[float, float]:
        """Range of the hard process's pT (GeV)."""
        return self.pthat[0] * self.pt[0], self.pthat[1] * self.pt[1]

    def pythia_settings(self, process: str) -> tuple[str, ...]:
        """Every line that Pythia is told for a process, but the seed."""
        low, high = self.pthat_range
        return (
            *COMMON,
            f"PhaseSpace:pTHatMin = {low!r}",
            f"PhaseSpace:pTHatMax = {high!r}",
            f"PartonShowers:model = {SHOWERS[self.shower]}",
            *PROCESSES[process].settings,
            *self.settings,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON gives them back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Return ``value`` as an int; a ``ValueError`` if it is no whole number from ``least`` on."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise InputError(f"Expected {name} as a whole number, {least} or more, but got {value!r}.")
    return int(value)


def _number(value: Any) -> bool:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and math.isfinite(value)


def _positive(name: str, value: Any, most: float) -> float:
    if not _number(value) or not 0 < value <= most:
        raise InputError(f"Expected {name} as a number above 0, up to {most}, but got {value!r}.")
    return float(value)


def _pair(name: str, value: Any, unit: str) -> tuple[float, float]:
    two = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    if not two or not all(map(_number, value)) or not 0 < value[0] < value[1]:
        raise InputError(
            f"Expected {name} as (lowest, highest) in {unit} with 0 < lowest < highest, "
            f"but got {value!r}."
        )
    return float(value[0]), float(value[1])
