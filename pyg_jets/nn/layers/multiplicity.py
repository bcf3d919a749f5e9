r"""A learned distribution of the number of particles of a jet."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.mlp import MLP

__all__ = ["MultiplicityHead", "MultiplicityLaw"]


class MultiplicityLaw(NamedTuple):
    r"""A mixture of logistic distributions on whole numbers from ``least`` to ``most``, a jet.

    .. math::
        p(n) = \sum_k w_k \Big[ \sigma\Big(\frac{n + 1/2 - \mu_k}{s_k}\Big)
        - \sigma\Big(\frac{n - 1/2 - \mu_k}{s_k}\Big) \Big]

    where the tails beyond both ends belong to the ends (arXiv 1701.05517).

    Args:
        weight: ln w, ``[J, K]``.
        mean: μ, ``[J, K]``.
        width: s > 0, ``[J, K]``.
        least: The smallest number.
        most: The largest number.
    """

    weight: Tensor
    mean: Tensor
    width: Tensor
    least: int
    most: int

    def log_prob(self, n: Tensor) -> Tensor:
        """ln p of a number of each jet, ``[J]``; numbers beyond the ends count as the ends."""
        at = n.clamp(self.least, self.most).unsqueeze(1)
        above = (at + 0.5 - self.mean) / self.width
        below = (at - 0.5 - self.mean) / self.width
        inside = (above.sigmoid() - below.sigmoid()).clamp(min=1e-12).log()
        first, last = F.logsigmoid(above), F.logsigmoid(-below)
        of_each = torch.where(at <= self.least, first, torch.where(at >= self.most, last, inside))
        return (self.weight + of_each).logsumexp(1)

    def together(self) -> MultiplicityLaw:
        """The law of a jet that is any of these, each as likely as the others."""
        alike = self.weight.log_softmax(1) - math.log(max(len(self.weight), 1))
        weight, mean, width = (v.reshape(1, -1) for v in (alike, self.mean, self.width))
        return MultiplicityLaw(weight, mean, width, self.least, self.most)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """A number of each jet, ``[J]`` int64."""
        chosen = torch.multinomial(self.weight.exp(), 1, generator=generator)
        uniform = torch.rand(
            chosen.shape, generator=generator, device=chosen.device, dtype=self.mean.dtype
        )
        drawn = self.mean.gather(1, chosen) + self.width.gather(1, chosen) * torch.logit(
            uniform, eps=1e-6
        )
        return drawn.squeeze(1).round().long().clamp(self.least, self.most)


class MultiplicityHead(nn.Module):
    """The law of the number of particles, given what is known of a jet.

    Args:
        in_channels: Numbers known of a jet.
        hidden: Width of the hidden layer.
        components: Logistic distributions in the mixture.

    Shapes:
        - **h:** ``[J, in_channels]``, **about:** ``[J]``, where the law is centred at first

    Examples:
        >>> head = MultiplicityHead(4)
        >>> head.learn([torch.tensor([20, 30, 40])])
        >>> law = head(torch.zeros(2, 4))
        >>> law.sample().shape, law.most
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
        """Draw all weights anew."""
        self.mlp.reset_parameters()

    def learn(self, counts: list[Tensor]) -> None:
        """Take the ends, the mean and the deviation from numbers of particles."""
        n = torch.cat(counts).double().cpu()
        if not len(n) or n.max() < 1:
            raise InputError("No jet has a particle: nothing to learn a multiplicity from.")
        self.mean.fill_(float(n.mean()))
        self.deviation.fill_(max(float(n.std(unbiased=False)), 0.5))
        self.ends.copy_(torch.tensor([int(n.min()), int(n.max())]))

    def forward(self, h: Tensor, about: Tensor | None = None) -> MultiplicityLaw:
        """The law of each jet, about the mean of all jets, or about what is given."""
        weight, mean, width = self.mlp(h).view(len(h), 3, self.components).unbind(1)
        centre = self.mean if about is None else about.unsqueeze(1)
        spread = self.deviation if about is None else 0.25 * self.deviation
        steps = torch.linspace(-1, 1, self.components, device=h.device)
        least, most = self.ends.tolist()
        return MultiplicityLaw(
            weight.log_softmax(1),
            centre + spread * (mean + steps),
            spread * F.softplus(width) + 0.05,
            least,
            most,
        )
