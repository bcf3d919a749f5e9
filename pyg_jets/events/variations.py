"""Systematic variations by name: tunes, hadronisation, and the shower's scales as weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError

__all__ = [
    "HADRONIZATIONS",
    "SHOWER_VARIATIONS",
    "TUNES",
    "check_tune",
    "check_variations",
    "tune_settings",
]

#: Tunes by name, as Pythia settings. Monash is Pythia's default (arXiv 1404.5630), A14 is that of
#: ATLAS (ATL-PHYS-PUB-2014-021), CUETP8M1 (arXiv 1512.00815) and CP5 (arXiv 1903.12179) are of CMS;
#: CP5 with Pythia's own grid of NNPDF3.1 NNLO. Detroit: arXiv 2110.09447.
TUNES: dict[str, tuple[str, ...]] = {
    "monash": ("Tune:pp = 14",),
    "cuetp8m1": ("Tune:pp = 18",),
    "a14": ("Tune:pp = 21",),
    "a14_var1_up": ("Tune:pp = 23",),
    "a14_var1_down": ("Tune:pp = 24",),
    "a14_var2_up": ("Tune:pp = 25",),
    "a14_var2_down": ("Tune:pp = 26",),
    "a14_var3c_up": ("Tune:pp = 31",),
    "a14_var3c_down": ("Tune:pp = 32",),
    "detroit": ("Tune:pp = 33",),
    "cp5": (
        "Tune:pp = 14",
        "PDF:pSet = 20",
        "MultipartonInteractions:bProfile = 2",
        "MultipartonInteractions:pT0Ref = 1.41",
        "MultipartonInteractions:ecmPow = 0.03344",
        "MultipartonInteractions:coreRadius = 0.7634",
        "MultipartonInteractions:coreFraction = 0.63",
        "ColourReconnection:range = 5.176",
        "SigmaTotal:zeroAXB = off",
        *(
            f"{part}:{name}"
            for part in ("SpaceShower", "TimeShower", "MultipartonInteractions", "SigmaProcess")
            for name in ("alphaSorder = 2", "alphaSvalue = 0.118")
        ),
    ),
}
#: Pythia's largest number of a tune to pp data.
_LAST_TUNE = 33

#: Hadronisation and colour reconnection by name, as Pythia settings. None is a tune: each switches
#: a model on with Pythia's defaults. ``string`` is the Lund string, ``thermal`` hadrons from a
#: thermal spectrum (arXiv 1610.09818), ``close_packing`` a higher tension of close strings (same),
#: ``ropes`` flavour ropes (arXiv 1412.6259), ``shoving`` strings that push each other
#: (arXiv 1710.09725), ``qcd_reconnection`` and ``gluon_move`` colour reconnection
#: (arXiv 1505.01681, 1407.6653).
HADRONIZATIONS: dict[str, tuple[str, ...]] = {
    "string": (),
    "thermal": ("Fragmentation:model = 1",),
    "close_packing": ("ClosePacking:doClosePacking = on",),
    "ropes": (
        "Ropewalk:RopeHadronization = on",
        "Ropewalk:doShoving = off",
        "Ropewalk:doFlavour = on",
        "PartonVertex:setVertex = on",
    ),
    "shoving": (
        "Ropewalk:RopeHadronization = on",
        "Ropewalk:doShoving = on",
        "Ropewalk:doFlavour = off",
        "PartonVertex:setVertex = on",
    ),
    "qcd_reconnection": ("ColourReconnection:mode = 1", "BeamRemnants:remnantMode = 1"),
    "gluon_move": ("ColourReconnection:mode = 2",),
}

#: Variations of the shower's renormalisation scale by name (arXiv 1605.08352), of initial- and
#: final-state radiation: ``up`` is half the scale, hence more radiation, ``down`` twice.
#: ``_reduced`` is a factor √2, whose weights spread far less.
SHOWER_VARIATIONS: dict[str, str] = {
    f"{part}_{direction}{suffix}": f"{part}:muRfac={factor}"
    for part in ("isr", "fsr")
    for direction, suffix, factor in (
        ("up", "", 0.5),
        ("down", "", 2.0),
        ("up", "_reduced", 0.707),
        ("down", "_reduced", 1.414),
    )
}


def check_tune(tune: Any) -> int | str | None:
    """Return a tune's number or name, if it exists.

    Raises:
        InputError: If it does not.
    """
    if tune is None or isinstance(tune, str):
        return tune if tune is None else check_names((tune,), TUNES, "tune")[0]
    if isinstance(tune, bool) or not isinstance(tune, int) or not 1 <= tune <= _LAST_TUNE:
        raise InputError(
            f"Expected tune as one of {', '.join(TUNES)}, or Pythia's number of it from 1 to "
            f"{_LAST_TUNE}, but got {tune!r}."
        )
    return tune


def tune_settings(tune: int | str | None) -> tuple[str, ...]:
    """The Pythia settings of a tune, none for Pythia's default."""
    if tune is None:
        return ()
    return TUNES[tune] if isinstance(tune, str) else (f"Tune:pp = {tune}",)


def check_variations(value: Any) -> tuple[str, ...]:
    """Return the names of shower variations: all eight for ``True``, none for ``False``.

    Raises:
        InputError: For a name that does not exist.
    """
    if isinstance(value, bool) or value is None:
        return tuple(SHOWER_VARIATIONS) if value else ()
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Sequence):
        raise InputError(
            f"Expected shower_variations as true, false or names, but got {value!r}: choose from "
            f"{', '.join(SHOWER_VARIATIONS)}."
        )
    return check_names(names, SHOWER_VARIATIONS, "shower variation")
