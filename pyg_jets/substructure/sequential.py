r"""Sequential clustering inside each jet: kt, Cambridge/Aachen, anti-kt and generalized kt.

The two pseudojets of the least distance

.. math::
    d_{ij} = \min(p_{T,i}^{2p}, p_{T,j}^{2p})\, \Delta R_{ij}^2 / R^2, \qquad
    d_{iB} = p_{T,i}^{2p}

are merged, or a pseudojet is called a jet if its distance to the beam is the least, until nothing
is left (arXiv 0802.1189; :math:`\Delta R` in rapidity and azimuth; p = 1 is kt, 0 Cambridge/Aachen,
−1 anti-kt). Without a radius there is no beam, and everything ends in one pseudojet.

Distances are computed in the order and with the rounding of FastJet's ``N2Plain``, so that exact
ties are decided as FastJet decides them.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.errors import InputError, did_you_mean
from pyg_jets.ops.kernel import kernel

__all__ = [
    "ALGORITHMS",
    "cluster_jet",
    "direction",
    "distance_scale",
    "exponent",
    "reference_clustering",
]

#: Names of algorithms, as FastJet and awkward have them, and the exponent p of each.
ALGORITHMS = {
    "kt": 1.0,
    "cambridge_aachen": 0.0,
    "cambridge": 0.0,
    "ca": 0.0,
    "antikt": -1.0,
}

_TWO_PI = 2 * math.pi
#: The rapidity of what flies along the beam is this and its momentum more, as in FastJet.
_MAX_RAPIDITY = 1e5


def exponent(algorithm: str | float) -> float:
    """The exponent p of an algorithm.

    Args:
        algorithm: ``"kt"``, ``"ca"`` (also ``"cambridge_aachen"``, ``"cambridge"``), ``"antikt"``,
            with or without FastJet's ending ``_algorithm``, or a number p.

    Raises:
        ValueError: For an unknown name, or a number that is not finite.

    Examples:
        >>> exponent("anti-kt"), exponent("cambridge_aachen_algorithm"), exponent(0.5)
        (-1.0, 0.0, 0.5)
    """
    if isinstance(algorithm, Real) and not isinstance(algorithm, bool):
        if math.isfinite(algorithm):
            return float(algorithm)
    elif isinstance(algorithm, str):
        name = algorithm.lower().removesuffix("_algorithm").translate(str.maketrans("", "", "-_ /"))
        for known, power in ALGORITHMS.items():
            if known.replace("_", "") == name:
                return power
    raise InputError(
        f"Unknown algorithm {algorithm!r}: expected {', '.join(map(repr, ALGORITHMS))}, or the "
        f"exponent p of generalized kt as a number.{did_you_mean(str(algorithm), ALGORITHMS)}"
    )


def reference_clustering(
    momenta: Any, algorithm: str | float, radius: float | None = None, scheme: str = "E"
) -> list[tuple[int, int, float, float]]:
    """The steps of the clustering of one jet, by all distances at each step, in plain Python.

    Args:
        momenta: ``(px, py, pz, E)`` of each particle, ``[n, 4]`` (GeV).
        algorithm: As in :func:`exponent`.
        radius: R, or ``None`` for no beam.
        scheme: ``"E"`` or ``"wta"``.

    Returns:
        For each step the two pseudojets merged (the second is −1 for the beam, and in the last
        step), d and ΔR. Particles are 0 … n − 1, what step s makes is n + s.

    Examples:
        >>> steps = reference_clustering([[1, 0, 0, 1], [0, 2, 0, 2], [0, 3, 1, 4]], "kt")
        >>> [step[:2] for step in steps]
        [(1, 2), (0, 3), (4, -1)]
    """
    power, nodes = exponent(algorithm), [np.asarray(p, np.float64) for p in momenta]
    places = [direction.py_func(p) for p in nodes]
    active, steps = list(range(len(nodes))), []
    while active:
        best = (active[0], -1, math.inf, math.inf)
        for a, i in enumerate(active):
            own = distance_scale.py_func(places[i][2], power)
            if radius is not None and own < best[2]:
                best = (i, -1, own, radius)
            for j in active[a + 1 :]:
                delta_phi = abs(kinematics.delta_phi(np.array([places[i][1]]), places[j][1])[0])
                delta_r = math.hypot(places[i][0] - places[j][0], delta_phi)
                d = min(own, distance_scale.py_func(places[j][2], power)) * delta_r**2
                d = d if radius is None else d / radius**2
                if d < best[2]:
                    best = (i, j, d, delta_r)
        i, j = best[:2]
        nodes.append(nodes[i] + nodes[j] if j >= 0 else np.zeros(4))
        places.append(direction.py_func(nodes[-1]))
        if scheme == "wta" and j >= 0:
            winner = i if places[i][2] >= places[j][2] else j
            y, phi, pt2 = places[winner]
            pt = math.sqrt(places[i][2]) + math.sqrt(places[j][2])
            pz, energy = nodes[winner][2:]
            mass = math.sqrt(abs((energy + pz) * (energy - pz) - pt2))
            _, pz, energy = kinematics.longitudinal(*(np.array([v]) for v in (pt, y, mass)))
            nodes[-1] = np.array([pt * math.cos(phi), pt * math.sin(phi), pz[0], energy[0]])
            places[-1] = (y, phi, pt * pt)
        steps.append(best)
        active = [k for k in active if k not in (i, j)] + [len(nodes) - 1] * (j >= 0)
    return steps


@kernel
def direction(p):
    """(rapidity, azimuth in [0, 2π), pT²) of the momentum ``p`` = (px, py, pz, E)."""
    pt2 = p[0] * p[0] + p[1] * p[1]
    m2 = max(0.0, (p[3] + p[2]) * (p[3] - p[2]) - pt2)
    along = p[3] + abs(p[2])
    square = along * along
    if pt2 + m2 > 0.0 and square > 0.0:
        rapidity = 0.5 * np.log((pt2 + m2) / square)
    else:
        rapidity = -(_MAX_RAPIDITY + abs(p[2]))
        if p[2] == 0.0:
            rapidity = -rapidity
    if p[2] > 0.0:
        rapidity = -rapidity
    phi = 0.0
    if pt2 > 0.0:
        phi = np.arctan2(p[1], p[0])
        if phi < 0.0:
            phi += _TWO_PI
        if phi >= _TWO_PI:  # a tiny negative azimuth was rounded up
            phi -= _TWO_PI
    return rapidity, phi, pt2


@kernel
def distance_scale(pt2, power):
    """pT^(2p), the distance to the beam."""
    if power == 1.0:
        return pt2
    if power == 0.0:
        return 1.0
    if power == -1.0:
        return 1.0 / pt2 if pt2 > 1e-300 else 1e300
    if power < 0.0 and pt2 < 1e-300:
        pt2 = 1e-300
    return pt2**power


@kernel
def _distances(k, n, y, phi, to):
    """Write ΔR² of the pseudojet ``k`` to the first ``n``."""
    y_k, phi_k = y[k], phi[k]
    for m in range(n):
        delta_phi = abs(phi_k - phi[m])
        delta_phi = min(delta_phi, _TWO_PI - delta_phi)
        delta_y = y_k - y[m]
        to[m] = delta_phi * delta_phi + delta_y * delta_y


@kernel
def _nearest(k, n, to, scale, radius2):
    """The first of the nearest pseudojets to ``k``, or −1; its distance squared; the least d."""
    best, nearest = radius2, -1
    to[k] = np.inf
    for m in range(n):
        if to[m] < best:
            best, nearest = to[m], m
    return nearest, best, best * (scale[k] if nearest < 0 else min(scale[k], scale[nearest]))


@kernel
def _merge(a, b, made, nodes, directions, winner_takes_all):
    """Write the momentum and the direction of ``made`` = ``a`` and ``b`` merged; return pT²."""
    for c in range(4):
        nodes[made, c] = nodes[a, c] + nodes[b, c]
    y, phi, pt2 = direction(nodes[made])
    if winner_takes_all:
        pt2_a = nodes[a, 0] * nodes[a, 0] + nodes[a, 1] * nodes[a, 1]
        pt2_b = nodes[b, 0] * nodes[b, 0] + nodes[b, 1] * nodes[b, 1]
        winner = a if pt2_a >= pt2_b else b
        y, phi = directions[winner, 0], directions[winner, 1]
        if max(pt2_a, pt2_b) > 0.0:  # otherwise no direction carries the sum of both
            p, pt = nodes[winner], np.sqrt(pt2_a) + np.sqrt(pt2_b)
            m2 = abs((p[3] + p[2]) * (p[3] - p[2]) - max(pt2_a, pt2_b))
            transverse_mass, exp_y = np.sqrt(pt * pt + m2), np.exp(y)
            plus, minus = transverse_mass * exp_y, transverse_mass / exp_y
            nodes[made, 0], nodes[made, 1] = pt * np.cos(phi), pt * np.sin(phi)
            nodes[made, 2], nodes[made, 3] = 0.5 * (plus - minus), 0.5 * (plus + minus)
            pt2 = nodes[made, 0] * nodes[made, 0] + nodes[made, 1] * nodes[made, 1]
    directions[made, 0], directions[made, 1] = y, phi
    return y, phi, pt2


@kernel
def cluster_jet(
    particles, power, radius2, winner_takes_all, nodes, directions, merged, distance, delta_r
):
    """Cluster one jet, with nearest neighbours, in O(n²).

    Args:
        particles: (px, py, pz, E) of each particle, ``[n, 4]`` float64 (GeV).
        power: The exponent p.
        radius2: R², or infinity for no beam.
        winner_takes_all: Whether a merged pseudojet has the direction of the harder one.
        nodes: ``[2n, 4]``, written: the particles, then what each step made (GeV); 0 for the beam.
        directions: ``[2n, 2]``, written: rapidity and azimuth in [0, 2π) of the nodes.
        merged: ``[n, 2]`` int64, written: the two nodes of each step, the lesser first; the second
            is −1 for the beam and in the last step.
        distance: ``[n]``, written: d of each step.
        delta_r: ``[n]``, written: ΔR of each step; R for the beam.
    """
    n = len(particles)
    y, phi, scale, nearest2, d = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    neighbour, node = np.empty(n, np.int64), np.arange(n)
    to, to_new = np.empty(n), np.empty(n)
    per_radius2 = 1.0 / radius2 if radius2 < np.inf else 1.0
    for k in range(n):
        for c in range(4):
            nodes[k, c] = particles[k, c]
        y[k], phi[k], pt2 = direction(nodes[k])
        directions[k, 0], directions[k, 1] = y[k], phi[k]
        scale[k] = distance_scale(pt2, power)
        _distances(k, k, y, phi, to)
        neighbour[k], nearest2[k], d[k] = _nearest(k, k, to, scale, radius2)
        for m in range(k):
            if to[m] < nearest2[m]:
                neighbour[m], nearest2[m] = k, to[m]
    for k in range(n):
        # The pair of the least distance is (k, nearest neighbour of k) for one of the two.
        d[k] = nearest2[k] * (scale[k] if neighbour[k] < 0 else min(scale[k], scale[neighbour[k]]))
    for step in range(n):
        left, made, i = n - step - 1, n + step, 0
        for k in range(1, left + 1):
            if d[k] < d[i]:
                i = k
        j = neighbour[i]
        distance[step], delta_r[step] = d[i] * per_radius2, np.sqrt(nearest2[i])
        if j >= 0:
            if i < j:
                i, j = j, i  # what is made takes the lesser place, the last one the other
            a, b = min(node[i], node[j]), max(node[i], node[j])
            merged[step, 0], merged[step, 1] = a, b
            y[j], phi[j], pt2 = _merge(a, b, made, nodes, directions, winner_takes_all)
            scale[j], node[j] = distance_scale(pt2, power), made
        else:
            merged[step, 0], merged[step, 1] = node[i], -1
            nodes[made] = 0.0
            directions[made] = 0.0
        y[i], phi[i], scale[i], node[i] = y[left], phi[left], scale[left], node[left]
        neighbour[i], nearest2[i], d[i] = neighbour[left], nearest2[left], d[left]
        if j >= 0:
            _distances(j, left, y, phi, to_new)
            neighbour[j], nearest2[j], d[j] = _nearest(j, left, to_new, scale, radius2)
        for k in range(left):
            if j >= 0 and to_new[k] < nearest2[k]:
                neighbour[k], nearest2[k] = j, to_new[k]
                d[k] = to_new[k] * min(scale[k], scale[j])
            elif neighbour[k] == i or (j >= 0 and neighbour[k] == j):
                _distances(k, left, y, phi, to)
                neighbour[k], nearest2[k], d[k] = _nearest(k, left, to, scale, radius2)
            elif neighbour[k] == left:
                neighbour[k] = i
