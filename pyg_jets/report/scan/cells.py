"""The cells of a scan: points that share some facts, over the training sets that they were run on.

A :class:`Layout` names these facts. Nothing here knows a study: what a study compares, how its
lines look and what others published comes in as arguments.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.metrics import Estimate
from pyg_jets.metrics.resampling import sample_deviation
from pyg_jets.runs import PROVENANCE, Point, Scan, load_scan

if TYPE_CHECKING:
    from pyg_jets.report.scan.claims import Claim

__all__ = [
    "Cell",
    "Key",
    "Layout",
    "axis_name",
    "cells_of",
    "default_layout",
    "deviation_of",
    "fact",
    "key_of",
    "mean_of",
    "minus",
    "scan_layout",
    "with_column",
]

#: The values of the facts that make a cell, in the order of ``Layout.group_by``.
Key = tuple[Any, ...]
#: Facts as pages call them.
_AXES = {"network_name": "network", "n_train": "jets"}


@dataclass(frozen=True)
class Layout:
    """Which facts of a point make its cell, and how cells are shown and tested.

    A fact is a label of the run, an entry of its provenance (``sample.replica`` is one inside
    another), or a parameter of the sweep. Where the last fact of ``group_by`` is a number, it makes
    the columns of tables and the axis of figures. The one before it makes the lines, which are
    compared with each other; all others make panels.

    Args:
        group_by: Names of the facts that make a cell.
        replicate_by: Facts that tell training sets apart. Points of a cell that share them count
            once, by their mean, and claims compare lines pair by pair on them.
        metric: The metric of tables and claims.
        maximises: Whether more of it is better.
        orders: The order in which the values of a fact are shown; others come after.
        looks: Colour, line style and marker of each line. Default: a cycle.
        looks_text: What these looks mean, for captions.
        reference: Published values of the metric by the key of a cell.
        source: Where these are from, such as ``arXiv:1234.56789``.
        source_text: What the errors of the source are, in a sentence.
        claims: What is claimed of the cells, and tested on them.
        column: The fact that makes the columns; found by :func:`cells_of`.
    """

    group_by: tuple[str, ...]
    replicate_by: tuple[str, ...] = ("data_hash", "sample.replica")
    metric: str = "test/auc"
    maximises: bool = True
    orders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    looks: Mapping[str, tuple[str, Any, str]] = field(default_factory=dict)
    looks_text: str = ""
    reference: Mapping[Key, Estimate] = field(default_factory=dict)
    source: str = ""
    source_text: str = ""
    claims: Callable[[Sequence[Cell]], list[Claim]] | None = None
    column: str = ""

    @property
    def line(self) -> str:
        """The fact that makes the lines."""
        return [name for name in self.group_by if name != self.column][-1]

    @property
    def panels(self) -> tuple[str, ...]:
        """The facts that make the panels."""
        return tuple(name for name in self.group_by if name not in (self.line, self.column))


@dataclass(frozen=True)
class Cell:
    """The points of one value of each fact that a layout groups by.

    Args:
        key: These values, in the order of ``layout.group_by``.
        layout: The layout.
        fresh: Points on training sets as they were drawn, disjoint for different replicas.
        resampled: Points on training sets that were drawn again from one of those.
    """

    key: Key
    layout: Layout = field(repr=False)
    fresh: tuple[Point, ...] = ()
    resampled: tuple[Point, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.key[self.layout.group_by.index(name)]

    @property
    def line(self) -> str:
        """Which line it is on."""
        return str(self[self.layout.line])

    @property
    def column(self) -> Any:
        """Its place along the axis; ``None`` without one."""
        return self[self.layout.column] if self.layout.column else None

    @property
    def panel(self) -> tuple[str, ...]:
        """Its panel, by the names of the values; those that are empty are named by the fact."""
        return tuple(str(self[n]) or f"no {axis_name(n)}" for n in self.layout.panels)

    @property
    def place(self) -> Key:
        """Panel and column: the cells of all lines at one place are compared."""
        return (*self.panel, self.column)

    @property
    def replicas(self) -> int:
        """Number of fresh training sets."""
        return len(self.of_replicas(self.layout.metric))

    @property
    def estimate(self) -> Estimate | None:
        """The layout's metric: its mean over training sets."""
        return self.mean(self.layout.metric)

    @property
    def source(self) -> Estimate | None:
        """What was published for this cell."""
        return self.layout.reference.get(self.key)

    @property
    def difference(self) -> Estimate | None:
        """Our metric minus the published one."""
        ours = self.estimate
        return None if ours is None or self.source is None else minus(ours, self.source)

    @property
    def seconds(self) -> float:
        """Time of all its points together."""
        return sum(point.seconds or 0 for point in (*self.fresh, *self.resampled))

    def mean(self, metric: str) -> Estimate | None:
        """Mean of a metric over training sets, with the error of the mean: NaN for one set."""
        return mean_of(list(self.of_replicas(metric).values()))

    def spread(self, metric: str) -> float:
        """Standard deviation (n − 1) between fresh training sets; NaN for one of them."""
        return deviation_of(list(self.of_replicas(metric).values()))

    def resample_spread(self, metric: str) -> float:
        """The same between resamples of one training set, pooled over sets; NaN without."""
        groups = [v for v in self._by_replica(self.resampled, metric).values() if len(v) > 1]
        freedom = sum(len(values) - 1 for values in groups)
        if not freedom:
            return math.nan
        return math.sqrt(sum((len(v) - 1) * np.var(v, ddof=1) for v in groups) / freedom)

    def of_replicas(self, metric: str) -> dict[Key, float]:
        """A metric by fresh training set; trainings on the same set count once, by their mean."""
        if metric not in self._means:
            replicas = self._by_replica(self.fresh, metric)
            self._means[metric] = {key: float(np.mean(v)) for key, v in replicas.items()}
        return self._means[metric]

    @cached_property
    def _means(self) -> dict[str, dict[Key, float]]:
        return {}

    def _by_replica(self, points: Iterable[Point], metric: str) -> dict[Key, list[float]]:
        replicas = defaultdict(list)
        for point in points:
            if (value := point.value(metric)) is not None:
                key = tuple(fact(point, name) or 0 for name in self.layout.replicate_by)
                replicas[key].append(value)
        return replicas


