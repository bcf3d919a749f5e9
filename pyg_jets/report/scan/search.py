"""A search: which parameters vary, and which of their values do best."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePath
from typing import Any

from pyg_jets.metrics import Estimate
from pyg_jets.report.scan.cells import Key, key_of, mean_of
from pyg_jets.runs import Point, Scan, repeats_training

__all__ = ["Setting", "is_study", "searched", "settings", "short_names", "told"]

#: What varies if nothing does that the sweep file names.
_FILES = "the content of configuration files"
#: How a configuration writes a class.
_CLASS = ("class_path", "init_args")


@dataclass(frozen=True)
class Setting:
    """Points that differ only in what repeats a training: seeds, replicas, folds.

    Args:
        key: The cell they are in, for a study; the arm is empty without one.
        values: The value of each parameter that is searched.
        points: The points, all with the metric.
        numbers: The metric of each.
    """

    key: Key
    values: Mapping[str, Any]
    points: tuple[Point, ...]
    numbers: tuple[float, ...]

    @property
    def found(self) -> Estimate:
        """Mean of the metric and the error of the mean; NaN for one point."""
        found = mean_of(self.numbers)
        assert found  # a setting has a point
        return found


def is_study(points: Sequence[Point]) -> bool:
    """Whether the points belong to the arms of a study."""
    return any(point.labels.get("arm") for point in points)


def searched(points: Sequence[Point]) -> list[str]:
    """The parameters whose values a search compares.

    In a study these are the ones that vary within a cell: what comes with arm, network, detector
    or size is no search.

    Args:
        points: Finished points, of one or several scans.
    """
    study, seen = is_study(points), defaultdict(set)
    names = dict.fromkeys(name for point in points for name in point.parameters)
    for name, point in product(names, points):
        # a point without it had a default: an earlier version of the sweep file
        value = json.dumps(point.parameters[name], default=str) if name in point.parameters else ""
        seen[name, key_of(point) if study else None].add(value)
    varied = dict.fromkeys(name for (name, _), values in seen.items() if len(values) > 1)
    found = [name for name in varied if not repeats_training(name)]
    return found or [_FILES] * (study and _edited(points))


def _edited(points: Sequence[Point]) -> bool:
    """Whether a cell has points of two versions of the configuration files."""
    seen = defaultdict(set)
    for point in points:
        if setting := point.record.get("setting"):
            seen[key_of(point)].add(setting)
    return any(len(versions) > 1 for versions in seen.values())


def settings(scan: Scan) -> list[Setting]:
    """All settings that were tried, the best first.

    Args:
        scan: The scan.
    """
    names, study = searched(scan.finished), is_study(scan.finished)
    groups: dict[str, list[Point]] = defaultdict(list)
    for point in scan.finished:
        if point.value(scan.metric) is not None:
            same = [key_of(point) if study else None, *map(point.parameters.get, names)]
            groups[json.dumps(same, default=str)].append(point)
    found = [_setting(scan.metric, names, points) for points in groups.values()]
    return sorted(found, key=lambda one: one.found.value, reverse=scan.maximises)


def _setting(metric: str, names: Sequence[str], points: Sequence[Point]) -> Setting:
    values = {name: points[0].parameters.get(name) for name in names}
    numbers = tuple(v for point in points if (v := point.value(metric)) is not None)
    return Setting(key_of(points[0]), values, tuple(points), numbers)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The shortest tail of each dotted name that tells them apart.

    Examples:
        >>> short_names(["model.optimizer.init_args.lr", "data.batch_size"])
        {'model.optimizer.init_args.lr': 'lr', 'data.batch_size': 'batch_size'}
        >>> list(short_names(["model.loss.init_args.a", "model.net.init_args.a"]).values())
        ['loss.a', 'net.a']
    """
    parts = {n: [p for p in n.split(".") if p not in _CLASS] for n in names}
    found = {}
    for name, own in parts.items():
        others = [other for one, other in parts.items() if one != name]
        lengths = range(1, len(own) + 1)
        unique = (n for n in lengths if all(other[-n:] != own[-n:] for other in others))
        length = next(unique, None)
        found[name] = ".".join(own[-length:]) if length else name
    return found


def told(value: Any) -> str:
    """A parameter's value in a table: classes without their package, numbers to four digits.

    Examples:
        >>> told({"class_path": "pyg_jets.nn.PFN", "init_args": {"width": 64}})
        'PFN, width 64'
        >>> told(0.00123456), told("pyg_jets.nn.PFN"), told([64, 64]), told(None), told(True)
        ('0.001235', 'PFN', '64, 64', 'none', 'true')
    """
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(told, value))
    if isinstance(value, dict):
        texts = ((name, told(one)) for name, one in value.items())
        named = (text if name in _CLASS else f"{name} {text}" for name, text in texts)
        return ", ".join(filter(None, named))
    text = str(value)
    if "/" in text or text.endswith((".yaml", ".yml")):
        return PurePath(text).stem
    return text.rpartition(".")[2] if text.replace(".", "").isidentifier() else text
