"""Sequential recombination inside jets, compiled: soft drop on Cambridge/Aachen, τ_N on kt axes.

FastJet's own soft drop costs 1.5 ms a jet through its batched interface, a fifth of an event; these
kernels take a few tens of microseconds for both and are held to FastJet's answers by the tests.
"""

from __future__ import annotations

import numpy as np

from pyg_jets.ops.kernel import kernel

__all__ = ["MAX_AXES", "groom", "subjettiness"]

#: τ_1 … τ_MAX_AXES are computed.
MAX_AXES = 4

_FAR = 1e300
_TWO_PI = 2 * np.pi


@kernel
def _place(p, geometry):
    """Write (rapidity, azimuth, pt²) of the momentum ``p`` = (px, py, pz, E)."""
    pt2 = p[0] * p[0] + p[1] * p[1]
    m2 = max(0.0, (p[3] + p[2]) * (p[3] - p[2]) - pt2)
    total = p[3] + abs(p[2])
    rapidity = 0.0
    if total > 0.0:
        above = pt2 + m2
        rapidity = 0.5 * np.log(above / (total * total)) if above > 0.0 else -1e5
    geometry[0] = -rapidity if p[2] > 0.0 else rapidity
    geometry[1] = np.arctan2(p[1], p[0])
    geometry[2] = pt2


@kernel
def _distance2(a, b):
    dphi = abs(a[1] - b[1])
    if dphi > np.pi:
        dphi = _TWO_PI - dphi
    return (a[0] - b[0]) ** 2 + dphi * dphi


@kernel
def _nearest(i, n, geometry, neighbour, nearest2):
    """Find the nearest of the ``n`` active ones to ``i``."""
    best, which = _FAR, -1
    for j in range(n):
        if j != i:
            d = _distance2(geometry[i], geometry[j])
            if d < best:
                best, which = d, j
    neighbour[i], nearest2[i] = which, best


@kernel
def _closest_pair(n, geometry, neighbour, nearest2, kt):
    # The pair of least distance is always (i, nearest neighbour of i) for one of the two.
    best, which = np.inf, 0
    for i in range(n):
        d = nearest2[i]
        if kt:
            d *= min(geometry[i, 2], geometry[neighbour[i], 2])
        if d < best:
            best, which = d, i
    return which


@kernel
def _merge(i, j, n, momenta, geometry, neighbour, nearest2):
    """Put the sum of ``i`` and ``j`` in the lower place, the last active one in the higher."""
    last = n - 1
    for k in range(4):
        momenta[i, k] += momenta[j, k]
        momenta[j, k] = momenta[last, k]
    _place(momenta[i], geometry[i])
    for k in range(3):
        geometry[j, k] = geometry[last, k]
    neighbour[j], nearest2[j] = neighbour[last], nearest2[last]
    for m in range(last):
        was = neighbour[m]
        if m == i or was in (i, j):
            _nearest(m, last, geometry, neighbour, nearest2)
            continue
        if was == last:
            neighbour[m] = j
        d = _distance2(geometry[m], geometry[i])
        if d < nearest2[m]:
            neighbour[m], nearest2[m] = i, d


@kernel
def _begin(particles, momenta, geometry, neighbour, nearest2):
    n = len(particles)
    for i in range(n):
        for k in range(4):
            momenta[i, k] = particles[i, k]
        _place(momenta[i], geometry[i])
    for i in range(n):
        _nearest(i, n, geometry, neighbour, nearest2)


@kernel
def _invariant_mass(p):
    m2 = (p[3] + p[2]) * (p[3] - p[2]) - p[0] * p[0] - p[1] * p[1]
    return np.sqrt(max(0.0, m2))


@kernel
def groom(momenta, ptr, start, stop, z_cut, masses):
    """Soft-drop mass (β = 0) of the jets ``start … stop - 1``, Cambridge/Aachen.

    Args:
        momenta: (px, py, pz, E) of every particle, ``[N, 4]`` float64 (GeV).
        ptr: The ragged pointer ``[J + 1]``.
        start: The first jet.
        stop: One past the last jet.
        z_cut: The least share of pT of the softer branch.
        masses: ``[J]``, written (GeV); 0 for an empty jet.
    """
    for jet in range(start, stop):
        first, n = ptr[jet], ptr[jet + 1] - ptr[jet]
        masses[jet] = 0.0
        if n == 0:
            continue
        nodes = np.empty((2 * n - 1, 4))
        parents = np.empty((2 * n - 1, 2), np.int64)
        _tree(momenta[first : first + n], nodes, parents)
        node = 2 * n - 2
        while node >= n:
            a, b = parents[node]
            pt_a, pt_b = np.hypot(nodes[a, 0], nodes[a, 1]), np.hypot(nodes[b, 0], nodes[b, 1])
            if min(pt_a, pt_b) > z_cut * (pt_a + pt_b):
                break
            node = a if pt_a >= pt_b else b
        masses[jet] = _invariant_mass(nodes[node])


@kernel
def _tree(particles, nodes, parents):
    """Cluster by angle: particles are nodes 0 … n - 1, the merged ones follow, the jet is last."""
    n = len(particles)
    active, geometry = np.empty((n, 4)), np.empty((n, 3))
    neighbour, nearest2 = np.empty(n, np.int64), np.empty(n)
    names = np.arange(n)
    nodes[:n] = particles
    _begin(particles, active, geometry, neighbour, nearest2)
    for made in range(n, 2 * n - 1):
        left = 2 * n - made
        one = _closest_pair(left, geometry, neighbour, nearest2, False)
        other = neighbour[one]
        i, j = min(one, other), max(one, other)
        parents[made, 0], parents[made, 1] = names[i], names[j]
        _merge(i, j, left, active, geometry, neighbour, nearest2)
        names[i], names[j] = made, names[left - 1]
        nodes[made] = active[i]


@kernel
def _spread(own, axes, n_axes):
    total = 0.0
    for i in range(len(own)):
        best = _FAR
        for k in range(n_axes):
            best = min(best, _distance2(own[i], axes[k]))
        total += np.sqrt(own[i, 2] * best)
    return total


@kernel
def subjettiness(momenta, ptr, start, stop, taus):
    """τ_1 … τ_4 (β = 1) of the jets ``start … stop - 1`` about their exclusive-kt axes.

    Args:
        momenta: (px, py, pz, E) of every particle, ``[N, 4]`` float64 (GeV).
        ptr: The ragged pointer ``[J + 1]``.
        start: The first jet.
        stop: One past the last jet.
        taus: ``[J, 4]``, written; 0 where a jet has no more than N particles.
    """
    for jet in range(start, stop):
        first, n = ptr[jet], ptr[jet + 1] - ptr[jet]
        taus[jet] = 0.0
        if n < 2:
            continue
        active, geometry = np.empty((n, 4)), np.empty((n, 3))
        neighbour, nearest2 = np.empty(n, np.int64), np.empty(n)
        _begin(momenta[first : first + n], active, geometry, neighbour, nearest2)
        own = geometry.copy()
        total = 0.0
        for i in range(n):
            total += np.sqrt(own[i, 2])
        for left in range(n, 1, -1):
            one = _closest_pair(left, geometry, neighbour, nearest2, True)
            other = neighbour[one]
            i, j = min(one, other), max(one, other)
            _merge(i, j, left, active, geometry, neighbour, nearest2)
            if left - 1 <= taus.shape[1] and total > 0.0:
                taus[jet, left - 2] = _spread(own, geometry, left - 1) / total
