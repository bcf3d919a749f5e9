"""A metric of the cells of a scan: lines in panels, or lists where there is no axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.metrics import Estimate
from pyg_jets.report.figures.style import label, network_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Curve", "Panel", "cells_size", "draw_cells", "line_looks"]

#: Line styles and markers in the order in which lines take them, each with the next colour.
_STYLES = ("-", (0, (4, 1.8)), (0, (6, 1.5, 1.5, 1.5)), (0, (1.2, 1.4)))
_MARKERS = "osDv"
#: Colour, line style and marker of each line.
Looks = Mapping[str, tuple[str, Any, str]]
#: Smaller markers for the shapes that look larger.
_MARKER = {"v": 6.5, "s": 5.3, "o": 6.2, "D": 5.2}
#: Share of the axis by which the lines are set apart, so that their errors can be told apart.
_APART = 0.009
#: Share of the axis by which published numbers stand outside our own.
_ASIDE = 0.055


@dataclass(frozen=True)
class Curve:
    """One line.

    Args:
        line: Its name.
        points: The metric by the place along the axis; an error of NaN is not drawn.
        source: Published numbers likewise.
    """

    line: str
    points: Mapping[float, Estimate]
    source: Mapping[float, Estimate]


@dataclass(frozen=True)
class Panel:
    """The curves that are drawn on the same axes."""

    title: str
    curves: tuple[Curve, ...]


def line_looks(
    lines: Iterable[str], looks: Mapping[str, tuple[str, Any, str]] | None = None
) -> dict[str, tuple[str, Any, str]]:
    """Colour, line style and marker of each line, the same in every figure and on the page.

    Args:
        lines: The lines, in the order in which they are shown.
        looks: The looks of some of them; the others get the next of a cycle.

    Examples:
        >>> line_looks(["a", "b"], {"a": ("black", "-", "o")})["a"]
        ('black', '-', 'o')
    """
    looks = dict(looks or {})
    others = [line for line in dict.fromkeys(lines) if line not in looks]
    for i, line in enumerate(others):
        number = i % len(_STYLES)
        looks[line] = (network_colour(i), _STYLES[number], _MARKERS[number])
    return looks


def cells_size(rows: int, columns: int) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    return (7.0 if columns == 1 else min(4.9 * columns, 10.2)), 3.5 * rows + 0.55


def draw_cells(
    figure: Figure,
    panels: Sequence[Sequence[Panel]],
    ylabel: str,
    xlabel: str = "training jets",
    log: bool = False,
    looks: Looks | None = None,
) -> None:
    """A metric along an axis; lines below each other where that has but one place.

    Panels of a row share the axis of the metric.

    Args:
        figure: Where to draw.
        panels: Rows of panels, all of one length.
        ylabel: What the axis of the metric is called.
        xlabel: What the other axis is called.
        log: Whether that of the metric is logarithmic.
        looks: Colour, line style and marker of each line. Default: :func:`line_looks`.
    """
    curves = [curve for row in panels for panel in row for curve in panel.curves]
    sizes = sorted({n for curve in curves for n in (*curve.points, *curve.source)})
    lines = list(dict.fromkeys(curve.line for curve in curves))
    looks = line_looks(lines, looks)
    sourced = any(curve.source for curve in curves)
    if len(sizes) == 1:
        _draw_lists(figure, panels, lines, ylabel, log, looks)
        _legend(figure, {}, sourced)
        return
    axes = figure.subplots(len(panels), len(panels[0]), squeeze=False, sharex=True, sharey="row")
    for ax, panel in zip(axes.flat, (panel for row in panels for panel in row), strict=True):
        _draw_panel(ax, panel, lines, sizes, looks)
        if log:
            _plain_decimals(ax, "y")
    for ax in axes[:, 0]:
        ax.set_ylabel(ylabel)
    for ax in axes[-1]:
        ax.set_xlabel(xlabel)
    _legend(figure, {line: looks[line] for line in lines}, sourced)


def _plain_decimals(ax: Any, which: str) -> None:
    """A logarithmic axis with ticks at 0.01, 0.02, 0.03, 0.05 and their like."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw_lists(
    figure: Figure,
    panels: Sequence[Sequence[Panel]],
    lines: Sequence[str],
    xlabel: str,
    log: bool,
    looks: Looks,
) -> None:
    """A row for each line, the first on top; the metric along the horizontal axis."""
    axes = figure.subplots(len(panels), len(panels[0]), squeeze=False, sharex="row", sharey=True)
    for ax, panel in zip(axes.flat, (panel for row in panels for panel in row), strict=True):
        for curve in panel.curves:
            place = len(lines) - 1 - lines.index(curve.line)
            colour, _, marker = looks[curve.line]
            for value, error in curve.points.values():
                ax.errorbar(value, place, xerr=error if np.isfinite(error) else 0, color=colour,
                            marker=marker, markersize=_MARKER[marker] + 1, elinewidth=1.4,
                            zorder=3)  # fmt: skip
            for value, _ in curve.source.values():
                ax.plot(value, place, marker, markersize=_MARKER[marker] + 3, markeredgewidth=1.4,
                        markerfacecolor="none", markeredgecolor=colour, zorder=4)  # fmt: skip
        ax.set_title(label(panel.title), loc="left")
        ax.grid(which="major", axis="x", linewidth=0.5, alpha=0.5)
        ax.set_yticks(range(len(lines)), [label(line) for line in reversed(lines)])
        ax.tick_params(which="both", axis="y", left=False, right=False)
        ax.set_ylim(-0.6, len(lines) - 0.4)
        ax.set_xlabel(xlabel)
        if log:
            _plain_decimals(ax, "x")


