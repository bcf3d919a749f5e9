"""``docs/reliability.md``: what is promised, what was tried, and what came out."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import pyg_jets
from tests.stress.damage import KINDS
from tests.stress.outcome import OUTCOMES

#: What stands before the tables.
HEAD = Path(__file__).with_suffix(".md")


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *[[f"{cell:,}" if isinstance(cell, int) else str(cell)
                                           for cell in row] for row in rows]]  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(results: Mapping[str, Mapping[str, Any]], seed: int, command: str, date: str) -> str:
    """The page, from the results of all parts by name."""
    kills = [r for r in results.values() if "task" in r]
    damages = [r for r in results.values() if "format" in r]
    rounds = [r for r in results.values() if "what" in r]
    parts = [HEAD.read_text().replace("SEED", str(seed))]
    head = ("killed", "kills", "undisturbed run", "lost, repeated or different after going on")
    parts.append(_table(head, [
        (r["task"], r["killed"], f"{r['undisturbed']:.1f} s", len(r["failures"])) for r in kills
    ]))  # fmt: skip
    parts.append("\nA kill that was drawn after the end of its run is drawn again.\n")
    for ours, title in ((True, "Our own formats"), (False, "Formats of others")):
        rows = [(r["format"], r["count"], *(r["total"].get(o, 0) for o in OUTCOMES))
                for r in damages if r["ours"] == ours]  # fmt: skip
        parts.append(_table((title, "damages", *OUTCOMES), rows) + "\n")
    parts.append(_crashes(damages))
    both = {kind: dict.fromkeys(OUTCOMES, 0) for kind in KINDS}
    for result in (r for r in damages if r["ours"]):
        for kind, counts in result["kinds"].items():
            for name, number in counts.items():
                both[kind][name] += number
    rows = [(kind, sum(both[kind].values()), *both[kind].values()) for kind in KINDS]
    parts.append(_table(("Our own formats, by damage", "damages", *OUTCOMES), rows) + "\n")
    parts.append(_table(("two processes", "rounds", "not one good copy"), [
        (r["what"], r["count"], len(r["failures"])) for r in rounds
    ]) + "\n")  # fmt: skip
    minutes = sum(r["seconds"] for r in results.values()) / 60
    parts.append(
        f"Made by `{command}` with pyg_jets {pyg_jets.__version__} on {date}, in {minutes:.0f} "
        f"minutes: Python {platform.python_version()}, torch {torch.__version__}."
    )
    return "\n".join(parts) + "\n"


def _crashes(damages: Sequence[Mapping[str, Any]]) -> str:
    """Which libraries died of which damages, in words."""
    lines = []
    for result in damages:
        names: dict[str, list[int]] = {}
        for number, _, kind, said in result["bad"]:
            if kind in ("crash", "hang"):
                names.setdefault(f"{kind} ({said})", []).append(number)
        for name, numbers in names.items():
            some = ", ".join(map(str, numbers[:8])) + ", …" * (len(numbers) > 8)
            lines.append(f"- {result['format']}: {len(numbers)} × {name}, damages {some}")
    return "\n".join(lines) + "\n" if lines else "No library crashed or hung.\n"
