"""Histograms of the scores, a panel for each network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.files import require
from pyg_jets.report.compare import TaggerResult
from pyg_jets.report.figures.style import BACKGROUND, label, network_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_scores", "scores_size"]

_BINS = 40
_COLUMNS = 3


def scores_size(n_networks: int) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    rows, columns = _grid(n_networks)
    return (5.6, 3.6) if n_networks == 1 else (3.5 * columns + 0.4, 2.9 * rows + 0.2)


def _grid(n_networks: int) -> tuple[int, int]:
    columns = min(n_networks, _COLUMNS)
    return -(-n_networks // columns), columns


def draw_scores(figure: Figure, networks: Sequence[TaggerResult], classes: tuple[str, str]) -> None:
    """The logits of background and of signal jets, each network on axes of its own."""
    axes = figure.subplots(*_grid(len(networks)), squeeze=False)
    for ax, one in zip(axes.flat, networks, strict=False):
        _draw_panel(ax, one, classes)
    for ax in axes.flat[len(networks) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("share of jets / bin")
    for ax in axes[-1]:
        ax.set_xlabel("score (logit)")


def _draw_panel(ax: Any, one: TaggerResult, classes: tuple[str, str]) -> None:
    histplot = require("mplhep", "report").histplot
    looks: list[dict[str, Any]] = [
        {"histtype": "fill", "facecolor": BACKGROUND, "edgecolor": BACKGROUND, "alpha": 0.55},
        {"histtype": "step", "edgecolor": network_colour(one.colour), "linewidth": 1.8},
    ]
    edges, highest = _edges(one.scores), 0.0
    for value, look in enumerate(looks):
        chosen = one.labels == value
        inside = np.clip(one.scores[chosen], edges[0], edges[-1])
        weights = np.ones(len(inside)) if one.weights is None else one.weights[chosen]
        height = np.histogram(inside, edges, weights=weights)[0] / weights.sum()
        highest = max(highest, height.max())
        histplot(height, edges, ax=ax, label=label(classes[value]), yerr=False, **look)
    ax.axvline(0, color="black", linewidth=0.8, linestyle=":", ymax=0.85)
    ax.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.3 * highest))  # leaves room for the legend
    ax.set_title(label(one.title), loc="left")
    ax.legend(loc="upper left", ncols=2)


def _edges(scores: np.ndarray) -> np.ndarray:
    finite = scores[np.isfinite(scores)]
    low, high = np.quantile(finite, (0.005, 0.995)) if len(finite) else (0.0, 0.0)
    return np.linspace(low, high, _BINS + 1) if high > low else np.linspace(low - 1, low + 1, 41)
