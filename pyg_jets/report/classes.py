"""Taggers of several classes on the same test jets: accuracy, AUCs, what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from pyg_jets import metrics
from pyg_jets.metrics import Estimate
from pyg_jets.metrics.resampling import sample_deviation
from pyg_jets.report.compare import DRAWS, SEED, events_of, paired, titled
from pyg_jets.runs import Run

__all__ = ["ClassComparison", "ClassDifference", "Classifier", "class_comparisons"]


class _BinaryTask(NamedTuple):
    """Signal against background, and one number for each jet that tells them apart.

    Args:
        score: ``[J]``, larger for signal.
        signal: ``[J]`` bool.
        jets: The jets of either, ``[J]`` bool.
    """

    score: np.ndarray
    signal: np.ndarray
    jets: np.ndarray


@dataclass(frozen=True)
class Classifier:
    """The scores that a network of several classes gives to the jets of a test set.

    Args:
        title: What the page calls it.
        scores: A logit for each jet and class, ``[J, C]``.
        labels: The class of each jet, ``[J]``.
        run: The run it comes from.
        colour: Number of its colour among the networks.
        weights: How much each jet counts, ``[J]``; ``None`` if all count the same.
        events: The event of each jet, ``[J]``, which bootstrap samples draw whole; ``None`` if they
            draw jets.
    """

    title: str
    scores: np.ndarray
    labels: np.ndarray
    run: Run
    colour: int = 0
    weights: np.ndarray | None = None
    events: np.ndarray | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.scores.shape[1]

    @cached_property
    def _pairs(self) -> list[tuple[int, int]]:
        return list(combinations(range(self.n_classes), 2))

    @cached_property
    def _tasks(self) -> list[_BinaryTask]:
        """Each class against the rest, then each pair of classes."""
        tasks = []
        for signal in range(self.n_classes):
            score, hit = metrics.one_vs_rest(self.scores, self.labels, signal)
            tasks.append(_BinaryTask(score, hit == 1, np.ones(len(hit), bool)))
        for background, signal in self._pairs:
            either = np.isin(self.labels, (background, signal))
            score = np.full(len(either), np.nan)
            if either.any():
                chosen = (self.scores, self.labels, signal, background)
                score[either] = metrics.one_vs_one(*chosen)[0]
            tasks.append(_BinaryTask(score, self.labels == signal, either))
        return tasks

    @cached_property
    def measured(self) -> np.ndarray:
        """Accuracy, AUC of each class against the rest and of each pair, ``[1 + C + pairs]``.

        Where one side has no jets, NaN.
        """
        return self._measure(np.arange(len(self.labels)))

    @cached_property
    def draws(self) -> np.ndarray:
        """The same on each bootstrap sample, ``[DRAWS, …]``, paired between networks."""
        draws = metrics.resamples(self.labels, DRAWS, SEED, self.events, self.weights)
        return np.stack([self._measure(draw) for draw in draws])

    def _measure(self, jets: np.ndarray) -> np.ndarray:
        right = self.scores.argmax(1) == self.labels
        weights = None if self.weights is None else self.weights[jets]
        areas = [self._area(task, jets) for task in self._tasks]
        return np.array([np.average(right[jets], weights=weights), *areas])

    def _area(self, task: _BinaryTask, jets: np.ndarray) -> float:
        jets = jets[task.jets[jets]]
        signal = task.signal[jets]
        if signal.all() or not signal.any():
            return float("nan")
        weights = None if self.weights is None else self.weights[jets]
        return metrics.auc(task.score[jets], signal, weights)

    def _estimate(self, which: int) -> Estimate:
        return Estimate(float(self.measured[which]), float(sample_deviation(self.draws[:, which])))

    @property
    def accuracy(self) -> Estimate:
        """Share of jets whose own class has the largest logit."""
        return self._estimate(0)

    @property
    def against_rest(self) -> tuple[Estimate, ...]:
        """AUC of each class against the rest, NaN for a class without jets."""
        return tuple(self._estimate(1 + signal) for signal in range(self.n_classes))

    @property
    def against_one(self) -> dict[tuple[int, int], Estimate]:
        """AUC of each pair of classes, the lower number first; NaN where one has no jets."""
        first = 1 + self.n_classes
        return {pair: self._estimate(first + i) for i, pair in enumerate(self._pairs)}

    @cached_property
    def confusion(self) -> np.ndarray:
        """Share of the jets of each class that is taken for each class, ``[true, taken for]``."""
        return metrics.confusion_matrix(self.scores, self.labels, self.weights)


@dataclass(frozen=True)
class ClassDifference:
    """First minus second network, with errors of the paired bootstrap.

    Args:
        first: The first.
        second: The second.
        accuracy: Difference of the accuracies.
        against_rest: Differences of the AUCs of each class against the rest.
    """

    first: Classifier
    second: Classifier
    accuracy: Estimate
    against_rest: tuple[Estimate, ...]

    @classmethod
    def of(cls, first: Classifier, second: Classifier) -> ClassDifference:
        """Measure it."""
        value = (first.measured - second.measured).round(12)  # beyond are roundings
        error = sample_deviation((first.draws - second.draws).round(12))
        accuracy, *areas = map(Estimate, value.tolist(), error.tolist())
        return cls(first, second, accuracy, tuple(areas[: first.n_classes]))


@dataclass(frozen=True)
class ClassComparison:
    """Networks of the same classes that were tested on the same jets.

    Args:
        run: The first run, for what all runs share.
        networks: One for each run.
    """

    run: Run
    networks: tuple[Classifier, ...]

    @property
    def labels(self) -> np.ndarray:
        """The class of each jet, ``[J]``."""
        return self.networks[0].labels

    @property
    def weights(self) -> np.ndarray | None:
        """How much each jet counts, ``[J]``; ``None`` if all count the same."""
        return self.networks[0].weights

    @property
    def counts(self) -> list[int]:
        """Number of jets of each class."""
        return np.bincount(self.labels, minlength=self.run.n_classes).tolist()

    @cached_property
    def differences(self) -> tuple[ClassDifference, ...]:
        """Between networks: all pairs, or of many each to the first."""
        return tuple(ClassDifference.of(later, earlier) for earlier, later in paired(self.networks))


def class_comparisons(runs: Sequence[Run]) -> list[ClassComparison]:
    """Group the finished runs of more than two classes by the jets they were tested on."""
    groups: dict[str, list[Classifier]] = {}
    for colour, (run, title) in enumerate(titled(runs)):
        if (tested := run.predictions) is not None and tested.n_classes > 2:
            network = Classifier(title, tested.scores, tested.labels, run, colour, tested.weights)
            groups.setdefault(run.test_set, []).append(network)
    compared = []
    for group in groups.values():
        events = events_of([network.run for network in group])
        networks = tuple(replace(network, events=events) for network in group)
        compared.append(ClassComparison(group[0].run, networks))
    return compared
