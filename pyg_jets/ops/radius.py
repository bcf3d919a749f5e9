r"""The particles within a distance of each particle, within its jet."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.distances import (
    LANES,
    allocate_lanes,
    check_coordinates,
    check_finite,
    distance_reference,
    distances_kernel,
    fill_lanes,
    pair_chunks,
)
from pyg_jets.ops.kernel import kernel, over_jets, use_float32_kernels
from pyg_jets.ops.pointer import check_pointer, counts_to_ptr

__all__ = ["radius", "radius_reference"]


def radius(x: Tensor, ptr: Tensor, r: float, azimuth: int | None = None) -> tuple[Tensor, Tensor]:
    r"""All other particles of its jet with :math:`d_{ij} \le r`, for each particle.

    Args:
        x: Coordinates, ``[N, D]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        r: The largest distance.
        azimuth: The column that is an angle (rad), whose differences wrap; ``None`` for none.

    Returns:
        The neighbours ``[E]`` int64, rows of ``x`` in rising order for each particle, and their
        pointer ``[N + 1]``.

    Raises:
        ValueError: If ``x`` and ``ptr`` do not fit together, ``r`` is negative, or a coordinate is
            not finite.

    Examples:
        >>> x = torch.tensor([[0.0], [1.0], [3.0], [0.0], [1.0]])
        >>> radius(x, torch.tensor([0, 3, 5]), 1.5)
        (tensor([1, 0, 4, 3]), tensor([0, 1, 2, 2, 3, 4]))
    """
    column = check_coordinates(x, ptr, azimuth)
    if not 0 <= r < math.inf:
        raise ValueError(f"Expected a radius r of at least 0, but got {r}.")
    return _radius(x.detach(), ptr, float(r), column)


def radius_reference(x: Tensor, ptr: Tensor, r: float, azimuth: int = -1) -> tuple[Tensor, Tensor]:
    """:func:`radius` in plain torch, on any device."""
    centres, others = [ptr.new_empty(0)], [ptr.new_empty(0)]
    for centre, other in pair_chunks(ptr, width=x.size(1)):
        near = distance_reference(x, centre, other, azimuth) <= r * r
        centres.append(centre[near])
        others.append(other[near])
    counts = torch.bincount(torch.cat(centres), minlength=len(x))
    return torch.cat(others), counts_to_ptr(counts)


@kernel
def radius_kernel(x, ptr, square, azimuth, counts, out, start, stop):
    """Count the neighbours of each particle, or with ``out [E]`` also write them.

    In the second case ``counts`` begins as the place of each particle's first neighbour in ``out``.
    """
    lanes, distances = allocate_lanes(ptr, x.shape[1], start, stop), np.empty(4 * LANES, np.float32)
    for j in range(start, stop):
        first, n = ptr[j], ptr[j + 1] - ptr[j]
        fill_lanes(x, first, n, lanes)
        for i in range(0, n, 4):
            for block in range((n + LANES - 1) // LANES):
                distances_kernel(x, first, n, i, azimuth, lanes, n, block, distances)
                begin = LANES * block
                for r in range(min(4, n - i)):
                    if 0 <= i + r - begin < LANES:
                        distances[r * LANES + i + r - begin] = np.inf
                    near = distances[r * LANES : r * LANES + min(n - begin, LANES)]
                    if len(out) == 0:
                        counts[first + i + r] += (near <= square).sum()
                        continue
                    place = counts[first + i + r]
                    for m in range(len(near)):
                        if near[m] <= square:
                            out[place] = first + begin + m
                            place += 1
                    counts[first + i + r] = place


@torch.library.custom_op("pyg_jets::radius", mutates_args=())
def _radius(x: Tensor, ptr: Tensor, r: float, azimuth: int) -> tuple[Tensor, Tensor]:
    check_pointer(ptr, len(x))
    check_finite(x, ptr)
    if not use_float32_kernels(x):
        return radius_reference(x, ptr, r, azimuth)
    points, pointer = x.contiguous().numpy(), ptr.contiguous().numpy()
    square, copies = np.float32(r * r), points.shape[1] + 4

    def run(counts: np.ndarray, neighbours: np.ndarray) -> None:
        over_jets(
            lambda a, b: radius_kernel(points, pointer, square, azimuth, counts, neighbours, a, b),
            pointer,
            copies=copies,
        )

    counts = np.zeros(len(points), np.int64)
    run(counts, np.empty(0, np.int64))
    out_ptr = counts_to_ptr(torch.from_numpy(counts))
    neighbours = np.empty(int(out_ptr[-1]), np.int64)
    if len(neighbours):
        run(out_ptr.numpy().copy(), neighbours)
    return torch.from_numpy(neighbours), out_ptr


@_radius.register_fake
def _(x: Tensor, ptr: Tensor, r: float, azimuth: int) -> tuple[Tensor, Tensor]:
    n_edges = torch.library.get_ctx().new_dynamic_size()
    return ptr.new_empty(n_edges), ptr.new_empty(x.size(0) + 1)
