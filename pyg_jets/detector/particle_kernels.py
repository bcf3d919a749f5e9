"""The detector's steps on particles, as kernels over flat buffers.

Each loop does one thing with few arrays: LLVM vectorises a loop only if it can check beforehand,
in few comparisons, that the arrays do not overlap.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyg_jets.detector.elementary import (
    FAR,
    fast,
    log1p,
    normal,
    normal_near,
    root,
    select,
    wrap,
)
from pyg_jets.detector.random import philox
from pyg_jets.detector.reference import energy_of, eta_of, log_normal, momentum_of, response, width2
from pyg_jets.detector.response import KINDS, ResponseTable

_U, _F = np.uint64, np.float32
_S32, _MASK = np.uint64(32), np.uint64(0xFFFFFFFF)
_TWO_PI64, _TURN64 = 2 * math.pi, 1 / (2 * math.pi)
_ZERO = np.float32(0)
#: The index of neutrinos, which no detector sees, after the visible kinds.
_VISIBLE = len(KINDS)
_TAIL, _FAR = np.uint32(0x7FFFFFFF), np.uint32(FAR)


@fast
def classify_kinds(pdgid: Any, charge: Any, kind: Any) -> int:
    """Index of the kind of each particle, as :func:`pyg_jets.detector.response.kind_of`.

    Returns:
        Number of neutrinos.
    """
    neutrinos = 0
    for i in range(len(pdgid)):
        code = abs(pdgid[i])
        charged = select(code == _F(11), 1, select(code == _F(13), 2, 0))
        neutrino = (code == _F(12)) | (code == _F(14)) | (code == _F(16))
        neutral = select(code == _F(22), 3, select(neutrino, 5, 4))
        kind[i] = select(charge[i] != _ZERO, charged, neutral)
        neutrinos += kind[i] == 5
    return neutrinos


@fast
def find_axis(jet: Any, about_jet: Any, y: Any, ratio: Any) -> Any:
    """Fill ``y`` and m_T / pT of one jet's particles; return (rapidity, φ) of its axis."""
    if not about_jet:
        for i in range(len(jet)):
            y[i], ratio[i] = np.float64(jet[i, 1]), _F(1)
        return 0.0, 0.0
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
def rotate_variant(
    y: Any, centre_y: Any, centre_phi: Any, cos: Any, sin: Any, eta: Any, phi: Any
) -> None:
    """Rotate one variant about the centre: rapidities ``y`` into ``eta``, φ in place."""
    for i in range(len(eta)):
        dy = y[i] - centre_y
        dphi = np.float64(phi[i]) - centre_phi
        dphi -= _TWO_PI64 * math.floor(dphi * _TURN64 + 0.5)
        turned = centre_phi + sin * dy + cos * dphi
        eta[i] = _F(centre_y + cos * dy - sin * dphi)
        phi[i] = _F(turned - _TWO_PI64 * math.floor(turned * _TURN64 + 0.5))


@fast
def rapidity_to_eta(ratio: Any, eta: Any) -> None:
    """Rapidity to η, in place."""
    for i in range(len(eta)):
        eta[i] = eta_of(eta[i], ratio[i])


@fast
def compute_energies(pt: Any, eta: Any, mass: Any, energy: Any) -> None:
    """E of each particle."""
    for i in range(len(pt)):
        energy[i] = energy_of(pt[i], eta[i], mass[i])


@fast
def measured_to_pt(measured: Any, eta: Any, mass: Any, kind: Any, energetic: Any, pt: Any) -> None:
    """pT from what was measured, the energy of some kinds and the pT of the others."""
    for i in range(len(pt)):
        moved = momentum_of(measured[i], eta[i], mass[i])
        pt[i] = select(energetic[kind[i]], moved, measured[i])


@fast
def choose_pt_or_energy(pt: Any, energy: Any, kind: Any, energetic: Any, value: Any) -> None:
    """The energy of some kinds, the pT of the others."""
    for i in range(len(value)):
        value[i] = energy[i] if energetic[kind[i]] else pt[i]


