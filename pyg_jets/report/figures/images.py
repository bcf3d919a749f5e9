"""The average jet image of each class, before and after the detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pyg_jets.jets import JetArray
from pyg_jets.report.samples import aligned_positions, pairs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PIXELS", "average_images", "draw_images"]

#: Pixels along each side of an image.
PIXELS = 32


def average_images(jets: JetArray, half: float, axis: str) -> dict[int, tuple[np.ndarray, ...]]:
    """Mean pT a pixel and jet (GeV), ``[PIXELS, PIXELS]``, before and after, for each class.

    Args:
        jets: The samples of a run; their jet column ``weight``, if there is one, is that of a
            weighted mean.
        half: Half the side of an image.
        axis: See :meth:`~pyg_jets.jets.JetArray.relative_positions`.
    """
    before, after = pairs(jets)
    labels = np.zeros(len(before), np.int64) if before.labels is None else before.labels
    images = {}
    for value in np.unique(labels):
        one, other = before[labels == value], after[labels == value]
        positions = aligned_positions(one, other, axis)
        images[int(value)] = tuple(
            _image(j, p, half) for j, p in zip((one, other), positions, strict=True)
        )
    return images


def _image(jets: JetArray, positions: np.ndarray, half: float) -> np.ndarray:
    edges = np.linspace(-half, half, PIXELS + 1)
    weight = np.asarray(jets.jets.get("weight", np.ones(len(jets))), np.float64)
    pt = jets.column("pt").astype(np.float64) * np.repeat(weight, jets.counts)
    x, y = positions.T
    summed, _, _ = np.histogram2d(x, y, bins=edges, weights=pt)
    return summed.T / (weight.sum() or 1)


def draw_images(
    figure: Figure,
    images: dict[int, tuple[np.ndarray, ...]],
    half: float,
    names: Sequence[str],
    unit: str,
) -> None:
    """A row for each class: before the detector, after it, on one colour scale."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FixedLocator

    axes = figure.subplots(len(images), 2, sharex=True, sharey=True, squeeze=False)
    top = max(image.max() for pair in images.values() for image in pair)
    top = top if top > 0 else 1.0
    norm = LogNorm(top * 3e-4, top)
    edges = np.linspace(-half, half, PIXELS + 1)
    for row, (value, pair) in zip(axes, images.items(), strict=True):
        for ax, image, when in zip(row, pair, ("before", "after"), strict=True):
            drawn = ax.pcolormesh(edges, edges, np.ma.masked_equal(image, 0), norm=norm,
                                  cmap="magma_r", rasterized=True)  # fmt: skip
            ax.set_title(f"{names[value]}, {when} the detector", loc="left")
            ax.set_aspect("equal")
            for one in (ax.xaxis, ax.yaxis):
                one.set_major_locator(FixedLocator([-half / 2, 0, half / 2]))
            ax.minorticks_off()
        row[0].set_ylabel("along the principal axis")
    for ax in axes[-1]:
        ax.set_xlabel("across")
    figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02, label=f"mean $p_T$ a pixel [{unit}]")
