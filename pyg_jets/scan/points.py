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
from pyg_jets.training.words import join_options

__all__ = ["POINT", "Points", "point_hash", "setting_hash"]

#: Last parts of the names of seeds.
_SEEDS = ("seed", "--seed_everything")
#: The file that makes a run folder a point.
POINT = "point.json"


def point_hash(words: Sequence[str]) -> str:
    """A name for what ``pyg-jets fit`` runs with these words.

    Configurations count by their content, so that an edited file makes other points. They override
    what stands before them, so their places count; the order of the words between them does not.

    Args:
        words: The words after ``pyg-jets``, dotted and flat.

    Examples:
        >>> point_hash(["fit", "--a=1", "--b", "2"]) == point_hash(["fit", "--b=2", "--a=1"])
        True
    """
    import yaml

    parts: list[Any] = [[]]
    for word in join_options(words):
        key, _, value = word.partition("=")
        if key == "--config" and Path(value).is_file():
            parts += [yaml.safe_load(Path(value).read_text()), []]
        else:
            parts[-1].append(word)
    # by the options alone: of one that is given twice, the last counts
    parts[::2] = [sorted(words, key=_option) for words in parts[::2]]
    return content_hash(parts)


def _option(word: str) -> str:
    key, sign, _ = word.partition("=")
    return key + sign


def setting_hash(words: Sequence[str]) -> str:
    """The same without what only repeats a training: the sample of the data, and seeds.

    Args:
        words: The words after ``pyg-jets``, dotted and flat.

    Examples:
        >>> one, other = (["fit", f"--data.sample.replica={i}", "--lr=1"] for i in range(2))
        >>> setting_hash(one) == setting_hash(other)
        True
    """
    return point_hash([word for word in join_options(words) if not _repeats(word)])


def _repeats(word: str) -> bool:
    key = word.partition("=")[0]
    return key.startswith("--data.sample") or key.rpartition(".")[2] in _SEEDS


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
            "setting": self.record(name).get("setting") or setting_hash(words),
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
