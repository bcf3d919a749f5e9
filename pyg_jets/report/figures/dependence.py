"""Background rejection and signal efficiency over the jets' multiplicity and pT, at fixed cuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.metrics import Interval, efficiency_interval, score_cut
from pyg_jets.metrics.intervals import LIMIT
from pyg_jets.report.compare import TaggerResult
from pyg_jets.report.figures.style import GREY, label, network_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "EFFICIENCY",
    "Bins",
    "Dependence",
    "bins_of",
    "dependence_size",
    "draw_dependence",
    "measure",
]

#: Share of all signal jets that pass the cut of each network.
EFFICIENCY = 0.5
#: The observables, and what their axes say.
OBSERVABLES = {"multiplicity": "number of constituents", "pt": "jet $p_T$ [GeV]"}

#: At most so many bins, each with at least so many background jets as long as there are two.
_BINS, _FEWEST = 6, 150
#: Quantiles of the background jets at which the outermost bins are drawn to end.
_OUTERMOST = (0.005, 0.995)


@dataclass(frozen=True)
class Bins:
    """Bins of an observable that hold about equally many background jets.

    Args:
        name: The observable.
        edges: Where the bins are drawn, ``[B + 1]``.
        which: The bin of each jet, ``[J]``, -1 for a jet without the observable. The outermost bins
            hold what lies beyond their edges.
    """

    name: str
    edges: np.ndarray
    which: np.ndarray

    def __len__(self) -> int:
        return len(self.edges) - 1


def bins_of(observables: Mapping[str, np.ndarray], labels: np.ndarray) -> list[Bins]:
    """Bins of those observables of :data:`OBSERVABLES` that are there and vary.

    Args:
        observables: ``{name: [J]}``.
        labels: 1 for signal, ``[J]``.
    """
    candidates = (
        _bins(name, observables[name], labels == 0) for name in OBSERVABLES if name in observables
    )
    return [bins for bins in candidates if bins is not None]


def _bins(name: str, values: np.ndarray, background: np.ndarray) -> Bins | None:
    values, whole = values.astype(np.float64), values.dtype.kind in "iu"
    finite = values[background & np.isfinite(values)]
    if not len(finite):
        return None
    count = min(_BINS, max(2, len(finite) // _FEWEST))
    inner = np.quantile(finite, np.arange(1, count) / count)
    low, high = np.quantile(finite, _OUTERMOST)
    if whole:  # between two numbers, so that it is seen to which bin each belongs
        inner, low, high = np.ceil(inner) - 0.5, np.floor(low) - 0.5, np.ceil(high) + 0.5
    inner = np.unique(inner[(inner > low) & (inner < high)])
    if not len(inner):
        return None
    which = np.searchsorted(inner, values, side="right")
    return Bins(name, np.concatenate(([low], inner, [high])), np.where(np.isnan(values), -1, which))


@dataclass(frozen=True)
class Dependence:
    """Of one network, at one cut, a value and its 68 % interval for each bin.

    Args:
        rejection: 1/εB. Where no background jet passes, ``value`` is infinite and ``low`` is the
            lower limit at 95 % confidence; a bin without background jets has NaN.
        efficiency: εS; NaN for a bin without signal jets.
    """

    rejection: tuple[Interval, ...]
    efficiency: tuple[Interval, ...]


def measure(one: TaggerResult, bins: Bins) -> Dependence:
    """Rejection and efficiency of a network, at the highest cut that half of the signal passes."""
    signal, worth = one.labels == 1, one.weights if one.weights is not None else _ones(one)
    passed = one.scores >= score_cut(one.scores[signal], EFFICIENCY, worth[signal])
    rejection, efficiency = [], []
    for number in range(len(bins)):
        inside = bins.which == number
        rejection.append(_inverse(*_share(passed, worth, inside & ~signal)))
        efficiency.append(_share(passed, worth, inside & signal)[0])
    return Dependence(tuple(rejection), tuple(efficiency))


def _ones(one: TaggerResult) -> np.ndarray:
    return np.ones(len(one.labels))


def _share(passed: np.ndarray, worth: np.ndarray, jets: np.ndarray) -> tuple[Interval, float]:
    """Share of the jets that pass, and the number of jets that have its statistical power."""
    weight = worth[jets]
    if not weight.any():
        return Interval(np.nan, np.nan, np.nan), 0.0
    total = float(weight.sum() ** 2 / (weight**2).sum())
    share = float(weight[passed[jets]].sum() / weight.sum())
    return Interval(share, *efficiency_interval(share * total, total)), total


def _inverse(share: Interval, total: float) -> Interval:
    """1/ε of an interval of ε, a lower limit where none passes."""
    if share.value == 0:
        limit = 1 / efficiency_interval(0, total, 2 * LIMIT - 1)[1]
        return Interval(np.inf, limit, np.inf)
    return Interval(1 / share.value, 1 / share.high, 1 / share.low)


def dependence_size(n_observables: int) -> tuple[float, float]:
    """Width and height of the figure (inches)."""
    return 0.4 + 4.6 * n_observables, 5.8


def draw_dependence(figure: Figure, networks: Sequence[TaggerResult], bins: Sequence[Bins]) -> None:
    """A column for each observable: above the rejection, below the signal efficiency."""
    from matplotlib.ticker import LogFormatter

    axes = figure.subplots(2, len(bins), sharex="col", sharey="row", squeeze=False,
                           height_ratios=(3, 2))  # fmt: skip
    for column, one in zip(axes.T, bins, strict=True):
        for number, network in enumerate(networks):
            at = _middles(one, number, len(networks))
            measured = measure(network, one)
            _draw(column[0], one, at, measured.rejection, network)
            _draw(column[1], one, at, measured.efficiency, network)
        column[1].axhline(EFFICIENCY, color=GREY, linewidth=0.9, linestyle=":", zorder=0)
        column[1].set_xlabel(OBSERVABLES[one.name])
        for ax in column:
            _frame(ax, one)
    axes[0, 0].set_yscale("log")
    axes[0, 0].set_ylim(top=_highest(networks, bins))
    axes[0, 0].yaxis.set_major_formatter(LogFormatter())
    axes[0, 0].yaxis.set_minor_formatter(LogFormatter())
    axes[0, 0].set_ylabel(r"background rejection $1/\varepsilon_B$")
    axes[1, 0].set_ylim(-0.05, 1.05)
    axes[1, 0].set_ylabel(r"signal efficiency $\varepsilon_S$")
    figure.align_ylabels(axes[:, 0])
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 3))


def _highest(networks: Sequence[TaggerResult], bins: Sequence[Bins]) -> float | None:
    """The end of the axis: some way above all points, wherever an error bar may end."""
    intervals = [i for one in bins for network in networks for i in measure(network, one).rejection]
    largest = [
        i.value if np.isfinite(i.value) else i.low for i in intervals if not np.isnan(i.value)
    ]
    return 4 * max(largest) if largest else None


def _middles(bins: Bins, number: int, count: int) -> np.ndarray:
    """Where a network's points lie in the bins, beside those of the others."""
    low, high = bins.edges[:-1], bins.edges[1:]
    return low + (high - low) * (number + 1) / (count + 1)


def _draw(
    ax: Any, bins: Bins, at: np.ndarray, intervals: Sequence[Interval], network: TaggerResult
) -> None:
    """Steps with error bars; arrows up from the lower limits."""
    colour = network_colour(network.colour)
    value, low, high = np.array(intervals).T
    there, limit = np.isfinite(value), np.isinf(value)
    steps = np.where(there, value, np.nan)
    ax.stairs(steps, bins.edges, baseline=None, color=colour, linewidth=1.2, alpha=0.55)
    bars = value[there] - low[there], high[there] - value[there]
    ax.errorbar(at[there], value[there], bars, fmt="o", markersize=4, color=colour, linewidth=1.4,
                capsize=0, label=label(network.title))  # fmt: skip
    ax.errorbar(at[limit], low[limit], 0.5 * low[limit], lolims=True, fmt="_", markersize=7,
                color=colour, linewidth=1.4)  # fmt: skip


def _frame(ax: Any, bins: Bins) -> None:
    for edge in bins.edges[1:-1]:
        ax.axvline(edge, color=GREY, linewidth=0.5, alpha=0.35, zorder=0)
    ax.set_xlim(bins.edges[0], bins.edges[-1])
