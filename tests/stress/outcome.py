"""What comes of reading a damaged file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from tests.stress.damage import damaged
from tests.stress.formats import Format, same

#: Refused in words that name the file; read as it was; read as something else; an error of a
#: library; and, seen from outside, the death of the process, or no end.
OUTCOMES = ("refused", "unharmed", "read wrong", "foreign error", "crash", "hang")


def damage_one(folder: Path, whole: dict[str, bytes], number: int, seed: int) -> str:
    """Damage one of the files in a folder, all others being whole; returns its name."""
    names = sorted(whole)
    chosen = names[np.random.default_rng([seed, number, 1]).integers(len(names))]
    for name, content in whole.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(damaged(content, number, seed) if name == chosen else content)
    return chosen


def outcome(format: Format, folder: Path, original: Any) -> tuple[str, str]:
    """What reading a folder comes to, and the reason in words."""
    try:
        read = format.read(folder)
    except InputError as error:
        text = str(error)
        named = str(folder) in text and "\n" not in text
        return ("refused" if named else "foreign error"), text.replace(str(folder), "…")
    except Exception as error:
        return "foreign error", f"{type(error).__name__}: {str(error)[:200]}"
    return ("unharmed" if same(read, original) else "read wrong"), ""


def content_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
