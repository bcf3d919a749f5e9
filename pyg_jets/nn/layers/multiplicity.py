r"""A learned distribution of the number of particles of a jet."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.mlp import MLP

__all__ = ["MultiplicityDistribution", "MultiplicityHead"]


class MultiplicityDistribution(NamedTuple):
    r"""A mixture of logistic distributions on the integers from ``minimum`` to ``maximum``.

    .. math::
        p(n) = \sum_k w_k \Big[ \sigma\Big(\frac{n + 1/2 - \mu_k}{s_k}\Big)
        - \sigma\Big(\frac{n - 1/2 - \mu_k}{s_k}\Big) \Big]

    where the tails beyond both ends belong to the ends, as in PixelCNN++ (arXiv:1701.05517). There
    is one such distribution for each jet.

    Args:
        weight: ln w, ``[J, K]``.
        mean: μ, ``[J, K]``.
        width: s > 0, ``[J, K]``.
        minimum: The smallest multiplicity.
        maximum: The largest multiplicity.

    Examples:
        >>> one = torch.ones(1, 1)
        >>> multiplicity = MultiplicityDistribution(0 * one, 30 * one, 2 * one, 0, 100)
        >>> multiplicity.log_prob(torch.tensor([30])).exp().round(decimals=3)
        tensor([0.1240])
    """

    weight: Tensor
    mean: Tensor
    width: Tensor
    minimum: int
    maximum: int

    def log_prob(self, n: Tensor) -> Tensor:
        """ln p of one multiplicity of each jet, ``[J]``; the range is clamped to its ends."""
        at = n.clamp(self.minimum, self.maximum).unsqueeze(1)
        above = (at + 0.5 - self.mean) / self.width
        below = (at - 0.5 - self.mean) / self.width
        inside = (above.sigmoid() - below.sigmoid()).clamp(min=1e-12).log()
        first, last = F.logsigmoid(above), F.logsigmoid(-below)
        of_each = torch.where(
            at <= self.minimum, first, torch.where(at >= self.maximum, last, inside)
        )
        return (self.weight + of_each).logsumexp(1)

    def average(self, jets: Tensor | None = None) -> MultiplicityDistribution:
        """The mean of the distributions of all jets, as a distribution of one jet.

        Args:
            jets: A weight for each jet, ``[J]``. Default: all count the same.
        """
        share: Any = -math.log(max(len(self.weight), 1))
        if jets is not None:
            share = (jets / jets.sum()).clamp_min(1e-30).log().unsqueeze(1)
        weight = self.weight.log_softmax(1) + share
        weight, mean, width = (v.reshape(1, -1) for v in (weight, self.mean, self.width))
        return MultiplicityDistribution(weight, mean, width, self.minimum, self.maximum)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw a multiplicity for each jet, ``[J]`` int64."""
        component = torch.multinomial(self.weight.exp(), 1, generator=generator)
        uniform = torch.rand(
            component.shape, generator=generator, device=component.device, dtype=self.mean.dtype
        )
        drawn = self.mean.gather(1, component) + self.width.gather(1, component) * torch.logit(
            uniform, eps=1e-6
        )
        return drawn.squeeze(1).round().long().clamp(self.minimum, self.maximum)


class MultiplicityHead(nn.Module):
    """The distribution of the multiplicity, as a function of features of the jet.

    Args:
        in_channels: Number of features of a jet.
        hidden: Width of the hidden layer. Default: 64.
        components: Number of logistic distributions in the mixture. Default: 4.

    Shapes:
        - **h:** ``[J, in_channels]``, **centre:** ``[J]``, an estimate of the multiplicity

    Examples:
        >>> head = MultiplicityHead(4)
        >>> head.fit_statistics([torch.tensor([20, 30, 40])])
        >>> multiplicity = head(torch.zeros(2, 4))
        >>> multiplicity.sample().shape, multiplicity.maximum
        (torch.Size([2]), 40)
    """

    mean: Tensor
    deviation: Tensor
    ends: Tensor

    def __init__(self, in_channels: int, hidden: int = 64, components: int = 4) -> None:
        super().__init__()
        self.components = components
        self.mlp = MLP(in_channels, (hidden,), 3 * components)
        self.register_buffer("mean", torch.tensor(30.0))
        self.register_buffer("deviation", torch.tensor(10.0))
        self.register_buffer("ends", torch.tensor([0, 1 << 20]))

    def reset_parameters(self) -> None:
        """Draw all weights again."""
        self.mlp.reset_parameters()

    def fit_statistics(self, counts: list[Tensor]) -> None:
        """Take the ends, the mean and the deviation from numbers of particles."""
        n = torch.cat(counts).double().cpu()
        if not len(n) or n.max() < 1:
            raise InputError("No jet has a particle: nothing to learn a multiplicity from.")
        self.mean.fill_(float(n.mean()))
        self.deviation.fill_(max(float(n.std(unbiased=False)), 0.5))
        self.ends.copy_(torch.tensor([int(n.min()), int(n.max())]))

    def forward(self, h: Tensor, centre: Tensor | None = None) -> MultiplicityDistribution:
        """The distribution of each jet, centred at the training mean, or at an estimate."""
        weight, mean, width = self.mlp(h).view(len(h), 3, self.components).unbind(1)
        spread = self.deviation if centre is None else 0.25 * self.deviation
        middle = self.mean if centre is None else centre.unsqueeze(1)
        steps = torch.linspace(-1, 1, self.components, device=h.device)
        minimum, maximum = self.ends.tolist()
        return MultiplicityDistribution(
            weight.log_softmax(1),
            middle + spread * (mean + steps),
            spread * F.softplus(width) + 0.05,
            minimum,
            maximum,
        )
