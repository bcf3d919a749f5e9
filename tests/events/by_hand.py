"""FastJet by hand: one event at a time, one particle at a time."""

from __future__ import annotations

from math import inf

import fastjet
import numpy as np

__all__ = ["by_hand", "random_events"]

_swig = fastjet._swig
_ALGORITHMS = {
    "antikt": _swig.antikt_algorithm,
    "kt": _swig.kt_algorithm,
    "ca": _swig.cambridge_algorithm,
}


def by_hand(
    events, radius: float, algorithm: str = "antikt", pt=(0.0, inf), eta_max: float = inf
) -> list[tuple[int, float, float, float, float, list[int]]]:
    """``(event, pt, eta, phi, mass, indices of the constituents)`` of each jet, hardest first.

    Args:
        events: For each event an array ``[n, 4]`` of (pt, eta, phi, mass), float64.
    """
    _swig.ClusterSequence.set_fastjet_banner_stream(None)
    definition = _swig.JetDefinition(_ALGORITHMS[algorithm], radius)
    jets = []
    for number, particles in enumerate(events):
        inputs = []
        for i, (p, eta, phi, m) in enumerate(np.asarray(particles, float)):
            momentum = p * np.cos(phi), p * np.sin(phi), p * np.sinh(eta)
            energy = np.sqrt(p**2 * np.cosh(eta) ** 2 + m**2)
            one = _swig.PseudoJet(*(float(c) for c in (*momentum, energy)))
            one.set_user_index(i)
            inputs.append(one)
        sequence = _swig.ClusterSequence(inputs, definition)
        for jet in _swig.sorted_by_pt(sequence.inclusive_jets(pt[0])):
            if jet.pt() < pt[1] and abs(jet.eta()) < eta_max:
                members = sorted(c.user_index() for c in jet.constituents())
                jets.append((number, jet.pt(), jet.eta(), jet.phi_std(), jet.m(), members))
    return jets


def random_events(n_events: int, seed: int = 1, mean: int = 40) -> list[np.ndarray]:
    """Events of (pt, eta, phi, mass): a few sprays of particles each; the second has none."""
    rng = np.random.default_rng(seed)
    events = []
    for number in range(n_events):
        n = 0 if number == 1 else rng.integers(mean // 2, 2 * mean)
        spray = rng.integers(0, 4, n)
        axis = rng.uniform((-2.5, -np.pi), (2.5, np.pi), (4, 2))[spray]
        where = axis + rng.normal(0, 0.2, (n, 2))
        where[:, 1] = (where[:, 1] + np.pi) % (2 * np.pi) - np.pi
        pt = rng.exponential(8, n) + 0.2
        events.append(np.column_stack((pt, where, rng.choice([0, 0.13957, 0.938], n))))
    return [event.astype(np.float32).astype(float) for event in events]
