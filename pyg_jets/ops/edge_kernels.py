"""Kernels over the edges of a table of neighbours, ``z [N · k, F]`` and ``index [N, k]``."""

from __future__ import annotations

import numpy as np

from pyg_jets.ops.kernel import kernel

__all__ = [
    "masked_sums_kernel",
    "moments_kernel",
    "norm_backward_kernel",
    "norm_kernel",
    "norm_mean_kernel",
    "slopes_kernel",
    "take_off_kernel",
]


@kernel
def moments_kernel(z, index, sums, start, stop):
    """Add up values and squares of the edges of the particles ``start … stop - 1``."""
    k = index.shape[1]
    total, squares = sums[0], sums[1]
    for i in range(start, stop):
        for m in range(k):
            if index[i, m] >= 0:
                row = z[i * k + m]
                for f in range(len(row)):
                    value = np.float64(row[f])
                    total[f] += value
                    squares[f] += value * value


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
def slopes_kernel(grad, z, index, rows, centre, reduce, sums, start, stop):
    """Add up, over the edges where the ReLU is open, the gradient, and that times z - μ."""
    k, scale, shift, zero = index.shape[1], rows[0], rows[1], np.float32(0)
    total, product = sums[0], sums[1]
    for i in range(start, stop):
        share = np.float32(1)
        if reduce:
            share /= np.float32(max((index[i] >= 0).sum(), 1))
        for m in range(k):
            if index[i, m] < 0:
                continue
            row, slope = z[i * k + m], grad[i if reduce else i * k + m]
            for f in range(len(row)):
                opens = row[f] * scale[f] + shift[f] > zero
                value = slope[f] * share if opens else zero
                total[f] += np.float64(value)
                product[f] += np.float64(value * (row[f] - centre[f]))


@kernel
def norm_backward_kernel(grad, z, index, rows, centre, means, reduce, out, start, stop):
    """The gradient of each edge; ``means`` are those of the gradient and of its share along z."""
    k, scale, shift, zero = index.shape[1], rows[0], rows[1], np.float32(0)
    plain, along = means[0], means[1]
    for i in range(start, stop):
        share = np.float32(1)
        if reduce:
            share /= np.float32(max((index[i] >= 0).sum(), 1))
        for m in range(k):
            into = out[i * k + m]
            if index[i, m] < 0:
                into[:] = zero
                continue
            row, slope = z[i * k + m], grad[i if reduce else i * k + m]
            for f in range(len(row)):
                opens = row[f] * scale[f] + shift[f] > zero
                value = slope[f] * share if opens else zero
                into[f] = scale[f] * (value - plain[f] - (row[f] - centre[f]) * along[f])


# A compiler takes several columns at once only where few arrays could overlap: so each loop below
# has few of them, and what is changed in place goes through a row of its own.
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
        if (e - start) % 64 == 63 or e == stop - 1:  # float32 for a few, float64 for all
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
