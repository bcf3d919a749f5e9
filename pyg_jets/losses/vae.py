r"""The loss of a variational autoencoder of jets: reconstruction, and divergence of the latent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.losses.chamfer import chamfer
from pyg_jets.losses.jet_terms import jet_terms
from pyg_jets.losses.protocol import TermLoss
from pyg_jets.ops.weighted import check_weight

__all__ = ["VAELoss", "gaussian_kl"]


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
        L = \alpha\, \text{Chamfer} + \gamma_{p_T} \Delta p_T^2 + \gamma_m \Delta m^2
        + \beta(t)\, D_\text{KL} + \sum_k c_k T_k

    ==============  =====================================  ==============================
    term            unit                                   reduction
    ==============  =====================================  ==============================
    ``chamfer``     the network's own coordinates,         sum over the particles of both
                    squared, or GeV² with ``momenta``      directions, mean over jets
    ``pt``          GeV²                                   mean over jets
    ``mass``        GeV²                                   mean over jets
    ``kl``          nats                                   sum over latents, mean over jets
    the network's   see the network                        see the network
    ==============  =====================================  ==============================

    A term with coefficient 0 is left out. The coefficient β of the divergence rises linearly from
    0 over the first ``warmup_epochs``. Means over jets are weighted means if the batch has
    ``weight [J]``.

    Args:
        chamfer: Coefficient α of the Chamfer distance.
        pt: Coefficient of the squared difference of the jets' pT, for particles with momenta.
        mass: Coefficient of the squared difference of the jets' masses, likewise.
        kl: Coefficient β of the Kullback-Leibler divergence.
        warmup_epochs: Number of epochs until β has its full value.
        free_bits: Nats of divergence of each latent variable that cost nothing.
        momenta: Whether the Chamfer distance is that of (px, py, pz) in GeV, as in the paper.
        match: Number of leading coordinates by which the nearest particle is found. Default: all.
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
        pt: float = 0.0,
        mass: float = 0.0,
        kl: float = 1.0,
        warmup_epochs: int = 0,
        free_bits: float = 0.0,
        momenta: bool = False,
        match: int | None = None,
        particles: str = "sum",
        terms: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        for name, value in {
            "chamfer": chamfer,
            "pt": pt,
            "mass": mass,
            "kl": kl,
            **(terms or {}),
        }.items():
            if not 0 <= value < float("inf"):
                raise InputError(f"Expected the coefficient {name} of at least 0, but got {value}.")
        if warmup_epochs < 0:
            raise InputError(f"Expected warmup_epochs of at least 0, but got {warmup_epochs}.")
        self.coefficients = {"chamfer": chamfer, "pt": pt, "mass": mass, "kl": kl}
        self.of_network = dict(terms or {})
        self.warmup_epochs, self.free_bits, self.momenta = warmup_epochs, free_bits, momenta
        self.match, self.particles = match, particles

    def terms(self, output: Any, batch: Any = None, epoch: int | None = None) -> dict[str, Tensor]:
        """The terms of a :class:`~pyg_jets.nn.Reconstruction`, which holds its own target."""
        terms: dict[str, Tensor] = {}
        weight = getattr(batch, "weight", None)
        if self.coefficients["chamfer"]:
            terms["chamfer"] = self._chamfer(output, weight)
        if self.coefficients["pt"] or self.coefficients["mass"]:
            sets = output.x, output.ptr, output.target, output.target_ptr
            terms["pt"], terms["mass"] = jet_terms(*sets, "ptetaphi", weight)
        terms["kl"] = gaussian_kl(output.mean, output.log_var, self.free_bits, weight)
        unknown = set(self.of_network) - set(output.terms)
        if unknown:
            raise InputError(
                f"The network has no term {', '.join(sorted(unknown))}: it has "
                f"{', '.join(sorted(output.terms)) or 'none'}."
            )
        return terms | dict(output.terms)

    def _chamfer(self, output: Any, weight: Tensor | None) -> Tensor:
        options: dict[str, Any] = {"match": self.match, "particles": self.particles}
        options["weight"] = weight
        if not self.momenta:
            sets = output.points, output.points_ptr, output.wanted, output.wanted_ptr
            return chamfer(*sets, **options)
        made, target = _momenta(output.x), _momenta(output.target)
        return chamfer(made, output.ptr, target, output.target_ptr, **options)

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """The terms times their coefficients; without an epoch β has its full value."""
        rise = 1.0
        if epoch is not None and self.warmup_epochs:
            rise = min(1.0, epoch / self.warmup_epochs)
        total: Any = 0.0
        for name, value in terms.items():
            coefficient = self.coefficients.get(name, self.of_network.get(name, 1.0))
            total = total + coefficient * (rise if name == "kl" else 1.0) * value
        return total

    def __repr__(self) -> str:
        parts = {k: v for k, v in (self.coefficients | self.of_network).items() if v}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in parts.items())})"


def _momenta(x: Tensor) -> Tensor:
    """(pT, η, φ) → (px, py, pz) in GeV."""
    pt, eta, phi = x.unbind(1)
    return torch.stack(kinematics.to_cartesian(pt, eta, phi, torch.zeros_like(pt))[:3], 1)
