r"""The Kullback-Leibler divergence of a Gaussian latent from the unit Gaussian."""

from __future__ import annotations

from torch import Tensor

from pyg_jets.errors import InputError

__all__ = ["gaussian_kl"]


def gaussian_kl(mean: Tensor, log_var: Tensor, free_bits: float = 0.0) -> Tensor:
    r"""Divergence in nats, summed over the latents and averaged over the jets.

    .. math::
        D = \sum_l \max\Big(\lambda, \frac{1}{J} \sum_j
        \frac{\mu_{jl}^2 + \sigma_{jl}^2 - 1 - \ln \sigma_{jl}^2}{2}\Big)

    Args:
        mean: μ, ``[J, L]``.
        log_var: ln σ², ``[J, L]``.
        free_bits: λ (nats) that each latent may use for nothing (arXiv 1606.04934).

    Returns:
        A scalar.

    Raises:
        ValueError: For shapes that differ, or a negative ``free_bits``.

    Examples:
        >>> import torch
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
    of_latent = each.sum(0) / max(len(mean), 1)
    return of_latent.clamp(min=free_bits).sum() if free_bits else of_latent.sum()
