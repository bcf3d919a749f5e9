"""Jet finding: FastJet over the particles of many events at once."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from math import inf
from typing import Any, NamedTuple

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.events.options import check_count, check_positive
from pyg_jets.files import require

__all__ = ["ALGORITHMS", "NEUTRINOS", "ClusteredJets", "ClusteringOptions", "cluster_events"]

#: PDG ids, without sign, of the particles that no detector sees.
NEUTRINOS = (12, 14, 16)

#: Sequential recombination algorithms, by our name and that of FastJet.
ALGORITHMS = {
    "antikt": "antikt_algorithm",
    "kt": "kt_algorithm",
    "ca": "cambridge_algorithm",
}
#: The parameters of groomings and their defaults; R0 of soft drop is the radius of the jets.
_GROOMING = {"softdrop": {"z": 0.1, "beta": 0.0}, "trimmed": {"r": 0.2, "f": 0.05}}
_MOMENTUM = ("px", "py", "pz", "E")


@dataclass(frozen=True)
class ClusteringOptions:
    """How the particles of an event become jets, and which of these are kept.

    Args:
        radius: Radius R of the jets.
        algorithm: ``"antikt"``, ``"kt"`` or ``"ca"`` (Cambridge/Aachen).
        pt: Window ``(lowest, highest)`` in the jet's pT (GeV); the highest may be infinite.
        eta_max: Largest \\|η\\| of a jet.
        max_jets: Keep this many jets of highest pT in each event, ``None`` for all.
        grooming: ``"softdrop"`` or ``"trimmed"`` to keep only the constituents that pass, with
            parameters as in the names of observables: ``"softdrop_beta1_z0.2"``,
            ``"trimmed_r0.3_f0.05"``. The defaults are β = 0, z = 0.1 with R0 = ``radius``, and
            kt subjets of R = 0.2, f = 0.05. The window, ``eta_max`` and the order then are those
            of groomed jets.

    Raises:
        ValueError: For an argument outside its range.

    Examples:
        >>> ClusteringOptions(radius=1.0, pt=(200, 800)).pt
        (200.0, 800.0)
        >>> ClusteringOptions(algorithm="cone")
        Traceback (most recent call last):
        pyg_jets.errors.InputError: Unknown jet algorithm 'cone': choose from antikt, kt, ca.
    """

    radius: float = 0.8
    algorithm: str = "antikt"
    pt: tuple[float, float] = (200.0, inf)
    eta_max: float = 2.5
    max_jets: int | None = None
    grooming: str | None = None

    def __post_init__(self) -> None:
        (algorithm,) = check_names((self.algorithm,), ALGORITHMS, "jet algorithm")
        max_jets = None if self.max_jets is None else check_count("max_jets", self.max_jets)
        checked = {
            "radius": check_positive("radius", self.radius, 3),
            "algorithm": algorithm,
            "pt": _window(self.pt),
            "eta_max": check_positive("eta_max", self.eta_max, 10),
            "max_jets": max_jets,
            "grooming": None if self.grooming is None else str(self.grooming),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self.grooming_parameters()

    def grooming_parameters(self) -> tuple[str, dict[str, float]] | None:
        """``"softdrop"`` or ``"trimmed"``, with every parameter by its letter; ``None`` for none.

        Examples:
            >>> ClusteringOptions(radius=1.0, grooming="softdrop_z0.2").grooming_parameters()
            ('softdrop', {'z': 0.2, 'beta': 0.0, 'r': 1.0})
        """
        if self.grooming is None:
            return None
        name, *rest = self.grooming.split("_")
        check_names((name,), _GROOMING, "grooming")
        parameters = {"r": self.radius, **_GROOMING[name]}
        given = [re.fullmatch(r"([a-z]+)(\d+(?:\.\d+)?)", option) for option in rest]
        if any(match is None or match[1] not in parameters for match in given):
            raise InputError(
                f"Expected the parameters of {name} as letters and numbers, "
                f"{', '.join(f'{k}{v:g}' for k, v in parameters.items())}, but got "
                f"{self.grooming!r}."
            )
        parameters |= {match[1]: float(match[2]) for match in given if match}
        order = [*_GROOMING[name], *(k for k in parameters if k not in _GROOMING[name])]
        return name, {key: parameters[key] for key in order}

    def as_dict(self) -> dict[str, Any]:
        """The options as plain values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def _window(pt: Any) -> tuple[float, float]:
    """A window in pT, whose upper edge may be infinite."""
    try:
        low, high = (float(edge) for edge in pt)
    except (TypeError, ValueError):
        low, high = inf, 0.0
    if not 0 <= low < high:
        raise InputError(
            f"Expected pt as (lowest, highest) in GeV with 0 <= lowest < highest, but got {pt!r}."
        )
    return low, high


