"""The points of a scan as folders: each named by what it runs, whole or moved aside."""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyg_jets.files import content_hash, read_json, write_json
from pyg_jets.provenance import moment

__all__ = ["POINT", "Points", "point_hash"]

#: The file that makes a run folder a point.
POINT = "point.json"


def point_hash(words: Sequence[str]) -> str:
    """A name for what ``pyg-jets fit`` runs with these words, whatever their order.

    Configurations count by their content, so that an edited file makes other points; what tells
    only where to write is not among the words.

    Args:
        words: The words after ``pyg-jets``, dotted and flat.

    Examples:
        >>> point_hash(["fit", "--a=1", "--b=2"]) == point_hash(["fit", "--b=2", "--a=1"])
        True
    """
    import yaml

    configs, rest = [], []
    for word in words:
        key, _, value = word.partition("=")
        if key == "--config" and Path(value).is_file():
            configs.append(yaml.safe_load(Path(value).read_text()))
        else:
            rest.append(word)
    return content_hash(configs, sorted(rest))


class Points:
    """The points of a scan.

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

    def begin(self, name: str, parameters: Mapping[str, Any], words: Sequence[str]) -> Path:
        """A new folder for a point; what was left of it goes aside."""
        folder = self.folder(name)
        if folder.exists():
            self._move_aside(folder)
        folder.mkdir(parents=True)
        self.write(name, parameters, "running", words=list(words))
        return folder

    def write(self, name: str, parameters: Mapping[str, Any], status: str, **facts: Any) -> dict:
        """Write a point's record, and return it."""
        words = facts.pop("words", None) or self.record(name).get("words", [])
        record = {
            "hash": name,
            "parameters": dict(parameters),
            "command": shlex.join(["pyg-jets", *words]),
            "words": words,
            "status": status,
            "error": None,
            "seconds": None,
            "stopped_early": False,
            "date": moment(),
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
        """A metric of a point: as the test found it, else the last one of the training."""
        folder = self.folder(name)
        try:
            found = read_json(folder / "metrics.json").get(metric)
        except (FileNotFoundError, ValueError):
            found = None
        if found is None and (folder / "metrics.csv").exists():
            with (folder / "metrics.csv").open(newline="") as stream:
                seen = [row[metric] for row in csv.DictReader(stream) if row.get(metric)]
            found = seen[-1] if seen else None
        return None if found is None else float(found)
