"""`rotate_image`: the rotation after the detector, of the image of a jet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pyg_jets import kinematics
from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.detector.elementary import fast
from pyg_jets.detector.variants import canonical_particles, make_variants, parse_angles
from pyg_jets.errors import InputError
from pyg_jets.jets import JetArray
from pyg_jets.ops.kernel import over_jets

__all__ = ["check_shape", "rotate_image"]

#: Jets whose images are in memory at once.
_CHUNK = 1024


def rotate_image(
    jets: JetArray,
    angles: int | Sequence[float] | np.ndarray = 8,
    shape: tuple[int, int] = (32, 32),
    radius: float = 1.0,
    axis: Literal["jet", "origin"] = "jet",
    renormalise: bool = False,
    threads: int | None = None,
) -> JetArray:
    r"""Rotate the image of each jet, by interpolation between its pixels.

    The pT is summed on a grid within ±R of the axis, pixels are divided into square ones, the image

    .. math:: I'(\vec x) = \sum_k I_k\; \Lambda(R_\alpha^{-1} \vec x - \vec x_k)

    is warped with the bilinear weights Λ and summed to the original pixels; pixels of zero are
    dropped. Unlike :func:`~pyg_jets.detector.rotate` it works after a detector, but it blurs the
    image, cuts its corners off, and does not conserve energy.

    Source: the post-detector augmentation of arXiv 2311.05952.

    Args:
        jets: Jets after a detector, with the canonical columns.
        angles: V for V equal steps of a turn, a sequence ``[V]`` or an array ``[J, V]`` (rad).
        shape: Number of pixels in η (or x) and φ (or y).
        radius: Half the width of the image; what lies outside is dropped.
        axis: ``"jet"``, the (η, φ) of the jet's momentum sum, or ``"origin"`` for the toys.
        renormalise: Whether to scale each image to its sum before the rotation.
        threads: Number of threads at most. Default: torch's.

    Returns:
        Massless particles at the centres of the pixels, the variants of jet 0, then those of
        jet 1, …, with the jet columns ``variant_of``, ``angle`` and ``energy_loss``: the
        fraction of the image's pT that the warp lost (negative for a gain), before renormalisation.

    Raises:
        ValueError: For missing columns, angles that do not fit, or an image without pixels.

    Examples:
        >>> jets = JetArray([[9.0, 0.75, 0.25, 0, 0, 0]], CANONICAL, [0, 1])
        >>> turned = rotate_image(jets, [0.0, math.pi / 2], (4, 4), axis="origin")
        >>> [round(float(v), 3) for v in turned.column("eta")]
        [0.75, -0.25]
    """
    check_names((axis,), ("jet", "origin"), "axis")
    if not 0 < radius < math.inf:
        raise InputError(f"Expected a positive radius of the image, but got {radius}.")
    fine = check_shape(shape)
    x, table = canonical_particles(jets), parse_angles(angles, len(jets))
    centre = np.zeros((len(jets), 2))
    if axis == "jet":
        centre = np.stack([jets.momentum["eta"], jets.momentum["phi"]], -1)
    particles, counts, loss = [np.empty((0, len(CANONICAL)), np.float32)], [], [np.empty(0)]
    for start in range(0, len(jets), _CHUNK):
        stop = min(start + _CHUNK, len(jets))
        images, before = _warped(jets, x, centre, table, start, stop, shape, fine, radius, threads)
        after = images.sum((-2, -1), dtype=np.float64)
        kept = np.divide(after, before, out=np.ones_like(after), where=before > 0)
        loss.append((1 - kept).reshape(-1))
        if renormalise:
            images *= (1 / np.where(kept > 0, kept, 1))[..., None, None]
        rows, n = _pixels(images, centre[start:stop], radius)
        particles.append(rows)
        counts.append(n)
    ptr = np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *counts]))])
    rotated = make_variants(jets, table, np.concatenate(particles), ptr.astype(np.int64))
    return rotated.with_jets(energy_loss=np.concatenate(loss).astype(np.float32))


def check_shape(shape: Sequence[int]) -> int:
    """Number of square pixels on a side, which the pixels of ``shape`` are divided into.

    Raises:
        ValueError: For an image without pixels, or one with too many.
    """
    if len(shape) != 2 or any(n < 1 for n in shape) or math.lcm(*shape) > 512:
        raise InputError(
            f"Expected shape as two positive numbers of pixels whose least common multiple is at "
            f"most 512, but got {tuple(shape)}."
        )
    return math.lcm(*shape)


def _warped(
    jets: JetArray, x: np.ndarray, centre: np.ndarray, angles: np.ndarray, start: int, stop: int,
    shape: tuple[int, int], fine: int, radius: float, threads: int | None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Rotated images ``[J, V, n, m]`` of some jets, and the sums before the rotation ``[J, 1]``."""
    first, last = jets.ptr[start], jets.ptr[stop]
    jet = np.repeat(np.arange(stop - start), jets.counts[start:stop])
    rows = x[first:last].astype(np.float64)
    at = kinematics.relative(rows[:, 1], rows[:, 2], *centre[start:stop][jet].T)
    pixel = np.floor((at + radius) * (np.array(shape) / (2 * radius))).astype(np.int64)
    inside = ((pixel >= 0) & (pixel < np.array(shape))).all(1)
    before = np.zeros((stop - start, *shape))
    np.add.at(before, (jet[inside], *pixel[inside].T), rows[inside, 0])
    after = np.zeros((stop - start, angles.shape[1], *shape), np.float32)
    part = np.ascontiguousarray(angles[start:stop])

    def work(a: int, b: int) -> None:
        warp(before[a:b], np.cos(part[a:b]), np.sin(part[a:b]), fine, after[a:b])

    if stop > start:
        over_jets(work, np.arange(stop - start + 1) * fine * fine, threads, angles.shape[1])
    return after, before.sum((-2, -1))[:, None]


