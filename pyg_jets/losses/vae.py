r"""The loss of a variational autoencoder of jets: reconstruction, and divergence of the latent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.losses.chamfer import chamfer
from pyg_jets.losses.jet_terms import jet_terms
from pyg_jets.losses.protocol import TermLoss
from pyg_jets.losses.sliced_wasserstein import sliced_wasserstein
from pyg_jets.ops import assignment, matched_distance, segment_mean, segment_sum
from pyg_jets.ops.weighted import check_weight, weighted_mean

__all__ = ["VAELoss", "gaussian_kl"]

#: Random directions of the sliced Wasserstein distance.
_DIRECTIONS = 16


def gaussian_kl(
    mean: Tensor, log_var: Tensor, free_bits: float = 0.0, weight: Tensor | None = None
) -> Tensor:
    r"""Divergence in nats, summed over the latents and averaged over the jets.

    .. math::
        D = \sum_l \max\Big(\lambda, \frac{1}{J} \sum_j
        \frac{\mu_{jl}^2 + \sigma_{jl}^2 - 1 - \ln \sigma_{jl}^2}{2}\Big)

    Args:
        mean: μ, ``[J, L]``.
        log_var: ln σ², ``[J, L]``.
        free_bits: λ (nats) that each latent may use for nothing (arXiv 1606.04934).
        weight: A weight for each jet, ``[J]``, for a weighted mean. Default: all count the same.

    Returns:
        A scalar.

    Raises:
        ValueError: For shapes that differ, or a negative ``free_bits``.

    Examples:
        >>> gaussian_kl(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))
        tensor(0.5000)
        >>> gaussian_kl(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2), free_bits=0.1)
        tensor(0.6000)
    """
    if mean.shape != log_var.shape or mean.dim() != 2:
        raise InputError(
            f"Expected mean and log_var of one shape [J, L], but got {list(mean.shape)} and "
            f"{list(log_var.shape)}."
        )
    if not free_bits >= 0:
        raise InputError(f"Expected free_bits of at least 0, but got {free_bits}.")
    each = 0.5 * (mean.square() + log_var.exp() - 1 - log_var)
    if weight is not None:
        weight = check_weight(weight, len(mean)).to(each.dtype)
        each = each * (weight / weight.sum().clamp_min(torch.finfo(each.dtype).tiny)).unsqueeze(1)
    of_latent = each.sum(0) / (max(len(mean), 1) if weight is None else 1)
    return of_latent.clamp(min=free_bits).sum() if free_bits else of_latent.sum()


class VAELoss(TermLoss):
    r"""Reconstruction, divergence of the latent, and the network's own terms, with coefficients.

    .. math::
        L = \frac{\alpha\, \text{Chamfer} + \mu\, M + \nu\, n\, SW_2^2}{2 \sigma^2}
        + \gamma_{p_T} \Delta p_T^2 + \gamma_m \Delta m^2
        + \beta(t)\, D_\text{KL} + \sum_k c_k T_k

    The Chamfer distance finds the nearest particle for each, so that a clump costs nothing where
    one particle would do; the matching M pairs particles one to one, by the assignment of least
    cost, and so compares densities too, as the sliced Wasserstein distance does along random
    lines, in less time. With these over :math:`2 \sigma^2` the loss is the negative
    logarithm of a likelihood: σ is the error that particles may have, in units of the coordinates.

    ==============  =====================================  ==============================
    term            unit                                   reduction
    ==============  =====================================  ==============================
    ``chamfer``     the network's own coordinates,         sum over the particles of both
                    squared                                directions, mean over jets
    ``matching``    the same                               sum over pairs, mean over jets
    ``sliced``      the same                               times particles, mean over jets
    ``pt``          GeV²                                   mean over jets
    ``mass``        GeV²                                   mean over jets
    ``kl``          nats                                   sum over latents, mean over jets
    the network's   see the network                        see the network
    ==============  =====================================  ==============================

    A term with coefficient 0 is left out. Means over jets are weighted means if the batch has
    ``weight [J]``. The coefficient β rises linearly from 0 over the first share ``warmup`` of the
    training, the length of which the task sets.

    Args:
        chamfer: Coefficient α of the Chamfer distance.
        matching: Coefficient μ of the squared distances of matched pairs. Where numbers differ,
            the particles left over cost nothing.
        sliced: Coefficient ν of the squared sliced Wasserstein distance times the number of
            particles of the target, on 16 random directions of the coordinates that ``match``
            names.
        sigma: σ. Default: no factor.
        pt: Coefficient of the squared difference of the jets' pT, for particles with momenta.
        mass: Coefficient of the squared difference of the jets' masses, likewise.
        kl: Coefficient β of the Kullback-Leibler divergence.
        warmup: Share of the epochs until β has its full value.
        free_bits: Nats of divergence of each latent variable that cost nothing.
        match: Number of leading coordinates by which particles find each other; all are compared.
            Of digits (x, y, intensity) 2 are equation 2 of the paper, the intensity at the matched
            point, and 3, the default, are its equation 3, the intensity as a third axis.
        particles: Reduction over the particles of a jet, ``"sum"`` or ``"mean"``.
        terms: Coefficients of the network's own terms. Default: 1 each.

    Papers: `arXiv:2203.00520 <https://arxiv.org/abs/2203.00520>`_ and
    `arXiv:2109.15197 <https://arxiv.org/abs/2109.15197>`_, whose coefficients are those of the
    configurations.

    Examples:
        >>> from pyg_jets.nn import GraphVAE
        >>> x, ptr = torch.rand(7, 3), torch.tensor([0, 3, 7])
        >>> loss = VAELoss(kl=0.5)
        >>> sorted(loss.terms(GraphVAE(latent=4)(x, ptr)))
        ['chamfer', 'kl']
    """

    def __init__(
        self,
        chamfer: float = 1.0,
        matching: float = 0.0,
        sliced: float = 0.0,
        sigma: float | None = None,
        pt: float = 0.0,
        mass: float = 0.0,
        kl: float = 1.0,
        warmup: float = 0.0,
        free_bits: float = 0.0,
        match: int | None = None,
        particles: str = "sum",
        terms: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        sets = {"chamfer": chamfer, "matching": matching, "sliced": sliced}
        self.coefficients = {**sets, "pt": pt, "mass": mass, "kl": kl}
        self.of_network = dict(terms or {})
        for name, value in (self.coefficients | self.of_network).items():
            if not 0 <= value < float("inf"):
                raise InputError(f"Expected the coefficient {name} of at least 0, but got {value}.")
        if sigma is not None and not 0 < sigma < float("inf"):
            raise InputError(f"Expected sigma above 0, but got {sigma}.")
        if not 0 <= warmup <= 1:
            raise InputError(f"Expected warmup as a share from 0 to 1, but got {warmup}.")
        (self.particles,) = check_names((particles,), ("sum", "mean"), "particles")
        self.sigma, self.warmup, self.free_bits, self.match = sigma, warmup, free_bits, match
        self.epochs: float | None = None

    def set_length(self, epochs: float) -> None:
        """Set how long the training is, a share of which is the warm-up.

        Args:
            epochs: The number of its epochs.
        """
        self.epochs = epochs

    def terms(self, output: Any, batch: Any = None, epoch: int | None = None) -> dict[str, Tensor]:
        """The terms of a :class:`~pyg_jets.nn.Reconstruction`, which holds its own target."""
        terms: dict[str, Tensor] = {}
        weight = getattr(batch, "weight", None)
        sets = output.points, output.points_ptr, output.wanted, output.wanted_ptr
        if self.coefficients["chamfer"]:
            options: Any = {"match": self.match, "particles": self.particles, "weight": weight}
            terms["chamfer"] = chamfer(*sets, **options)
        if self.coefficients["matching"]:
            terms["matching"] = self._matching(*sets, weight)
        if self.coefficients["sliced"]:
            terms["sliced"] = self._sliced(*sets, weight)
        if self.coefficients["pt"] or self.coefficients["mass"]:
            jets = output.x, output.ptr, output.target, output.target_ptr
            terms["pt"], terms["mass"] = jet_terms(*jets, "ptetaphi", weight)
        terms["kl"] = gaussian_kl(output.mean, output.log_var, self.free_bits, weight)
        unknown = set(self.of_network) - set(output.terms)
        if unknown:
            raise InputError(
                f"The network has no term {', '.join(sorted(unknown))}: it has "
                f"{', '.join(sorted(output.terms)) or 'none'}."
            )
        return terms | dict(output.terms)

    def _matching(
        self, x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor, weight: Tensor | None
    ) -> Tensor:
        """Squared distances of the pairs of least cost, of each jet, averaged over jets."""
        partner = assignment(x[:, : self.match], x_ptr, y[:, : self.match], y_ptr)
        apart = matched_distance(x, x_ptr, y, y_ptr, partner).unsqueeze(1)
        reduce = segment_sum if self.particles == "sum" else segment_mean
        return weighted_mean(reduce(apart, x_ptr).squeeze(1), weight)

    def _sliced(
        self, x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor, weight: Tensor | None
    ) -> Tensor:
        """Squared sliced Wasserstein distances as sums over particles, averaged over jets."""
        apart = sliced_wasserstein(
            x[:, : self.match], x_ptr, y[:, : self.match], y_ptr, _DIRECTIONS, reduction="none"
        )
        share = y_ptr.diff() if self.particles == "sum" else 1
        return weighted_mean(apart * share, weight)

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """The terms times their coefficients; without an epoch β has its full value."""
        rise = 1.0
        if epoch is not None and self.warmup:
            if self.epochs is None:
                raise InputError(
                    "The warm-up is a share of the training, whose length is not known: call "
                    "set_length(epochs) first, as Generator does, or set warmup=0."
                )
            rise = min(1.0, epoch / (self.warmup * self.epochs))
        factors = dict.fromkeys(("chamfer", "matching", "sliced"), self._factor) | {"kl": rise}
        total: Any = 0.0
        for name, value in terms.items():
            coefficient = self.coefficients.get(name, self.of_network.get(name, 1.0))
            total = total + coefficient * factors.get(name, 1.0) * value
        return total

    @property
    def _factor(self) -> float:
        """What squared distances are multiplied with."""
        return 1.0 if self.sigma is None else 0.5 / self.sigma**2

    def __repr__(self) -> str:
        parts: dict[str, Any] = {
            k: v for k, v in (self.coefficients | self.of_network).items() if v
        }
        others: dict[str, Any] = {"sigma": (self.sigma, None), "warmup": (self.warmup, 0.0),
                  "free_bits": (self.free_bits, 0.0), "match": (self.match, None),
                  "particles": (self.particles, "sum")}  # fmt: skip
        parts |= {k: value for k, (value, default) in others.items() if value != default}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in parts.items())})"
