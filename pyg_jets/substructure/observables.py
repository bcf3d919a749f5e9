"""The observables of a jet by their names: `softdrop_mass`, `tau21_beta2_wta_kt`, `efp_01_12`.

:func:`substructure` computes those of a `JetArray`. What a name means is a :class:`Family` in
:data:`FAMILIES`; what several observables need, such as a clustering, is computed once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.columns import OBSERVABLES, check_names
from pyg_jets.errors import InputError, did_you_mean
from pyg_jets.jets import JetArray
from pyg_jets.substructure.clustering import Clustering, cluster
from pyg_jets.substructure.correlators import CORRELATORS, correlator_ratios, energy_correlators
from pyg_jets.substructure.energy_flow import energy_flow_polynomials
from pyg_jets.substructure.grooming import soft_drop, trim
from pyg_jets.substructure.inputs import check_exponent, check_momenta, four_momenta
from pyg_jets.substructure.naming import Family, Observable
from pyg_jets.substructure.subjettiness import AXES, about_subjets

__all__ = [
    "FAMILIES",
    "compute_observables",
    "observable",
    "requested",
    "substructure",
]


def substructure(
    jets: JetArray,
    radius: float = 0.8,
    threads: int | None = None,
    names: Sequence[str] | Mapping[str, str] | str = OBSERVABLES,
) -> dict[str, np.ndarray]:
    r"""Compute observables of each jet by their names.

    Momenta are E-scheme sums in float64. By default these are those of
    :data:`pyg_jets.columns.OBSERVABLES`, with the soft-drop mass (arXiv 1402.2657) of
    :math:`\beta = 0` and :math:`z_\mathrm{cut} = 0.1`, and N-subjettiness (arXiv 1011.2268)

    .. math:: \tau_N = \sum_i p_{T,i} \min_k \Delta R_{ik} \big/ \sum_i p_{T,i}

    with :math:`\Delta R` in rapidity and azimuth about the N exclusive-kt subjets (E-scheme), and
    no factor R. What needs more particles than a jet has is 0: a jet of N particles or fewer has
    :math:`\tau_N = 0`, an empty jet has zeros everywhere.

    Args:
        jets: Jets with ``pt, eta, phi`` and, unless massless, ``mass``, or with ``px, py, pz, e``
            (GeV, rad).
        radius: Radius of the jets. It enters no observable, since names have their own; it must be
            above 0. Default: 0.8.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.
        names: Names of :data:`FAMILIES`, such as ``["tau32", "c2_beta2"]``, or
            ``{name in the result: observable}``. Default: ``OBSERVABLES``.

    Returns:
        One array ``[J]`` for each observable, float32 (``multiplicity`` int64).

    Raises:
        InputError: If a column is missing, a name is unknown, or the radius is not above 0.

    Examples:
        >>> jets = JetArray([[50.0, 0.2, 0.0], [50.0, -0.2, 0.0]], ("pt", "eta", "phi"), [0, 2, 2])
        >>> observables = substructure(jets)
        >>> observables["pt"].tolist(), observables["tau1"].round(3).tolist()
        ([100.0, 0.0], [0.2..., 0.0])
        >>> substructure(jets, names=["tau2", "efp_01"])
        {'tau2': array([0., 0.], dtype=float32), 'efp_01': array([0.2, 0. ], dtype=float32)}
    """
    if not radius > 0:
        raise InputError(f"Expected a radius above 0, but got {radius!r}.")
    columns = requested(names)
    values = compute_observables(*four_momenta(jets), columns.values(), threads)
    return {
        column: values[name].astype(np.int64 if name == "multiplicity" else np.float32)
        for column, name in columns.items()
    }


class _Jets:
    """Jets, and what several of their observables need, computed once.

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: Ragged pointer ``[J + 1]``.
        wanted: The observables that will be asked for.
        threads: Largest number of threads.
    """

    def __init__(
        self, momenta: Any, ptr: Any, wanted: Iterable[Observable] = (), threads: int | None = None
    ):
        self.momenta, self.ptr = momenta, ptr = check_momenta(momenta, ptr)
        self.counts, self.threads = np.diff(ptr), threads
        self.sum = cache(lambda: kinematics.to_cylindrical(*kinematics.jet_sum(momenta, ptr).T))
        self.soft_drop = cache(
            lambda z, beta, r: soft_drop(momenta, ptr, z, beta, r, threads=threads)
        )
        self.trim = cache(lambda r, f: trim(momenta, ptr, r, f, threads=threads))
        self.tau = cache(self._tau)
        self.clustering = cache(self._clustering)
        self.correlators = cache(self._correlators)
        self.around_axis = cache(self._around_axis)
        self.polynomials = cache(self._polynomials)
        self._wanted = tuple(wanted)

    def _clustering(self, scheme: str) -> Clustering:
        return cluster(self.momenta, self.ptr, "kt", scheme=scheme, threads=self.threads)

    def _tau(self, n: int, beta: float, axes: str) -> np.ndarray:
        scheme, moved = AXES[axes]
        numbers = np.array([n])
        clustering = self.clustering(scheme)
        return about_subjets(clustering, numbers, beta, moved, threads=self.threads)[0][:, 0]

    def _correlators(self, beta: float) -> dict[str, np.ndarray]:
        sums = energy_correlators(self.momenta, self.ptr, beta, self.threads)
        return dict(zip(CORRELATORS, sums.T, strict=True)) | correlator_ratios(sums)

    def _around_axis(self) -> tuple[np.ndarray, np.ndarray]:
        """pT over the sum of pT, and ΔR to the axis of the jet, of each particle."""
        pt, eta, phi, mass = kinematics.to_cylindrical(*self.momenta.T)
        total = np.repeat(kinematics.jet_sum(pt, self.ptr), self.counts)
        axis_pt, axis_eta, axis_phi, axis_mass = self.sum()
        axis_y = np.repeat(kinematics.rapidity(axis_pt, axis_eta, axis_mass), self.counts)
        y = kinematics.rapidity(pt, eta, mass)
        delta_r = kinematics.delta_r(y, phi, axis_y, np.repeat(axis_phi, self.counts))
        return np.divide(pt, total, out=np.zeros_like(pt), where=total > 0), delta_r

    def _polynomials(self, beta: float) -> dict[str, np.ndarray]:
        """The energy-flow polynomials that are wanted for a β, by the base of their names."""
        graphs = {
            o.base: o.edges
            for o in self._wanted
            if o.base.startswith("efp") and o.options["beta"] == beta
        }
        pt, eta, phi, mass = kinematics.to_cylindrical(*self.momenta.T)
        x = np.stack([pt, kinematics.rapidity(pt, eta, mass), phi], -1)
        values = energy_flow_polynomials(x, self.ptr, graphs.values(), beta, normed=True)
        return dict(zip(graphs, values.T, strict=True))


def _momentum(jets: _Jets, observable: Observable) -> np.ndarray:
    pt, eta, phi, mass = jets.sum()
    phi = np.where(phi >= np.pi, -np.pi, phi)
    values = {"pt": pt, "eta": eta, "phi": phi, "mass": mass}
    if observable.base == "rapidity":
        return kinematics.rapidity(pt, eta, mass)
    return values[observable.base]


def _massless_mass(jets: _Jets, observable: Observable) -> np.ndarray:
    momentum = kinematics.jet_sum(jets.momenta, jets.ptr)
    energy = np.sqrt((jets.momenta[:, :3] ** 2).sum(-1))
    momentum[:, 3] = kinematics.jet_sum(energy, jets.ptr)
    return kinematics.to_cylindrical(*momentum.T)[3]


def _soft_drop(jets: _Jets, observable: Observable) -> np.ndarray:
    groomed = jets.soft_drop(**observable.options)
    values = {"softdrop_mass": "mass", "softdrop_pt": "pt", "zg": "z", "rg": "delta_r"}
    return getattr(groomed, values[observable.base])


def _trimmed(jets: _Jets, observable: Observable) -> np.ndarray:
    return getattr(jets.trim(**observable.options), observable.base.removeprefix("trimmed_"))


def _tau(jets: _Jets, observable: Observable) -> np.ndarray:
    return jets.tau(*observable.numbers, **observable.options)


def _tau_ratio(jets: _Jets, observable: Observable) -> np.ndarray:
    above, below = (jets.tau(n, **observable.options) for n in observable.numbers)
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _angularity(kappa: float, beta: float) -> Callable[[_Jets, Observable], np.ndarray]:
    def compute(jets: _Jets, observable: Observable) -> np.ndarray:
        z, delta_r = jets.around_axis()
        powers = {"kappa": kappa, "beta": beta, **observable.options}
        return kinematics.jet_sum(z ** powers["kappa"] * delta_r ** powers["beta"], jets.ptr)

    return compute


def _dispersion(jets: _Jets, observable: Observable) -> np.ndarray:
    return np.sqrt(kinematics.jet_sum(jets.around_axis()[0] ** 2, jets.ptr))


def _check_angle(observable: Observable) -> None:
    check_exponent(observable.options["beta"])


def _check_ratio(observable: Observable) -> None:
    above, below = observable.numbers
    if above <= below:
        raise InputError("Expected more axes above than below, as tau21 has.")
    _check_angle(observable)


def _check_graph(observable: Observable) -> None:
    if loops := [f"{a}{b}" for a, b in observable.edges if a == b]:
        raise InputError(f"Expected edges between two vertices, but got {', '.join(loops)}.")
    _check_angle(observable)


def _check_soft_drop(observable: Observable) -> None:
    if observable.options["z"] >= 1 or observable.options["r"] <= 0:
        raise InputError("Expected z from 0 to below 1 and a radius above 0.")


def _check_trimming(observable: Observable) -> None:
    if observable.options["f"] > 1 or observable.options["r"] <= 0:
        raise InputError("Expected f from 0 to 1 and a radius above 0.")


_SOFT_DROP = {"z": 0.1, "beta": 0.0, "r": 0.8}
_TRIMMING = {"r": 0.2, "f": 0.05}
_SUBJETTINESS = {"beta": 1.0, "axes": "kt"}
_ANGLE = {"beta": 1.0}

#: Every observable that has a name; the table of ``docs/substructure.md``.
FAMILIES: tuple[Family, ...] = (
    Family("multiplicity", "multiplicity", {}, lambda jets, o: jets.counts, "",
           "number of constituents"),
    Family("pt, mass", "pt|mass", {}, _momentum, "GeV", "of the summed constituents"),
    Family("eta, rapidity", "eta|rapidity", {}, _momentum, "", "of the summed constituents"),
    Family("phi", "phi", {}, _momentum, "rad", "of the summed constituents, in [-π, π)"),
    Family("massless_mass", "massless_mass", {}, _massless_mass, "GeV",
           "mass with every constituent taken as massless"),
    Family("softdrop_mass, softdrop_pt", "softdrop_mass|softdrop_pt", _SOFT_DROP, _soft_drop, "GeV",
           "after soft drop with z_cut, β and R0 (arXiv 1402.2657)", _check_soft_drop),
    Family("zg, rg", "zg|rg", _SOFT_DROP, _soft_drop, "",
           "fraction of pT and ΔR of the declustering that passes soft drop; 0 if none does",
           _check_soft_drop),
    Family("trimmed_mass, trimmed_pt", "trimmed_mass|trimmed_pt", _TRIMMING, _trimmed, "GeV",
           "after trimming to kt subjets of radius r and a fraction f of pT (arXiv 0912.1342)",
           _check_trimming),
    Family("tau1 … tau8", "tau[1-8]", _SUBJETTINESS, _tau, "",
           "N-subjettiness without R0 (arXiv 1011.2268)", _check_angle),
    Family("tau21, tau32, tau31 …", "tau[1-8][1-8]", _SUBJETTINESS, _tau_ratio, "",
           "ratio of two N-subjettinesses; 0 where the lower one is 0", _check_ratio),
    Family("e2, e3", "e[23]", _ANGLE, lambda jets, o: jets.correlators(o.options["beta"])[o.base],
           "", "energy correlation functions (arXiv 1305.0007)", _check_angle),
    Family("c2, d2, m2, n2", "[cdmn]2", _ANGLE,
           lambda jets, o: jets.correlators(o.options["beta"])[o.base], "",
           "ratios of them (arXiv 1305.0007, 1409.6298, 1609.07483)", _check_angle),
    Family("width, girth", "width|girth", {}, _angularity(1, 1), "",
           "Σ z ΔR about the jet axis, z = pT / Σ pT; two names of the same"),
    Family("lha", "lha", {}, _angularity(1, 0.5), "", "Les Houches angularity, Σ z √ΔR"),
    Family("angularity", "angularity", {"kappa": 1.0, "beta": 1.0}, _angularity(1, 1), "",
           "Σ z^κ ΔR^β without R0 (arXiv 1408.3122)"),
    Family("ptd", "ptd", {}, _dispersion, "", "dispersion of pT, √(Σ pT²) / Σ pT"),
    Family("efp_01, efp_01_12_02 …", r"efp(?:_\d\d)+", _ANGLE,
           lambda jets, o: jets.polynomials(o.options["beta"])[o.base], "",
           "energy-flow polynomial of the graph with these edges, normalised (arXiv 1712.07124)",
           _check_graph),
)  # fmt: skip


def observable(name: str) -> Observable:
    """The observable of a name.

    Args:
        name: A name of :data:`FAMILIES`, with its options in the order of the table:
            ``tau21_beta2_wta_kt``.

    Raises:
        InputError: For a name that is none, or an option out of range.

    Examples:
        >>> observable("tau21_beta0.5_onepass").options
        {'beta': 0.5, 'axes': 'onepass'}
        >>> observable("efp_01_12").edges
        [(0, 1), (1, 2)]
    """
    for family in FAMILIES:
        if (match := family.match(name)) is not None:
            try:
                family.check(match)
            except InputError as error:
                raise InputError(f"The observable {name!r} means nothing. {error}") from None
            return match
    bases = [base for family in FAMILIES for base in re.findall(r"\w+", family.shown)]
    for family in FAMILIES:
        base = next((b for b in re.findall(r"\w+", family.shown) if name.startswith(f"{b}_")), None)
        if base is not None and base != "efp_01":
            options = "".join(
                f"[_{default}]" if option == "axes" else f"[_{option}{default:g}]"
                for option, default in family.options.items()
            )
            raise InputError(
                f"Unknown options of the observable {name!r}: expected {base}{options}, where what "
                "stands in brackets are the default values."
            )
    shown = "; ".join(family.shown for family in FAMILIES)
    raise InputError(
        f"Unknown observable {name!r}: choose from {shown}; with options such as "
        f"tau21_beta2_wta_kt.{did_you_mean(name, bases)}"
    )


def requested(names: Sequence[str] | Mapping[str, str] | str | None) -> dict[str, str]:
    """The names of columns and of the observables in them, checked.

    Args:
        names: Observables, or ``{column: observable}`` for columns of other names.

    Raises:
        InputError: For an unknown observable, or one that is named twice.

    Examples:
        >>> requested(["tau21"]), requested({"own_mass": "mass"})
        ({'tau21': 'tau21'}, {'own_mass': 'mass'})
    """
    if names is None:
        return {}
    if not isinstance(names, Mapping):
        several = (names,) if isinstance(names, str) else tuple(names)
        names = {name: name for name in check_names(several, several, "observable")}
    for name in names.values():
        observable(name)
    return dict(names)


def compute_observables(
    momenta: Any, ptr: Any, names: Iterable[str], threads: int | None = None
) -> dict[str, np.ndarray]:
    """Compute observables of jets by their names.

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: Ragged pointer ``[J + 1]``.
        names: The observables.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.

    Returns:
        Each one, ``[J]`` float64, or int64 for ``multiplicity``. What needs more particles than a
        jet has is 0.

    Raises:
        InputError: For an unknown observable.

    Examples:
        >>> momenta = [[3, 0, 0, 3], [3, 1, 0, 3.2], [0, 3, 0, 3]]
        >>> values = compute_observables(momenta, [0, 3], ["tau21", "ptd"])
        >>> {name: value.round(3).tolist() for name, value in values.items()}
        {'tau21': [0.178], 'ptd': [0.578]}
    """
    wanted = [observable(name) for name in names]
    jets = _Jets(momenta, ptr, wanted, threads)
    return {o.name: o.family.compute(jets, o) for o in wanted}
