"""The steps of the detector as kernels over flat buffers.

Each loop does one thing with few arrays: LLVM vectorises a loop only if it can check beforehand,
in few comparisons, that the arrays do not overlap.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyg_jets.detector.elementary import jitable, normal, select, wrap
from pyg_jets.detector.grid import GridTable
from pyg_jets.detector.physics import cosh, energy_of, eta_of, momentum_of, response, width2
from pyg_jets.detector.random import philox
from pyg_jets.detector.response import ResponseTable
from pyg_jets.ops.kernel import kernel

#: Division by zero gives infinity: an exception would keep LLVM from vectorising.
fast = kernel(error_model="numpy")

_U, _F = np.uint64, np.float32
_S32, _MASK = np.uint64(32), np.uint64(0xFFFFFFFF)
_TWO_PI64, _TURN64 = 2 * math.pi, 1 / (2 * math.pi)
_TWO_PI, _HALF = np.float32(2 * math.pi), np.float32(0.5)
_ONE64, _ZERO = np.uint64(1), np.float32(0)
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_POSITION = np.zeros(64, np.uint8)
for _bit in range(64):
    _POSITION[(int(_DE_BRUIJN) << _bit & 0xFFFFFFFFFFFFFFFF) >> 58] = _bit


@jitable
def kind_of_one(pdgid: Any, charge: Any) -> Any:
    """Index of the kind of one particle, as :func:`pyg_jets.detector.response.kind_of`."""
    code = abs(np.int32(pdgid))
    charged = 1 if code == 11 else (2 if code == 13 else 0)
    neutrino = (code == 12) | (code == 14) | (code == 16)
    neutral = 3 if code == 22 else (5 if neutrino else 4)
    return charged if charge != 0 else neutral


@fast
def place(jet: Any, y: Any, ratio: Any) -> Any:
    """Fill ``y`` and m_T / pT of one jet's particles; return (rapidity, φ) of its axis."""
    px = py = pz = energy = 0.0
    for i in range(len(jet)):
        p, m, phi = np.float64(jet[i, 0]), np.float64(jet[i, 3]), np.float64(jet[i, 2])
        z = p * math.sinh(np.float64(jet[i, 1]))
        transverse = math.sqrt(p * p + m * m)
        y[i] = math.asinh(z / transverse) if transverse > 1e-30 else 0.0
        ratio[i] = _F(min(transverse / max(p, 1e-30), 1e15)) if p > 0.0 else _F(1)
        px += p * math.cos(phi)
        py += p * math.sin(phi)
        pz += z
        energy += math.sqrt(p * p + z * z + m * m)
    transverse = math.sqrt(max(energy * energy - pz * pz, px * px + py * py))
    centre = math.asinh(pz / transverse) if transverse > 1e-30 else 0.0
    return centre, math.atan2(py, px)


@fast
def turn(y: Any, centre_y: Any, centre_phi: Any, cos: Any, sin: Any, eta: Any, phi: Any) -> None:
    """Rotate one variant about the centre: rapidities ``y`` into ``eta``, φ in place."""
    for i in range(len(eta)):
        dy = y[i] - centre_y
        dphi = np.float64(phi[i]) - centre_phi
        dphi -= _TWO_PI64 * math.floor(dphi * _TURN64 + 0.5)
        turned = centre_phi + sin * dy + cos * dphi
        eta[i] = _F(centre_y + cos * dy - sin * dphi)
        phi[i] = _F(turned - _TWO_PI64 * math.floor(turned * _TURN64 + 0.5))


@fast
def directions(ratio: Any, eta: Any) -> None:
    """Rapidity to η, in place."""
    for i in range(len(eta)):
        eta[i] = eta_of(eta[i], ratio[i])


@fast
def energies(pt: Any, eta: Any, mass: Any, energy: Any) -> None:
    """E of each particle."""
    for i in range(len(pt)):
        energy[i] = energy_of(pt[i], eta[i], mass[i])


@fast
def momenta(measured: Any, eta: Any, mass: Any, kind: Any, energetic: Any, pt: Any) -> None:
    """pT where the energy was measured."""
    for i in range(len(pt)):
        if energetic[kind[i]]:
            pt[i] = momentum_of(measured[i], eta[i], mass[i])


@fast
def to_pt(measured: Any, eta: Any, kind: Any, energetic: Any, pt: Any) -> None:
    """pT of massless cells."""
    for i in range(len(pt)):
        e = measured[i]
        pt[i] = e / cosh(eta[i]) if energetic[kind[i]] else e


@fast
def choose(pt: Any, energy: Any, kind: Any, energetic: Any, value: Any) -> None:
    """The energy of some kinds, the pT of the others."""
    for i in range(len(value)):
        value[i] = energy[i] if energetic[kind[i]] else pt[i]


