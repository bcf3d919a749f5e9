"""Figures that several sections draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyg_jets.report.figures.style import Drawing

__all__ = ["digits"]


def digits(rows: Mapping[str, Sequence[np.ndarray]]) -> Drawing:
    """Rows of digits: targets, reconstructions, digits out of noise, one class a column, …

    Args:
        rows: Digits of each row, each as (x, y, intensity) of its pixels ``[n, 3]``.
    """
    n = max(map(len, rows.values()))
    pixels = np.concatenate(next(iter(rows.values())))
    low, high = pixels[:, :2].min(0), pixels[:, :2].max(0)
    margin, top = 0.05 * (high - low), pixels[:, 2].max()

    def draw(figure: Any) -> None:
        axes = figure.subplots(len(rows), n, squeeze=False)
        for line, (name, clouds) in zip(axes, rows.items(), strict=True):
            for axis in line:
                axis.set_xlim(low[0] - margin[0], high[0] + margin[0])
                axis.set_ylim(low[1] - margin[1], high[1] + margin[1])
                axis.set_aspect("equal")
                axis.set_xticks([])
                axis.set_yticks([])
                axis.minorticks_off()
            for axis, cloud in zip(line, clouds, strict=False):
                x, y, shade = cloud.T
                axis.scatter(x, y, c=shade, s=3, cmap="Greys", vmin=-0.2 * top, vmax=top)
            line[0].set_ylabel(name, loc="center", fontsize=7)

    return Drawing(draw, (0.8 * n, 0.8 * len(rows) + 0.1))
