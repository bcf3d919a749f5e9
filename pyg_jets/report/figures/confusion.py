"""What is taken for what: a confusion matrix for each network of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.report.classes import Classifier
from pyg_jets.report.figures.style import label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion_size", "draw_confusion"]

#: Side of a cell and of the smallest matrix, width of a letter (inches).
_CELL, _SMALLEST, _LETTER = 0.5, 2.8, 0.085
#: Share from which on a cell is dark.
_DARK = 0.6
#: Names of classes with more letters together are written at an angle.
_CROWDED = 30


def confusion_size(n_networks: int, names: Sequence[str]) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    rows, columns = _grid(n_networks, len(names))
    longest = _LETTER * max(map(len, names))
    below = 0.7 * longest if _crowded(names) else 0.0
    return columns * (_side(names) + 0.2) + longest + 0.5, rows * (_side(names) + 0.6) + below + 0.5


def _grid(n_networks: int, n_classes: int) -> tuple[int, int]:
    columns = min(n_networks, 3 if n_classes <= 6 else 2)
    return -(-n_networks // columns), columns


def _side(names: Sequence[str]) -> float:
    return max(_SMALLEST, _CELL * len(names))


def _crowded(names: Sequence[str]) -> bool:
    return sum(map(len, names)) > _CROWDED


def draw_confusion(figure: Figure, networks: Sequence[Classifier], names: Sequence[str]) -> None:
    """Percentages of the jets of each class (rows) that are taken for each class (columns)."""
    grid = _grid(len(networks), len(names))
    axes = figure.subplots(*grid, squeeze=False, sharex=True, sharey=True)
    for ax, one in zip(axes.flat, networks, strict=False):
        _draw_matrix(ax, one.confusion, names)
        ax.set_title(label(fill(one.title, int(_side(names) / _LETTER))), loc="left")
    for ax in axes.flat[len(networks) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("true class", loc="center")
    for ax in axes[-1]:
        ax.set_xlabel("taken for", loc="center")


def _draw_matrix(ax: Any, shares: np.ndarray, names: Sequence[str]) -> None:
    ax.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for (row, column), share in np.ndenumerate(shares):
        ax.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=9,
                color="white" if share > _DARK else "black")  # fmt: skip
    places, labels = range(len(names)), [label(name) for name in names]
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(places, labels, **(turned if _crowded(names) else {}))
    ax.set_yticks(places, labels)
    ax.tick_params(which="both", length=0)
    ax.minorticks_off()