@fast
def draw_words(
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
def words_to_normals(words: Any, z: Any) -> None:
    """Standard normals from random words."""
    for i in range(len(z)):
        z[i] = normal_near(_U(words[i]))
    # the tails, 0.3 % of all, by themselves: in the loop above every lane would compute both
    for begin in range(0, len(z), 64):
        end, tails = min(begin + 64, len(z)), 0
        for word in words[begin:end]:
            tails += word & _TAIL < _FAR
        if tails:
            for i in range(begin, end):
                if words[i] & _TAIL < _FAR:
                    z[i] = normal(_U(words[i]))


@fast
def look_up_resolution(
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
def smear_with_constants(s: Any, kind: Any, table: ResponseTable, z: Any, b2: Any, b: Any) -> None:
    """Multiply by the response where σ/s is a constant of each kind, in place.

    It gives what :func:`look_up_resolution` and :func:`smear_measured` give, to the bit: logarithm
    and root are taken once for each kind, by the same functions.
    """
    squares, roots = np.empty(len(table.terms), np.float32), np.empty(len(table.terms), np.float32)
    for k in range(len(squares)):
        squares[k] = log1p(table.terms[k, 0, 0])
        roots[k] = root(squares[k])
    if (squares[:_VISIBLE] == squares[0]).all():
        b2_of_all, b_of_all = squares[0], roots[0]
        for i in range(len(s)):
            s[i] = s[i] * log_normal(b2_of_all, b_of_all, z[i])
        return
    for i in range(len(s)):
        b2[i] = squares[_U(kind[i])]
    for i in range(len(s)):
        b[i] = roots[_U(kind[i])]
    for i in range(len(s)):
        s[i] = s[i] * log_normal(b2[i], b[i], z[i])


@fast
def smear_measured(s: Any, relative2: Any, z: Any) -> None:
    """Multiply what is measured by the response, in place."""
    for i in range(len(s)):
        s[i] = s[i] * response(relative2[i], z[i])


@fast
def apply_efficiency(s: Any, kind: Any, minimum: Any, word: Any, chance: Any, keep: Any) -> None:
    """Whether each passes the efficiency and the threshold of its kind."""
    for i in range(len(s)):
        keep[i] = (np.int64(word[i]) < chance[i]) & (s[i] >= minimum[kind[i]])


@fast
def smear_directions(eta: Any, phi: Any, z_eta: Any, z_phi: Any, kind: Any, angles: Any) -> None:
    """Gaussian smearing of the direction, in place."""
    # unsigned indices into a flat table: with signed ones it does not vectorise
    flat = angles.reshape(-1)
    if (angles[:_VISIBLE] == angles[0]).all():
        sigma_eta, sigma_phi = angles[0, 0], angles[0, 1]
        for i in range(len(eta)):
            eta[i] = eta[i] + sigma_eta * z_eta[i]
        if sigma_phi > _ZERO:
            for i in range(len(phi)):
                phi[i] = wrap(phi[i] + sigma_phi * z_phi[i])
        return
    for i in range(len(eta)):
        eta[i] = eta[i] + flat[_U(kind[i]) * _U(2)] * z_eta[i]
    for i in range(len(phi)):
        sigma, before = flat[_U(kind[i]) * _U(2) + _U(1)], phi[i]
        phi[i] = select(sigma > _ZERO, wrap(before + sigma * z_phi[i]), before)


@fast
def assign_identity(kind: Any, identity: Any, charge: Any, mass: Any, pdgid: Any) -> None:
    """Write the PDG id and mass that each particle is identified with."""
    for i in range(len(kind)):
        code, taken = identity[kind[i], 0], identity[kind[i], 1]
        signed = select(charge[i] < _ZERO, -code, code)
        pdgid[i] = select(code == _ZERO, pdgid[i], signed)
        mass[i] = select(taken < _ZERO, mass[i], taken)


@fast
def rows_to_columns(
    rows: Any, first: Any, n: Any, pt: Any, eta: Any, phi: Any, mass: Any, charge: Any,
    pdgid: Any, at: Any,
) -> None:  # fmt: skip
    """Rows of six, as one flat array, into columns from ``at`` on."""
    begin = _U(at)
    # unsigned indices: numba then has no negative ones to look for, and LLVM vectorises
    for i in range(_U(n)):
        j = (_U(first) + i) * _U(6)
        pt[begin + i] = rows[j]
        eta[begin + i] = rows[j + _U(1)]
        phi[begin + i] = rows[j + _U(2)]
        mass[begin + i] = rows[j + _U(3)]
        charge[begin + i] = rows[j + _U(4)]
        pdgid[begin + i] = rows[j + _U(5)]


@fast
def columns_to_rows(
    pt: Any, eta: Any, phi: Any, mass: Any, charge: Any, pdgid: Any, n: Any, rows: Any, first: Any
) -> None:
    """Columns into rows of six, as one flat array, from row ``first`` on."""
    for i in range(_U(n)):
        j = (_U(first) + i) * _U(6)
        rows[j] = pt[i]
        rows[j + _U(1)] = eta[i]
        rows[j + _U(2)] = phi[i]
        rows[j + _U(3)] = mass[i]
        rows[j + _U(4)] = charge[i]
        rows[j + _U(5)] = pdgid[i]


@fast
def move_rows(rows: Any, target: int, source: int, count: int) -> None:
    """Move ``count`` rows down from ``source`` to ``target``."""
    flat = rows.reshape(-1)
    width = rows.shape[1]
    for i in range(count * width):
        flat[target * width + i] = flat[source * width + i]