@fast
def draw(
    words: Any, ptr: Any, first: Any, last: Any, variants: Any, ids: Any, k0: Any, k1: Any
) -> None:
    """Random words for the particles of all variants of the jets ``first … last - 1``.

    Each variant fills whole blocks of 8, so that no lane is left to scalar code; the next one
    overwrites what is too much, and the buffer is 8 longer than it needs to be.
    """
    begin = 0
    for j in range(first, last):
        n, low, high = ptr[j + 1] - ptr[j], _U(ids[j]) & _MASK, _U(ids[j]) >> _S32
        for v in range(variants):
            end = begin + (n + 7) // 8 * 8
            w0, w1 = words[0, begin:end], words[1, begin:end]
            w2, w3 = words[2, begin:end], words[3, begin:end]
            for i in range(len(w0)):
                a, b, c, d = philox(_U(i), _U(v), low, high, k0, k1)
                w0[i] = np.uint32(a)
                w1[i] = np.uint32(b)
                w2[i] = np.uint32(c)
                w3[i] = np.uint32(d)
            begin += n


@fast
def draw_each(number: Any, variant: Any, ids: Any, k0: Any, k1: Any, w0: Any, w3: Any) -> None:
    """Two random words for each cell."""
    for i in range(len(number)):
        low, high = _U(ids[i]) & _MASK, _U(ids[i]) >> _S32
        words = philox(_U(number[i]), _U(variant[i]), low, high, k0, k1)
        w0[i] = np.uint32(words[0])
        w3[i] = np.uint32(words[3])


@fast
def normals(words: Any, z: Any) -> None:
    """Standard normals from random words."""
    for i in range(len(z)):
        z[i] = normal(_U(words[i]))


@fast
def figures(
    s: Any, eta: Any, pt: Any, kind: Any, table: ResponseTable, relative2: Any, chance: Any
) -> None:
    """(σ/s)² of each, and its efficiency in units of 2⁻³²."""
    n_regions, n_edges = table.limits.shape[1], table.pt_edges.shape[1]
    limits, pt_edges, terms = table.limits, table.pt_edges, table.terms
    chances = table.chance
    if n_regions == 1 and n_edges == 0:
        # no search, and unsigned indices into flat tables: this vectorises
        flat, limit, chance2 = terms.reshape(-1), limits.reshape(-1), chances.reshape(-1)
        for i in range(len(s)):
            k = _U(kind[i])
            r = k * _U(2) + (_U(1) if abs(eta[i]) > limit[k] else _U(0))
            chance[i] = chance2[r]
            r = r * _U(7)
            relative2[i] = width2(
                s[i], eta[i], flat[r], flat[r + _U(1)], flat[r + _U(2)], flat[r + _U(3)],
                flat[r + _U(4)], flat[r + _U(5)], flat[r + _U(6)],
            )  # fmt: skip
        return
    for i in range(len(s)):
        k, a, p = kind[i], abs(eta[i]), pt[i]
        region = 0
        while region < n_regions and a > limits[k, region]:
            region += 1
        pt_bin = 0
        while pt_bin < n_edges and p > pt_edges[k, pt_bin]:
            pt_bin += 1
        relative2[i] = width2(
            s[i], eta[i], terms[k, region, 0], terms[k, region, 1], terms[k, region, 2],
            terms[k, region, 3], terms[k, region, 4], terms[k, region, 5], terms[k, region, 6],
        )  # fmt: skip
        chance[i] = chances[k, region, pt_bin]


@fast
def respond(s: Any, relative2: Any, z: Any) -> None:
    """Multiply what is measured by the response, in place."""
    for i in range(len(s)):
        s[i] = s[i] * response(relative2[i], z[i])


@fast
def cut(s: Any, kind: Any, minimum: Any, word: Any, chance: Any, keep: Any) -> None:
    """Whether each is seen: by efficiency, and by the threshold of its kind."""
    for i in range(len(s)):
        keep[i] = (np.int64(word[i]) < chance[i]) & (s[i] >= minimum[kind[i]])


@fast
def shift(eta: Any, phi: Any, z_eta: Any, z_phi: Any, kind: Any, angles: Any) -> None:
    """Gaussian smearing of the direction, in place."""
    for i in range(len(eta)):
        eta[i] = eta[i] + angles[kind[i], 0] * z_eta[i]
    for i in range(len(phi)):
        sigma, before = angles[kind[i], 1], phi[i]
        phi[i] = select(sigma > _ZERO, wrap(before + sigma * z_phi[i]), before)


@jitable
def bin_of(value: Any, edges: Any, n: Any, scale: Any) -> Any:
    """Index of the last edge not above ``value``; -1 below the first, n from the last on."""
    if not value >= edges[0]:
        return -1
    if value >= edges[n]:
        return n
    # a guess as if the cells were alike, then a walk: exact for any edges, at once for even ones
    i = min(int((value - edges[0]) * scale), n - 1)
    while value < edges[i]:
        i -= 1
    while value >= edges[i + 1]:
        i += 1
    return i


