"""The cells of a study: arm, network, detector and training size, over their replicas."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pyg_jets.metrics import Estimate
from pyg_jets.report.references import broken_symmetry
from pyg_jets.runs import Point

__all__ = [
    "ARMS",
    "DETECTORS",
    "Cell",
    "Key",
    "cells_of",
    "deviation_of",
    "key_of",
    "mean_of",
    "minus",
]

#: The arms of the study in the order of its tables.
ARMS = ("none", "post-aug", "pre-aug", "post-inv", "pre-inv", "pre-inv-continuous")
#: Its detectors likewise; others come after.
DETECTORS = ("toy-uniform", "toy-rect")

#: Arm, network, detector, number of training jets.
Key = tuple[str, str, str, int]
#: Content of the data set, and the replica of the sample of it.
TrainingSet = tuple[str, int]


@dataclass(frozen=True)
class Cell:
    """What was found for one arm, network, detector and training size.

    Args:
        arm: The arm.
        network: Name of the network.
        detector: Name of the detector; empty without.
        n_train: Number of training jets.
        fresh: Points on training sets as they were drawn, disjoint for different replicas.
        resampled: Points on training sets that were drawn again from one of those.
    """

    arm: str
    network: str
    detector: str
    n_train: int
    fresh: tuple[Point, ...]
    resampled: tuple[Point, ...] = ()

    @cached_property
    def replicas(self) -> int:
        """Number of fresh training sets."""
        return len(self.of_replicas("test/auc"))

    @property
    def source(self) -> Estimate | None:
        """The AUC that was published for this cell."""
        return broken_symmetry().get((self.arm, self.network, self.detector, self.n_train))

    @property
    def difference(self) -> Estimate | None:
        """Our AUC minus the published one."""
        ours = self.mean("test/auc")
        return None if ours is None or self.source is None else minus(ours, self.source)

    @property
    def seconds(self) -> float:
        """Time of all its points together."""
        return sum(point.seconds or 0 for point in (*self.fresh, *self.resampled))

    def mean(self, metric: str) -> Estimate | None:
        """Mean of a metric over replicas, with the error of the mean: NaN for one replica."""
        return mean_of(list(self.of_replicas(metric).values()))

    def spread(self, metric: str) -> float:
        """Standard deviation (n − 1) between fresh training sets; NaN for one of them."""
        return deviation_of(list(self.of_replicas(metric).values()))

    def resample_spread(self, metric: str) -> float:
        """The same between resamples of one training set, pooled over sets; NaN without."""
        groups = [v for v in _by_replica(self.resampled, metric).values() if len(v) > 1]
        freedom = sum(len(values) - 1 for values in groups)
        if not freedom:
            return math.nan
        return math.sqrt(sum((len(v) - 1) * np.var(v, ddof=1) for v in groups) / freedom)

    def of_replicas(self, metric: str) -> dict[TrainingSet, float]:
        """A metric by fresh training set; trainings on the same set count once, by their mean."""
        found = _by_replica(self.fresh, metric)
        return {one: float(np.mean(values)) for one, values in found.items()}


def _by_replica(points: Iterable[Point], metric: str) -> dict[TrainingSet, list[float]]:
    found = defaultdict(list)
    for point in points:
        if (value := point.value(metric)) is not None:
            found[point.training_set].append(value)
    return found


def deviation_of(values: Sequence[float]) -> float:
    """Standard deviation (n − 1); NaN for fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def mean_of(values: Sequence[float]) -> Estimate | None:
    """Mean and its standard error, NaN for one value; None without values.

    Examples:
        >>> mean_of([0.5, 0.75]), mean_of([])
        (Estimate(value=0.625, error=0.125), None)
    """
    if not values:
        return None
    error = deviation_of(values) / math.sqrt(len(values))
    return Estimate(float(np.mean(values)), error)


def minus(first: Estimate, second: Estimate) -> Estimate:
    """A difference with both errors in quadrature; NaN where one is not known.

    Examples:
        >>> minus(Estimate(0.75, 0.003), Estimate(0.7, 0.004))
        Estimate(value=0.05, error=0.005)
    """
    return Estimate(round(first.value - second.value, 12), math.hypot(first.error, second.error))


def key_of(point: Point) -> Key:
    """The cell of a finished point."""
    known = point.run.provenance
    size = (point.sample.get("jets") if point.sample.get("folds") else None) or known.get("n_train")
    network, detector = (str(known.get(name) or "") for name in ("network_name", "detector"))
    return point.labels.get("arm", ""), network, detector, int(size or 0)


def cells_of(points: Iterable[Point]) -> list[Cell]:
    """The cells of finished points, ordered as tables show them.

    Points on folds, or that were stopped early, are in none.

    Args:
        points: The points, of one or several scans.
    """
    roles: dict[Key, dict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for point in points:
        if point.role != "apart":
            roles[key_of(point)][point.role].append(point)
    found = [Cell(*key, tuple(p["fresh"]), tuple(p["resample"])) for key, p in roles.items()]
    return sorted(found, key=lambda c: (_rank(c.detector, DETECTORS), c.network,
                                        _rank(c.arm, ARMS), c.n_train))  # fmt: skip


def _rank(name: str, known: Sequence[str]) -> tuple[int, str]:
    return (known.index(name) if name in known else len(known)), name
