"""`scan_table`: what a scan found, as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyg_jets.report.numbers import columns_text, count, duration
from pyg_jets.report.scan import words
from pyg_jets.report.scan.cells import cells_of
from pyg_jets.report.scan.numbers import number
from pyg_jets.report.scan.search import Setting, is_study, searched, settings, short_names, told
from pyg_jets.report.scan.statements import statements
from pyg_jets.report.scan.tables import grids, table_text
from pyg_jets.runs import Scan, load_scan

__all__ = ["scan_table"]

#: Settings that the table lists.
MOST = 10


def scan_table(folder: str | Path) -> str:
    """What a scan found, as plain text: the cells of a study, or the best settings of a search.

    Args:
        folder: The scan's folder.

    Raises:
        FileNotFoundError: If there is no scan in ``folder``.
        ValueError: If it has no point.
    """
    scan = load_scan(folder)
    study = is_study(scan.finished) and not searched(scan.finished)
    cells = cells_of(scan.finished) if study else []
    blocks = [f"{scan.name}: {words.lead(scan, cells)}"]
    if cells:
        blocks += [table_text(grid) for grid in grids(cells)]
        blocks[-1] += (
            "\n± one standard error over training sets; * best of its network, ~ within one error."
        )
        verdicts = words.verdicts(statements(cells))
        blocks += ["\n".join(f"{text}: {verdict}." for text, verdict in verdicts)] * bool(verdicts)
    elif scan.finished:
        blocks.append(_best(scan))
    failures = words.errors(scan.points)
    blocks += [f"{words.counted(len(names), 'point')}: {text}" for text, names in failures]
    return "\n\n".join(blocks)


def _best(scan: Scan) -> str:
    names, tried, study = searched(scan.finished), settings(scan), is_study(scan.finished)
    if not tried:
        return f"No point has {scan.metric}."
    shown, cell = tried[:MOST], []
    if study:
        shown, cell = _best_of_cells(tried), ["arm", "network", "detector", "jets"]
    lines = [[*cell, *short_names(names).values(), scan.metric, "points", "time"]]
    lines += [
        [
            *(map(str, one.key) if study else ()),
            *map(told, one.values.values()),
            number(one.found),
            count(len(one.points)),
            duration(sum(point.seconds or 0 for point in one.points)),
        ]
        for one in shown
    ]
    which = "of each cell" if study else str(len(shown))
    title = f"The best {which}, of {words.counted(len(tried), 'setting')}"
    return columns_text([title], lines, left=len(lines[0]) - 3)


def _best_of_cells(tried: Sequence[Setting]) -> list[Setting]:
    best = {one.key: one for one in reversed(tried)}
    return [best[key] for key in sorted(best)]
