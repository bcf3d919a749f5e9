"""Squared distances of the particles of one jet: common to ``knn``, ``radius`` and ``nearest``.

The plain torch way lists all pairs of a jet. The kernel takes four particles at a time against a
block of 128 others, which lie side by side in memory ("lanes"), one coordinate after the other, so
that a processor works on several of them with each instruction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel
from pyg_jets.ops.pointer import check_ragged

__all__ = [
    "LANES",
    "allocate_lanes",
    "check_coordinates",
    "check_finite",
    "distance_reference",
    "distances_kernel",
    "fill_lanes",
    "lanes_end",
    "pair_chunks",
]

#: Numbers that plain torch holds at a time.
_MAX_NUMBERS = 1 << 24
_TURN = np.float32(2 * math.pi)
#: Particles in a block, and where the second to fourth row of distances to such a block begin.
LANES = 128
_ROW, _ROW2, _ROW3 = np.uint64(LANES), np.uint64(2 * LANES), np.uint64(3 * LANES)


def check_coordinates(x: Tensor, ptr: Tensor, azimuth: int | None) -> int:
    """Check the shape of coordinates ``x [N, D]``; returns the column of the azimuth, -1 for none.

    Raises:
        ValueError: If ``x`` and ``ptr`` do not fit together, or there is no such column.
    """
    check_ragged(x, ptr)
    if x.size(1) == 0:
        raise ValueError("Expected x [N, D] with at least one coordinate, but got D = 0.")
    if azimuth is not None and not -x.size(1) <= azimuth < x.size(1):
        raise ValueError(
            f"Expected azimuth as one of the {x.size(1)} columns of x, but got {azimuth}."
        )
    return -1 if azimuth is None else azimuth % x.size(1)


def check_finite(x: Tensor, ptr: Tensor) -> None:
    """Refuse coordinates that are not finite, on the CPU.

    On another device nothing is checked, since reading the values would wait for the device.

    Raises:
        ValueError: Naming the first such particle and its jet.
    """
    if x.device.type != "cpu" or bool(torch.isfinite(x.sum())):
        return
    wrong = ~torch.isfinite(x).all(1)
    if not wrong.any():  # only the sum is too large
        return
    row = int(wrong.nonzero()[0])
    jet = int(torch.searchsorted(ptr, row, right=True)) - 1
    raise ValueError(
        f"Jet {jet}, particle {row - int(ptr[jet])}, has coordinates that are not finite "
        f"({', '.join(f'{v:g}' for v in x[row].tolist())}): drop or mend it beforehand."
    )


def pair_chunks(ptr: Tensor, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """All ordered pairs of two particles of one jet, in chunks of whole jets.

    Args:
        ptr: Ragged pointer ``[J + 1]`` int64.
        width: Numbers that will be held for each pair, by which the size of chunks is chosen.

    Yields:
        Rows of the first and of the second particle of each pair, sorted.

    Examples:
        >>> next(pair_chunks(torch.tensor([0, 2, 3]), width=1))
        (tensor([0, 1]), tensor([1, 0]))
    """
    counts = ptr.diff()
    total = torch.cat((counts.new_zeros(1), (counts * (counts - 1)).cumsum(0)))
    chunk = max(_MAX_NUMBERS // max(width, 1), 1)
    start, n_jets = 0, len(counts)
    while start < n_jets:
        limit = total[start] + chunk
        stop = max(int(torch.searchsorted(total, limit, right=True)) - 1, start + 1)
        n = counts[start:stop]
        rows = torch.arange(int(ptr[start]), int(ptr[stop]), device=ptr.device)
        n_others = (n - 1).clamp(min=0).repeat_interleave(n)
        centre = rows.repeat_interleave(n_others)
        # The others of a particle are numbered from the first of its jet, leaving itself out.
        number = torch.arange(len(centre), device=ptr.device)
        number -= (n_others.cumsum(0) - n_others).repeat_interleave(n_others)
        other = ptr[start:stop].repeat_interleave(n).repeat_interleave(n_others) + number
        yield centre, other + (other >= centre).long()
        start = stop


def distance_reference(x: Tensor, centre: Tensor, other: Tensor, azimuth: int) -> Tensor:
    """Squared distances of pairs, ``[P]``, in plain torch.

    Args:
        x: Coordinates, ``[N, D]``.
        centre: Rows of the first particles, ``[P]``.
        other: Rows of the second particles, ``[P]``.
        azimuth: The column that is an angle (rad), whose differences wrap; -1 for none.
    """
    difference = x[other] - x[centre]
    if azimuth >= 0:
        turns = torch.floor(difference[:, azimuth] / (2 * math.pi) + 0.5)
        difference[:, azimuth] -= 2 * math.pi * turns
    return difference.square().sum(1)


@kernel(inline="always")
def _sum_of_squares(a, b, c, d):
    return a * a + b * b + c * c + d * d


@kernel(inline="always")
def _sum_of_3_squares(a, b, c):
    return a * a + b * b + c * c


@kernel(inline="always")
def _wrapped_square(angle):
    angle -= _TURN * np.float32(math.floor(angle / _TURN + np.float32(0.5)))
    return angle * angle


@kernel
def allocate_lanes(ptr, n_columns, start, stop):
    """A flat array for the lanes of the longest of the jets ``start … stop - 1``."""
    longest = 0
    for j in range(start, stop):
        longest = max(longest, ptr[j + 1] - ptr[j])
    return np.zeros((longest + 127) // 128 * n_columns * 128, np.float32)


@kernel
def fill_lanes(x, first, n, lanes):
    """Copy the coordinates of a jet to lanes: ``[(block, column), lane]``."""
    n_columns = x.shape[1]
    for i in range(n):
        begin = (i // 128) * n_columns * 128 + i % 128
        for f in range(n_columns):
            lanes[begin + f * 128] = x[first + i, f]


@kernel(inline="always")
def lanes_end(n, block):
    """Lanes of a block that hold particles, rounded up to a multiple of 32."""
    return (min(n - 128 * block, 128) + 31) // 32 * 32


@kernel(fastmath={"contract"})
def distances_kernel(x, first, n, i, azimuth, lanes, n_lanes, block, out):
    """Squared distances of the particles ``i … i + 3`` of a jet to all those of a block of lanes.

    Four particles and four or three columns at a time, so that each number is loaded a quarter as
    often, and each sum stored; at this size all of it stays in registers. ``out`` has a row of 128
    lanes for each of the four particles; entries behind the jet's last particle have no meaning.
    Rows of one flat array and unsigned indices tell the compiler that nothing overlaps.
    """
    end, n_columns = np.uint64(lanes_end(n_lanes, block)), x.shape[1]
    p, last = first + i, first + n - 1
    q, r, s = min(p + 1, last), min(p + 2, last), min(p + 3, last)
    for lane in range(end):
        out[lane] = out[_ROW + lane] = np.float32(0)
        out[_ROW2 + lane] = out[_ROW3 + lane] = np.float32(0)
    f = 0
    while f < n_columns:
        at = np.uint64((block * n_columns + f) * 128)
        if f + 4 <= n_columns and not f <= azimuth < f + 4:
            p0, p1, p2, p3 = x[p, f], x[p, f + 1], x[p, f + 2], x[p, f + 3]
            q0, q1, q2, q3 = x[q, f], x[q, f + 1], x[q, f + 2], x[q, f + 3]
            r0, r1, r2, r3 = x[r, f], x[r, f + 1], x[r, f + 2], x[r, f + 3]
            s0, s1, s2, s3 = x[s, f], x[s, f + 1], x[s, f + 2], x[s, f + 3]
            for lane in range(end):
                a, b = lanes[at + lane], lanes[at + _ROW + lane]
                c, d = lanes[at + _ROW2 + lane], lanes[at + _ROW3 + lane]
                out[lane] += _sum_of_squares(a - p0, b - p1, c - p2, d - p3)
                out[_ROW + lane] += _sum_of_squares(a - q0, b - q1, c - q2, d - q3)
                out[_ROW2 + lane] += _sum_of_squares(a - r0, b - r1, c - r2, d - r3)
                out[_ROW3 + lane] += _sum_of_squares(a - s0, b - s1, c - s2, d - s3)
            f += 4
            continue
        if f + 3 <= n_columns and not f <= azimuth < f + 3:
            p0, p1, p2 = x[p, f], x[p, f + 1], x[p, f + 2]
            q0, q1, q2 = x[q, f], x[q, f + 1], x[q, f + 2]
            r0, r1, r2 = x[r, f], x[r, f + 1], x[r, f + 2]
            s0, s1, s2 = x[s, f], x[s, f + 1], x[s, f + 2]
            for lane in range(end):
                a, b, c = lanes[at + lane], lanes[at + _ROW + lane], lanes[at + _ROW2 + lane]
                out[lane] += _sum_of_3_squares(a - p0, b - p1, c - p2)
                out[_ROW + lane] += _sum_of_3_squares(a - q0, b - q1, c - q2)
                out[_ROW2 + lane] += _sum_of_3_squares(a - r0, b - r1, c - r2)
                out[_ROW3 + lane] += _sum_of_3_squares(a - s0, b - s1, c - s2)
            f += 3
            continue
        p0, q0, r0, s0 = x[p, f], x[q, f], x[r, f], x[s, f]
        if f == azimuth:
            for lane in range(end):
                a = lanes[at + lane]
                out[lane] += _wrapped_square(a - p0)
                out[_ROW + lane] += _wrapped_square(a - q0)
                out[_ROW2 + lane] += _wrapped_square(a - r0)
                out[_ROW3 + lane] += _wrapped_square(a - s0)
        else:
            for lane in range(end):
                a = lanes[at + lane]
                out[lane] += (a - p0) * (a - p0)
                out[_ROW + lane] += (a - q0) * (a - q0)
                out[_ROW2 + lane] += (a - r0) * (a - r0)
                out[_ROW3 + lane] += (a - s0) * (a - s0)
        f += 1
