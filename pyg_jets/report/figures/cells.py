"""A metric of a study's arms against the training size, a panel for each network and detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.metrics import Estimate
from pyg_jets.report.figures.style import GREY, label, network_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Curve", "Panel", "arm_colour", "arm_look", "cells_size", "draw_cells"]

# Colour: where the rotation happens. Line and marker: what is done with it.
_NONE, _AFTER, _BEFORE, _FRESH = GREY, network_colour(5), network_colour(0), network_colour(3)
_LOOKS: dict[str, tuple[str, Any, str]] = {
    "none": (_NONE, (0, (1.2, 1.4)), "v"),
    "post-aug": (_AFTER, (0, (4, 1.8)), "s"),
    "pre-aug": (_BEFORE, (0, (4, 1.8)), "s"),
    "post-inv": (_AFTER, "-", "o"),
    "pre-inv": (_BEFORE, "-", "o"),
    "pre-inv-continuous": (_FRESH, "-", "D"),
}
#: Smaller markers for the shapes that look larger.
_MARKER = {"v": 6.5, "s": 5.3, "o": 6.2, "D": 5.2}
#: Share of the axis by which the arms are set apart, so that their errors can be told apart.
_APART = 0.007
#: Share of the axis by which published numbers stand outside our own.
_ASIDE = 0.055


@dataclass(frozen=True)
class Curve:
    """One arm.

    Args:
        arm: Its name.
        points: The metric by number of training jets; an error of NaN is not drawn.
        source: Published numbers likewise.
    """

    arm: str
    points: Mapping[int, Estimate]
    source: Mapping[int, Estimate]


@dataclass(frozen=True)
class Panel:
    """The curves of one network and detector."""

    title: str
    curves: tuple[Curve, ...]


def arm_colour(arm: str) -> str:
    """The colour of an arm, the same in every figure and on the page."""
    return arm_look(arm)[0]


def arm_look(arm: str) -> tuple[str, Any, str]:
    """Colour, line style and marker of an arm."""
    other = (network_colour(4 + sum(arm.encode()) % 4), (0, (6, 1.5, 1.5, 1.5)), "D")
    return _LOOKS.get(arm, other)


def cells_size(rows: int, columns: int) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    return (7.0 if columns == 1 else min(4.9 * columns, 10.2)), 3.5 * rows + 0.55


def draw_cells(
    figure: Figure, panels: Sequence[Sequence[Panel]], ylabel: str, log: bool = False
) -> None:
    """A grid of panels with one legend above; panels of a row share their vertical axis.

    Args:
        figure: Where to draw.
        panels: Rows of panels, all of one length.
        ylabel: What the vertical axis shows.
        log: Whether it is logarithmic.
    """
    rows, columns = len(panels), len(panels[0])
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey="row")
    arms = list(dict.fromkeys(c.arm for row in panels for panel in row for c in panel.curves))
    for ax, panel in zip(axes.flat, (panel for row in panels for panel in row), strict=True):
        _draw_panel(ax, panel, arms)
        if log:
            ax.set_yscale("log")
    for ax in axes[:, 0]:
        ax.set_ylabel(ylabel)
    for ax in axes[-1]:
        ax.set_xlabel("training jets")
    _legend(figure, arms, any(c.source for row in panels for panel in row for c in panel.curves))


def _draw_panel(ax: Any, panel: Panel, arms: Sequence[str]) -> None:
    sizes = sorted({n for curve in panel.curves for n in (*curve.points, *curve.source)})
    width = (sizes[-1] - sizes[0] if sizes else 0) or (sizes[0] if sizes else 1)
    for curve in panel.curves:
        shift = _APART * width * (arms.index(curve.arm) - (len(arms) - 1) / 2)
        _draw_curve(ax, curve, shift)
        _draw_source(ax, curve, shift, _ASIDE * width)
    ax.set_title(label(panel.title), loc="left")
    ax.grid(which="major", axis="y", linewidth=0.5, alpha=0.5)
    ax.set_xticks(sizes)
    ax.tick_params(which="minor", axis="x", bottom=False, top=False)
    if sizes:
        ax.set_xlim(sizes[0] - 0.1 * width, sizes[-1] + 0.1 * width)


def _draw_curve(ax: Any, curve: Curve, shift: float) -> None:
    colour, line, marker = arm_look(curve.arm)
    if not curve.points:
        return
    x, y, error = _columns(curve.points)
    known = np.isfinite(error)
    if known.sum() > 1:
        ax.fill_between(x[known] + shift, (y - error)[known], (y + error)[known], color=colour,
                        alpha=0.13, linewidth=0)  # fmt: skip
    ax.errorbar(x + shift, y, np.where(known, error, 0), color=colour, linestyle=line,
                marker=marker, markersize=_MARKER[marker], elinewidth=1.1, zorder=3)  # fmt: skip


def _draw_source(ax: Any, curve: Curve, shift: float, aside: float) -> None:
    colour, _, marker = arm_look(curve.arm)
    if curve.source:
        x, y, _ = _columns(curve.source)
        # outside our own points, where it neither hides them nor under them
        x += np.where(x == min({**curve.points, **curve.source}), -aside, aside)
        ax.plot(x + shift, y, marker, markersize=_MARKER[marker] + 1.3, markeredgewidth=1.4,
                markerfacecolor="none", markeredgecolor=colour, zorder=4)  # fmt: skip


def _columns(points: Mapping[int, Estimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sizes = np.array(sorted(points), float)
    found = np.array([points[int(n)] for n in sizes])
    return sizes, found[:, 0], found[:, 1]


def _legend(figure: Figure, arms: Sequence[str], source: bool) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for arm in arms:
        colour, line, marker = arm_look(arm)
        handles.append(Line2D([], [], color=colour, linestyle=line, marker=marker,
                              markersize=_MARKER[marker], label=label(arm)))  # fmt: skip
    if source:
        handles.append(Line2D([], [], color="none", marker="o", markersize=7.5, label="source",
                              markerfacecolor="none", markeredgewidth=1.4,
                              markeredgecolor="black"))  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles),
                  columnspacing=1.4, handletextpad=0.6)  # fmt: skip
