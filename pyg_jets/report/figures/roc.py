"""Background rejection against signal efficiency."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.report.compare import GRID, Comparison, TaggerResult
from pyg_jets.report.figures.style import BASELINES, GREY, label, network_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FEWEST", "draw_roc"]

#: With more entries a legend would hide curves.
_INSIDE = 8
#: A curve is drawn where at least so many background jets pass.
FEWEST = 3


def draw_roc(figure: Figure, compared: Comparison) -> None:
    """1/εB of networks, with a 68 % band, and of baselines, over εS."""
    ax = figure.subplots()
    floor = FEWEST / compared.effective_background
    for one, dashes in zip(compared.baselines, cycle(BASELINES), strict=False):
        ax.plot(*_curve(one.measured, floor), color=GREY, linestyle=dashes, label=label(one.title))
    for one in compared.networks:
        _draw_network(ax, one, floor)
    ax.plot(GRID, 1 / GRID, color=GREY, linewidth=0.9, alpha=0.6, label="chance")
    ax.set(xlim=(0, 1), yscale="log", ylim=(1, None), xlabel=r"signal efficiency $\varepsilon_S$",
           ylabel=r"background rejection $1/\varepsilon_B$")  # fmt: skip
    ax.grid(which="major", linewidth=0.5, alpha=0.5)
    handles, labels = ax.get_legend_handles_labels()
    first = len(compared.baselines)
    order = [*range(first, len(labels)), *range(first)]
    order.remove(len(labels) - 1)
    order.append(len(labels) - 1)
    entries = [handles[i] for i in order], [labels[i] for i in order]
    if len(order) <= _INSIDE:
        ax.legend(*entries, loc="upper right")
    else:
        figure.legend(*entries, loc="outside lower center", ncols=3)


def _draw_network(ax: Any, one: TaggerResult, floor: float) -> None:
    colour = network_colour(one.colour)
    ax.plot(*_curve(one.measured, floor), color=colour, label=label(one.title), zorder=3)
    low, high = np.quantile(one.draws[:, 2:], (0.16, 0.84), axis=0)
    shown = one.measured[2:] >= floor
    band = 1 / np.maximum(high[shown], floor), 1 / np.maximum(low[shown], floor)
    ax.fill_between(GRID[shown], *band, color=colour, alpha=0.14, linewidth=0)


def _curve(measured: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    shown = measured[2:] >= floor
    return GRID[shown], 1 / measured[2:][shown]
