"""The judge of digits: a small convolutional network that was trained on real ones as images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.ops import gather, nearest, nearest_distance, ptr_to_batch

__all__ = ["Judge", "frechet_distance", "intensity_figures", "pair_distance", "rasterise"]

_SIDE = 28
#: Pixels between the centres of the image and its edges, by which positions are scaled.
_HALF = (_SIDE - 1) / 2
#: Digits of a batch, and the largest shift (pixels), in the training of a judge.
_BATCH, _SHIFT = 64, 0.5


def rasterise(x: Tensor, ptr: Tensor) -> Tensor:
    """Digits as images: each point is shared among the four pixels around it.

    Args:
        x: Position from -1 to 1 (y upwards) and intensity of points, ``[N, 3]``.
        ptr: Their pointer ``[J + 1]``.

    Returns:
        ``[J, 1, 28, 28]``, at most 1.

    Examples:
        >>> x = torch.tensor([[-1.0, 1.0, 0.5], [1.0, -1.0, 1.0]])
        >>> image = rasterise(x, torch.tensor([0, 2]))
        >>> image[0, 0, 0, 0], image[0, 0, 27, 27], image.sum()
        (tensor(0.5000), tensor(1.), tensor(1.5000))
    """
    jet, shape = ptr_to_batch(ptr, len(x)), (len(ptr) - 1, _SIDE + 2, _SIDE + 2)
    column, row = (x[:, 0] + 1) * _HALF, (1 - x[:, 1]) * _HALF
    image = x.new_zeros(shape)
    left, top = column.floor(), row.floor()
    for right in (0, 1):
        for below in (0, 1):
            share = (1 - (column - left - right).abs()) * (1 - (row - top - below).abs())
            # a border of one pixel takes what lies outside
            at = [(v + 1).long().clamp(0, _SIDE + 1) for v in (top + below, left + right)]
            image.index_put_((jet, *at), share * x[:, 2].clamp(min=0), accumulate=True)
    return image[:, None, 1:-1, 1:-1].clamp(max=1)


class Judge(nn.Module):
    """Reads digits, and gives 64 features of each.

    Args:
        seed: Seed of its weights and of its training.

    Examples:
        >>> judge = Judge()
        >>> judge(torch.zeros(2, 1, 28, 28)).shape, judge.features(torch.zeros(2, 1, 28, 28)).shape
        (torch.Size([2, 10]), torch.Size([2, 64]))
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.body = nn.Sequential(
                nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * 49, 64), nn.ReLU(),
            )  # fmt: skip
            self.head = nn.Linear(64, 10)

    def features(self, image: Tensor) -> Tensor:
        """The 64 features ``[J, 64]`` of images."""
        return self.body(image)

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``[J, 10]`` of images ``[J, 1, 28, 28]``."""
        return self.head(self.features(image))

    def fit(self, epochs: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Judge:
        """Train it on real digits, which are shifted by less than a pixel.

        Args:
            epochs: Digits ``(x, ptr, y)`` of each epoch.
        """
        generator = torch.Generator().manual_seed(self.seed)
        optimizer = torch.optim.Adam(self.parameters(), 2e-3)
        self.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            for epoch, (x, ptr, y) in enumerate(epochs):
                optimizer.param_groups[0]["lr"] = 2e-3 * (1 - epoch / len(epochs))
                for rows in torch.randperm(len(y), generator=generator).split(_BATCH):
                    few, few_ptr = gather(x, ptr, rows)
                    shift = _SHIFT / _HALF * (2 * torch.rand(len(rows), 2, generator=generator) - 1)
                    moved = few.clone()
                    moved[:, :2] += shift.repeat_interleave(few_ptr.diff(), 0)
                    optimizer.zero_grad()
                    F.cross_entropy(self(rasterise(moved, few_ptr)), y[rows]).backward()
                    optimizer.step()
        return self.eval()

    @torch.no_grad()
    def read(self, x: Tensor, ptr: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities ``[J, 10]`` and features ``[J, 64]`` of digits.

        Args:
            x: Position and intensity of points, ``[N, 3]``.
            ptr: Their pointer ``[J + 1]``.
        """
        features = torch.cat([self.features(few) for few in rasterise(x, ptr).split(512)])
        return self.head(features).softmax(1).numpy(), features.double().numpy()


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    r"""The Fréchet distance of Gaussians with the means and covariances of two samples.

    .. math::
        |\mu_1 - \mu_2|^2 + \operatorname{tr}(C_1 + C_2 - 2 (C_1 C_2)^{1/2})

    Args:
        first: Features ``[J, K]``.
        second: Features ``[J', K]``.

    Raises:
        ValueError: For fewer than 2 of either.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(1000, 2))
        >>> round(frechet_distance(x, x + [3.0, 0.0]), 6)
        9.0
    """
    if min(len(first), len(second)) < 2:
        raise InputError(f"Expected 2 or more of each, but got {len(first)} and {len(second)}.")
    covariances = [np.cov(sample, rowvar=False) for sample in (first, second)]
    # the root of the product has the eigenvalues of a symmetric matrix
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0)).sum()
    apart = np.square(first.mean(0) - second.mean(0)).sum()
    return float(apart + sum(np.trace(c) for c in covariances) - 2 * overlap)


