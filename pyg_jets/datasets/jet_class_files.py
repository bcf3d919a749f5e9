"""The files of JetClass in a folder: which there are, their splits, and their numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pyg_jets.datasets.splits import SPLITS

__all__ = ["below", "numbers", "root_files", "split_of"]

#: The names of the published files begin with one of these.
_PROCESSES = (
    "HToBB", "HToCC", "HToGG", "HToWW2Q1L", "HToWW4Q", "TTBar", "TTBarLep", "WToQQ", "ZToQQ",
    "ZJetsToNuNu",
)  # fmt: skip


def root_files(raw: Path) -> list[Path]:
    """All ``.root`` files below a folder, sorted; hidden folders do not count."""
    found = (p for p in raw.rglob("*.root") if p.is_file())
    return sorted(p for p in found if not any(n[0] == "." for n in p.relative_to(raw).parts))


def below(path: Path, raw: str | Path) -> str:
    """The path below ``raw``."""
    return path.relative_to(raw).as_posix()


def split_of(path: Path, raw: str | Path) -> str | None:
    """The split that the innermost folder with one in its name says."""
    for folder in reversed(path.relative_to(raw).parts[:-1]):
        found = re.search(rf"(?:^|_)({'|'.join(SPLITS)})(?:_|\d|$)", folder.lower())
        if found:
            return found[1]
    return None


def numbers(paths: Sequence[Path], raw: str | Path) -> list[int]:
    """A number for each file that follows from its name, whichever others are there."""
    found: list[int] = []
    for i, path in enumerate(paths):
        name, _, count = path.stem.rpartition("_")
        number = 1_000_000 + i
        if name in _PROCESSES and count.isdigit() and int(count) < 1000:
            split = SPLITS.index(split_of(path, raw) or "train")
            number = (split * len(_PROCESSES) + _PROCESSES.index(name)) * 1000 + int(count)
        found.append(number if number not in found else 1_000_000 + i)
    return found
