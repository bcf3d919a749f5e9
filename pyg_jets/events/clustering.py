"""Jet finding: FastJet over the particles of many events at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.files import require

__all__ = ["ALGORITHMS", "NEUTRINOS", "ClusteredJets", "cluster_events"]

#: PDG ids, without sign, of the particles that no detector sees.
NEUTRINOS = (12, 14, 16)

#: Sequential recombination algorithms, by our name and that of FastJet.
ALGORITHMS = {
    "antikt": "antikt_algorithm",
    "kt": "kt_algorithm",
    "cambridge": "cambridge_algorithm",
}
_MOMENTUM = ("px", "py", "pz", "E")


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
