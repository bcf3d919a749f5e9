"""The folder of a scan and its points: each a run folder, named by what it runs.

:class:`Points` writes them, :func:`load_scan` reads them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import read_json, remove_unfinished, write_aside, write_json
from pyg_jets.provenance import timestamp
from pyg_jets.runs.names import METRICS, POINT, PROVENANCE, SCAN, SWEEP
from pyg_jets.runs.run import Run, load_run, metric_value

__all__ = ["BROKEN", "Point", "Points", "Scan", "load_scan", "repeats_training"]

#: The status of a point of which a file is missing or cut short.
BROKEN = "broken"
_READ = (METRICS, PROVENANCE)
#: Last parts of the names of options that repeat a training rather than change it.
_REPEATS = {"replica", "resample", "fold", "folds", "seed", "seed_everything"}


def repeats_training(option: str) -> bool:
    """Whether an option only repeats a training: its seeds, and which training jets it draws.

    The number of training jets, ``data.sample.jets``, is none of these.

    Args:
        option: The dotted name of an option, with or without dashes before it.

    Examples:
        >>> [repeats_training(n) for n in ("seed_everything", "--data.sample.fold", "model.seed")]
        [True, True, True]
        >>> [repeats_training(n) for n in ("data.sample.jets", "data.batch_size")]
        [False, False]
    """
    return option.lstrip("-").rpartition(".")[2] in _REPEATS


@dataclass(frozen=True)
class Point:
    """A point of a scan.

    Args:
        run: Its run folder; empty unless the point is finished.
        record: Its parameters, command line, state, error and time.
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
    def labels(self) -> Mapping[str, str]:
        """Labels of its run."""
        return self.run.labels

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
        """A metric of its run, see :func:`~pyg_jets.runs.metric_value`."""
        return metric_value(self.run, metric)


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
        record: Its name, sweep file, method, metric and command.
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
        path = self.folder / SWEEP
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
        folder: The folder of the scan, with its points.

    Raises:
        FileNotFoundError: If there is no scan.
        ValueError: If it has no point, or its record is damaged.
    """
    folder = Path(folder)
    if not (folder / SCAN).is_file():
        raise MissingFileError(
            f"{folder} has no {SCAN}: give the folder of a scan, such as runs/scans/NAME."
        )
    record = read_json(folder / SCAN)
    if not isinstance(record, dict):
        raise InputError(f"Expected names and values in {folder / SCAN}, but got {record!r:.40}.")
    root = folder / "points"
    folders = sorted(p for p in root.glob("[!.]*") if p.is_dir()) if root.is_dir() else []
    if not folders:
        raise InputError(f"{folder} has no points yet: run pyg-jets scan first.")
    points = sorted((_point(path) for path in folders), key=lambda point: (point.date, point.name))
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


class Points:
    """The points of a scan that is being run: written whole, or moved aside.

    Args:
        scan: The scan's folder.
    """

    def __init__(self, scan: str | Path):
        self.scan = Path(scan)
        self.root = self.scan / "points"

    def folder(self, name: str) -> Path:
        """The folder of a point."""
        return self.root / name

    def record(self, name: str) -> dict[str, Any]:
        """What is known of a point; empty for one that is not there or was cut short."""
        try:
            return dict(read_json(self.folder(name) / POINT))
        except (FileNotFoundError, ValueError):
            return {}

    def is_finished(self, name: str) -> bool:
        """Whether a point was run to its end."""
        return self.record(name).get("status") == "finished"

    def point(self, name: str) -> Point:
        """A point as :func:`load_scan` reads it."""
        return _point(self.folder(name))

    def names(self) -> list[str]:
        """Names of all points that were begun, in alphabetical order."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if p.is_dir() and p.name[0] != ".")

    def finished(self) -> Iterator[dict[str, Any]]:
        """The records of the finished points."""
        for name in self.names():
            record = self.record(name)
            if record.get("status") == "finished":
                yield record

    def begin(
        self, name: str, parameters: Mapping[str, Any], words: Sequence[str], setting: str = ""
    ) -> Path:
        """A new folder for a point; what was left of it goes aside.

        Args:
            name: The point's name, a hash of what it runs.
            parameters: Its parameters by dotted name.
            words: The arguments after ``pyg-jets`` that it runs.
            setting: A hash of what it runs that all repetitions of its training share.
        """
        folder = self.folder(name)
        if folder.exists():
            remove_unfinished(folder)
            if any(folder.iterdir()):
                self._move_aside(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.write(name, parameters, "running", words=list(words), setting=setting)
        return folder

    def write(self, name: str, parameters: Mapping[str, Any], status: str, **facts: Any) -> dict:
        """Write a point's record, and return it."""
        earlier = self.record(name)
        words = facts.pop("words", None) or earlier.get("words", [])
        setting = facts.pop("setting", None) or earlier.get("setting", "")
        record = {
            "hash": name,
            "parameters": dict(parameters),
            "command": shlex.join(["pyg-jets", *words]),
            "words": words,
            "setting": setting,
            "status": status,
            "error": None,
            "seconds": None,
            "stopped_early": False,
            "date": timestamp(),
            **facts,
        }
        write_json(self.folder(name) / POINT, record)
        return record

    def _move_aside(self, folder: Path) -> None:
        aside = self.scan / "aside"
        aside.mkdir(exist_ok=True)
        number = 1
        while (target := aside / f"{folder.name}-{number}").exists():
            number += 1
        os.rename(folder, target)

    def value(self, name: str, metric: str) -> float | None:
        """A metric of a point, see :func:`~pyg_jets.runs.metric_value`."""
        return metric_value(self.folder(name), metric)

    def write_scan(self, record: Mapping[str, Any], sweep: bytes) -> None:
        """Write the scan's own record, and the sweep file as it is run."""
        write_json(self.scan / SCAN, dict(record))
        with write_aside(self.scan / SWEEP) as part:
            part.write_bytes(sweep)
