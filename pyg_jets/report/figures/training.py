"""Loss and AUC over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.report.classes import Classifier
from pyg_jets.report.compare import TaggerResult
from pyg_jets.report.figures.style import label, network_colour
from pyg_jets.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Network",
    "best_epoch",
    "draw_training",
    "have_auc",
    "training_size",
    "with_history",
]

Network = TaggerResult | Classifier


def with_history(networks: Sequence[Network]) -> list[Network]:
    """The networks whose runs kept training curves."""
    return [one for one in networks if one.run is not None and len(_epochs(one.run.history))]


def best_epoch(run: Run) -> int | None:
    """Index of the row of the best epoch, by the quantity that the checkpoint watched."""
    watched = run.config.get("checkpoint")
    names = [watched.get("monitor")] if isinstance(watched, Mapping) else []
    for name in (*names, "val/loss", "val/auc"):
        values = run.history.get(str(name))
        if values is not None and np.isfinite(values).any():
            larger = "auc" in str(name) or "accuracy" in str(name)
            return int(np.nanargmax(values) if larger else np.nanargmin(values))
    return None


def training_size(networks: Sequence[Network]) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    rows, columns = _grid(networks)
    return 3.5 * columns + (1.2 if columns == 2 else 0.4), 2.8 * rows + 0.2


def _grid(networks: Sequence[Network]) -> tuple[int, int]:
    panels = len(networks) + have_auc(networks)
    columns = panels if panels < 3 else 3 - (panels == 4)
    return -(-panels // columns), columns


def have_auc(networks: Sequence[Network]) -> bool:
    """Whether there is an AUC of the validation, as taggers of two classes have."""
    return any(one.run is not None and "val/auc" in one.run.history for one in networks)


def draw_training(figure: Figure, networks: Sequence[Network]) -> None:
    """A panel of losses for each run, as losses differ, and one of the validation AUC of all."""
    axes = figure.subplots(*_grid(networks), squeeze=False).ravel()
    for ax, one in zip(axes, networks, strict=False):
        _draw_losses(ax, one)
    drawn = len(networks)
    if have_auc(networks):
        _draw_auc(axes[drawn], networks)
        drawn += 1
    for ax in axes[:drawn]:
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.tick_params(which="minor", axis="x", bottom=False, top=False)
    for ax in axes[drawn:]:
        ax.set_axis_off()


def _draw_losses(ax: Any, one: Network) -> None:
    assert one.run is not None  # as with_history chose
    colour, history = network_colour(one.colour), one.run.history
    looks = {"train/loss": ("training", "--"), "val/loss": ("validation", "-")}
    for name, (text, line) in looks.items():
        _plot(ax, history, name, color=colour, linestyle=line, label=text)
    if "train/bce" in history and "train/invariance" in history:
        _plot(ax, history, "train/bce", color=colour, linestyle=":", label="training, BCE term")
    _mark_best(ax, one, "val/loss")
    ax.set_title(label(one.title), loc="left")
    ax.set_ylabel("loss")
    if ax.lines:
        ax.legend(loc="best")


def _draw_auc(ax: Any, networks: Sequence[Network]) -> None:
    for one in networks:
        assert one.run is not None  # as with_history chose
        colour = network_colour(one.colour)
        _plot(ax, one.run.history, "val/auc", color=colour, label=label(one.title))
        _mark_best(ax, one, "val/auc")
    ax.set_title("validation AUC", loc="left")
    ax.set_ylabel("AUC")
    if len(networks) > 1 and ax.lines:
        ax.legend(loc="best")


def _plot(ax: Any, history: Mapping[str, np.ndarray], name: str, **look: Any) -> None:
    if name in history:
        filled = np.isfinite(history[name])
        ax.plot(history["epoch"][filled], history[name][filled], **look)


def _mark_best(ax: Any, one: Network, name: str) -> None:
    assert one.run is not None  # as with_history chose
    best, values = best_epoch(one.run), one.run.history.get(name)
    if best is not None and values is not None:
        ax.plot(one.run.history["epoch"][best], values[best], "o", markersize=7,
                markerfacecolor="white", markeredgewidth=1.8,
                markeredgecolor=network_colour(one.colour), zorder=4)  # fmt: skip


def _epochs(history: Mapping[str, np.ndarray]) -> np.ndarray:
    return history.get("epoch", np.empty(0))
