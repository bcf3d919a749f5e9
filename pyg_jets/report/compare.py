"""Scores of the same test jets side by side: networks, baselines, errors, paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TypeVar

import numpy as np

from pyg_jets import metrics
from pyg_jets.metrics import Estimate
from pyg_jets.metrics.resampling import sample_deviation
from pyg_jets.report.numbers import listed
from pyg_jets.runs import Run

__all__ = [
    "DRAWS",
    "GRID",
    "Comparison",
    "Difference",
    "TaggerResult",
    "baseline",
    "beyond_two_errors",
    "comparisons",
    "events_of",
    "paired",
    "titled",
]

#: Number of bootstrap samples, and the seed that draws them.
DRAWS, SEED = 200, 0
#: Signal efficiencies at which the background efficiency is measured.
GRID = np.arange(1, 101) / 100

Network = TypeVar("Network")

#: Observables as pages write them.
_OBSERVABLES = {
    "mass": "mass",
    "softdrop_mass": "soft-drop mass",
    "tau21": "τ₂₁",
    "tau32": "τ₃₂",
    "multiplicity": "multiplicity",
}
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"

#: With more networks than this, each is compared with the first only.
_ALL_PAIRS = 4


@dataclass(frozen=True)
class TaggerResult:
    """A score of every jet of a test set: that of a network, or of a baseline.

    Args:
        title: What the page calls it.
        scores: ``[J]``, larger for signal.
        labels: 1 for signal, ``[J]``.
        run: The run it comes from; ``None`` for a baseline.
        is_logit: Whether a cut at zero makes sense.
        note: How the score is defined.
        colour: Number of its colour among the networks.
        weights: How much each jet counts, ``[J]``; ``None`` if all count the same.
        events: The event of each jet, ``[J]``, which bootstrap samples draw whole; ``None`` if they
            draw jets.
    """

    title: str
    scores: np.ndarray
    labels: np.ndarray
    run: Run | None = None
    is_logit: bool = True
    note: str = ""
    colour: int = 0
    weights: np.ndarray | None = None
    events: np.ndarray | None = None

    @cached_property
    def measured(self) -> np.ndarray:
        """AUC, accuracy, and the background efficiency on :data:`GRID`, ``[2 + 100]``."""
        return self._measure(slice(None))

    @cached_property
    def draws(self) -> np.ndarray:
        """The same on each bootstrap sample, ``[DRAWS, 2 + 100]``, paired between taggers."""
        draws = metrics.resamples(self.labels, DRAWS, SEED, self.events, self.weights)
        return np.stack([self._measure(draw) for draw in draws])

    def _measure(self, jets: slice | np.ndarray) -> np.ndarray:
        scores, labels = self.scores[jets], self.labels[jets]
        weights = None if self.weights is None else self.weights[jets]
        passing = metrics.background_efficiency(scores, labels, GRID, weights)
        accuracy = metrics.accuracy(scores, labels, weights=weights)
        return np.array([metrics.auc(scores, labels, weights), accuracy, *passing])

    @property
    def auc(self) -> Estimate:
        """Area under the ROC curve."""
        return self._estimate(0)

    @property
    def accuracy(self) -> Estimate | None:
        """Accuracy at a logit of zero."""
        return self._estimate(1) if self.is_logit else None

    def rejection(self, signal_efficiency: float) -> Estimate:
        """1/εB; its error is that of εB, carried over to first order, as εB may be 0 in a draw."""
        passing, error = self._estimate(_at(signal_efficiency))
        if passing == 0:
            return Estimate(float("inf"), float("inf"))
        return Estimate(1 / passing, error / passing**2)

    def _estimate(self, which: int) -> Estimate:
        return Estimate(float(self.measured[which]), float(sample_deviation(self.draws[:, which])))


def _at(signal_efficiency: float) -> int:
    return 2 + int(np.argmin(np.abs(GRID - signal_efficiency)))


@dataclass(frozen=True)
class Difference:
    """First minus second tagger, with errors of the paired bootstrap.

    Args:
        first: The first.
        second: The second.
        auc: Difference of the areas.
        accuracy: Difference of the accuracies.
        passing: Difference of the background efficiencies at a signal efficiency of one half.
    """

    first: TaggerResult
    second: TaggerResult
    auc: Estimate
    accuracy: Estimate
    passing: Estimate

    @classmethod
    def of(cls, first: TaggerResult, second: TaggerResult) -> Difference:
        """Measure it."""
        value = (first.measured - second.measured).round(12)  # beyond are roundings
        error = sample_deviation((first.draws - second.draws).round(12))
        chosen = (Estimate(float(value[i]), float(error[i])) for i in (0, 1, _at(0.5)))
        return cls(first, second, *chosen)


def beyond_two_errors(difference: Estimate) -> bool:
    """Whether a difference is more than two of its standard errors away from zero."""
    return abs(difference.value) > 2 * difference.error


@dataclass(frozen=True)
class Comparison:
    """The taggers that were tested on the same jets, and only these are compared.

    Args:
        run: The first run, for what all runs share.
        networks: One for each run.
        baselines: Single observables and the tree, where predictions hold them.
    """

    run: Run
    networks: tuple[TaggerResult, ...]
    baselines: tuple[TaggerResult, ...]

    @property
    def labels(self) -> np.ndarray:
        """1 for signal, ``[J]``."""
        return self.networks[0].labels

    @property
    def weights(self) -> np.ndarray | None:
        """How much each jet counts, ``[J]``; ``None`` if all count the same."""
        return self.networks[0].weights

    @property
    def n_background(self) -> int:
        """Number of background jets."""
        return int((self.labels == 0).sum())

    @property
    def n_signal(self) -> int:
        """Number of signal jets."""
        return int((self.labels == 1).sum())

    @property
    def effective_background(self) -> float:
        """The number of background jets, of weighted ones the effective number."""
        if self.weights is None:
            return self.n_background
        return metrics.effective_number(self.weights[self.labels == 0])

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Between networks: all pairs, or of many each to the first."""
        return tuple(Difference.of(later, earlier) for earlier, later in paired(self.networks))

    @cached_property
    def against_tree(self) -> tuple[Difference, ...]:
        """Of each network to the tree, if there is one."""
        trees = [baseline for baseline in self.baselines if baseline.is_logit]
        return tuple(Difference.of(network, tree) for network in self.networks for tree in trees)


