"""`PythiaOptions`: the arguments of a request for Pythia jets, their defaults and checks."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.events.processes import COMMON, PROCESSES, SHOWERS

__all__ = ["MARGIN", "PythiaOptions", "check_count", "check_positive"]

#: Jets are kept from MARGIN[0] × the window's lower edge to MARGIN[1] × its upper edge.
MARGIN = (0.7, 1.4)

#: Half the collision energy (GeV): no jet has a larger pT.
_MAX_PT = 6500.0

# Beginnings of Pythia settings that have an argument of their own, or that would make the jets
# depend on more than (process, options, chunk), and what to do instead.
_RESERVED = {
    "random:": "use seed=",
    "phasespace:pthat": "use pthat= and pt=",
    "partonshowers:model": "use shower=",
    "phasespace:bias2": "weighted events are not supported, so leave it out",
    "phasespace:increasemaximum": "it makes events depend on those before, so leave it out",
}


@dataclass(frozen=True)
class PythiaOptions:
    """The options that determine Pythia jets: equal options give the same jets of a process.

    :func:`pyg_jets.events.pythia.generate`, :func:`pyg_jets.events.folder.generate_folder`, the
    data set :class:`~pyg_jets.datasets.PythiaJets` and the command ``pyg-jets generate`` take
    these options and these defaults. Values are checked and converted when an object is made.

    Args:
        pt: Window in the jet's pT before the detector, (lowest, highest) in GeV.
        eta_max: Largest \\|η\\| of a jet.
        radius: Radius R of the anti-kt jets.
        pthat: Range of the hard process's pT: (× ``pt[0]``, × ``pt[1]``), the same for all
            processes. A narrower range is faster, but loses jets that radiated much.
        settings: Further lines of Pythia settings, such as ``"Tune:pp = 14"``.
        shower: The parton shower, ``"simple"`` or ``"vincia"``.
        seed: Seed of the random numbers, not negative.
        events_per_chunk: Number of events that are generated at a time, each chunk with its own
            random numbers. A killed generation loses at most the chunks in progress.

    Raises:
        ValueError: For an argument outside its range.

    Examples:
        >>> PythiaOptions(pt=(500, 600)).margin
        (350.0, 840.0)
        >>> PythiaOptions(radius=0)
        Traceback (most recent call last):
        pyg_jets.errors.InputError: Expected radius as a number above 0, up to 3, but got 0.
    """

    pt: tuple[float, float] = (500.0, 600.0)
    eta_max: float = 2.0
    radius: float = 0.8
    pthat: tuple[float, float] = (0.8, 1.6)
    settings: tuple[str, ...] = ()
    shower: str = "simple"
    seed: int = 1
    events_per_chunk: int = 250

    def __post_init__(self) -> None:
        lines = (self.settings,) if isinstance(self.settings, str) else self.settings
        checked = {
            "pt": _check_range("pt", self.pt, "GeV"),
            "pthat": _check_range("pthat", self.pthat, "multiples of the pT window"),
            "eta_max": check_positive("eta_max", self.eta_max, 10),
            "radius": check_positive("radius", self.radius, 3),
            "settings": tuple(str(line).strip() for line in lines),
            "shower": check_names((self.shower,), SHOWERS, "shower")[0],
            "seed": check_count("seed", self.seed, least=0),
            "events_per_chunk": check_count("events_per_chunk", self.events_per_chunk),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
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
            setting = line.lower().replace(" ", "")
            for beginning, remedy in _RESERVED.items():
                if setting.startswith(beginning):
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
        """Every line of Pythia settings for a process, except the seed.

        Args:
            process: A name of :data:`pyg_jets.events.processes.PROCESSES`.
        """
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
        """The options as values that JSON reads back unchanged."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Return ``value`` as an int.

    Args:
        name: The name of the argument, for the message.
        value: The value.
        least: The smallest value that is allowed.

    Raises:
        ValueError: If it is no whole number, or below ``least``.
    """
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or value < least:
        raise InputError(f"Expected {name} as a whole number, {least} or more, but got {value!r}.")
    return int(value)


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def check_positive(name: str, value: Any, largest: float) -> float:
    """Return ``value`` as a float.

    Args:
        name: The name of the argument, for the message.
        value: The value.
        largest: The largest value that is allowed.

    Raises:
        ValueError: If it is no number above 0, up to ``largest``.
    """
    if not _is_number(value) or not 0 < value <= largest:
        raise InputError(
            f"Expected {name} as a number above 0, up to {largest}, but got {value!r}."
        )
    return float(value)


def _check_range(name: str, value: Any, unit: str) -> tuple[float, float]:
    is_pair = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    if not is_pair or not all(map(_is_number, value)) or not 0 < value[0] < value[1]:
        raise InputError(
            f"Expected {name} as (lowest, highest) in {unit} with 0 < lowest < highest, "
            f"but got {value!r}."
        )
    return float(value[0]), float(value[1])
