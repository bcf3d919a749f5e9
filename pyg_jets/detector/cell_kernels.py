"""The detector's steps on cells, as kernels over flat buffers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyg_jets.detector.calorimeter import GridTable
from pyg_jets.detector.elementary import fast, jitable
from pyg_jets.detector.random import philox
from pyg_jets.detector.reference import cosh

_U, _F = np.uint64, np.float32
_S32, _MASK = np.uint64(32), np.uint64(0xFFFFFFFF)
_TWO_PI, _HALF, _ONE64 = np.float32(2 * math.pi), np.float32(0.5), np.uint64(1)

# De Bruijn's sequence: its six highest bits, after a shift by n, are different for each n.
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_POSITION = np.zeros(64, np.uint8)
for _bit in range(64):
    _POSITION[(int(_DE_BRUIJN) << _bit & 0xFFFFFFFFFFFFFFFF) >> 58] = _bit


@fast
def cell_pt(measured: Any, eta: Any, kind: Any, energetic: Any, pt: Any) -> None:
    """pT of cells, which are massless, from their measured energy or pT."""
    for i in range(len(pt)):
        e = measured[i]
        pt[i] = e / cosh(eta[i]) if energetic[kind[i]] else e


@fast
def draw_cell_words(
    number: Any, variant: Any, ids: Any, k0: Any, k1: Any, w0: Any, w3: Any
) -> None:
    """Two random words for each cell."""
    for i in range(len(number)):
        low, high = _U(ids[i]) & _MASK, _U(ids[i]) >> _S32
        words = philox(_U(number[i]), _U(variant[i]), low, high, k0, k1)
        w0[i] = np.uint32(words[0])
        w3[i] = np.uint32(words[3])


@jitable
def find_bin(value: Any, edges: Any, n: Any, scale: Any) -> Any:
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
def find_cells(
    eta: Any, phi: Any, kind: Any, grid: GridTable, has_keep: Any, keep: Any, cell: Any
) -> None:
    """Number of the cell that absorbs each particle, or -1: all of some kinds, of others those
    whose ``keep`` is not set, which left no track."""
    cell[: len(eta)] = -1
    of_kind, always = grid.of_kind, grid.always
    for c in range(len(grid.rows)):
        rows, columns, first = grid.rows[c], grid.columns[c], grid.first[c]
        etas, phis, merge = grid.eta_edges[c], grid.phi_edges[c], grid.merge[c]
        low, high, periodic = phis[0], phis[columns], grid.periodic[c]
        eta_scale = _F(rows) / (etas[rows] - etas[0])
        phi_scale = _F(columns) / (high - low)
        for i in range(len(eta)):
            if of_kind[kind[i]] != c:
                continue
            if not always[kind[i]] and (keep[i] or not has_keep):
                continue
            row, azimuth = find_bin(eta[i], etas, rows, eta_scale), phi[i]
            if row < 0 or row >= rows:
                continue
            if periodic:
                azimuth = azimuth + _TWO_PI if azimuth < low else azimuth
                azimuth = azimuth - _TWO_PI if azimuth >= high else azimuth
            column = find_bin(azimuth, phis, columns, phi_scale)
            if periodic:
                column = min(max(column, 0), columns - 1)
            if column >= 0 and column < columns:
                cell[i] = first + row * columns + column // merge[row] * merge[row]


@jitable
def lowest_bit(bits: Any) -> Any:
    """Position of the lowest set bit, by De Bruijn's sequence."""
    return np.int64(_POSITION[((bits & (~bits + _ONE64)) * _DE_BRUIJN) >> _U(58)])


@fast
def drop_absorbed(kind: Any, always: Any, has_keep: Any, keep: Any) -> None:
    """Clear ``keep`` of the particles that a calorimeter absorbs."""
    for i in range(len(kind)):
        keep[i] = (keep[i] | (not has_keep)) & (not always[kind[i]])


@fast
def sum_into_cells(
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
                    w = t * 64 + lowest_bit(top)
                    top &= top - _ONE64
                    word = words[w]
                    words[w] = _U(0)
                    while word:
                        place = w * 64 + lowest_bit(word)
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
def cell_centres(number: Any, grid: GridTable, kind: Any, eta: Any, phi: Any, pdgid: Any) -> None:
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
