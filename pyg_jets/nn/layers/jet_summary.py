r"""What a jet is as a whole: the sum of its particles, and how many they are."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pyg_jets import kinematics
from pyg_jets.nn.layers.jet_momentum import jet_momenta
from pyg_jets.ops import segment_sum

__all__ = ["JetSummary", "jet_observables", "pooled"]

#: The least deviations: GeV, GeV, rad, rad, rad, 1, particles.
_UNITS = (1.0, 1.0, 0.01, 0.01, 0.01, 0.01, 0.5)


def jet_observables(x: Tensor, ptr: Tensor) -> Tensor:
    r"""pT (GeV), mass (GeV), η, φ, width and dispersion of each jet.

    The width is :math:`\sum p_T \Delta R / \sum p_T`, the dispersion
    :math:`\sqrt{\sum p_T^2} / \sum p_T`.

    Args:
        x: Massless particles (pT, η, φ) relative to the jets' axes, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Returns:
        ``[J, 6]`` float32, zero for an empty jet; the gradient is finite.

    Examples:
        >>> x = torch.tensor([[4.0, 0.1, 0.0], [4.0, -0.1, 0.0]])
        >>> jet_observables(x, torch.tensor([0, 2])).round(decimals=2)
        tensor([[8.0000, 0.8000, 0.0000, 0.0000, 0.1000, 0.7100]])
    """
    pt, eta, phi = x.double().unbind(1)
    apart = kinematics.delta_r(eta, phi, torch.zeros_like(eta), torch.zeros_like(phi))
    summed = kinematics.jet_sum(torch.stack((pt, pt * apart, pt * pt), 1), ptr)
    total = summed[:, 0].clamp(min=1e-9)
    width, dispersion = summed[:, 1] / total, (summed[:, 2] + 1e-18).sqrt() / total
    return torch.cat((jet_momenta(x, ptr), torch.stack((width, dispersion), 1)), 1).float()


class JetSummary(nn.Module):
    """Observables and multiplicity of each jet, standardised.

    Args:
        physical: Whether particles are (pT, η, φ); else there is only the multiplicity.

    Shapes:
        - **x:** ``[N, F]``, **ptr:** ``[J + 1]`` → ``[J, size]``

    Examples:
        >>> summary = JetSummary(physical=False)
        >>> summary(torch.zeros(5, 2), torch.tensor([0, 2, 5])).shape
        torch.Size([2, 1])
    """

    shift: Tensor
    width: Tensor

    def __init__(self, physical: bool = True) -> None:
        super().__init__()
        self.physical = physical
        self.size = 7 if physical else 1
        self.register_buffer("shift", torch.zeros(self.size))
        self.register_buffer("width", torch.ones(self.size))

    def forward(self, x: Tensor, ptr: Tensor) -> Tensor:
        """The summary of each jet."""
        return (self._raw(x, ptr) - self.shift) / self.width

    def _raw(self, x: Tensor, ptr: Tensor) -> Tensor:
        n = ptr.diff().unsqueeze(1).to(x.dtype)
        return torch.cat((jet_observables(x, ptr).to(x.dtype), n), 1) if self.physical else n

    @torch.no_grad()
    def fit_statistics(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take mean and deviation from jets ``(x, ptr)``; with at least a unit of deviation."""
        raw = torch.cat([self._raw(x, ptr).cpu() for x, ptr in batches])
        least = raw.new_tensor(_UNITS if self.physical else _UNITS[-1:])
        self.shift.copy_(raw.mean(0))
        self.width.copy_(torch.maximum(raw.std(0, unbiased=False), least))


def pooled(h: Tensor, ptr: Tensor) -> Tensor:
    """Mean and sum over the particles of each jet, the sum in units of 32 particles."""
    summed = segment_sum(h, ptr)
    counts = ptr.diff().clamp(min=1).unsqueeze(1).to(h.dtype)
    return torch.cat((summed / counts, summed / 32), 1)
