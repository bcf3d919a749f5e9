r"""The loss of a variational autoencoder of jets, term by term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.losses.chamfer import chamfer
from pyg_jets.losses.jet_terms import jet_terms
from pyg_jets.losses.kl import gaussian_kl

__all__ = ["VAELoss"]


class VAELoss(nn.Module):
    r"""Reconstruction, divergence, and what a network has of its own, each with its coefficient.

    .. math::
        L = \alpha\, \text{Chamfer} + \gamma_{p_T} \Delta p_T^2 + \gamma_m \Delta m^2
        + \beta(t)\, D_\text{KL} + \sum_k c_k T_k

    ==============  =====================================  ==============================
    term            unit                                   reduction
    ==============  =====================================  ==============================
    ``chamfer``     that of the network's numbers, or      sum over the particles of both
                    GeV² with ``momenta``, squared         directions, mean over jets
    ``pt``          GeV²                                   mean over jets
    ``mass``        GeV²                                   mean over jets
    ``kl``          nats                                   sum over latents, mean over jets
    the network's   see the network                        see the network
    ==============  =====================================  ==============================

    A term with coefficient 0 is left out. The β of the divergence rises linearly from 0 over the
    first ``warmup_epochs``.

    Args:
        chamfer: α.
        pt: :math:`\gamma_{p_T}`, 0 where particles are no momenta.
        mass: :math:`\gamma_m`, likewise.
        kl: β.
        warmup_epochs: Epochs until β is whole.
        free_bits: Nats that each latent may use for nothing.
        momenta: Whether the Chamfer distance is that of (px, py, pz) in GeV, as the source has it.
        match: See :class:`~pyg_jets.losses.ChamferLoss`.
        particles: See there.
        terms: Coefficients of the network's own terms. Default: 1 each.

    Source: `arXiv:2203.00520 <https://arxiv.org/abs/2203.00520>`_ and
    `arXiv:2109.15197 <https://arxiv.org/abs/2109.15197>`_, whose coefficients are those of the
    configurations.

    Examples:
        >>> from pyg_jets.nn import GraphVAE
        >>> x, ptr = torch.rand(7, 3), torch.tensor([0, 3, 7])
        >>> loss = VAELoss(kl=0.5)
        >>> sorted(loss.terms(GraphVAE(k=2)(x, ptr)))
        ['chamfer', 'jets', 'kl', 'marginal', 'multiplicity', 'spectrum']
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

    def terms(self, made: Any) -> dict[str, Tensor]:
        """The terms of a :class:`~pyg_jets.nn.models.vae.Reconstruction`, before coefficients."""
        found: dict[str, Tensor] = {}
        if self.coefficients["chamfer"]:
            found["chamfer"] = self._chamfer(made)
        if self.coefficients["pt"] or self.coefficients["mass"]:
            sets = made.x, made.ptr, made.target, made.target_ptr
            found["pt"], found["mass"] = jet_terms(*sets, coordinates="ptetaphi")
        found["kl"] = gaussian_kl(made.mean, made.log_var, self.free_bits)
        unknown = set(self.of_network) - set(made.terms)
        if unknown:
            raise InputError(
                f"The network has no term {', '.join(sorted(unknown))}: it has "
                f"{', '.join(sorted(made.terms)) or 'none'}."
            )
        return found | dict(made.terms)

    def _chamfer(self, made: Any) -> Tensor:
        options: dict[str, Any] = {"match": self.match, "particles": self.particles}
        if not self.momenta:
            sets = made.points, made.points_ptr, made.wanted, made.wanted_ptr
            return chamfer(*sets, **options)
        ours, theirs = _momenta(made.x), _momenta(made.target)
        return chamfer(ours, made.ptr, theirs, made.target_ptr, **options)

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """The loss; without an epoch β is whole."""
        rising = 1.0
        if epoch is not None and self.warmup_epochs:
            rising = min(1.0, epoch / self.warmup_epochs)
        total: Any = 0.0
        for name, value in terms.items():
            coefficient = self.coefficients.get(name, self.of_network.get(name, 1.0))
            total = total + coefficient * (rising if name == "kl" else 1.0) * value
        return total

    def forward(self, made: Any, epoch: int | None = None) -> Tensor:
        """The loss of a reconstruction."""
        return self.total(self.terms(made), epoch)

    def __repr__(self) -> str:
        parts = {k: v for k, v in (self.coefficients | self.of_network).items() if v}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in parts.items())})"


def _momenta(x: Tensor) -> Tensor:
    """(pT, η, φ) → (px, py, pz) in GeV."""
    pt, eta, phi = x.unbind(1)
    return torch.stack(kinematics.to_cartesian(pt, eta, phi, torch.zeros_like(pt))[:3], 1)
