"""Run every benchmark and write ``docs/benchmarks.md``: ``python -m tests.benchmarks [NAME …]``."""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform
from pathlib import Path

import torch

import pyg_jets
from tests.benchmarks.harness import Row, copy_bandwidth

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "benchmarks.md"


def cells(row: Row) -> list[str]:
    """The columns of one row, as text."""
    number = ["–" if v is None else f"{v:,.4g}" for v in (row.ours, row.peer)]
    ratio = "–" if row.ratio is None else f"{row.ratio:.3g}×"
    ratios = "–" if row.at_least is None else f"{row.at_least:g}× / {row.goal:g}×"
    asked = row.asked or ratios
    verdict = {None: "", True: "met", False: "**not met**"}[row.met]
    return [row.what, *number, row.unit, ratio, asked, verdict, row.note]


def table(rows: list[Row]) -> str:
    """The rows as a markdown table."""
    head = ["what", "ours", "peer", "unit", "ratio", "at least / goal", "", "note"]
    lines = [head, ["---"] * len(head), *map(cells, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def add(rows: list[Row], names: list[str]) -> None:
    """Put rows into the page: in the place of those of the same name, new ones at the end."""
    lines = PAGE.read_text().splitlines()
    for line in table(rows).splitlines()[2:]:
        what = line.split(" | ")[0]
        at = [i for i, old in enumerate(lines) if old.split(" | ")[0] == what]
        last = max(i for i, old in enumerate(lines) if old.startswith("| "))
        lines[at[0] if at else last + 1 : (at[0] if at else last) + 1] = [line]
    lines += ["", f"Measured anew on {datetime.date.today()}: {', '.join(names)}."]
    PAGE.write_text("\n".join(lines) + "\n")
    print(f"wrote {PAGE.relative_to(HERE.parent.parent)}")


def main() -> None:
    """Run the benchmarks that are named, or all, and write the page if all ran."""
    known = sorted(p.stem.removeprefix("bench_") for p in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(known)}")
    parser.add_argument("--add", action="store_true", help="put the rows of the named ones into "
                        "the page, in the place of their old ones")  # fmt: skip
    asked = parser.parse_args()
    names = asked.names
    rows: list[Row] = []
    for name in names or known:
        module = importlib.import_module(f"tests.benchmarks.bench_{name}")
        new = module.run()
        print(table(new), flush=True)
        rows += new
    if asked.add:
        add(rows, names)
    if names or asked.add:
        return
    PAGE.write_text(
        "# Benchmarks\n\n"
        "Each ratio is measured in one process, ours and the peer in turn, medians after a "
        "warm-up.\n\n"
        f"{table(rows)}\n\n"
        f"Made by `make bench` with pyg_jets {pyg_jets.__version__} on "
        f"{datetime.date.today()}: {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"torch {torch.__version__} with {torch.get_num_threads()} threads; a large copy reads "
        f"and writes {copy_bandwidth() / 1e9:.0f} GB/s on one core.\n"
    )
    print(f"wrote {PAGE.relative_to(HERE.parent.parent)}")


if __name__ == "__main__":
    main()
