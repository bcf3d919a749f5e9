r"""How far two samples of jets are apart, by features of each jet: the energy distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.losses.protocol import Loss, ScheduledLoss, TermLoss
from pyg_jets.ops.weighted import check_weight

__all__ = ["EnergyDistanceLoss", "SamplesOfJets", "TwoStageLoss", "energy_distance"]

#: Squared lengths below this count as this, so that the gradient is finite.
_LEAST = 1e-12


def energy_distance(
    a: Tensor,
    b: Tensor,
    a_weight: Tensor | None = None,
    b_weight: Tensor | None = None,
) -> Tensor:
    r"""The energy distance of two samples, by all pairs, without bias.

    .. math::
        2\, E|A - B| - E|A - A'| - E|B - B'|

    It is zero in expectation if both have one distribution, and above otherwise (Székely and Rizzo,
    J. Stat. Plan. Inference 143 (2013) 1249): the length is not squared, so that it tells any two
    distributions apart, not their means alone. Pairs of a jet with itself are left out. Memory and
    time grow with the product of the numbers of rows.

    Args:
        a: A sample, one row a jet, ``[A, D]``.
        b: The other, ``[B, D]``.
        a_weight: A weight for each row of ``a``, ``[A]``. Default: all count the same.
        b_weight: A weight for each row of ``b``, ``[B]``. Default: all count the same.

    Returns:
        A scalar, 0 if a sample has fewer than two rows.

    Raises:
        InputError: If the columns differ.

    Examples:
        >>> a, b = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [2.0]])
        >>> round(float(energy_distance(a, b)), 3), round(float(energy_distance(a, b + 10)), 3)
        (-2.0, 16.0)
    """
    if a.dim() != 2 or b.dim() != 2 or a.size(1) != b.size(1):
        raise InputError(
            f"Expected samples [A, D] and [B, D], but got {list(a.shape)} and {list(b.shape)}."
        )
    if len(a) < 2 or len(b) < 2:
        return 0 * (a.sum() + b.sum())
    # Lengths come from a matrix product, which is exact enough around a common middle.
    middle = b.detach().mean(0)
    a, b = a - middle, b - middle
    w, v = _shares(a, a_weight), _shares(b, b_weight)
    return 2 * w @ _lengths(a, b) @ v - _within(a, w) - _within(b, v)


def _shares(x: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return x.new_full((len(x),), 1 / len(x))
    weight = check_weight(weight, len(x)).to(x.dtype)
    return weight / weight.sum().clamp_min(torch.finfo(x.dtype).tiny)


def _lengths(a: Tensor, b: Tensor) -> Tensor:
    squares = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T
    return squares.clamp(min=_LEAST).sqrt()


def _within(x: Tensor, share: Tensor) -> Tensor:
    """The mean length between rows of one sample, without those of a row with itself."""
    lengths = _lengths(x, x)
    lengths = lengths - torch.diag(lengths.diagonal())
    pairs = 1 - share.square().sum()
    return share @ lengths @ share / pairs.clamp_min(_LEAST)


@runtime_checkable
class SamplesOfJets(Protocol):
    """What a network returns that is to be trained by whole samples of jets.

    Attributes:
        made: Features of generated jets by the name of a block, each ``[A, D]``.
        real: The same blocks of real jets, each ``[B, D]``.
        weight: A weight for each real jet, ``[B]``; ``None`` if all count the same.
        terms: Further terms, each a scalar.
    """

    made: Mapping[str, Tensor]
    real: Mapping[str, Tensor]
    weight: Tensor | None
    terms: Mapping[str, Tensor]


class EnergyDistanceLoss(TermLoss):
    r"""The energy distance of generated from real jets, by blocks of features.

    .. math::
        L = D\Big(\bigoplus_k u_k\Big) + \lambda \sum_k D(u_k) + \sum_l c_l T_l,
        \quad u_k = w_k f_k / s_k

    where D is :func:`energy_distance` and :math:`s_k` the typical distance of two real jets in a
    block, :math:`\sqrt{2 \operatorname{tr} \operatorname{Cov} f_k}`. The first term compares all
    blocks together, with their correlations; those of single blocks have less noise. T are the
    network's own terms.

    Args:
        blocks: The weight :math:`w_k` of each block; one that is not named has weight 1.
        alone: The coefficient λ.
        terms: The coefficients :math:`c_l` of the network's own terms. Default: 1 each.

    Examples:
        >>> from collections import namedtuple
        >>> samples = namedtuple("Samples", "made real weight terms")
        >>> x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
        >>> loss = EnergyDistanceLoss()
        >>> abs(float(loss(samples({"mass": x[:200]}, {"mass": x[200:]}, None, {})))) < 0.02
        True
        >>> float(loss(samples({"mass": x[:200] + 1}, {"mass": x[200:]}, None, {}))) > 0.1
        True
    """

    def __init__(
        self,
        blocks: Mapping[str, float] | None = None,
        alone: float = 0.0,
        terms: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        for name, value in {**(blocks or {}), **(terms or {}), "alone": alone}.items():
            if not 0 <= value < float("inf"):
                raise InputError(f"Expected {name} of at least 0, but got {value}.")
        self.blocks, self.alone, self.of_network = dict(blocks or {}), alone, dict(terms or {})

    def terms(self, output: Any, batch: Any = None, epoch: int | None = None) -> dict[str, Tensor]:
        """``energy_distance`` of all blocks, and with λ > 0 that of each block by its name."""
        if unknown := set(self.blocks) - set(output.real):
            raise InputError(
                f"There is no block {', '.join(sorted(unknown))} of features: choose from "
                f"{', '.join(output.real)}."
            )
        made, real = {}, {}
        for name, features in output.real.items():
            weight = self.blocks.get(name, 1.0)
            if weight:
                spread = (2 * features.detach().var(0, unbiased=False).sum()).sqrt()
                scale = weight / torch.where(spread > 0, spread, 1.0)
                made[name], real[name] = output.made[name] * scale, features * scale
        both = torch.cat(list(made.values()), 1), torch.cat(list(real.values()), 1)
        terms = {"energy_distance": energy_distance(*both, b_weight=output.weight)}
        if self.alone:
            for name in made:
                distance = energy_distance(made[name], real[name], b_weight=output.weight)
                terms[f"energy_distance_{name}"] = distance
        return terms | dict(output.terms)

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """The sum of the terms, each times its coefficient."""
        total: Any = 0.0
        for name, value in terms.items():
            if name == "energy_distance":
                coefficient = 1.0
            elif name.startswith("energy_distance_"):
                coefficient = self.alone
            else:
                coefficient = self.of_network.get(name, 1.0)
            total = total + coefficient * value
        return total

    def __repr__(self) -> str:
        return f"{type(self).__name__}(blocks={self.blocks}, alone={self.alone})"


class TwoStageLoss(TermLoss):
    """The loss of a network that is trained by its reconstructions, then by its samples.

    Args:
        reconstruction: The loss of the first stage. Default: :class:`~pyg_jets.losses.VAELoss`.
        generation: The loss of the second stage, in which the network returns
            :class:`SamplesOfJets`. Default: :class:`EnergyDistanceLoss`.

    Examples:
        >>> TwoStageLoss().generation
        EnergyDistanceLoss(blocks={}, alone=0.0)
    """

    def __init__(
        self, reconstruction: nn.Module | None = None, generation: nn.Module | None = None
    ) -> None:
        from pyg_jets.losses.vae import VAELoss

        super().__init__()
        self.reconstruction: Any = VAELoss() if reconstruction is None else reconstruction
        self.generation: Any = EnergyDistanceLoss() if generation is None else generation
        for name, loss in {
            "reconstruction": self.reconstruction,
            "generation": self.generation,
        }.items():
            if not isinstance(loss, Loss):
                raise InputError(f"Expected {name} as a loss, but got {type(loss).__name__}.")

    def set_length(self, epochs: float) -> None:
        """Set the length of the training for both.

        Args:
            epochs: The number of its epochs.
        """
        for loss in (self.reconstruction, self.generation):
            if isinstance(loss, ScheduledLoss):
                loss.set_length(epochs)

    def terms(self, output: Any, batch: Any = None, epoch: int | None = None) -> dict[str, Tensor]:
        """The terms of the loss of the stage that the output belongs to."""
        loss = self.generation if isinstance(output, SamplesOfJets) else self.reconstruction
        return loss.terms(output, batch, epoch)

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """The total of that loss."""
        loss = self.generation if "energy_distance" in terms else self.reconstruction
        return loss.total(terms, epoch)
