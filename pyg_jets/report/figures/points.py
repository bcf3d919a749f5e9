"""The points of a search: its metric against each parameter, and the best so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.report.figures.style import label, network_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Cloud", "draw_points", "is_log", "points_size"]

#: A positive parameter that spans this factor or more is drawn on a logarithmic axis.
_SPAN = 8
#: So few different numbers are ticks of their own.
_FEW = 6
#: Names of classes on one axis that still fit beside each other.
_CROWDED = 22


@dataclass(frozen=True)
class Cloud:
    """The points of a search.

    Args:
        parameters: Numbers or texts of each parameter by its name, ``[P]``.
        values: The metric, ``[P]``, in the order in which the points ended.
        metric: Its name.
        maximises: Whether more of it is better.
        lines: The line of each point, ``[P]``; empty without lines.
        looks: Colour, line style and marker of each line.
    """

    parameters: dict[str, list[Any]]
    values: np.ndarray
    metric: str
    maximises: bool
    lines: tuple[str, ...] = ()
    looks: Mapping[str, tuple[str, Any, str]] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """The different lines, each once."""
        return tuple(dict.fromkeys(self.lines)) or ("",)

    @property
    def best(self) -> int:
        """Index of the best point."""
        return int(self.values.argmax() if self.maximises else self.values.argmin())


def is_log(values: Sequence[Any]) -> bool:
    """Whether numbers are apt for a logarithmic axis.

    Examples:
        >>> is_log([1e-4, 1e-2]), is_log([0, 100]), is_log([16, 64]), is_log(["a", "b"])
        (True, False, False, False)
    """
    return _numeric(values) and min(values) > 0 and max(values) / min(values) >= _SPAN


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def points_size(panels: int) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    rows, columns = _grid(panels)
    return 3.3 * columns + 0.5, 2.8 * rows + 0.2


def _grid(panels: int) -> tuple[int, int]:
    columns = {1: 1, 2: 2, 4: 2}.get(panels, 3)
    return -(-panels // columns), columns


def draw_points(figure: Figure, cloud: Cloud) -> None:
    """A panel for each parameter, and one of the best so far; a ring marks the best point."""
    panels = len(cloud.parameters) + 1
    axes = figure.subplots(*_grid(panels), squeeze=False, sharey=True)
    for ax, (name, values) in zip(axes.flat, cloud.parameters.items(), strict=False):
        x = _axis(ax, values)
        _scatter(ax, x, cloud)
        ax.set_xlabel(label(name))
    _best_so_far(axes.flat[panels - 1], cloud)
    for ax in axes.flat[panels:]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel(label(cloud.metric))
    if len(cloud.groups) > 1:
        _legend(figure, cloud)


def _axis(ax: Any, values: Sequence[Any]) -> np.ndarray:
    """Positions on an axis, which is prepared for them."""
    if _numeric(values):
        if is_log(values):
            ax.set_xscale("log")
        ax.margins(x=0.08)
        if len(different := sorted(set(values))) <= _FEW:
            ax.set_xticks(different, [f"{value:g}" for value in different])
            ax.tick_params(which="minor", axis="x", bottom=False, top=False, labelbottom=False)
        return np.array(values, float)
    names = sorted(set(map(str, values)))
    crowded = sum(map(len, names)) > _CROWDED
    ax.set_xticks(range(len(names)), [label(name) for name in names],
                  **({"rotation": 25, "ha": "right"} if crowded else {}))  # fmt: skip
    ax.tick_params(which="minor", axis="x", bottom=False, top=False)
    ax.set_xlim(-0.6, len(names) - 0.4)
    # a golden-ratio sequence spreads the points evenly, and alike in every drawing
    aside = (np.arange(len(values)) * 0.6180339887 % 1 - 0.5) * 0.5
    return np.array([names.index(str(value)) for value in values]) + aside


def _scatter(ax: Any, x: np.ndarray, cloud: Cloud) -> None:
    for group in cloud.groups:
        colour, marker = _look(cloud, group)
        own = np.array(cloud.lines) == group if cloud.lines else np.ones(len(x), bool)
        ax.scatter(x[own], cloud.values[own], s=22, c=colour, marker=marker, alpha=0.65,
                   linewidths=0, zorder=3)  # fmt: skip
    ax.plot(x[cloud.best], cloud.values[cloud.best], "o", markersize=10, markerfacecolor="none",
            markeredgecolor="black", markeredgewidth=1.5, zorder=4)  # fmt: skip
    ax.grid(which="major", linewidth=0.5, alpha=0.5)


def _look(cloud: Cloud, group: str) -> tuple[str, str]:
    """Colour and marker: those of the line, if there are several."""
    if len(cloud.groups) == 1:
        return network_colour(0), "o"
    colour, _, marker = cloud.looks[group]
    return colour, marker


def _best_so_far(ax: Any, cloud: Cloud) -> None:
    better = np.maximum if cloud.maximises else np.minimum
    number = np.arange(1, len(cloud.values) + 1)
    _scatter(ax, number, cloud)
    ax.step(number, better.accumulate(cloud.values), where="post", color="black", linewidth=1.5,
            zorder=2)  # fmt: skip
    ax.set_xlabel("points, as they ended (line: best so far)")
    ax.xaxis.get_major_locator().set_params(integer=True)


def _legend(figure: Figure, cloud: Cloud) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for group in cloud.groups:
        colour, marker = _look(cloud, group)
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none",
                              label=label(group)))  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles),
                  columnspacing=1.4, handletextpad=0.2)  # fmt: skip