def paired(networks: Sequence[Network]) -> list[tuple[Network, Network]]:
    """All pairs of networks; of many, each with the first."""
    if len(networks) > _ALL_PAIRS:
        return [(networks[0], other) for other in networks[1:]]
    return list(combinations(networks, 2))


def comparisons(
    runs: Sequence[Run], baselines: Sequence[str] = ("mass", "tau21", "tree")
) -> list[Comparison]:
    """Group the finished runs of two classes by the jets they were tested on, in the order given.

    Args:
        runs: The runs.
        baselines: Which observables of the predictions stand beside them.
    """
    groups: dict[str, list[TaggerResult]] = {}
    for colour, (run, title) in enumerate(titled(runs)):
        if (tested := run.predictions) is not None and tested.n_classes == 2:
            result = TaggerResult(title, tested.scores, tested.labels, run, colour=colour,
                                  weights=tested.weights)  # fmt: skip
            groups.setdefault(run.test_set, []).append(result)
    compared = []
    for group in groups.values():
        of_group = [result.run for result in group if result.run is not None]
        events = events_of(of_group)
        networks = tuple(replace(result, events=events) for result in group)
        compared.append(Comparison(of_group[0], networks, _baselines(of_group, baselines, events)))
    return compared


def events_of(runs: Sequence[Run]) -> np.ndarray | None:
    """The event of each jet that runs were tested on, from the first that knows it.

    All runs of a test set then draw the same bootstrap samples.
    """
    known = (run.predictions.events for run in runs if run.predictions is not None)
    return next((events for events in known if events is not None), None)


