r"""The nearest harder particle of the same group, within a jet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets, use_float32_kernels
from pyg_jets.ops.pointer import check_pointer, check_ragged

__all__ = ["nearest_harder", "nearest_harder_reference"]

#: Pairs of particles that plain torch holds at a time.
_MAX_PAIRS = 1 << 22


def nearest_harder(pos: Tensor, pt: Tensor, group: Tensor, ptr: Tensor) -> Tensor:
    r"""For each particle the nearest one of its jet and group that has more pT.

    .. math::
        j(i) = \operatorname{argmin}_{j:\, p_j > p_i,\, g_j = g_i} |x_i - x_j|

    Of particles with the same pT the one with the smaller row counts as harder, so that following
    the neighbours always ends, at the hardest particle of a group at the latest. Of several at the
    same distance the hardest is taken. Indices have no gradient.

    Args:
        pos: Coordinates, such as (η, φ) relative to the jet, ``[N, D]``.
        pt: pT of the particles, or what else orders them, ``[N]``.
        group: Group of each particle, such as its kind, ``[N]`` int64; below 0 for particles that
            have no neighbour and are none.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** rows ``[N]`` int64; a particle without a harder neighbour has its own

    Raises:
        ValueError: If the shapes do not fit together.

    Examples:
        >>> pos, pt = torch.tensor([[0.0], [1.0], [1.2], [1.3]]), torch.tensor([9.0, 5.0, 7.0, 1.0])
        >>> nearest_harder(pos, pt, torch.tensor([0, 0, 0, 1]), torch.tensor([0, 4])).tolist()
        [0, 2, 0, 3]
    """
    check_ragged(pos, ptr)
    if pt.shape != pos.shape[:1] or group.shape != pt.shape or group.dtype != torch.int64:
        raise ValueError(
            f"Expected pt [{len(pos)}] and group [{len(pos)}] int64, but got {list(pt.shape)} and "
            f"{list(group.shape)} {group.dtype}."
        )
    return _nearest_harder(pos.detach(), pt.detach(), group, ptr)


def nearest_harder_reference(pos: Tensor, pt: Tensor, group: Tensor, ptr: Tensor) -> Tensor:
    """:func:`nearest_harder` in plain torch, on any device: padded pairs, some jets at a time."""
    rows = torch.arange(len(pos), device=pos.device)
    out, counts = rows.clone(), ptr.diff()
    if not len(pos):
        return out
    longest = int(counts.max())
    step = max(_MAX_PAIRS // longest**2, 1)
    for start in range(0, len(counts), step):
        first, n = ptr[start : start + step][: len(counts) - start], counts[start : start + step]
        number = torch.arange(longest, device=pos.device)
        real = number < n.unsqueeze(1)  # [jets, longest]
        row = torch.where(real, first.unsqueeze(1) + number, 0)
        x, p, g = pos[row], pt[row], group[row]
        harder = (p.unsqueeze(1) > p.unsqueeze(2)) | (
            (p.unsqueeze(1) == p.unsqueeze(2)) & (row.unsqueeze(1) < row.unsqueeze(2))
        )
        same = (g.unsqueeze(1) == g.unsqueeze(2)) & (g >= 0).unsqueeze(2)
        harder &= same & real.unsqueeze(1) & real.unsqueeze(2)
        distance = (x.unsqueeze(2) - x.unsqueeze(1)).square().sum(-1)
        distance = torch.where(harder, distance, torch.inf)
        nearest = distance == distance.min(2, keepdim=True).values
        # of those at the least distance the hardest, and of these the first
        hardest = torch.where(nearest & harder, p.unsqueeze(1), -torch.inf).argmax(2)
        has = real & harder.any(2)
        out[row[has]] = row.gather(1, hardest)[has]
    return out


@kernel
def nearest_harder_kernel(pos, pt, group, ptr, out, start, stop):
    """All pairs of those particles of a jet that are in a group, which are listed first."""
    longest = 0
    for j in range(start, stop):
        longest = max(longest, ptr[j + 1] - ptr[j])
    rows, near = np.empty(longest, np.int64), np.empty((longest, pos.shape[1]), np.float32)
    groups, hardness = np.empty(longest, np.int64), np.empty(longest, np.float32)
    for j in range(start, stop):
        n = 0
        for i in range(ptr[j], ptr[j + 1]):
            out[i] = i
            if group[i] >= 0:
                rows[n], groups[n], hardness[n] = i, group[i], pt[i]
                for f in range(pos.shape[1]):
                    near[n, f] = pos[i, f]
                n += 1
        for i in range(n):
            least, most = np.float32(np.inf), np.float32(-np.inf)
            for k in range(n):
                harder = hardness[k] > hardness[i] or (hardness[k] == hardness[i] and k < i)
                if not harder or groups[k] != groups[i]:
                    continue
                distance = np.float32(0)
                for f in range(pos.shape[1]):
                    distance += (near[i, f] - near[k, f]) * (near[i, f] - near[k, f])
                if distance < least or (distance == least and hardness[k] > most):
                    least, most, out[rows[i]] = distance, hardness[k], rows[k]


@torch.library.custom_op("pyg_jets::nearest_harder", mutates_args=())
def _nearest_harder(pos: Tensor, pt: Tensor, group: Tensor, ptr: Tensor) -> Tensor:
    check_pointer(ptr, len(pos))
    if not use_float32_kernels(pos, pt):
        return nearest_harder_reference(pos, pt, group, ptr)
    out = torch.empty_like(group)
    arrays = [t.contiguous().numpy() for t in (pos, pt, group, ptr, out)]
    over_jets(lambda a, b: nearest_harder_kernel(*arrays, a, b), arrays[3])
    return out


@_nearest_harder.register_fake
def _(pos: Tensor, pt: Tensor, group: Tensor, ptr: Tensor) -> Tensor:
    return torch.empty_like(group)
