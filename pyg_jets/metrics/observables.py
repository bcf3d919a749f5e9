r"""Observables of jets that a classifier or a distance reads: of one jet, and of a pair.

Those of a jet are of :mod:`pyg_jets.substructure`; those of a pair compare what came out of a
response (RECO) with what went in (GEN).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.inputs import as_numpy
from pyg_jets.substructure.observables import compute_observables

__all__ = [
    "JET_OBSERVABLES",
    "PAIR_OBSERVABLES",
    "UNTRAINED",
    "jet_observables",
    "observable_table",
    "pair_observables",
]

#: Observables that no generator of this package is trained on: ratios of N-subjettiness, and mass
#: after soft drop over mass.
UNTRAINED = ("tau21", "tau32", "softdrop_ratio")
#: The observables of a jet; ``pt`` and ``mass`` are those of the massless particles as they are.
JET_OBSERVABLES = ("pt", "mass", "multiplicity", "width", "leading_share", *UNTRAINED)
#: The observables of a pair: the response, the shape of RECO, and the jet before.
PAIR_OBSERVABLES = (
    "pt_ratio", "mass_ratio", "multiplicity_ratio", "charged_ratio", "neutral_ratio", "width_ratio",
    "tau21", "tau21_change", "gen_pt", "gen_mass", "gen_multiplicity", "gen_tau21", "gen_width",
)  # fmt: skip
_KINDS = ("charged_ratio", "neutral_ratio")


def jet_observables(
    jets: JetSample, names: Sequence[str] = JET_OBSERVABLES, threads: int | None = None
) -> dict[str, np.ndarray]:
    r"""Observables of each jet, of its massless particles.

    ================== =========================================================================
    ``pt``, ``mass``   of the summed particles, in the unit of their pT (GeV, or relative)
    ``multiplicity``   number of particles
    ``width``          :math:`\sum z\, \Delta R` about the axis of the jet
    ``leading_share``  pT of the hardest particle over the sum of pT
    ``tau21, tau32``   ratios of N-subjettiness (arXiv:1011.2268)
    ``softdrop_ratio`` mass after soft drop (arXiv:1402.2657; β = 0, z_cut = 0.1) over mass
    ================== =========================================================================

    Every other name is one of :data:`pyg_jets.substructure.observables.FAMILIES`, such as
    ``efp_01_12_02``, ``d2`` or ``tau43_beta2``.

    Args:
        jets: The jets.
        names: Observables. Default: those of the table.
        threads: Largest number of threads. Default: torch's.

    Returns:
        ``{name: [J]}`` in float64; what needs more particles than a jet has is 0.

    Raises:
        InputError: For an unknown observable, or one that is named twice.

    Examples:
        >>> jets = JetSample([[0.75, 0.1, 0.0], [0.25, -0.1, 0.0]], [0, 2])
        >>> values = jet_observables(jets, ("multiplicity", "leading_share", "tau21"))
        >>> {name: value.tolist() for name, value in values.items()}
        {'multiplicity': [2.0], 'leading_share': [0.75], 'tau21': [0.0]}
    """
    names = check_names(names, names, "observable")
    pt, eta, phi = jets.x.T
    momenta = np.stack(kinematics.to_cartesian(pt, eta, phi, np.zeros_like(pt)), -1)
    own = {"leading_share": (), "softdrop_ratio": ("softdrop_mass", "mass")}
    needed = dict.fromkeys(base for name in names for base in own.get(name, (name,)))
    values = compute_observables(momenta, jets.ptr, needed, threads)
    if "softdrop_ratio" in names:
        values["softdrop_ratio"] = _ratio(values["softdrop_mass"], values["mass"])
    if "leading_share" in names:
        largest = np.zeros(len(jets))
        np.maximum.at(largest, np.repeat(np.arange(len(jets)), np.diff(jets.ptr)), pt)
        values["leading_share"] = _ratio(largest, kinematics.jet_sum(pt, jets.ptr))
    return {name: values[name].astype(np.float64) for name in names}


def pair_observables(
    reco: JetSample,
    gen: JetSample,
    reco_charged: Any = None,
    gen_charged: Any = None,
    threads: int | None = None,
) -> dict[str, np.ndarray]:
    """Observables of each pair of a jet before (GEN) and after a response (RECO).

    Ratios are RECO over GEN of pT, mass, multiplicity, width and, where the particles' kinds are
    given, of the numbers of charged and of neutral particles; 0 where GEN has none. τ21 is that of
    RECO, and its change RECO − GEN. pT, mass, multiplicity, τ21 and width of GEN are among them, so
    that a classifier sees a response that is right on average and wrong for some jets.

    Args:
        reco: Jets after the response, of the same jets as ``gen``, in the same order.
        gen: Jets before.
        reco_charged: Whether each particle of ``reco`` is charged, ``[N]``. Default: not known.
        gen_charged: Whether each particle of ``gen`` is charged, ``[M]``.
        threads: Largest number of threads. Default: torch's.

    Returns:
        ``{name: [J]}`` of :data:`PAIR_OBSERVABLES`, without those of kinds that are not given.

    Raises:
        InputError: If there are not as many jets before as after, or one kind too few.

    Examples:
        >>> gen = JetSample([[3.0, 0.0, 0.1], [1.0, 0.2, 0.0]], [0, 2])
        >>> reco = JetSample([[3.0, 0.0, 0.1]], [0, 1])
        >>> pairs = pair_observables(reco, gen, [True], [True, False])
        >>> [float(pairs[f"{name}_ratio"][0]) for name in ("multiplicity", "charged", "neutral")]
        [0.5, 1.0, 0.0]
    """
    if len(reco) != len(gen):
        raise InputError(
            f"Expected a jet before for each jet after, but got {len(gen)} and {len(reco)}: give "
            "both in one order; for several draws, give the jets before as often."
        )
    names = ("pt", "mass", "multiplicity", "width", "tau21")
    after, before = (jet_observables(jets, names, threads) for jets in (reco, gen))
    pairs = {f"{n}_ratio": _ratio(after[n], before[n]) for n in names if n != "tau21"}
    pairs |= {"tau21": after["tau21"], "tau21_change": after["tau21"] - before["tau21"]}
    pairs |= {f"gen_{n}": before[n] for n in names}
    if (reco_charged is None) != (gen_charged is None):
        raise InputError("Expected reco_charged and gen_charged, but got only one of them.")
    if reco_charged is not None:
        counts = [
            _counts(jets, kinds, name)
            for jets, kinds, name in (
                (reco, reco_charged, "reco_charged"),
                (gen, gen_charged, "gen_charged"),
            )
        ]
        for name, (made, true) in zip(_KINDS, zip(*counts, strict=True), strict=True):
            pairs[name] = _ratio(made, true)
    return {name: pairs[name] for name in PAIR_OBSERVABLES if name in pairs}


def observable_table(
    jets: Mapping[str, Any], names: Sequence[str] | None, what: str
) -> tuple[tuple[str, ...], np.ndarray]:
    """Observables as the columns of a table, checked: ``(names, [J, K] float64)``.

    Args:
        jets: ``{name: [J]}``.
        names: Which of them. Default: all.
        what: What the jets are called, for messages.

    Raises:
        InputError: For no jets, a name that is missing, lengths that differ, or a value that is not
            finite; the jet is named.

    Examples:
        >>> observable_table({"mass": [80.0, 91.0]}, None, "real")[1].tolist()
        [[80.0], [91.0]]
    """
    names = check_names(jets if names is None else names, jets, f"observable of the {what} jets")
    columns = [as_numpy(jets[name]).astype(np.float64).reshape(-1) for name in names]
    lengths = {name: len(column) for name, column in zip(names, columns, strict=True)}
    if len(set(lengths.values())) != 1:
        raise InputError(f"Expected observables of one length of the {what} jets: got {lengths}.")
    table = np.stack(columns, -1)
    if not len(table):
        raise InputError(f"Expected {what} jets, but got none.")
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        jet, column = wrong[0]
        raise InputError(
            f"{names[column]} of the {what} jet {jet} is {table[jet, column]}: expected finite "
            "values; look for a diverged training, or a jet without the observable."
        )
    return names, table


def _counts(jets: JetSample, charged: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of charged and of neutral particles of each jet."""
    kinds = as_numpy(charged).reshape(-1).astype(bool)
    if len(kinds) != len(jets.x):
        raise InputError(
            f"Expected {name} of the {len(jets.x)} particles, one each, but got {len(kinds)}."
        )
    number = kinematics.jet_sum(kinds.astype(np.float64), jets.ptr)
    return number, np.diff(jets.ptr) - number


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(len(below)), where=below > 0)
