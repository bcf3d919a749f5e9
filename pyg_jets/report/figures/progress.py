"""Losses and distances of features over the epochs of a generator's training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.report.figures.style import network_colour
from pyg_jets.report.figures.training import best_epoch
from pyg_jets.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_progress", "has_progress"]

_BEHIND = ("emd", "emd_admitted", "emd_mass_pt")


def has_progress(run: Run) -> bool:
    """Whether the run kept training curves."""
    return len(run.history.get("epoch", ())) > 0


def draw_progress(figure: Figure, run: Run) -> None:
    """Left the losses; right, of the validation, the distance of each feature and their sum."""
    left, right = figure.subplots(1, 2)
    for name, text, line in (("train/loss", "training", "--"), ("val/loss", "validation", "-")):
        _plot(left, run, name, color=network_colour(0), linestyle=line, label=text)
    _log_if_wide(left)
    left.set_ylabel("loss")
    names = [n.removeprefix("val/emd_") for n in run.history if n.startswith("val/emd_")]
    shown = [n for n in names if f"emd_{n}" not in _BEHIND and not n.startswith("particle_")]
    for number, name in enumerate(shown):
        colour = network_colour(number + 1)
        _plot(right, run, f"val/emd_{name}", color=colour, linewidth=1.3, label=name)
    _plot(right, run, "val/emd", color="black", label="sum")
    right.set_yscale("log")
    low, high = right.get_ylim()
    right.set_ylim(low, high * (high / low) ** 0.25)  # leaves room for the legend
    right.set_ylabel("EMD")
    best = best_epoch(run)
    for ax in (left, right):
        if best is not None:
            ax.axvline(run.history["epoch"][best], color="black", linewidth=0.8, linestyle=":")
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.tick_params(which="minor", axis="x", bottom=False, top=False)
        if ax.lines:
            ax.legend(loc="upper right", fontsize=8, ncols=4 if ax is right else 2)


def _plot(ax: Any, run: Run, name: str, **look: Any) -> None:
    values = run.history.get(name)
    if values is not None and (filled := np.isfinite(values)).any():
        ax.plot(run.history["epoch"][filled], values[filled], marker=".", **look)


def _log_if_wide(ax: Any) -> None:
    drawn = np.concatenate([line.get_ydata() for line in ax.lines] or [np.ones(1)])
    if drawn.min() > 0 and drawn.max() > 5 * drawn.min():
        ax.set_yscale("log")