class ClusteredJets(NamedTuple):
    """The jets of some events, in the order of the events."""

    event: np.ndarray  # [J] index of the event
    momenta: np.ndarray  # [J, 4] (px, py, pz, E) in GeV
    members: np.ndarray  # [N] rows of the constituents among the particles
    ptr: np.ndarray  # [J + 1] pointer into members


def cluster_events(
    momenta: np.ndarray,
    offsets: np.ndarray,
    radius: float,
    algorithm: str = "antikt",
    min_pt: float = 0.0,
) -> ClusteredJets:
    """Cluster the particles of each event to jets, inclusively and in the E-scheme.

    The distances are d_ij = min(pT_i^2p, pT_j^2p) ΔR_ij² / R² in rapidity and azimuth, and
    d_iB = pT_i^2p, with p = -1 (anti-kt, arXiv 0802.1189), 1 (kt), 0 (Cambridge/Aachen); FastJet
    (arXiv 1111.6097) finds the smallest.

    Args:
        momenta: (px, py, pz, E) of the particles ``[N, 4]`` float64 (GeV).
        offsets: Where each event begins ``[E + 1]``; an event may have no particle.
        radius: Radius R.
        algorithm: A name of :data:`ALGORITHMS`.
        min_pt: Smallest pT of a jet (GeV).

    Raises:
        ModuleNotFoundError: If fastjet is not installed.

    Examples:
        >>> pairs = np.array([[10.0, 0, 0, 10], [5.0, 0, 0, 5], [0, 20.0, 0, 20]])
        >>> jets = cluster_events(pairs, np.array([0, 0, 3]), radius=0.8)
        >>> jets.event.tolist(), jets.ptr.tolist(), np.sort(jets.momenta[:, 3]).tolist()
        ([1, 1], [0, 2, 3], [15.0, 20.0])
    """
    import awkward as ak

    (algorithm,) = check_names((algorithm,), ALGORITHMS, "jet algorithm")
    fastjet = _fastjet()
    if not len(momenta):
        none = np.empty(0, np.int64)
        return ClusteredJets(none, np.empty((0, 4)), none, np.zeros(1, np.int64))
    content = ak.contents.RecordArray(
        [ak.contents.NumpyArray(np.ascontiguousarray(column)) for column in momenta.T],
        list(_MOMENTUM),
    )
    bounds = ak.index.Index64(offsets.astype(np.int64))
    events = ak.Array(ak.contents.ListOffsetArray(bounds, content))
    definition = fastjet.JetDefinition(getattr(fastjet, ALGORITHMS[algorithm]), radius)
    sequence = fastjet.ClusterSequence(events, definition)
    jets = sequence.inclusive_jets(min_pt)
    constituents = sequence.constituent_index(min_pt)
    flat = ak.flatten(jets)
    event = np.repeat(np.arange(len(offsets) - 1), ak.to_numpy(ak.num(jets)))
    counts = ak.to_numpy(ak.num(ak.flatten(constituents, axis=1)))
    index = ak.to_numpy(ak.flatten(constituents, axis=None)).astype(np.int64)
    return ClusteredJets(
        event,
        np.stack([ak.to_numpy(flat[name]) for name in _MOMENTUM], -1),
        np.repeat(offsets[event], counts) + index,
        np.concatenate(([0], np.cumsum(counts))),
    )


def _fastjet() -> Any:
    """The module, without its banner on the standard output."""
    fastjet = require("fastjet", "generate")
    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)
    return fastjet