@fast
def locate(eta: Any, phi: Any, kind: Any, grid: GridTable, cell: Any) -> None:
    """Number of the cell that absorbs each particle, or -1."""
    cell[: len(eta)] = -1
    of_kind = grid.of_kind
    for c in range(len(grid.rows)):
        rows, columns, first = grid.rows[c], grid.columns[c], grid.first[c]
        etas, phis, merge = grid.eta_edges[c], grid.phi_edges[c], grid.merge[c]
        low, high, periodic = phis[0], phis[columns], grid.periodic[c]
        eta_scale = _F(rows) / (etas[rows] - etas[0])
        phi_scale = _F(columns) / (high - low)
        for i in range(len(eta)):
            if of_kind[kind[i]] != c:
                continue
            row, azimuth = bin_of(eta[i], etas, rows, eta_scale), phi[i]
            if row < 0 or row >= rows:
                continue
            if periodic:
                azimuth = azimuth + _TWO_PI if azimuth < low else azimuth
                azimuth = azimuth - _TWO_PI if azimuth >= high else azimuth
            column = bin_of(azimuth, phis, columns, phi_scale)
            if periodic:
                column = min(max(column, 0), columns - 1)
            if column >= 0 and column < columns:
                cell[i] = first + row * columns + column // merge[row] * merge[row]


@jitable
def lowest(bits: Any) -> Any:
    """Position of the lowest set bit, by De Bruijn's sequence."""
    return np.int64(_POSITION[((bits & (~bits + _ONE64)) * _DE_BRUIJN) >> _U(58)])


@fast
def leave(kind: Any, of_kind: Any, seen: Any, keep: Any) -> None:
    """Do not keep what a calorimeter absorbs, as a particle."""
    for i in range(len(kind)):
        keep[i] = (keep[i] | (not seen)) & (of_kind[kind[i]] < 0)


@fast
def rename(kind: Any, identity: Any, charge: Any, mass: Any, pdgid: Any) -> None:
    """What each particle is taken for."""
    for i in range(len(kind)):
        code, taken = identity[kind[i], 0], identity[kind[i], 1]
        signed = select(charge[i] < _ZERO, -code, code)
        pdgid[i] = select(code == _ZERO, pdgid[i], signed)
        mass[i] = select(taken < _ZERO, mass[i], taken)


@fast
def gather(
    cell: Any, deposit: Any, ptr: Any, first: Any, last: Any, ids: Any, total: Any, words: Any,
    tops: Any, number: Any, value: Any, variant: Any, jet_id: Any, ends: Any,
    variants: Any,
) -> Any:  # fmt: skip
    """Sum the deposits of each variant into its cells, listed by number; return how many.

    Each cell that is hit sets a bit in ``words``, and each of these words one in ``tops``: going
    through the bits gives the cells in order, without a sort.
    """
    begin, end, k = 0, 0, 0
    for j in range(first, last):
        n = ptr[j + 1] - ptr[j]
        for v in range(variants):
            for i in range(begin, begin + n):
                place = cell[i]
                if place >= 0:
                    total[place] += np.float64(deposit[i])
                    words[place >> 6] |= _ONE64 << _U(place & 63)
                    tops[place >> 12] |= _ONE64 << _U((place >> 6) & 63)
            begin += n
            for t in range(len(tops)):
                top = tops[t]
                tops[t] = _U(0)
                while top:
                    w = t * 64 + lowest(top)
                    top &= top - _ONE64
                    word = words[w]
                    words[w] = _U(0)
                    while word:
                        place = w * 64 + lowest(word)
                        word &= word - _ONE64
                        number[end] = place
                        value[end] = _F(total[place])
                        variant[end], jet_id[end] = v, ids[j]
                        total[place] = 0.0
                        end += 1
            ends[k] = end
            k += 1
    return end


@fast
def describe(number: Any, grid: GridTable, kind: Any, eta: Any, phi: Any, pdgid: Any) -> None:
    """Calorimeter, centre and id of each cell."""
    first, columns, merge = grid.first, grid.columns, grid.merge
    etas, phis, ids = grid.eta_edges, grid.phi_edges, grid.pdgid
    for i in range(len(number)):
        c = 0
        while number[i] >= first[c + 1]:
            c += 1
        local = number[i] - first[c]
        row = local // columns[c]
        column = local - row * columns[c]
        kind[i], pdgid[i] = c, ids[c]
        eta[i] = (etas[c, row] + etas[c, row + 1]) * _HALF
        phi[i] = (phis[c, column] + phis[c, column + merge[c, row]]) * _HALF


@fast
def move(rows: Any, target: int, source: int, count: int) -> None:
    """Move ``count`` rows down from ``source`` to ``target``."""
    flat = rows.reshape(-1)
    width = rows.shape[1]
    for i in range(count * width):
        flat[target * width + i] = flat[source * width + i]
