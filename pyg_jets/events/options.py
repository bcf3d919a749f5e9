"""`PythiaOptions`: the arguments of a request for Pythia jets, their defaults and checks."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.events.processes import COMMON, PROCESSES, SHOWERS
from pyg_jets.events.slices import (
    BIASED,
    SLICED,
    PtHat,
    Slice,
    check_pthat,
    slice_of,
    slices_in_gev,
)
from pyg_jets.events.variations import (
    HADRONIZATIONS,
    SHOWER_VARIATIONS,
    check_tune,
    check_variations,
    tune_settings,
)

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
    "phasespace:bias2selectionpow": "it is read with pthat='biased' only",
    "phasespace:bias2": "use pthat='biased' or 'sliced'",
    "uncertaintybands:": "use shower_variations=",
    "enhance": "its weights, which may be negative, would be lost, so leave it out",
    "variationfrag:": "its weights, which may be negative, would be lost, so leave it out",
    "vincia:uncertaintybands": "its weights would be lost, so use shower_variations=",
    "phasespace:increasemaximum": "it makes events depend on those before, so leave it out",
}
#: The power of Pythia's biased selection: events of twice the pT are this power of 2 more frequent.
_BIAS_POWER = "PhaseSpace:bias2SelectionPow"

# In sliced generation, an event without a jet of partons above this × the window's lower edge is
# dropped: jets from 0.85 × the edge on, which a detector may move into the window, are all there.
_DROP_BELOW = 0.8

# Fields that came later. Left out of what names and marks a folder while they have their default,
# so that the folders of earlier versions keep their names and are continued.
_LATER = ("tune", "hadronization", "shower_variations")


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
        pthat: Which pT of the hard process (pTHat) is generated, and with which weights.
            ``"sliced"``: each process's own slices, whose jets have a ``weight`` of 1 to 3 and
            hold all but 2 % of the window; of W and Z jets about half are left out, those of soft
            pairs. ``"biased"``: Pythia's biased selection over the same
            range, by a power of pTHat (4, or ``PhaseSpace:bias2SelectionPow`` of ``settings``). A
            pair (× ``pt[0]``, × ``pt[1]``): one range without weights; faster, but jets that
            radiated much are lost. Slices (low, high, weight): edges in multiples of ``pt[0]``, the
            last one of ``pt[1]``; an event of weight w is generated w times more thinly, 1 by
            default.
        settings: Further lines of Pythia settings, such as ``"PartonLevel:MPI = off"``.
        shower: The parton shower, ``"simple"`` or ``"vincia"``.
        seed: Seed of the random numbers, not negative.
        events_per_chunk: Number of events that are generated at a time, each chunk with its own
            random numbers. A killed generation loses at most the chunks in progress.
        tune: Pythia's tune: a name of :data:`~pyg_jets.events.variations.TUNES` or Pythia's number
            of it. Default: Pythia's, which is ``"monash"``.
        hadronization: The model of hadronisation or colour reconnection, a name of
            :data:`~pyg_jets.events.variations.HADRONIZATIONS`.
        shower_variations: Names of :data:`~pyg_jets.events.variations.SHOWER_VARIATIONS`, or
            ``True`` for all of them: each becomes a jet column ``weight_NAME``, the weight that the
            jet has with another scale of the shower.

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
    pthat: PtHat = SLICED
    settings: tuple[str, ...] = ()
    shower: str = "simple"
    seed: int = 1
    events_per_chunk: int = 250
    tune: int | str | None = None
    hadronization: str = "string"
    shower_variations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lines = (self.settings,) if isinstance(self.settings, str) else self.settings
        checked = {
            "pt": _check_range("pt", self.pt, "GeV"),
            "pthat": check_pthat(self.pthat),
            "eta_max": check_positive("eta_max", self.eta_max, 10),
            "radius": check_positive("radius", self.radius, 3),
            "settings": tuple(str(line).strip() for line in lines),
            "shower": check_names((self.shower,), SHOWERS, "shower")[0],
            "seed": check_count("seed", self.seed, least=0),
            "events_per_chunk": check_count("events_per_chunk", self.events_per_chunk),
            "tune": check_tune(self.tune),
            "hadronization": check_names((self.hadronization,), HADRONIZATIONS, "hadronization")[0],
            "shower_variations": check_variations(self.shower_variations),
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
        if self.shower_variations and self.shower != "simple":
            raise InputError(
                f"Expected shower='simple' for shower_variations, but got {self.shower!r}: Pythia "
                "varies the scales of its simple shower only."
            )
        self._check_settings()
        for process in PROCESSES:
            self.slices(process)  # refuses slices whose edges do not rise in GeV

    def _check_settings(self) -> None:
        for line in self.settings:
            if self.pthat == BIASED and _key(line) == _BIAS_POWER.lower():
                _number_of(line)
                continue
            for beginning, remedy in _RESERVED.items():
                if _key(line).startswith(beginning):
                    raise InputError(f"The setting {line!r} cannot be given here: {remedy}.")

    @property
    def margin(self) -> tuple[float, float]:
        """Range of pT of the jets that are kept (GeV)."""
        return round(MARGIN[0] * self.pt[0], 6), round(MARGIN[1] * self.pt[1], 6)

    @property
    def is_weighted(self) -> bool:
        """Whether jets have the column ``weight``: unless ``pthat`` is a pair."""
        return isinstance(self.pthat, str) or isinstance(self.pthat[0], tuple)

    @property
    def bias_power(self) -> float | None:
        """The power of Pythia's biased selection; ``None`` unless ``pthat`` is ``"biased"``."""
        if self.pthat != BIASED:
            return None
        power = 4.0
        for line in self.settings:
            if _key(line) == _BIAS_POWER.lower():
                power = _number_of(line)
        return power

    @property
    def drop_pt(self) -> float | None:
        """Sliced events whose partons form no jet above this pT (GeV) are dropped."""
        return None if self.bias_power or not self.is_weighted else _DROP_BELOW * self.pt[0]

    def slices(self, process: str) -> tuple[Slice, ...]:
        """The slices of the hard process's pT (GeV); one if it is biased or a single range.

        Args:
            process: A name of :data:`pyg_jets.events.processes.PROCESSES`.
        """
        slices = slices_in_gev(self._slices(PROCESSES[process].slices), self.pt)
        if self.pthat == BIASED:
            return (Slice(slices[0].low, slices[-1].high, 1.0),)
        return slices

    def _slices(
        self, of_process: tuple[tuple[float, float, float], ...]
    ) -> tuple[tuple[float, float, float], ...]:
        if isinstance(self.pthat, str):
            return of_process
        low, high = self.pthat[0], self.pthat[-1]
        if isinstance(low, tuple) or isinstance(high, tuple):
            return cast("tuple[tuple[float, float, float], ...]", self.pthat)
        return ((low, high, 1.0),)

    def pythia_settings(self, process: str) -> tuple[str, ...]:
        """Every line of Pythia settings for a process, except the seed.

        Args:
            process: A name of :data:`pyg_jets.events.processes.PROCESSES`.
        """
        slices = self.slices(process)
        lines = [
            *COMMON,
            f"PhaseSpace:pTHatMin = {slices[0].low!r}",
            f"PhaseSpace:pTHatMax = {slices[-1].high!r}",
            f"PartonShowers:model = {SHOWERS[self.shower]}",
            *PROCESSES[process].settings,
            *tune_settings(self.tune),
            *HADRONIZATIONS[self.hadronization],
        ]
        if self.pthat == BIASED:
            lines += ["PhaseSpace:bias2Selection = on", f"{_BIAS_POWER} = {self.bias_power!r}"]
            lines += [f"PhaseSpace:bias2SelectionRef = {self.pt[0]!r}"]
        if self.shower_variations:
            groups = (f"{name} {SHOWER_VARIATIONS[name]}" for name in self.shower_variations)
            lines += ["UncertaintyBands:doVariations = on"]
            lines += [f"UncertaintyBands:List = {{{', '.join(groups)}}}"]
        return (*lines, *self.settings)

    def event_weights(self, pthat: np.ndarray, process: str) -> np.ndarray:
        """The weight of each event, without the shower's variations, ``[E]`` float64.

        Args:
            pthat: pT of the hard process of each event, ``[E]`` (GeV).
            process: The process.
        """
        if (power := self.bias_power) is not None:
            return (pthat / self.pt[0]) ** -power
        slices = self.slices(process)
        return np.array([s.weight for s in slices])[slice_of(pthat, slices)]

    def as_dict(self) -> dict[str, Any]:
        """The options as values that JSON reads back unchanged."""
        values = asdict(self)
        usual = {f.name: f.default for f in fields(self) if f.name in _LATER}
        return {k: _as_lists(v) for k, v in values.items() if k not in usual or v != usual[k]}


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


def _key(line: str) -> str:
    """The name of a Pythia setting, in lower case; the line is ``name = value``, or without "="."""
    return re.split(r"[=\s]", line.lower().replace(" :", ":").replace(": ", ":"), maxsplit=1)[0]


def _number_of(line: str) -> float:
    text = re.split(r"[=\s]+", line, maxsplit=1)[-1]
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= 10:
        raise InputError(f"Expected a power above 0, up to 10, in the setting {line!r}.")
    return number


def _as_lists(value: Any) -> Any:
    return [_as_lists(v) for v in value] if isinstance(value, tuple) else value


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
