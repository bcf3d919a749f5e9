"""How the pixels of an image are filled, whatever it shows: what gives an interpolation away."""

from __future__ import annotations

import numpy as np

__all__ = ["FAINT", "TEXTURES", "multiplicity", "textures"]

#: Pixels below this part of the brightest one count as empty, as a detector's readout has it.
FAINT = 1e-3

_HARDEST = (1, 2, 4, 8, 16)
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)

#: Names of the columns of :func:`textures`.
TEXTURES = (
    "multiplicity",
    *(f"share_of_{n}_hardest" for n in _HARDEST),
    "entropy",
    *(f"quantile_{q}" for q in _QUANTILES),
    "step_along_x",
    "step_along_y",
    "total",
)


def multiplicity(images: np.ndarray) -> np.ndarray:
    """Number of pixels of each image ``[J, n, m]`` that are not empty, ``[J]``.

    Examples:
        >>> multiplicity(np.array([[[1.0, 0.5], [1e-6, 0.0]]])).tolist()
        [2]
    """
    brightest = images.max((1, 2), keepdims=True)
    return ((images > 0) & (images >= FAINT * brightest)).sum((1, 2))


def textures(images: np.ndarray) -> np.ndarray:
    """Numbers that tell how an image is filled but not what it shows, ``[J, len(TEXTURES)]``.

    All are shares of the image's sum, but for the multiplicity and the sum itself: the number of
    pixels that are not empty, the share of the hardest ones, the entropy, quantiles over the pixels
    that are not empty, and the mean difference between neighbours along either axis.

    Args:
        images: Images ``[J, n, m]``, none negative; an image may be empty.

    Examples:
        >>> images = np.zeros((1, 4, 4))
        >>> images[0, 1, 1:3] = 3.0, 1.0
        >>> dict(zip(TEXTURES, textures(images)[0].round(2).tolist()))["share_of_1_hardest"]
        0.75
    """
    total = images.sum((1, 2), dtype=np.float64)
    share = images / np.where(total > 0, total, 1)[:, None, None]
    flat = -np.sort(-share.reshape(len(images), -1), axis=1)
    count = multiplicity(images)
    running = np.cumsum(flat, axis=1)
    hardest = [running[:, min(n, flat.shape[1]) - 1] for n in _HARDEST]
    entropy = -(flat * np.log(np.where(flat > 0, flat, 1))).sum(1)
    rows = np.arange(len(images))
    ranked = [flat[rows, np.rint((1 - q) * np.maximum(count - 1, 0)).astype(int)]
              for q in _QUANTILES]  # fmt: skip
    steps = [np.abs(np.diff(share, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    return np.stack([count, *hardest, entropy, *ranked, *steps, total], -1)
