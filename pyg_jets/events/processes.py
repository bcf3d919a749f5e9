"""The hard processes: Pythia's settings of each, and what a matched jet must contain."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMMON", "PROCESSES", "SHOWERS", "Process"]


#: The slices of pTHat (low, high, weight) that hold all but 2 % of QCD jets in a window, in
#: multiples of the window's lower edge, the last of its upper one. A weight grows as the root of
#: the time that a jet of its slice takes, up to 3: that makes the most effective jets in a given
#: time.
SLICES = ((0.5, 0.65, 3.0), (0.65, 0.8, 2.0), (0.8, 1.6, 1.0))


@dataclass(frozen=True)
class Process:
    """One hard process.

    Args:
        settings: Pythia settings that switch it on.
        resonance: \\|PDG id\\| of the particle whose decay a matched jet contains; 0 if a matched
            jet contains a hard parton.
        drop_unmatched: Whether jets that contain no such particle or parton are dropped.
        doc: A description in one line.
        slices: Its slices of pTHat (low, high, weight), in multiples of the window's lower edge,
            the last edge of its upper one, see :mod:`pyg_jets.events.slices`.
    """

    settings: tuple[str, ...]
    resonance: int
    drop_unmatched: bool
    doc: str
    slices: tuple[tuple[float, float, float], ...] = SLICES


_HADRONIC_W = ("24:onMode = off", "24:onIfAny = 1 2 3 4 5")
_HADRONIC_Z = ("23:onMode = off", "23:onIfAny = 1 2 3 4 5")

#: The processes by name. Their order is part of the jets' ids: append only.
PROCESSES: dict[str, Process] = {
    "qcd": Process(("HardQCD:all = on",), 0, False, "dijets, the natural mixture of flavours"),
    "quark": Process(
        (
            "HardQCD:gg2qqbar = on",
            "HardQCD:qq2qq = on",
            "HardQCD:qqbar2qqbarNew = on",
            "HardQCD:gg2ccbar = on",
            "HardQCD:qqbar2ccbar = on",
            "HardQCD:gg2bbbar = on",
            "HardQCD:qqbar2bbbar = on",
        ),
        0,
        True,
        "dijets with two quarks (u, d, s, c, b) in the final state",
    ),
    "gluon": Process(
        ("HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on"),
        0,
        True,
        "dijets with two gluons in the final state",
    ),
    "w": Process(("WeakDoubleBoson:ffbar2WW = on", *_HADRONIC_W), 24, True, "WW, both to quarks"),
    # Without gmZmode = 2 the virtual photon, and below mMin a far tail, would count as a Z.
    "z": Process(
        (
            "WeakDoubleBoson:ffbar2gmZgmZ = on",
            "WeakZ0:gmZmode = 2",
            "23:mMin = 60",
            *_HADRONIC_Z,
        ),
        23,
        True,
        "ZZ, both to quarks",
    ),
    "top": Process(
        ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *_HADRONIC_W),
        6,
        True,
        "top pairs, both to b and two quarks",
        # the shower of the pair is as hard as that of W pairs
        ((0.2, 0.5, 3.0), *SLICES),
    ),
}

#: Pythia's parton showers by name: its ``PartonShowers:model``.
SHOWERS: dict[str, int] = {"simple": 1, "vincia": 2}

#: 13 TeV proton collisions. All else has Pythia's defaults: Monash tune, MPI, hadronisation.
COMMON: tuple[str, ...] = (
    "Print:quiet = on",
    "Print:verbosity = 0",
    "Beams:eCM = 13000.",
    "Random:setSeed = on",
)
