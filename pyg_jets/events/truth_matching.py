"""Truth matching, vectorised over events: which decay or hard parton a jet contains.

Distances are √(Δy² + Δφ²) with the rapidity y, as in the anti-kt algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pyg_jets import kinematics

__all__ = ["EventRecord", "TruthParticles", "find_truth_particles", "match_jets"]

_TOP, _W = 6, 24
# The outgoing partons of the hardest subprocess have these places in Pythia's event record.
_HARD = (5, 6)


@dataclass(frozen=True)
class EventRecord:
    """Pythia's event records, one after the other: a column for each property.

    Args:
        offsets: Where each event begins, ``[E + 1]``.
        columns: ``id, status, daughter1, daughter2`` (places in the event), ``px, py, pz, e, m``.
        events: Columns of whole events, ``[E]``: ``pthat`` (GeV), and ``weight_…``, the ratios of
            the shower's variations.
    """

    offsets: np.ndarray
    columns: dict[str, np.ndarray]
    events: dict[str, np.ndarray] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def event_of(self, rows: np.ndarray) -> np.ndarray:
        """Index of the event of the particles in these rows."""
        return np.searchsorted(self.offsets, rows, side="right") - 1

    def daughters(self, rows: np.ndarray) -> np.ndarray:
        """Rows of both daughters of the particles in these rows, ``[…, 2]``."""
        places = np.stack((self["daughter1"][rows], self["daughter2"][rows]), -1)
        return self.offsets[self.event_of(rows)][:, None] + places

    def direction(self, rows: np.ndarray) -> np.ndarray:
        """(rapidity, φ) of the particles in these rows, ``[…, 2]``."""
        pt, eta, phi, mass = kinematics.to_cylindrical(
            *(self[name][rows] for name in ("px", "py", "pz", "e"))
        )
        return np.stack((kinematics.rapidity(pt, eta, mass), phi), -1)


@dataclass(frozen=True)
class TruthParticles:
    """The ``K`` decays or hard partons that jets are matched to.

    Args:
        event: The event of each, rising, ``[K]``.
        pdgid: PDG id of each, ``[K]``.
        directions: (y, φ) of the particle and of its decay quarks, ``[K, 1 + quarks, 2]``.
    """

    event: np.ndarray
    pdgid: np.ndarray
    directions: np.ndarray


def find_truth_particles(record: EventRecord, resonance: int) -> TruthParticles:
    """Find the last copies of a resonance before its decay, or the hard partons.

    Args:
        record: The events.
        resonance: 24 (W), 23 (Z) or 6 (top); 0 for the hard partons.
    """
    if resonance == 0:
        rows = _hard_partons(record)
        quarks = np.empty((len(rows), 0), np.int64)
    elif resonance == _TOP:
        rows, quarks = _decayed_tops(record)
    else:
        rows, quarks = _last_copies(record, resonance)
    directions = record.direction(np.concatenate((rows[:, None], quarks), axis=1))
    return TruthParticles(record.event_of(rows), record["id"][rows], directions)


def _last_copies(record: EventRecord, pdgid: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the copies of a particle that decay, and of their two decay products."""
    decayed = (np.abs(record["id"]) == pdgid) & (record["status"] < 0)
    rows = np.flatnonzero(decayed & (record["daughter1"] > 0))
    products = record.daughters(rows)
    last = (np.abs(record["id"][products]) != pdgid).all(1) & (products[:, 0] != products[:, 1])
    return rows[last], products[last]


def _decayed_tops(record: EventRecord) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the tops that decay, and of b and the two quarks of the W of the same sign."""
    tops, products = _last_copies(record, _TOP)
    bosons, quarks = _last_copies(record, _W)
    is_w = np.abs(record["id"][products]) == _W
    one_w = is_w.sum(1) == 1
    tops, products, is_w = tops[one_w], products[one_w], is_w[one_w]
    # A top and its W share event and sign.
    top_key, w_key = (
        2 * record.event_of(rows) + (record["id"][rows] > 0) for rows in (tops, bosons)
    )
    order = np.argsort(w_key, kind="stable")
    w_key = w_key[order]
    index = np.minimum(np.searchsorted(w_key, top_key), max(len(w_key) - 1, 0))
    has_w = w_key[index] == top_key if len(w_key) else np.zeros(len(tops), bool)
    index, tops, products, is_w = index[has_w], tops[has_w], products[has_w], is_w[has_w]
    return tops, np.column_stack((products[~is_w], quarks[order[index]]))


def _hard_partons(record: EventRecord) -> np.ndarray:
    """Rows of the two hard partons, followed through recoils up to their first branching."""
    rows = (record.offsets[:-1, None] + np.array(_HARD)).ravel()
    for _ in range(1000):  # a chain of copies is far shorter
        daughters = record.daughters(rows)
        copied = (daughters[:, 0] == daughters[:, 1]) & (record["daughter1"][rows] > 0)
        copied &= record["id"][daughters[:, 0]] == record["id"][rows]
        if not copied.any():
            break
        rows = np.where(copied, daughters[:, 0], rows)
    return rows


def match_jets(
    truth: TruthParticles, event: np.ndarray, y: np.ndarray, phi: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Match each jet to the nearest truth particle of its event that it contains.

    A jet contains a truth particle if the particle and all its decay quarks are within ``radius``.

    Args:
        truth: From :func:`find_truth_particles`.
        event: The event of each jet, ``[J]``.
        y: Rapidities of the jets, ``[J]``.
        phi: Azimuths of the jets, ``[J]`` (rad).
        radius: The largest distance.

    Returns:
        Whether each jet is matched, and the PDG id of its match, 0 where there is none.
    """
    matched, flavour = np.zeros(len(event), bool), np.zeros(len(event), np.int64)
    nearest = np.full(len(event), np.inf)
    first = np.searchsorted(truth.event, event)
    count = np.searchsorted(truth.event, event, side="right") - first
    for k in range(int(count.max(initial=0))):
        jets = np.flatnonzero(count > k)
        candidate = first[jets] + k
        where = truth.directions[candidate]
        distance = kinematics.delta_r(where[..., 0], where[..., 1], y[jets, None], phi[jets, None])
        better = (distance < radius).all(1) & (distance[:, 0] < nearest[jets])
        jets = jets[better]
        matched[jets], flavour[jets] = True, truth.pdgid[candidate[better]]
        nearest[jets] = distance[better, 0]
    return matched, flavour