def fact(point: Point, name: str) -> Any:
    """A fact of a point; ``None`` where it has none of this name.

    Args:
        point: The point.
        name: A label, an entry of its provenance with dots between levels, or a parameter.
    """
    if name in point.labels:
        return point.labels[name]
    if name == "n_train" and point.sample.get("folds"):  # of which a fold is a part
        return point.sample.get("jets")
    value: Any = point.run.provenance
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return point.parameters.get(name) if value is None else value


def key_of(point: Point, layout: Layout) -> Key:
    """The cell of a finished point; facts that it lacks are empty, or zero jets."""
    values = (fact(point, name) for name in layout.group_by)
    missing = {"n_train": 0}
    return tuple(
        missing.get(name, "") if value is None else value
        for name, value in zip(layout.group_by, values, strict=True)
    )


def default_layout(points: Sequence[Point]) -> Layout | None:
    """The layout of points with labels: detector, network, labels, training size.

    Args:
        points: Finished points, of one or several scans.

    Returns:
        The layout, ``None`` for points without labels.
    """
    labels = tuple(dict.fromkeys(name for point in points for name in point.labels))
    if not labels:
        return None
    before = [n for n in ("detector", "network_name") if any(fact(p, n) for p in points)]
    return Layout((*before, *labels, "n_train"))


def scan_layout(
    scan: Scan | str | Path,
    group_by: Sequence[str] | None = None,
    replicate_by: Sequence[str] | None = None,
) -> Layout | None:
    """The layout of a scan: of the facts that are asked for, else of its points' labels.

    Args:
        scan: The scan, or its folder.
        group_by: Facts that make a cell.
        replicate_by: Facts that tell training sets apart.

    Returns:
        The layout, ``None`` if no facts are asked for and no point has a label.

    Raises:
        InputError: If no finished point has one of the facts.
    """
    scan = scan if isinstance(scan, Scan) else load_scan(scan)
    layout = Layout(tuple(group_by)) if group_by else default_layout(scan.finished)
    if layout is None:
        return None
    if replicate_by:
        layout = replace(layout, replicate_by=tuple(replicate_by))
    for name in (*(group_by or ()), *(replicate_by or ())):
        if scan.finished and all(fact(point, name) is None for point in scan.finished):
            raise InputError(
                f"No point of {scan.folder} has {name}: name a label, an entry of {PROVENANCE}, or "
                "a parameter of the sweep."
            )
    return replace(layout, metric=scan.metric, maximises=scan.maximises)


def cells_of(points: Iterable[Point], layout: Layout) -> list[Cell]:
    """The cells of finished points, ordered as tables show them.

    Points on folds, or that were stopped early, are in none.

    Args:
        points: The points, of one or several scans.
        layout: What makes a cell.
    """
    roles: dict[Key, dict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for point in points:
        if point.role != "apart":
            roles[key_of(point, layout)][point.role].append(point)
    layout = with_column(layout, roles)
    cells = [Cell(key, layout, tuple(p["fresh"]), tuple(p["resample"])) for key, p in roles.items()]
    ranks = [(name, list(layout.orders.get(name, ()))) for name in layout.group_by]

    def rank(cell: Cell) -> list[Any]:
        return [
            value if name == layout.column else
            (order.index(value) if value in order else len(order), str(value))
            for (name, order), value in zip(ranks, cell.key, strict=True)
        ]  # fmt: skip

    return sorted(cells, key=rank)


def with_column(layout: Layout, keys: Iterable[Key]) -> Layout:
    """The layout with its column: the last fact, if that is a number in all keys."""
    numbers = all(
        isinstance(key[-1], int | float) and not isinstance(key[-1], bool) for key in keys
    )
    column = layout.group_by[-1] if numbers and len(layout.group_by) > 1 else ""
    return replace(layout, column=column)


def axis_name(name: str) -> str:
    """A fact as a page calls it.

    Examples:
        >>> axis_name("network_name"), axis_name("sample.replica"), axis_name("dataset")
        ('network', 'replica', 'dataset')
    """
    return _AXES.get(name, name.rpartition(".")[2].replace("_", " "))


def deviation_of(values: Sequence[float]) -> float:
    """Standard deviation (n − 1); NaN for fewer than two values."""
    return float(sample_deviation(values)) if len(values) > 1 else math.nan


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