@fast
def warp(image: Any, cos: Any, sin: Any, fine: Any, out: Any) -> None:
    """Rotate images ``[J, n, m]`` into ``[J, V, n, m]`` through ``fine × fine`` square pixels."""
    n, m = image.shape[1], image.shape[2]
    wide, high, middle = fine // n, fine // m, (fine - 1) / 2
    for j in range(len(image)):
        for v in range(out.shape[1]):
            for a in range(fine):
                for b in range(fine):
                    dx, dy = a - middle, b - middle
                    # where this pixel's centre came from
                    x = middle + cos[j, v] * dx + sin[j, v] * dy
                    y = middle - sin[j, v] * dx + cos[j, v] * dy
                    i, k = int(np.floor(x)), int(np.floor(y))
                    value = 0.0
                    for p in range(i, i + 2):
                        for q in range(k, k + 2):
                            if 0 <= p < fine and 0 <= q < fine:
                                weight = (1 - abs(x - p)) * (1 - abs(y - q))
                                value += weight * image[j, p // wide, q // high]
                    out[j, v, a // wide, b // high] += np.float32(value / (wide * high))


def _pixels(images: np.ndarray, centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Pixels above zero as particles ``[M, 6]``, and how many each image has ``[J·V]``."""
    # a sum of cos and sin that ought to be zero leaves weights of 1e-16 of a pixel
    floor = 1e-9 * images.max((-2, -1), keepdims=True)
    j, v, a, b = np.nonzero(images > floor)
    counts = np.bincount(j * images.shape[1] + v, minlength=images.shape[0] * images.shape[1])
    size = 2 * radius / np.array(images.shape[2:])
    rows = np.zeros((len(j), len(CANONICAL)), np.float32)
    rows[:, 0] = images[j, v, a, b]
    rows[:, 1] = centre[j, 0] - radius + (a + 0.5) * size[0]
    phi = centre[j, 1] - radius + (b + 0.5) * size[1]
    rows[:, 2] = kinematics.delta_phi(phi, np.zeros_like(phi))
    return rows, counts
