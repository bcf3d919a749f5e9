"""Figures that several sections draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyg_jets.report.figures.style import GREY, Drawing, network_colour

__all__ = ["bins", "digits", "response"]


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


def bins(rows: Mapping[str, Mapping[str, Any]]) -> Drawing:
    """Histograms of mass and pT, with the ratio of each row to the truth below.

    Args:
        rows: By title, ``{"pt" or "mass": {"edges", "made", "real", "ratio", "error"}}``.
    """

    def draw(figure: Any) -> None:
        axes = figure.subplots(2, 2, sharex="col", height_ratios=(2, 1))
        for column, (name, label) in enumerate({"mass": "mass", "pt": "$p_T$"}.items()):
            above, below = axes[:, column]
            first = next(iter(rows.values()))[name]
            above.stairs(first["real"], first["edges"], color="black", label="truth", linewidth=1.2)
            for number, (title, histograms) in enumerate(rows.items()):
                shown, colour = histograms[name], network_colour(number)
                edges = np.array(shown["edges"])
                above.stairs(shown["made"], edges, color=colour, label=title)
                middle = (edges[1:] + edges[:-1]) / 2
                below.errorbar(middle, shown["ratio"], shown["error"], fmt=".", color=colour,
                               linewidth=1, markersize=5)  # fmt: skip
            above.set_ylim(bottom=0)
            below.axhspan(0.9, 1.1, color=GREY, alpha=0.2, linewidth=0)
            below.axhline(1, color=GREY, linewidth=1)
            below.set_ylim(0.45, 1.55)
            below.set_xlabel(f"{label} (GeV)")
        axes[0, 0].set_ylabel("share of jets a bin")
        axes[1, 0].set_ylabel("row / truth")
        axes[0, 0].legend(frameon=False)

    return Drawing(draw, (10, 5.5))


def response(rows: Mapping[str, Mapping[str, Any]]) -> Drawing:
    """Mean and width of each jet's response against those of the detector.

    Args:
        rows: By title, ``{"pt" or "mass": {"mean": [J], "width": [J], "true_mean": …}}``.
    """

    def draw(figure: Any) -> None:
        axes = figure.subplots(2, 2)
        for line, (name, label) in zip(axes, {"pt": "$p_T$", "mass": "mass"}.items(), strict=True):
            for axis, what in zip(line, ("mean", "width"), strict=True):
                for number, (title, jets) in enumerate(rows.items()):
                    x, y = jets[name][f"true_{what}"], jets[name][what]
                    axis.plot(x, y, ".", color=network_colour(number), markersize=3, label=title)
                low, high = np.quantile(
                    next(iter(rows.values()))[name][f"true_{what}"], (0.01, 0.99)
                )
                span = low - 0.2 * (high - low), high + 0.2 * (high - low)
                axis.plot(span, span, color=GREY, linewidth=1, zorder=0)
                axis.set_xlim(*span)
                axis.set_ylim(*span)
                axis.set_xlabel(f"detector: {what} of the {label} response")
                axis.set_ylabel("row")
        names = axes[0, 0].get_legend_handles_labels()
        figure.legend(*names, loc="outside upper center", ncols=len(rows), markerscale=2)

    return Drawing(draw, (7.5, 6.5))