def pair_distance(x: Tensor, ptr: Tensor, y: Tensor, pairs: int = 300) -> float:
    """Mean distance of two different digits of a class: of nearest points in the plane, in pixels.

    Args:
        x: Position and intensity of points, ``[N, 3]``.
        ptr: Their pointer ``[J + 1]``.
        y: Classes ``[J]``; each that has 2 digits or more counts the same.
        pairs: Number of random pairs of each class.

    Examples:
        >>> x = torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0]])
        >>> pair_distance(x, torch.tensor([0, 1, 2]), torch.tensor([5, 5]))
        27.0
    """
    rng, of_class = np.random.default_rng(0), []
    for number in y.unique():
        rows = (y == number).nonzero().flatten().numpy()
        if len(rows) < 2:
            continue
        first = rng.integers(len(rows), size=pairs)
        second = (first + rng.integers(1, len(rows), size=pairs)) % len(rows)
        jets = [gather(x[:, :2], ptr, torch.from_numpy(rows[i])) for i in (first, second)]
        apart = nearest_distance(*jets[0], *jets[1])[:2]
        of_class.append(sum(float(v.sqrt().mean()) for v in apart) / 2 * _HALF)
    return float(np.mean(of_class))


def intensity_figures(made: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> dict[str, Any]:
    """How well intensities are met, as the source compares its losses: at the place, and overall.

    Args:
        made: Digits ``(x, ptr)``.
        target: What they should be.

    Returns:
        ``intensity_error``, the mean difference of the intensity of target points to that of the
        nearest point; ``intensity_correlation``, the correlation of both; ``intensity_emd``, the
        distance W₁ of the spectra; and ``chamfer_px``, the mean distance of nearest points in
        pixels, both directions averaged.
    """
    from scipy.stats import wasserstein_distance

    (x, x_ptr), (y, y_ptr) = made, target
    to_y, to_x = nearest(x[:, :2].contiguous(), x_ptr, y[:, :2].contiguous(), y_ptr)
    pairs = [(x[to_y >= 0], y[to_y[to_y >= 0]]), (x[to_x[to_x >= 0]], y[to_x >= 0])]
    apart = [float((a - b)[:, :2].norm(dim=1).mean()) * _HALF for a, b in pairs]
    mine, true = (v[:, 2].clamp(0, 1).double().numpy() for v in pairs[1])
    return {
        "intensity_error": float(np.abs(mine - true).mean()),
        "intensity_correlation": float(np.corrcoef(mine, true)[0, 1]),
        "intensity_emd": float(wasserstein_distance(x[:, 2].clamp(0, 1), y[:, 2])),
        "chamfer_px": sum(apart) / 2,
    }
