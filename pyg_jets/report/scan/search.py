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
from pyg_jets.report.scan.cells import Key, Layout, key_of, mean_of
from pyg_jets.runs import Point, Scan, repeats_training

__all__ = ["Setting", "format_value", "searched", "settings", "short_names"]

#: What varies if nothing does that the sweep file names.
_FILES = "the content of configuration files"
#: How a configuration writes a class.
_CLASS = ("class_path", "init_args")


@dataclass(frozen=True)
class Setting:
    """Points that differ only in what repeats a training: seeds, replicas, folds.

    Args:
        key: The cell they are in; empty without a layout.
        values: The value of each parameter that is searched.
        points: The points, all with the metric.
        numbers: The metric of each.
    """

    key: Key
    values: Mapping[str, Any]
    points: tuple[Point, ...]
    numbers: tuple[float, ...]

    @property
    def estimate(self) -> Estimate:
        """Mean of the metric and the error of the mean; NaN for one point."""
        mean = mean_of(self.numbers)
        assert mean  # a setting has a point
        return mean


def searched(points: Sequence[Point], layout: Layout | None = None) -> list[str]:
    """The parameters whose values a search compares.

    With a layout these are the ones that vary within a cell: what comes with the facts that make a
    cell, or tells its training sets apart, is no search.

    Args:
        points: Finished points, of one or several scans.
        layout: What makes a cell.
    """
    tried, grouped = defaultdict(set), layout is not None
    names = dict.fromkeys(name for point in points for name in point.parameters)
    for name, point in product(names, points):
        # a point without it had a default: an earlier version of the sweep file
        value = json.dumps(point.parameters[name], default=str) if name in point.parameters else ""
        tried[name, key_of(point, layout) if layout else None].add(value)
    varied = dict.fromkeys(name for (name, _), values in tried.items() if len(values) > 1)
    replicas = layout.replicate_by if layout else ()
    compared = [name for name in varied if not repeats_training(name) and name not in replicas]
    return compared or [_FILES] * (grouped and _edited(points, layout))


def _edited(points: Sequence[Point], layout: Layout | None) -> bool:
    """Whether a cell has points of two versions of the configuration files."""
    versions = defaultdict(set)
    for point in points:
        if layout and (setting := point.record.get("setting")):
            versions[key_of(point, layout)].add(setting)
    return any(len(settings) > 1 for settings in versions.values())


def settings(scan: Scan, layout: Layout | None = None) -> list[Setting]:
    """All settings that were tried, the best first.

    Args:
        scan: The scan.
        layout: What makes a cell: settings of different cells are different ones.
    """
    names = searched(scan.finished, layout)
    groups: dict[str, list[Point]] = defaultdict(list)
    for point in scan.finished:
        if point.value(scan.metric) is not None:
            key = key_of(point, layout) if layout else ()
            same = [key, *map(point.parameters.get, names)]
            groups[json.dumps(same, default=str)].append(point)
    tried = [_setting(scan.metric, names, layout, points) for points in groups.values()]
    return sorted(tried, key=lambda setting: setting.estimate.value, reverse=scan.maximises)


def _setting(
    metric: str, names: Sequence[str], layout: Layout | None, points: Sequence[Point]
) -> Setting:
    values = {name: points[0].parameters.get(name) for name in names}
    numbers = tuple(v for point in points if (v := point.value(metric)) is not None)
    key = key_of(points[0], layout) if layout else ()
    return Setting(key, values, tuple(points), numbers)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The shortest tail of each dotted name that tells them apart.

    Examples:
        >>> short_names(["model.optimizer.init_args.lr", "data.batch_size"])
        {'model.optimizer.init_args.lr': 'lr', 'data.batch_size': 'batch_size'}
        >>> list(short_names(["model.loss.init_args.a", "model.net.init_args.a"]).values())
        ['loss.a', 'net.a']
    """
    parts = {n: [p for p in n.split(".") if p not in _CLASS] for n in names}
    short = {}
    for name, own in parts.items():
        others = [other for each, other in parts.items() if each != name]
        lengths = range(1, len(own) + 1)
        unique = (n for n in lengths if all(other[-n:] != own[-n:] for other in others))
        length = next(unique, None)
        short[name] = ".".join(own[-length:]) if length else name
    return short


def format_value(value: Any) -> str:
    """A parameter's value in a table: classes without their package, numbers to four digits.

    Examples:
        >>> format_value({"class_path": "pyg_jets.nn.PFN", "init_args": {"width": 64}})
        'PFN, width 64'
        >>> format_value(0.00123456), format_value("pyg_jets.nn.PFN"), format_value([64, 64])
        ('0.001235', 'PFN', '64, 64')
        >>> format_value(None), format_value(True), format_value("a_study/networks/pfn")
        ('none', 'true', 'pfn')
    """
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(format_value, value))
    if isinstance(value, dict):
        texts = ((name, format_value(each)) for name, each in value.items())
        named = (text if name in _CLASS else f"{name} {text}" for name, text in texts)
        return ", ".join(filter(None, named))
    text = str(value)
    if "/" in text or text.endswith((".yaml", ".yml")):
        return PurePath(text).stem
    return text.rpartition(".")[2] if text.replace(".", "").isidentifier() else text
