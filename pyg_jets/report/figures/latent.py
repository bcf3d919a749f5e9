"""Where jets lie in the latent space, and how much of it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyg_jets.report.figures.style import network_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_latent"]

_MOST = 4000


def draw_latent(
    figure: Figure,
    latent: np.ndarray,
    colour: np.ndarray,
    name: str,
    weights: np.ndarray | None = None,
) -> None:
    """The two principal components of the means, and the deviation of each latent's means.

    Args:
        figure: The figure.
        latent: Means of the latent, ``[J, L]``.
        colour: A number of each jet that is to be seen in it, ``[J]``.
        name: What that is.
        weights: How much each jet counts in the deviations, ``[J]``. Default: all count the same.
    """
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    few = latent[:_MOST] - latent.mean(0)
    _, _, directions = np.linalg.svd(few, full_matrices=False)
    place = few @ directions[:2].T
    place = np.pad(place, ((0, 0), (0, 2 - place.shape[1])))
    low, high = np.quantile(colour[:_MOST], (0.01, 0.99))
    points = left.scatter(*place.T, c=colour[:_MOST], s=6, cmap="viridis", vmin=low, vmax=high,
                         linewidths=0, alpha=0.7)  # fmt: skip
    figure.colorbar(points, ax=left).set_label(name, loc="center", labelpad=8)
    left.set(xlabel="first principal component", ylabel="second")
    square = np.square(latent - np.average(latent, 0, weights))
    deviation = np.sort(np.sqrt(np.average(square, 0, weights)))[::-1]
    right.bar(np.arange(1, len(deviation) + 1), deviation, color=network_colour(0), alpha=0.8)
    right.axhline(1, color="black", linewidth=0.7, linestyle=":")
    right.set(xlabel="latent, by its deviation", ylabel="deviation of means")
    right.xaxis.get_major_locator().set_params(integer=True)
    right.tick_params(which="minor", axis="x", bottom=False, top=False)
