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
_APART = 0.009
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
    """A metric against the training size; arms below each other where there is but one size.

    Panels of a row share the axis of the metric.

    Args:
        figure: Where to draw.
        panels: Rows of panels, all of one length.
        ylabel: What the axis of the metric is called.
        log: Whether it is logarithmic.
    """
    curves = [curve for row in panels for panel in row for curve in panel.curves]
    sizes = sorted({n for curve in curves for n in (*curve.points, *curve.source)})
    arms = list(dict.fromkeys(curve.arm for curve in curves))
    sourced = any(curve.source for curve in curves)
    if len(sizes) == 1:
        _draw_lists(figure, panels, arms, ylabel, log)
        _legend(figure, [], sourced)
        return
    axes = figure.subplots(len(panels), len(panels[0]), squeeze=False, sharex=True, sharey="row")
    for ax, panel in zip(axes.flat, (panel for row in panels for panel in row), strict=True):
        _draw_panel(ax, panel, arms, sizes)
        if log:
            _plain_decimals(ax, "y")
    for ax in axes[:, 0]:
        ax.set_ylabel(ylabel)
    for ax in axes[-1]:
        ax.set_xlabel("training jets")
    _legend(figure, arms, sourced)


def _plain_decimals(ax: Any, which: str) -> None:
    """A logarithmic axis with ticks at 0.01, 0.02, 0.03, 0.05 and their like."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw_lists(
    figure: Figure, panels: Sequence[Sequence[Panel]], arms: Sequence[str], xlabel: str, log: bool
) -> None:
    """A line for each arm, the first on top; the metric along the horizontal axis."""
    axes = figure.subplots(len(panels), len(panels[0]), squeeze=False, sharex="row", sharey=True)
    for ax, panel in zip(axes.flat, (panel for row in panels for panel in row), strict=True):
        for curve in panel.curves:
            place = len(arms) - 1 - arms.index(curve.arm)
            colour, _, marker = arm_look(curve.arm)
            for value, error in curve.points.values():
                ax.errorbar(value, place, xerr=error if np.isfinite(error) else 0, color=colour,
                            marker=marker, markersize=_MARKER[marker] + 1, elinewidth=1.4,
                            zorder=3)  # fmt: skip
            for value, _ in curve.source.values():
                ax.plot(value, place, marker, markersize=_MARKER[marker] + 3, markeredgewidth=1.4,
                        markerfacecolor="none", markeredgecolor=colour, zorder=4)  # fmt: skip
        ax.set_title(label(panel.title), loc="left")
        ax.grid(which="major", axis="x", linewidth=0.5, alpha=0.5)
        ax.set_yticks(range(len(arms)), [label(arm) for arm in reversed(arms)])
        ax.tick_params(which="both", axis="y", left=False, right=False)
        ax.set_ylim(-0.6, len(arms) - 0.4)
        ax.set_xlabel(xlabel)
        if log:
            _plain_decimals(ax, "x")


def _draw_panel(ax: Any, panel: Panel, arms: Sequence[str], sizes: Sequence[int]) -> None:
    width = (sizes[-1] - sizes[0] if sizes else 0) or 1
    for curve in panel.curves:
        shift = _APART * width * (arms.index(curve.arm) - (len(arms) - 1) / 2)
        _draw_curve(ax, curve, shift)
        _draw_source(ax, curve, shift, _ASIDE * width)
    ax.set_title(label(panel.title), loc="left")
    ax.grid(which="major", axis="y", linewidth=0.5, alpha=0.5)
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.tick_params(which="minor", axis="x", bottom=False, top=False)
    if sizes:
        ax.set_xlim(sizes[0] - 0.1 * width, sizes[-1] + 0.1 * width)


def _draw_curve(ax: Any, curve: Curve, shift: float) -> None:
    colour, line, marker = arm_look(curve.arm)
    if not curve.points:
        return
    x, y, error = _columns(curve.points)
    # no band where an error is not known, nor across
    ax.fill_between(x + shift, y - error, y + error, color=colour, alpha=0.13, linewidth=0)
    ax.errorbar(x + shift, y, np.nan_to_num(error), color=colour, linestyle=line,
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
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles),
                      columnspacing=1.4, handletextpad=0.6)  # fmt: skip