def titled(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """The finished runs, each with a title that tells it from the others.

    Runs of one title are told apart by their folder, by as many of its parts as that takes.
    """
    finished = [run for run in runs if run.predictions]
    titles = [run.title for run in finished]
    unique = titles
    for depth in (1, 2, 3):
        names = ["/".join(run.folder.resolve().parts[-depth:]) for run in finished]
        unique = [
            f"{title} ({name})" if titles.count(title) > 1 else title
            for title, name in zip(titles, names, strict=True)
        ]
        if len(set(unique)) == len(unique):
            break
    return list(zip(finished, unique, strict=True))


def _baselines(
    runs: Sequence[Run], names: Sequence[str], events: np.ndarray | None
) -> tuple[TaggerResult, ...]:
    """Single observables and the tree: from the first run whose predictions have them."""
    tested = [run.predictions for run in runs if run.predictions is not None]
    labels, weights = tested[0].labels, tested[0].weights
    results = []
    for name in names:
        columns = (each.observables[name] for each in tested if name in each.observables)
        values = next(columns, np.array(np.nan)).astype(np.float64)
        if np.isfinite(values).any():
            read = runs[0].provenance.get("tree")
            title, score, note = baseline(name, values, labels, read, weights)
            result = TaggerResult(title, score, labels, None, name == "tree", note)
            results.append(replace(result, weights=weights, events=events))
    return tuple(results)


def baseline(
    name: str,
    values: np.ndarray,
    labels: np.ndarray,
    read: Sequence[str] | None = None,
    weights: np.ndarray | None = None,
) -> tuple[str, np.ndarray, str]:
    """Title of a baseline, its score ``[J]`` and how that is defined.

    A mass counts by its distance to the median mass of the signal jets, any other observable by
    its value, small or large, whichever is better. Jets without the observable rank last.

    Args:
        name: The observable, or ``"tree"`` for a score of several.
        values: Its values, NaN where a jet has none, ``[J]``.
        labels: 1 for signal, ``[J]``.
        read: What the tree reads.
        weights: How much each jet counts in the median and in what is better, ``[J]``. Default: all
            count the same.

    Examples:
        >>> title, score, note = baseline("mass", np.array([80.0, 10.0]), np.array([1, 0]))
        >>> title, score.tolist()
        ('mass alone', [-0.0, -70.0])
    """
    title, score = f"{_OBSERVABLES.get(name, name)} alone", values
    if name == "tree":
        names = [_OBSERVABLES.get(each, each) for each in read or ("mass", "multiplicity")]
        title = f"tree on {', '.join(names)}"
        note = f"a gradient-boosted tree on {listed(names)}, grown on the training jets"
    elif name.endswith("mass"):
        signal = (labels == 1) & np.isfinite(values)
        peak = _median(values[signal], None if weights is None else weights[signal])
        score = -np.abs(values - peak)
        note = f"−|m − {peak:.0f} GeV|, where {peak:.0f} GeV is the median mass of the signal jets"
    else:
        small, large = (metrics.auc(_with_all_jets(v), labels, weights) for v in (-values, values))
        score = -values if small >= large else values
        observable = _OBSERVABLES.get(name, name)
        if name.startswith("tau"):
            observable = "τ{}/τ{}".format(*(_SUBSCRIPTS[int(digit)] for digit in name[-2:]))
        note = f"{observable}, {'small' if small >= large else 'large'} values counted as signal"
    return title, _with_all_jets(score), note


def _median(values: np.ndarray, weights: np.ndarray | None) -> float:
    if not len(values) or (weights is not None and not weights.any()):
        return 0.0
    if weights is None:
        return float(np.median(values))
    return float(np.quantile(values, 0.5, method="inverted_cdf", weights=weights))


def _with_all_jets(score: np.ndarray) -> np.ndarray:
    """The score, with jets that have none ranked below all others."""
    return np.where(np.isnan(score), np.nanmin(score) - 1, score)
