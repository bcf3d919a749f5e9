r"""The frame in which a jet's principal axis lies along η, and random turns out of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyg_jets.kinematics import jet_sum
from pyg_jets.ops import check_pointer, check_ragged, segment_expand
from pyg_jets.ops.kernel import kernel, over_jets, use_inference_kernels

__all__ = ["canonical_frame", "random_frames", "to_frame"]


def canonical_frame(x: Tensor, ptr: Tensor) -> Tensor:
    r"""The rotation or reflection of each jet after which all jets lie alike.

    The first row is the principal axis of :math:`\sum p_T (\eta, \phi)^\top (\eta, \phi)`, the
    second is normal to it. The sign of each is that for which :math:`\sum p_T u |u| \ge 0` of the
    coordinate u along it, so that the harder side is the positive one. A jet and the same jet
    rotated or reflected are the same in this frame.

    Args:
        x: Particles (pT, η, φ) relative to the jets' axes, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** orthogonal matrices ``[J, 2, 2]``, the unit matrix for a jet without extent

    Examples:
        >>> x = torch.tensor([[3.0, 0.0, -0.2], [1.0, 0.0, 0.4]])
        >>> canonical_frame(x, torch.tensor([0, 2])).abs().round(decimals=2)
        tensor([[[0., 1.],
                 [1., 0.]]])
    """
    pt, eta, phi = x.double().unbind(1)
    moments = torch.stack((pt * eta * eta, pt * eta * phi, pt * phi * phi), 1)
    along, mixed, across = jet_sum(moments, ptr).unbind(1)
    turn = 0.5 * torch.atan2(2 * mixed, along - across)
    frame = torch.stack((turn.cos(), turn.sin(), -turn.sin(), turn.cos()), 1).view(-1, 2, 2)
    u = to_frame(x.double(), ptr, frame)[:, 1:]
    side = jet_sum(pt.unsqueeze(1) * u * u.abs(), ptr)
    return (frame * torch.where(side < 0, -1.0, 1.0).unsqueeze(2)).to(x.dtype)


def to_frame(x: Tensor, ptr: Tensor, frame: Tensor) -> Tensor:
    """Jets in other frames; ``frame.mT`` leads back.

    Args:
        x: Particles (pT, η, φ) relative to the jets' axes, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        frame: Orthogonal matrices ``[J, 2, 2]`` that are applied to (η, φ).

    Examples:
        >>> frame = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> to_frame(torch.tensor([[9.0, 0.5, 0.25]]), torch.tensor([0, 1]), frame)
        tensor([[9.0000, 0.2500, 0.5000]])
    """
    frame = frame.to(x.dtype)
    if use_inference_kernels(x, frame):
        return _to_frame_by_kernel(x, ptr, frame)
    each = segment_expand(frame.flatten(1), ptr, len(x))
    turned = (each.view(-1, 2, 2) * x[:, None, 1:]).sum(2)
    return torch.cat((x[:, :1], turned), 1)


def random_frames(
    n_jets: int, generator: torch.Generator | None = None, device: torch.device | None = None
) -> Tensor:
    """Rotations by uniform angles, half of them with a reflection, ``[n_jets, 2, 2]``.

    Args:
        n_jets: How many.
        generator: Source of random numbers. Default: torch's own.
        device: Where to. Default: the CPU.

    Examples:
        >>> frames = random_frames(5, torch.Generator().manual_seed(0))
        >>> bool(torch.allclose(frames @ frames.mT, torch.eye(2).expand(5, 2, 2), atol=1e-6))
        True
    """
    uniform = torch.rand(n_jets, generator=generator, device=device)
    # one number for both: whether to reflect is whether the angle is in the second turn
    angle, mirrored = 4 * math.pi * uniform, torch.where(uniform < 0.5, 1.0, -1.0)
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack((cosine, -sine * mirrored, sine, cosine * mirrored), 1).view(-1, 2, 2)


@kernel
def frame_kernel(x, ptr, frame, out, start, stop):
    for j in range(start, stop):
        a, b, c, d = frame[j, 0, 0], frame[j, 0, 1], frame[j, 1, 0], frame[j, 1, 1]
        for i in range(ptr[j], ptr[j + 1]):
            eta, phi = x[i, 1], x[i, 2]
            out[i, 0], out[i, 1], out[i, 2] = x[i, 0], a * eta + b * phi, c * eta + d * phi


def _to_frame_by_kernel(x: Tensor, ptr: Tensor, frame: Tensor) -> Tensor:
    check_ragged(x, ptr)
    check_pointer(ptr, len(x))
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    arrays = [t.detach().contiguous().numpy() for t in (x, ptr, frame, out)]
    over_jets(lambda a, b: frame_kernel(*arrays, a, b), arrays[1])
    return out