def _draw_panel(
    ax: Any, panel: Panel, lines: Sequence[str], sizes: Sequence[float], looks: Looks
) -> None:
    width = (sizes[-1] - sizes[0] if sizes else 0) or 1
    for curve in panel.curves:
        shift = _APART * width * (lines.index(curve.line) - (len(lines) - 1) / 2)
        _draw_curve(ax, curve, shift, looks)
        _draw_source(ax, curve, shift, _ASIDE * width, looks)
    ax.set_title(label(panel.title), loc="left")
    ax.grid(which="major", axis="y", linewidth=0.5, alpha=0.5)
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.tick_params(which="minor", axis="x", bottom=False, top=False)
    if sizes:
        ax.set_xlim(sizes[0] - 0.1 * width, sizes[-1] + 0.1 * width)


def _draw_curve(ax: Any, curve: Curve, shift: float, looks: Looks) -> None:
    colour, style, marker = looks[curve.line]
    if not curve.points:
        return
    x, y, error = _columns(curve.points)
    # no band where an error is not known, nor across
    ax.fill_between(x + shift, y - error, y + error, color=colour, alpha=0.13, linewidth=0)
    ax.errorbar(x + shift, y, np.nan_to_num(error), color=colour, linestyle=style,
                marker=marker, markersize=_MARKER[marker], elinewidth=1.1, zorder=3)  # fmt: skip


def _draw_source(ax: Any, curve: Curve, shift: float, aside: float, looks: Looks) -> None:
    colour, _, marker = looks[curve.line]
    if curve.source:
        x, y, _ = _columns(curve.source)
        # outside our own points, where it neither hides them nor under them
        x += np.where(x == min({**curve.points, **curve.source}), -aside, aside)
        ax.plot(x + shift, y, marker, markersize=_MARKER[marker] + 1.3, markeredgewidth=1.4,
                markerfacecolor="none", markeredgecolor=colour, zorder=4)  # fmt: skip


def _columns(points: Mapping[float, Estimate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sizes = np.array(sorted(points), float)
    values, errors = np.array([points[n] for n in sorted(points)]).T
    return sizes, values, errors


def _legend(figure: Figure, looks: Looks, source: bool) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for line, (colour, style, marker) in looks.items():
        handles.append(Line2D([], [], color=colour, linestyle=style, marker=marker,
                              markersize=_MARKER[marker], label=label(line)))  # fmt: skip
    if source:
        handles.append(Line2D([], [], color="none", marker="o", markersize=7.5, label="source",
                              markerfacecolor="none", markeredgewidth=1.4,
                              markeredgecolor="black"))  # fmt: skip
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles),
                      columnspacing=1.4, handletextpad=0.6)  # fmt: skip
