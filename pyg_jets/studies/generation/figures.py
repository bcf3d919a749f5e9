"""The figures of the page: responses of jets, histograms, digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyg_jets.report.figures.style import GREY, Drawing, network_colour

__all__ = ["bins", "digits", "response"]

QUANTITIES = {"pt": "$p_T$", "mass": "mass"}


def response(responses: dict[str, tuple[Any, Any, str]], titles: Sequence[str]) -> Drawing:
    """Mean and width of each jet's response, of networks against the detector.

    Args:
        responses: Responses of a network and of the detector, by the network's title.
        titles: The networks that are drawn.
    """

    def draw(figure: Any) -> None:
        axes = figure.subplots(2, 2)
        for row, (name, label) in enumerate(QUANTITIES.items()):
            for column, what in enumerate(("mean", "width")):
                axis = axes[row, column]
                _points(axis, responses, titles, name, what)
                axis.set_xlabel(f"detector: {what} of the {label} response")
                axis.set_ylabel("network")
        names = axes[0, 0].get_legend_handles_labels()
        figure.legend(*names, loc="outside upper center", ncols=len(titles), markerscale=2)

    return Drawing(draw, (7.5, 6.5))


def _points(
    axis: Any, responses: dict[str, Any], titles: Sequence[str], name: str, what: str
) -> None:
    shown: list[float] = []
    for number, title in enumerate(titles):
        network, detector, _ = responses[title]
        x, y = detector[name][what], network[name][what]
        axis.plot(x, y, ".", color=network_colour(number), markersize=3, label=title)
        shown += [*x, *y]
    low, high = np.quantile(shown, (0.005, 0.995))
    margin = 0.08 * (high - low)
    span = low - margin, high + margin
    axis.plot(span, span, color=GREY, linewidth=1, zorder=0)
    axis.set_xlim(*span)
    axis.set_ylim(*span)


def bins(lines: Sequence[dict[str, Any]]) -> Drawing:
    """Histograms of mass and pT, with the ratio of each network to the target below.

    Args:
        lines: Rows of the table with the leading particles.
    """

    def draw(figure: Any) -> None:
        axes = figure.subplots(2, 2, sharex="col", height_ratios=(2, 1))
        for column, (name, label) in enumerate(reversed(QUANTITIES.items())):
            above, below = axes[:, column]
            real = lines[0]["bins"][name]
            above.stairs(real["real"], real["edges"], color="black", label="target", linewidth=1.2)
            for number, line in enumerate(lines):
                ratios, colour = line["bins"][name], network_colour(number)
                edges = np.array(ratios["edges"])
                above.stairs(ratios["made"], edges, color=colour, label=line["title"])
                middle = (edges[1:] + edges[:-1]) / 2
                below.errorbar(middle, ratios["ratio"], ratios["error"], fmt=".", color=colour,
                               linewidth=1, markersize=5)  # fmt: skip
            above.set_ylim(bottom=0)
            below.axhspan(0.9, 1.1, color=GREY, alpha=0.2, linewidth=0)
            below.axhline(1, color=GREY, linewidth=1)
            below.set_ylim(0.45, 1.55)
            below.set_xlabel(f"{label} (GeV)")
        axes[0, 0].set_ylabel("jets a bin")
        axes[1, 0].set_ylabel("network / target")
        axes[0, 0].legend(frameon=False)

    return Drawing(draw, (10, 5.5))


def digits(shown: dict[str, list[np.ndarray]]) -> Drawing:
    """Rows of digits: the targets, their reconstructions, and digits out of noise.

    Args:
        shown: Digits of each row, as (x, y, intensity) of their pixels.
    """
    n = len(shown["target"])
    pixels = np.concatenate(shown["target"])
    low, high = pixels[:, :2].min(0), pixels[:, :2].max(0)
    top = pixels[:, 2].max()

    def draw(figure: Any) -> None:
        axes = figure.subplots(len(shown), n, squeeze=False)
        for row, (name, clouds) in zip(axes, shown.items(), strict=True):
            for axis, (x, y, shade) in zip(row, (cloud.T for cloud in clouds), strict=True):
                axis.scatter(x, y, c=shade, s=3, cmap="Greys", vmin=-0.2 * top, vmax=top)
                axis.set_xlim(low[0] - 1e-2, high[0] + 1e-2)
                axis.set_ylim(low[1] - 1e-2, high[1] + 1e-2)
                axis.set_aspect("equal")
                axis.set_xticks([])
                axis.set_yticks([])
                axis.minorticks_off()
            row[0].set_ylabel(name, loc="center", fontsize=7)

    return Drawing(draw, (0.8 * n, 0.8 * len(shown) + 0.1))
