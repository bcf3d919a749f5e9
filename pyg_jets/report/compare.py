"""Scores of the same test jets side by side: networks, baselines, errors, paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from pyg_jets import metrics
from pyg_jets.metrics import Estimate
from pyg_jets.report.load import Predictions, Run

__all__ = [
    "DRAWS",
    "GRID",
    "Comparison",
    "Contender",
    "Difference",
    "beyond_two_errors",
    "comparisons",
]

#: Number of bootstrap samples, and the seed that draws them.
DRAWS, SEED = 200, 0
#: Signal efficiencies at which the background efficiency is measured.
GRID = np.arange(1, 101) / 100

#: With more networks than this, each is compared with the first only.
_ALL_PAIRS = 4


@dataclass(frozen=True)
class Contender:
    """A score of every jet of a test set: that of a network, or of a baseline.

    Args:
        title: What the page calls it.
        scores: ``[J]``, larger for signal.
        labels: 1 for signal, ``[J]``.
        run: The run it comes from; ``None`` for a baseline.
        is_logit: Whether a cut at zero makes sense.
        note: How the score is defined.
        colour: Number of its colour among the networks.
    """

    title: str
    scores: np.ndarray
    labels: np.ndarray
    run: Run | None = None
    is_logit: bool = True
    note: str = ""
    colour: int = 0

    @cached_property
    def measured(self) -> np.ndarray:
        """AUC, accuracy, and the background efficiency on :data:`GRID`, ``[2 + 100]``."""
        return _measure(self.scores, self.labels)

    @cached_property
    def draws(self) -> np.ndarray:
        """The same on each bootstrap sample, ``[DRAWS, 2 + 100]``, paired between contenders."""
        draws = metrics.resamples(self.labels, DRAWS, SEED)
        return np.stack([_measure(self.scores[draw], self.labels[draw]) for draw in draws])

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


def _measure(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    passing = metrics.background_efficiency(scores, labels, GRID)
    return np.array([metrics.auc(scores, labels), metrics.accuracy(scores, labels), *passing])


def _at(signal_efficiency: float) -> int:
    return 2 + int(np.argmin(np.abs(GRID - signal_efficiency)))


@dataclass(frozen=True)
class Difference:
    """First minus second contender, with errors of the paired bootstrap.

    Args:
        first: The one.
        second: The other.
        auc: Difference of the areas.
        accuracy: Difference of the accuracies.
        passing: Difference of the background efficiencies at a signal efficiency of one half.
    """

    first: Contender
    second: Contender
    auc: Estimate
    accuracy: Estimate
    passing: Estimate

    @classmethod
    def of(cls, first: Contender, second: Contender) -> Difference:
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
    """The contenders that were tested on the same jets, and only these are compared.

    Args:
        run: The first run, for what all runs share.
        networks: One for each run.
        baselines: Single observables and the tree, where predictions hold them.
    """

    run: Run
    networks: tuple[Contender, ...]
    baselines: tuple[Contender, ...]

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
        pairs: Iterable[tuple[Contender, ...]] = combinations(self.networks, 2)
        if len(self.networks) > _ALL_PAIRS:
            pairs = ((self.networks[0], other) for other in self.networks[1:])
        return tuple(Difference.of(later, earlier) for earlier, later in pairs)

    @cached_property
    def against_tree(self) -> tuple[Difference, ...]:
        """Of each network to the tree, if there is one."""
        trees = [one for one in self.baselines if one.is_logit]
        return tuple(Difference.of(one, tree) for one in self.networks for tree in trees)


def comparisons(runs: Sequence[Run]) -> list[Comparison]:
    """Group the finished runs by the jets they were tested on, in the order given."""
    finished = [run for run in runs if run.predictions]
    groups: dict[str, list[Contender]] = {}
    for colour, (run, title) in enumerate(zip(finished, _titles(finished), strict=True)):
        if (tested := run.predictions) is not None:
            one = Contender(title, tested.scores, tested.labels, run, colour=colour)
            groups.setdefault(run.test_set, []).append(one)
    return [_comparison(group) for group in groups.values()]


def _comparison(group: Sequence[Contender]) -> Comparison:
    runs = [one.run for one in group if one.run is not None]
    tested = [run.predictions for run in runs if run.predictions is not None]
    return Comparison(runs[0], tuple(group), _baselines(tested))


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


def _baselines(tested: Sequence[Predictions]) -> tuple[Contender, ...]:
    """Mass alone, τ21 alone, the tree: from the first run whose predictions have them."""
    labels, found = tested[0].labels, []
    for name, make in (("mass", _mass), ("tau21", _tau21), ("tree", _tree)):
        held = (one.observables[name] for one in tested if name in one.observables)
        values = next(held, np.array(np.nan)).astype(np.float64)
        if np.isfinite(values).any():
            found.append(make(values, labels))
    return tuple(found)


def _mass(mass: np.ndarray, labels: np.ndarray) -> Contender:
    signal = mass[(labels == 1) & np.isfinite(mass)]
    peak = float(np.median(signal)) if len(signal) else 0.0
    note = f"−|m − {peak:.0f} GeV|, where {peak:.0f} GeV is the median mass of the signal jets"
    return Contender("mass alone", _ranked(-np.abs(mass - peak)), labels, None, False, note)


def _tau21(ratio: np.ndarray, labels: np.ndarray) -> Contender:
    falling = metrics.auc(_ranked(-ratio), labels) >= metrics.auc(_ranked(ratio), labels)
    note = f"τ₂/τ₁, {'small' if falling else 'large'} values counted as signal"
    score = _ranked(-ratio if falling else ratio)
    return Contender("τ₂₁ alone", score, labels, None, False, note)


def _tree(score: np.ndarray, labels: np.ndarray) -> Contender:
    note = "a gradient-boosted tree on jet mass and multiplicity, grown on the training jets"
    return Contender("tree on mass, multiplicity", _ranked(score), labels, None, True, note)


def _ranked(score: np.ndarray) -> np.ndarray:
    """The score, with jets that have none ranked below all others."""
    return np.where(np.isnan(score), np.nanmin(score) - 1, score)
