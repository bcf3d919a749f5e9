r"""Mixtures of Gaussians with full covariances: fitted, evaluated, and drawn from by component.

A mixture is its weights ``[K]``, means ``[K, D]`` and lower Cholesky factors ``[K, D, D]``.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "choose_components",
    "draw_by_component",
    "fit_mixture",
    "log_gaussian_terms",
    "responsibilities",
]

#: Added to each variance of a component, in units of unit latents.
_LEAST_VARIANCE = 1e-4
_LOG_2_PI = math.log(2 * math.pi)


def fit_mixture(
    values: np.ndarray, columns: np.ndarray, components: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means and lower Cholesky factors; columns that are not fitted are N(0, 1)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    width = values.shape[1]
    weight, mean = np.zeros(components), np.zeros((components, width))
    cholesky = np.tile(np.eye(width), (components, 1, 1))
    if not columns.any():
        weight[0] = 1
        return weight, mean, cholesky
    mixture = GaussianMixture(
        components, reg_covar=_LEAST_VARIANCE, max_iter=60, tol=1e-3, random_state=seed
    )
    with warnings.catch_warnings():
        # mixtures that would still improve a little, and jets that coincide
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(values[:, columns])
    order = np.argsort(-mixture.weights_)
    mean[:, columns] = mixture.means_[order]
    factors = np.linalg.cholesky(mixture.covariances_[order])
    at = np.flatnonzero(columns)
    cholesky[:, at[:, None], at] = factors
    return mixture.weights_[order], mean, cholesky


def log_gaussian_terms(x: Tensor, mean: Tensor, cholesky: Tensor, counts: Tensor) -> Tensor:
    """Terms ``[n, K, D]`` of the log densities, one for each column given the ones before it."""
    factor = cholesky.double()
    apart = (x.unsqueeze(1) - mean.double()).permute(1, 2, 0)
    unit = torch.linalg.solve_triangular(factor, apart, upper=False)
    diagonal = factor.diagonal(dim1=1, dim2=2).log().unsqueeze(2)
    terms = -0.5 * unit.square() - diagonal - 0.5 * _LOG_2_PI
    return (terms * counts.unsqueeze(1)).permute(2, 0, 1)


def responsibilities(weight: Tensor, mean: Tensor, cholesky: Tensor, x: Tensor) -> Tensor:
    """Shares of the components of a mixture given ``x [n, D]``, ``[n, K]``.

    The logarithm of a Gaussian is a quadratic form, so all of them are one matrix product.
    """
    n, factor, mean = mean.size(1), cholesky.double(), mean.double()
    inverse = torch.linalg.solve_triangular(
        factor, torch.eye(n, dtype=torch.float64, device=factor.device), upper=False
    )
    precision = inverse.mT @ inverse
    linear = (precision @ mean.unsqueeze(2)).squeeze(2)
    constant = weight.double().log() - 0.5 * (mean * linear).sum(1)
    constant = constant - factor.diagonal(dim1=1, dim2=2).log().sum(1)
    left, right = torch.triu_indices(n, n, device=factor.device)
    twice = 1.0 - 0.5 * (left == right).double()
    quadratic = -precision[:, left, right] * twice
    table = torch.cat((quadratic, linear, constant.unsqueeze(1)), 1)
    x = x.double()
    features = torch.cat((x[:, left] * x[:, right], x, torch.ones_like(x[:, :1])), 1)
    return (features @ table.T).float().softmax(1)


def choose_components(shares: Tensor, uniform: Tensor) -> Tensor:
    """A component of each row by its shares ``[n, K]``."""
    below = shares.cumsum(1)
    # below 1 by so much that rounding never chooses a component without a share
    return (below <= uniform.clamp(max=1 - 2**-22).unsqueeze(1) * below[:, -1:]).sum(1)


def draw_by_component(
    component: Tensor, noise: Tensor, mean: Tensor, cholesky: Tensor, given: int = 0
) -> Tensor:
    """Draws of the components of rows.

    Args:
        component: Component of each row, ``[n]``.
        noise: Unit normal numbers ``[n, D]``; the first ``given`` columns are values that the draw
            is conditional on.
        mean: Means ``[K, D]``.
        cholesky: Lower Cholesky factors ``[K, D, D]``.
        given: Number of these columns, which the result lacks.
    """
    shift, factor = mean, cholesky
    if given:
        upper, lower = cholesky[:, :given, :given], cholesky[:, given:]
        gain = torch.linalg.solve_triangular(upper, lower[:, :, :given], upper=False, left=False)
        shift = mean[:, given:] - (gain @ mean[:, :given, None]).squeeze(2)
        factor = torch.cat((gain, lower[:, :, given:]), 2)
    return shift[component] + (factor[component] @ noise.unsqueeze(2)).squeeze(2)
