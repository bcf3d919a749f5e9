"""Scores of the same test jets side by side: networks, baselines, errors, paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TypeVar

import numpy as np

from pyg_jets import metrics
from pyg_jets.metrics import Estimate
from pyg_jets.report.baselines import baseline
from pyg_jets.runs import Run

__all__ = [
    "DRAWS",
    "GRID",
    "Comparison",
    "Difference",
    "TaggerResult",
    "beyond_two_errors",
    "comparisons",
    "paired",
    "titled",
]

#: Number of bootstrap samples, and the seed that draws them.
DRAWS, SEED = 200, 0
#: Signal efficiencies at which the background efficiency is measured.
GRID = np.arange(1, 101) / 100

Network = TypeVar("Network")

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
    """

    title: str
    scores: np.ndarray
    labels: np.ndarray
    run: Run | None = None
    is_logit: bool = True
    note: str = ""
    colour: int = 0
    weights: np.ndarray | None = None

    @cached_property
    def measured(self) -> np.ndarray:
        """AUC, accuracy, and the background efficiency on :data:`GRID`, ``[2 + 100]``."""
        return self._measure(slice(None))

    @cached_property
    def draws(self) -> np.ndarray:
        """The same on each bootstrap sample, ``[DRAWS, 2 + 100]``, paired between taggers."""
        draws = metrics.resamples(self.labels, DRAWS, SEED)
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
        return Estimate(float(self.measured[which]), float(self.draws[:, which].std(ddof=1)))


def _at(signal_efficiency: float) -> int:
    return 2 + int(np.argmin(np.abs(GRID - signal_efficiency)))


@dataclass(frozen=True)
class Difference:
    """First minus second tagger, with errors of the paired bootstrap.

    Args:
        first: The one.
        second: The other.
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
        value = first.measured - second.measured
        error = (first.draws - second.draws).std(axis=0, ddof=1)
        chosen = (Estimate(float(value[i]), float(error[i])) for i in (0, 1, _at(0.5)))
        return cls(first, second, *chosen)


def beyond_two_errors(found: Estimate) -> bool:
    """Whether a difference is more than two of its standard errors away from zero."""
    return abs(found.value) > 2 * found.error


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
    def n_background(self) -> int:
        """Number of background jets."""
        return int((self.labels == 0).sum())

    @property
    def n_signal(self) -> int:
        """Number of signal jets."""
        return int((self.labels == 1).sum())

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Between networks: all pairs, or of many each to the first."""
        return tuple(Difference.of(later, earlier) for earlier, later in paired(self.networks))

    @cached_property
    def against_tree(self) -> tuple[Difference, ...]:
        """Of each network to the tree, if there is one."""
        trees = [one for one in self.baselines if one.is_logit]
        return tuple(Difference.of(one, tree) for one in self.networks for tree in trees)


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
            seen = (tested.scores, tested.labels, run)
            one = TaggerResult(title, *seen, colour=colour, weights=tested.weights)
            groups.setdefault(run.test_set, []).append(one)
    return [_comparison(group, baselines) for group in groups.values()]


def _comparison(group: Sequence[TaggerResult], baselines: Sequence[str]) -> Comparison:
    runs = [one.run for one in group if one.run is not None]
    return Comparison(runs[0], tuple(group), _baselines(runs, baselines))


def titled(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """The finished runs, each with a title that tells it from the others."""
    finished = [run for run in runs if run.predictions]
    return list(zip(finished, _titles(finished), strict=True))


def _titles(runs: Sequence[Run]) -> list[str]:
    """Titles that tell the runs apart, by as much of the folder as that takes."""
    titles = [run.title for run in runs]
    folders = [run.folder.resolve() for run in runs]
    for depth in (1, 2, 3):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        told = [
            f"{run.title} ({name})" if titles.count(title) > 1 else title
            for run, title, name in zip(runs, titles, names, strict=True)
        ]
        if len(set(told)) == len(told):
            break
    return told


def _baselines(runs: Sequence[Run], names: Sequence[str]) -> tuple[TaggerResult, ...]:
    """Single observables and the tree: from the first run whose predictions have them."""
    tested = [run.predictions for run in runs if run.predictions is not None]
    labels, weights = tested[0].labels, tested[0].weights
    found = []
    for name in names:
        held = (one.observables[name] for one in tested if name in one.observables)
        values = next(held, np.array(np.nan)).astype(np.float64)
        if np.isfinite(values).any():
            title, score, note = baseline(name, values, labels, runs[0].provenance.get("tree"))
            is_logit = name == "tree"
            found.append(TaggerResult(title, score, labels, None, is_logit, note, weights=weights))
    return tuple(found)
