"""Histograms of features with the ratio to the target below, and resolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.metrics.generation import weighted_deviation
from pyg_jets.report.figures.style import BACKGROUND, GREY, network_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Feature", "draw_features", "draw_resolution", "features_size"]

_BINS = 40
_COLUMNS = 3
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "input": {"color": GREY, "linestyle": "--", "linewidth": 1.2},
    "made": {"color": network_colour(0), "linewidth": 1.8},
    "reconstructed": {"color": network_colour(1), "linewidth": 1.3},
}


@dataclass(frozen=True)
class Feature:
    """A feature in several samples.

    Args:
        name: Its name, with its unit, as the axis has it.
        values: ``{stage: [J]}``; the histograms are compared with ``target``.
        edges: Edges of the bins. Default: 40 between the 0.5 % and 99.5 % quantiles of the target.
        log: Whether the vertical axis is logarithmic.
        weights: ``{stage: [J]}``, how much each value counts. Default: all count the same.
    """

    name: str
    values: Mapping[str, np.ndarray]
    edges: np.ndarray | None = None
    log: bool = False
    weights: Mapping[str, np.ndarray] | None = None

    def histogram(
        self, stage: str, edges: np.ndarray, beyond: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The sum of weights in each bin, and its error, which of an empty bin is that of one jet.

        Args:
            stage: The stage.
            edges: Edges of the bins.
            beyond: Whether what is beyond them is in the outermost bins.
        """
        inside = self.values[stage]
        inside = np.clip(inside, edges[0], edges[-1]) if beyond else inside
        if self.weights is None:
            height = np.histogram(inside, edges)[0]
            return height, np.sqrt(np.maximum(height, 1))
        weight = self.weights[stage].astype(np.float64)
        height = np.histogram(inside, edges, weights=weight)[0]
        square = np.histogram(inside, edges, weights=weight**2)[0]
        return height, np.sqrt(np.where(square > 0, square, np.mean(weight**2)))

    def bins(self) -> np.ndarray:
        """Edges of the bins."""
        if self.edges is not None:
            return self.edges
        target = self.values["target"]
        low, high = np.quantile(target, (0.005, 0.995))
        if (target == np.round(target)).all():  # whole numbers: bins of as many of them each
            step = max(1, round((high - low) / _BINS))
            return np.arange(np.floor(low), high + step + 1, step) - 0.5
        high = high if high > low else low + 1
        return np.linspace(low, high, _BINS + 1)


def features_size(n: int) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    rows = -(-n // _COLUMNS)
    return 3.5 * min(n, _COLUMNS) + 0.2, 3.3 * rows + 0.4


def draw_features(figure: Figure, features: Sequence[Feature], names: Mapping[str, str]) -> None:
    """A panel for each feature, below it the ratio to the target.

    Args:
        figure: The figure.
        features: The features.
        names: What the legend calls each stage.
    """
    columns = min(len(features), _COLUMNS)
    rows = -(-len(features) // columns)
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=[3, 1.1] * rows)
    for i, feature in enumerate(features):
        row, column = divmod(i, columns)
        above = figure.add_subplot(grid[2 * row, column])
        below = figure.add_subplot(grid[2 * row + 1, column], sharex=above)
        _draw_feature(above, below, feature, names)
        if column == 0:
            above.set_ylabel("share / bin")
            below.set_ylabel("ratio")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


def _draw_feature(above: Any, below: Any, feature: Feature, names: Mapping[str, str]) -> None:
    edges = feature.bins()
    centres, counts = (edges[1:] + edges[:-1]) / 2, {}
    for stage in feature.values:
        counts[stage], _ = feature.histogram(stage, edges)
    target, error = feature.histogram("target", edges)
    share = target / (target.sum() or 1)
    above.stairs(share, edges, fill=True, color=BACKGROUND, alpha=0.55, label=names["target"])
    error = np.divide(error, target, out=np.ones(len(error)), where=target > 0)
    below.stairs(1 + error, edges, baseline=1 - error, fill=True, color=BACKGROUND, alpha=0.4)
    for stage, look in _LOOKS.items():
        if stage not in counts:
            continue
        own = counts[stage] / (counts[stage].sum() or 1)
        above.stairs(own, edges, label=names[stage], **look)
        ratio = np.divide(own, share, out=np.full(len(own), np.nan), where=share > 0)
        below.plot(centres, ratio, drawstyle="steps-mid", **look)
    below.axhline(1, color="black", linewidth=0.7)
    below.set(ylim=(0.5, 1.5), xlabel=feature.name, xlim=(edges[0], edges[-1]))
    above.tick_params(labelbottom=False)
    if feature.log:
        above.set_yscale("log")


def draw_resolution(
    figure: Figure,
    shifts: Mapping[str, Mapping[str, np.ndarray]],
    names: Mapping[str, str],
    weights: Mapping[str, np.ndarray | None] | None = None,
) -> None:
    """How far jets are from their inputs, relative to these: (output − input) / input.

    Args:
        figure: The figure.
        shifts: For each quantity, ``{stage: [J]}`` of ``made`` or ``reconstructed``, and of
            ``target`` where that is not the input.
        names: What the legend calls each stage.
        weights: How much each jet counts, for each quantity ``[J]``. Default: all count the same.
    """
    axes = figure.subplots(1, len(shifts), squeeze=False)[0]
    for ax, (name, by_stage) in zip(axes, shifts.items(), strict=True):
        low, high = np.quantile(np.concatenate(list(by_stage.values())), (0.005, 0.995))
        low, high = (low, high) if high > low else (low - 1, low + 1)
        edges = np.linspace(low, high, _BINS + 1)
        own = (weights or {}).get(name)
        for stage, values in by_stage.items():
            inside = np.clip(values, low, high)
            height = np.histogram(inside, edges, weights=own)[0]
            height = height / ((len(values) if own is None else own.sum()) or 1)
            mean = np.average(values, weights=own) if len(values) else np.nan
            width = weighted_deviation(values, own) if len(values) else np.nan
            text = f"{names[stage]}: {mean:+.3f} ± {width:.3f}".replace("-", "−")
            if stage == "target":
                ax.stairs(height, edges, fill=True, color=BACKGROUND, alpha=0.55, label=text)
            else:
                ax.stairs(height, edges, label=text, **_LOOKS[stage])
        ax.axvline(0, color="black", linewidth=0.7, linestyle=":")
        ax.set(xlabel=f"relative change of {name}", xlim=(edges[0], edges[-1]))
        ax.set_ylim(0, 1.35 * ax.get_ylim()[1])
        ax.legend(loc="upper left", fontsize=8.5)
    axes[0].set_ylabel("share of jets / bin")
