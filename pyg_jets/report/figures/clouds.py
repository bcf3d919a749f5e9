"""Jets and digits as clouds of points, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.jets import JetArray
from pyg_jets.report.figures.jet import LABELS
from pyg_jets.report.figures.style import network_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["clouds_size", "draw_clouds"]

_LARGEST = 260


def clouds_size(rows: int, columns: int) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    return 2.15 * columns + 0.7, 2.2 * rows + 0.4


def draw_clouds(
    figure: Figure,
    rows: Sequence[tuple[str, JetArray]],
    physical: bool,
    titles: Sequence[str] = (),
) -> None:
    """A row of panels for each sample, in each column the jets that belong together.

    Args:
        figure: The figure.
        rows: A name and jets with the columns (pT, η, φ), as many in each row.
        physical: Whether particles are those of jets; else they are pixels.
        titles: What stands above the panels of the last row.
    """
    columns = len(rows[0][1])
    axes = figure.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
    half = _half([jets for _, jets in rows])
    for line, (name, jets) in enumerate(rows):
        for i, ax in enumerate(axes[line]):
            _draw_cloud(ax, jets[i], physical, network_colour(line), half)
            if titles and line == len(rows) - 1:
                ax.set_title(titles[i], fontsize=8.5)
        axes[line, 0].set_ylabel(f"{name}: {LABELS[1]}" if physical else name, loc="center")
    for ax in axes[-1] if physical else ():
        ax.set_xlabel(LABELS[0])


def _half(sets: Sequence[JetArray]) -> float:
    """Half the side of the panels: nearly all points lie inside."""
    places = [np.abs(jets.particles[:, 1:3]).ravel() for jets in sets if len(jets.particles)]
    return 1.05 * float(np.quantile(np.concatenate(places), 0.998)) if places else 1.0


def _draw_cloud(ax: Any, jet: JetArray, physical: bool, colour: str, half: float) -> None:
    pt, x, y = jet.particles[np.argsort(-jet.particles[:, 0])].T
    if physical:
        pt = np.clip(pt, 0, None)
        area = _LARGEST * pt / max(pt.max(initial=0), 1e-9)
        ax.scatter(x, y, s=area, c=colour, alpha=0.55, linewidths=0.4, edgecolors="white")
        ax.text(0.04, 0.95, f"n = {len(pt)}", transform=ax.transAxes, fontsize=8, va="top")
    else:
        ax.scatter(x, y, s=24, c=pt, cmap="Greys", vmin=0, vmax=1, marker="s", linewidths=0)
    ax.set(xlim=(-half, half), ylim=(-half, half))
    ax.set_aspect("equal")
    ax.tick_params(labelsize=7.5)
    ax.minorticks_off()
