"""The points of a scan as a report reads them: few and small files of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import read_json
from pyg_jets.report.load import Run, load_run

__all__ = ["BROKEN", "MARKER", "Point", "Scan", "load_scan"]

#: The file that makes a folder a scan, and the one that makes a run folder a point.
MARKER, POINT = "scan.json", "point.json"
#: The status of a point of which a file is missing or cut short.
BROKEN = "broken"
_READ = ("metrics.json", "provenance.json")


@dataclass(frozen=True)
class Point:
    """A point of a scan.

    Args:
        run: Its run folder; empty unless the point is finished.
        record: What its ``point.json`` says.
        status: ``finished``, ``running``, ``failed`` or ``broken``.
        error: Why it is failed or broken.
    """

    run: Run
    record: Mapping[str, Any] = field(default_factory=dict)
    status: str = "finished"
    error: str = ""

    @property
    def name(self) -> str:
        """Its hash, which is its folder's name."""
        return self.run.name

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The value of each parameter by its dotted name, mappings taken apart."""
        return dict(_flat(self.record.get("parameters") or {}))

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return self.record.get("seconds")

    @property
    def date(self) -> str:
        """When it ended."""
        return str(self.record.get("date") or "")

    @property
    def arm(self) -> str:
        """The arm of a study that it belongs to; empty for none."""
        return str(self.run.provenance.get("arm") or "")

    @property
    def sample(self) -> Mapping[str, Any]:
        """Which training jets it saw: ``replica``, ``resample``, ``fold`` and their like."""
        return self.run.provenance.get("sample") or {}

    @property
    def training_set(self) -> tuple[str, int]:
        """Which training set it saw: the data set's content, and which of its disjoint samples."""
        content = str(self.run.provenance.get("data_hash") or "")
        return content, int(self.sample.get("replica") or 0)

    @property
    def role(self) -> str:
        """``fresh`` on a training set as it was drawn, ``resample`` on one drawn from it again.

        Else ``apart``: on a part of it, or not trained to the end.
        """
        if self.sample.get("folds") is not None or self.record.get("stopped_early"):
            return "apart"
        return "fresh" if self.sample.get("resample") is None else "resample"

    def value(self, metric: str) -> float | None:
        """A metric as the test found it, else the last one of the training; None without."""
        found = self.run.metrics.get(metric)
        if found is None and (self.run.folder / "metrics.csv").is_file():
            history = load_run(self.run.folder, only=("metrics.csv",)).history
            seen = [v for v in history.get(metric, ()) if math.isfinite(v)]
            found = seen[-1] if seen else None
        return None if found is None or not math.isfinite(found) else float(found)


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


@dataclass(frozen=True)
class Scan:
    """A scan's folder.

    Args:
        folder: The folder.
        record: What its ``scan.json`` says.
        points: All points that were begun, in the order in which they ended.
    """

    folder: Path
    record: Mapping[str, Any]
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """What the scan calls itself, else the folder's name."""
        return str(self.record.get("name") or self.folder.resolve().name)

    @property
    def metric(self) -> str:
        """The metric that the scan is about."""
        return str((self.record.get("metric") or {}).get("name") or "test/auc")

    @property
    def maximises(self) -> bool:
        """Whether more of the metric is better."""
        metric = self.record.get("metric")
        return not metric or metric.get("goal", "minimize") == "maximize"

    @property
    def sweep(self) -> str:
        """The text of the sweep file; empty if there is none."""
        path = self.folder / "sweep.yaml"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    @cached_property
    def finished(self) -> tuple[Point, ...]:
        """The points with results."""
        return self.of_status("finished")

    def of_status(self, *status: str) -> tuple[Point, ...]:
        """The points of a status."""
        return tuple(point for point in self.points if point.status in status)


def load_scan(folder: str | Path) -> Scan:
    """Read a scan's folder; points that are half-done, failed or broken are kept as such.

    Args:
        folder: The folder, with ``scan.json`` and ``points/``.

    Raises:
        FileNotFoundError: If there is no scan.
        ValueError: If it has no point, or its ``scan.json`` is broken.
    """
    folder = Path(folder)
    if not (folder / MARKER).is_file():
        raise MissingFileError(
            f"{folder} has no {MARKER}: give the folder of a scan, such as runs/scans/NAME."
        )
    record = read_json(folder / MARKER)
    if not isinstance(record, dict):
        raise InputError(f"Expected names and values in {folder / MARKER}, but got {record!r:.40}.")
    root = folder / "points"
    found = sorted(p for p in root.glob("[!.]*") if p.is_dir()) if root.is_dir() else []
    if not found:
        raise InputError(f"{folder} has no points yet: run pyg-jets scan first.")
    points = sorted((_point(path) for path in found), key=lambda point: (point.date, point.name))
    return Scan(folder, record, tuple(points))


def _point(folder: Path) -> Point:
    try:
        record = read_json(folder / POINT)
        status = str(record.get("status", "running"))
        if status != "finished":
            return Point(Run(folder), record, status, str(record.get("error") or ""))
        if missing := [name for name in _READ if not (folder / name).is_file()]:
            return Point(Run(folder), record, BROKEN, f"{', '.join(missing)} is missing")
        return Point(load_run(folder, only=_READ), record)
    except FileNotFoundError:
        return Point(Run(folder), status=BROKEN, error=f"{POINT} is missing")
    except (ValueError, AttributeError) as error:
        # the folder's name would tell apart errors that are the same
        return Point(Run(folder), status=BROKEN, error=str(error).replace(f"{folder}/", ""))
