"""Kernels over the edges of some particles, ``z [n · k, F]`` and ``index [n, k]``, -1 for none."""

from __future__ import annotations

import numpy as np

from pyg_jets.ops.kernel import kernel

__all__ = [
    "exchange_kernel",
    "masked_sums_kernel",
    "moments_kernel",
    "norm_kernel",
    "norm_mean_kernel",
    "spread_kernel",
    "spread_sums_kernel",
    "sum_back_kernel",
    "sum_kernel",
    "take_off_kernel",
]

# A compiler takes several columns at once only where few arrays could overlap: so each loop below
# has few of them, and what is changed in place goes through a row of its own. Sums are float32 for
# a few edges and float64 for all.
_FEW = 64


@kernel
def sum_kernel(u, v, index, out, start, stop):
    """The sum of both ends of each edge; without a neighbour, of the one end there is."""
    k = index.shape[1]
    for i in range(start, stop):
        own = u[i]
        for m in range(k):
            row, j = out[i * k + m], index[i, m]
            if j < 0:
                row[:] = own
                continue
            other = v[j]
            for f in range(len(own)):
                row[f] = own[f] + other[f]


@kernel
def sum_back_kernel(grad, index, first, to_u, to_v, start, stop):
    """Add gradients of edges up at both ends; ``grad`` begins with the particle ``first``.

    Neighbours lie in the same jet, so that ranges of whole jets never meet.
    """
    k = index.shape[1]
    to_u[start:stop] = np.float32(0)
    to_v[start:stop] = np.float32(0)
    for i in range(start, stop):
        own = to_u[i]
        for m in range(k):
            row, j = grad[(i - first) * k + m], index[i, m]
            for f in range(len(own)):
                own[f] += row[f]
            if j >= 0:
                other = to_v[j]
                for f in range(len(other)):
                    other[f] += row[f]


@kernel
def exchange_kernel(u, v, index, of_u, of_v, start, stop):
    """Each particle adds up the ``v`` of its neighbours, and hands its ``u`` to each of them."""
    for i in range(start, stop):
        own, into = u[i], of_v[i]
        for m in range(index.shape[1]):
            j = index[i, m]
            if j >= 0:
                other, back = v[j], of_u[j]
                for f in range(len(own)):
                    into[f] += other[f]
                for f in range(len(own)):
                    back[f] += own[f]


@kernel
def moments_kernel(z, index, centre, sums, start, stop):
    """Add up the values of real edges, less a centre, and their squares."""
    k, width = index.shape[1], z.shape[1]
    few, seen = np.zeros((2, width), np.float32), 0
    total, squares = few[0], few[1]
    for i in range(start, stop):
        for m in range(k):
            if index[i, m] >= 0:
                row = z[i * k + m]
                for f in range(width):
                    value = row[f] - centre[f]
                    total[f] += value
                    squares[f] += value * value
                seen += 1
        if seen >= _FEW or i == stop - 1:
            for f in range(width):
                sums[0, f] += total[f]
                sums[1, f] += squares[f]
            few[:] = np.float32(0)
            seen = 0


@kernel
def norm_kernel(z, index, rows, out, start, stop):
    """Normalise each edge and apply ReLU; 0 where there is no neighbour."""
    k, scale, shift, zero = index.shape[1], rows[0], rows[1], np.float32(0)
    for i in range(start, stop):
        for m in range(k):
            row, into = z[i * k + m], out[i * k + m]
            if index[i, m] < 0:
                into[:] = zero
                continue
            for f in range(len(row)):
                value = row[f] * scale[f] + shift[f]
                into[f] = zero if value <= zero else value


@kernel
def norm_mean_kernel(z, index, rows, out, start, stop):
    """The same, and the mean over the edges of each particle."""
    k, scale, shift, zero = index.shape[1], rows[0], rows[1], np.float32(0)
    for i in range(start, stop):
        into, count = out[i], 0
        into[:] = zero
        for m in range(k):
            if index[i, m] < 0:
                continue
            count += 1
            row = z[i * k + m]
            for f in range(len(row)):
                value = row[f] * scale[f] + shift[f]
                into[f] += zero if value <= zero else value
        share = np.float32(1) / np.float32(max(count, 1))
        for f in range(len(into)):
            into[f] *= share


@kernel
def spread_sums_kernel(z, index, rows, grad, sums, start, stop):
    """Gradients of means, shared out to edges with an open ReLU: their sum, and that times z."""
    k, width = index.shape[1], z.shape[1]
    scale, shift, zero = rows[0], rows[1], np.float32(0)
    few, slope = np.zeros((2, width), np.float32), np.empty(width, np.float32)
    total, product = few[0], few[1]
    for i in range(start, stop):
        share = np.float32(1) / np.float32(max((index[i] >= 0).sum(), 1))
        for f in range(width):
            slope[f] = grad[i, f] * share
        for m in range(k):
            if index[i, m] < 0:
                continue
            row = z[i * k + m]
            for f in range(width):
                value = slope[f] if row[f] * scale[f] + shift[f] > zero else zero
                total[f] += value
                product[f] += value * row[f]
        for f in range(width):
            sums[0, f] += total[f]
            sums[1, f] += product[f]
        few[:] = zero


@kernel
def spread_kernel(z, index, rows, grad, line, out, start, stop):
    """The same gradients of edges ``s``, as ``s · line[0] - line[1] - z · line[2]``."""
    k, width = index.shape[1], z.shape[1]
    scale, shift, zero = rows[0], rows[1], np.float32(0)
    slope, value = np.empty(width, np.float32), np.empty(width, np.float32)
    factor, offset, along = line[0], line[1], line[2]
    for i in range(start, stop):
        share = np.float32(1) / np.float32(max((index[i] >= 0).sum(), 1))
        for f in range(width):
            slope[f] = grad[i, f] * share * factor[f]
        for m in range(k):
            row, into = z[i * k + m], out[i * k + m]
            if index[i, m] < 0:
                into[:] = zero
                continue
            for f in range(width):
                value[f] = slope[f] if row[f] * scale[f] + shift[f] > zero else zero
            for f in range(width):
                into[f] = value[f] - offset[f] - row[f] * along[f]


@kernel
def masked_sums_kernel(slope, a, z, sums, start, stop):
    """Shut out gradients where activations are 0; add up the rest, and the rest times z."""
    width, zero = z.shape[1], np.float32(0)
    row, few = np.empty(width, np.float32), np.zeros((2, width), np.float32)
    total, product = few[0], few[1]
    for e in range(start, stop):
        into, active, value = slope[e], a[e], z[e]
        for f in range(width):
            row[f] = into[f] if active[f] > zero else zero
        for f in range(width):
            into[f] = row[f]
        for f in range(width):
            total[f] += row[f]
            product[f] += row[f] * value[f]
        if (e - start) % _FEW == _FEW - 1 or e == stop - 1:
            for f in range(width):
                sums[0, f] += total[f]
                sums[1, f] += product[f]
            few[:] = zero


@kernel
def take_off_kernel(slope, z, index, line, start, stop):
    """``slope · line[0] - line[1] - z · line[2]`` of real edges, in place."""
    k, width = index.shape[1], z.shape[1]
    row, scale, offset, along = np.empty(width, np.float32), line[0], line[1], line[2]
    for i in range(start, stop):
        for m in range(k):
            into, value = slope[i * k + m], z[i * k + m]
            if index[i, m] < 0:
                into[:] = np.float32(0)
                continue
            for f in range(width):
                row[f] = into[f] * scale[f] - offset[f] - value[f] * along[f]
            for f in range(width):
                into[f] = row[f]
