"""Pairs of particles of one jet: what neighbours and radii have in common."""

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
    "check_finite",
    "check_points",
    "distance_reference",
    "distances_kernel",
    "fill_lanes",
    "lanes_end",
    "pair_chunks",
    "room_for",
]

#: Numbers held at once.
_AT_ONCE = 1 << 24
_TURN = np.float32(2 * math.pi)
#: Points that are worked on together, and where the next rows of such begin.
LANES = 128
_ROW, _ROW2, _ROW3 = np.uint64(LANES), np.uint64(2 * LANES), np.uint64(3 * LANES)


def check_points(x: Tensor, ptr: Tensor, azimuth: int | None) -> int:
    """Check coordinates; returns the column of the azimuth, -1 for none.

    Raises:
        ValueError: If they are none.
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
    """Refuse coordinates that are not finite, on the CPU; another device would be waited for.

    Raises:
        ValueError: With the jet and the particle.
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


@kernel(inline="always")
def _norm(a, b, c, d):
    return a * a + b * b + c * c + d * d


@kernel(inline="always")
def _around(angle):
    angle -= _TURN * np.float32(math.floor(angle / _TURN + np.float32(0.5)))
    return angle * angle


@kernel
def room_for(ptr, n_columns, start, stop):
    """A flat array for the lanes of the longest of some jets."""
    longest = 0
    for j in range(start, stop):
        longest = max(longest, ptr[j + 1] - ptr[j])
    return np.zeros((longest + 127) // 128 * n_columns * 128, np.float32)


@kernel
def fill_lanes(x, first, n, lanes):
    """Copy a jet's points in blocks of 128, column by column: ``[(block, column), lane]``."""
    n_columns = x.shape[1]
    for i in range(n):
        begin = (i // 128) * n_columns * 128 + i % 128
        for f in range(n_columns):
            lanes[begin + f * 128] = x[first + i, f]


@kernel(inline="always")
def lanes_end(n, block):
    """Lanes of a block that hold points, rounded up to a multiple of 32."""
    return (min(n - 128 * block, 128) + 31) // 32 * 32


@kernel(fastmath={"contract"})
def distances_kernel(x, first, n, i, azimuth, lanes, n_lanes, block, out):
    """Squared distances of the points ``i … i + 3`` of a jet to all those of a block of lanes.

    Four rows and four columns at once, so that each number is loaded and each sum stored a quarter
    as often; at this size all of it stays in registers. ``out`` has a row of 128 lanes for each of
    the four points; what is behind the jet's last point means nothing. Rows of one flat array and
    indices without a sign tell the compiler that nothing overlaps.
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
                out[lane] += _norm(a - p0, b - p1, c - p2, d - p3)
                out[_ROW + lane] += _norm(a - q0, b - q1, c - q2, d - q3)
                out[_ROW2 + lane] += _norm(a - r0, b - r1, c - r2, d - r3)
                out[_ROW3 + lane] += _norm(a - s0, b - s1, c - s2, d - s3)
            f += 4
            continue
        p0, q0, r0, s0 = x[p, f], x[q, f], x[r, f], x[s, f]
        if f == azimuth:
            for lane in range(end):
                a = lanes[at + lane]
                out[lane] += _around(a - p0)
                out[_ROW + lane] += _around(a - q0)
                out[_ROW2 + lane] += _around(a - r0)
                out[_ROW3 + lane] += _around(a - s0)
        else:
            for lane in range(end):
                a = lanes[at + lane]
                out[lane] += (a - p0) * (a - p0)
                out[_ROW + lane] += (a - q0) * (a - q0)
                out[_ROW2 + lane] += (a - r0) * (a - r0)
                out[_ROW3 + lane] += (a - s0) * (a - s0)
        f += 1


def pair_chunks(ptr: Tensor, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """All ordered pairs of two particles of one jet, for some jets after the other.

    Args:
        ptr: Ragged pointer ``[J + 1]``.
        width: Numbers a pair that will be held.

    Yields:
        Rows of the first and of the second particle, sorted.
    """
    counts = ptr.diff()
    total = torch.cat((counts.new_zeros(1), (counts * (counts - 1)).cumsum(0)))
    at_once = max(_AT_ONCE // max(width, 1), 1)
    start, n_jets = 0, len(counts)
    while start < n_jets:
        limit = total[start] + at_once
        stop = max(int(torch.searchsorted(total, limit, right=True)) - 1, start + 1)
        yield _pairs(ptr[start : stop + 1])
        start = stop


def _pairs(ptr: Tensor) -> tuple[Tensor, Tensor]:
    counts = ptr.diff()
    rows = torch.arange(int(ptr[0]), int(ptr[-1]), device=ptr.device)
    begin, n_others = (v.repeat_interleave(counts) for v in (ptr[:-1], (counts - 1).clamp(min=0)))
    centre = rows.repeat_interleave(n_others)
    first = n_others.cumsum(0) - n_others
    place = torch.arange(len(centre), device=ptr.device) - first.repeat_interleave(n_others)
    other = begin.repeat_interleave(n_others) + place
    return centre, other + (other >= centre).long()


def distance_reference(x: Tensor, centre: Tensor, other: Tensor, azimuth: int) -> Tensor:
    """Squared distances of pairs, ``[P]``."""
    difference = x[other] - x[centre]
    if azimuth >= 0:
        turns = torch.floor(difference[:, azimuth] / (2 * math.pi) + 0.5)
        difference[:, azimuth] -= 2 * math.pi * turns
    return difference.square().sum(1)
