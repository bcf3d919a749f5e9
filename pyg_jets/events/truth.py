"""Truth matching, vectorised over events: which decay or parton a jet holds.

Distances are √(Δy² + Δφ²) with the rapidity y, as in the anti-kt algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_jets import kinematics

__all__ = ["EventRecord", "Truth", "find_truth", "match"]

_W = 24
# The outgoing partons of the hardest subprocess have these places in Pythia's event record.
_HARD = (5, 6)


@dataclass(frozen=True)
class EventRecord:
    """Pythia's event records, one after the other: a column for each property.

    Args:
        offsets: Where each event begins, ``[E + 1]``.
        columns: ``id, status, daughter1, daughter2`` (places in the event), ``px, py, pz, e, m``.
    """

    offsets: np.ndarray
    columns: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def direction(self, rows: np.ndarray) -> np.ndarray:
        """(rapidity, φ) of the particles in these rows, ``[…, 2]``."""
        pt, eta, phi, mass = kinematics.to_cylindrical(
            *(self[name][rows] for name in ("px", "py", "pz", "e"))
        )
        return np.stack((kinematics.rapidity(pt, eta, mass), phi), -1)


@dataclass(frozen=True)
class Truth:
    """What may be matched: ``K`` decays or partons.

    Args:
        event: The event of each, rising, ``[K]``.
        pdgid: PDG id of each, ``[K]``.
        points: (y, φ) of the particle itself and then of its decay quarks, ``[K, 1 + quarks, 2]``.
    """

    event: np.ndarray
    pdgid: np.ndarray
    points: np.ndarray


def find_truth(record: EventRecord, resonance: int) -> Truth:
    """Find the last copies of a resonance before its decay, or the hard partons.

    Args:
        record: The events.
        resonance: 24, 23 or 6; 0 for the hard partons.
    """
    if resonance == 0:
        rows = _hard_partons(record)
        quarks = np.empty((len(rows), 0), np.int64)
    elif resonance == 6:
        rows, quarks = _top_quarks(record)
    else:
        rows, quarks = _last_copies(record, resonance)
    event = np.searchsorted(record.offsets, rows, side="right") - 1
    points = record.direction(np.concatenate((rows[:, None], quarks), axis=1))
    return Truth(event, record["id"][rows], points)


def _daughters(record: EventRecord, rows: np.ndarray) -> np.ndarray:
    """Rows of both daughters, ``[K, 2]``."""
    begins = record.offsets[np.searchsorted(record.offsets, rows, side="right") - 1]
    places = np.stack((record["daughter1"][rows], record["daughter2"][rows]), -1)
    return begins[:, None] + places


def _last_copies(record: EventRecord, pdgid: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the copies that decay, and of their two decay products."""
    decayed = (np.abs(record["id"]) == pdgid) & (record["status"] < 0)
    rows = np.flatnonzero(decayed & (record["daughter1"] > 0))
    products = _daughters(record, rows)
    last = (np.abs(record["id"][products]) != pdgid).all(1) & (products[:, 0] != products[:, 1])
    return rows[last], products[last]


def _top_quarks(record: EventRecord) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the tops that decay, and of b and the two quarks of the W of the same sign."""
    tops, products = _last_copies(record, 6)
    bosons, quarks = _last_copies(record, _W)
    is_w = np.abs(record["id"][products]) == _W
    one_w = is_w.sum(1) == 1
    tops, products, is_w = tops[one_w], products[one_w], is_w[one_w]

    def key(rows: np.ndarray) -> np.ndarray:
        event = np.searchsorted(record.offsets, rows, side="right") - 1
        return 2 * event + (record["id"][rows] > 0)

    order = np.argsort(key(bosons), kind="stable")
    wanted, there = key(tops), key(bosons)[order]
    at = np.minimum(np.searchsorted(there, wanted), max(len(there) - 1, 0))
    found = there[at] == wanted if len(there) else np.zeros(len(tops), bool)
    at, tops, products, is_w = at[found], tops[found], products[found], is_w[found]
    return tops, np.column_stack((products[~is_w], quarks[order[at]]))


def _hard_partons(record: EventRecord) -> np.ndarray:
    """Rows of the two hard partons, followed through recoils up to their first branching."""
    rows = (record.offsets[:-1, None] + np.array(_HARD)).ravel()
    for _ in range(1000):  # a chain of copies is far shorter
        daughters = _daughters(record, rows)
        copied = (daughters[:, 0] == daughters[:, 1]) & (record["daughter1"][rows] > 0)
        copied &= record["id"][daughters[:, 0]] == record["id"][rows]
        if not copied.any():
            break
        rows = np.where(copied, daughters[:, 0], rows)
    return rows


def match(
    truth: Truth, event: np.ndarray, y: np.ndarray, phi: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Match jets to the truth of their event.

    Args:
        truth: From :func:`find_truth`.
        event: The event of each jet, ``[J]``.
        y: Rapidities ``[J]``.
        phi: Azimuths ``[J]`` (rad).
        radius: The distance that every point of the truth must keep.

    Returns:
        Whether each jet is matched, and the PDG id of its match, 0 where there is none.
    """
    matched, flavour = np.zeros(len(event), bool), np.zeros(len(event), np.int64)
    nearest = np.full(len(event), np.inf)
    first = np.searchsorted(truth.event, event)
    count = np.searchsorted(truth.event, event, side="right") - first
    for k in range(int(count.max(initial=0))):
        has = np.flatnonzero(count > k)
        which = first[has] + k
        points = truth.points[which]
        distance = kinematics.delta_r(points[..., 0], points[..., 1], y[has, None], phi[has, None])
        better = (distance < radius).all(1) & (distance[:, 0] < nearest[has])
        jets = has[better]
        matched[jets], flavour[jets] = True, truth.pdgid[which[better]]
        nearest[jets] = distance[better, 0]
    return matched, flavour
