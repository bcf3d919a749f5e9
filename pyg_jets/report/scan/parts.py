"""The parts of a scan's page as its template takes them: plain texts, numbers and colours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from pyg_jets.report.figures.cells import arm_colour
from pyg_jets.report.figures.style import network_colour
from pyg_jets.report.numbers import count, duration
from pyg_jets.report.scan import words
from pyg_jets.report.scan.cells import Cell
from pyg_jets.report.scan.numbers import deviation, number
from pyg_jets.report.scan.search import Setting, is_study, searched, short_names, told
from pyg_jets.report.scan.statements import Contrast, Statement
from pyg_jets.report.scan.tables import Entry, Grid, detector_name
from pyg_jets.runs import Scan

__all__ = ["best", "best_card", "cards", "grid", "heading", "resampled", "statement"]

#: Settings that the page lists, of a search and of each cell of a study.
MOST, MOST_OF_CELL = 15, 3
_AUC = "test/auc"


def heading(kind: str) -> str:
    """The heading of a figure of artefacts; empty for others."""
    headings = {"artefacts": "Artefacts", "variants": "One event, rotated", "average": "On average"}
    return headings.get(kind.partition("-")[0], "")


def cards(cells: Sequence[Cell]) -> list[dict[str, str]]:
    """The best arm of each network and detector at its largest training size."""
    found = []
    named = sorted(cells, key=lambda c: c.network)
    for (network, detector), group in groupby(named, key=lambda c: (c.network, c.detector)):
        known = [(cell, auc) for cell in group if (auc := cell.mean(_AUC))]
        if not known:
            continue
        size = max(cell.n_train for cell, _ in known)
        cell, auc = max((k for k in known if k[0].n_train == size), key=lambda k: k[1].value)
        found.append({"title": f"{network}, {detector_name(detector)}", "value": number(auc),
                      "unit": "AUC", "colour": arm_colour(cell.arm),
                      "note": f"{cell.arm}, best at {count(size)} training jets"})  # fmt: skip
    return found


def best_card(scan: Scan, tried: Sequence[Setting]) -> list[dict[str, str]]:
    """The best setting of a search."""
    if not tried or is_study(scan.finished):
        return []
    best, short = tried[0], short_names(list(tried[0].values))
    note = ", ".join(f"{short[name]} {told(value)}" for name, value in best.values.items())
    return [{"title": "Best setting", "value": number(best.found), "unit": scan.metric,
             "note": note, "colour": network_colour(0)}]  # fmt: skip


def grid(table: Grid) -> dict[str, Any]:
    """The table of a detector."""
    rows, before = [], ""
    for network, arm, entries in table.rows:
        cells = [_entry(entry) for entry in entries]
        rows.append({"network": network, "arm": arm, "colour": arm_colour(arm),
                     "first": network != before, "cells": cells})  # fmt: skip
        before = network
    return {"detector": detector_name(table.detector), "sizes": [count(n) for n in table.sizes],
            "rows": rows}  # fmt: skip


def _entry(entry: Entry | None) -> dict[str, str]:
    if entry is None:
        return {"auc": "–", "note": "", "place": ""}
    difference = entry.cell.difference
    apart = f" · Δ {number(difference, signed=True)}" if difference else ""
    return {"auc": number(entry.auc), "note": f"×{entry.cell.replicas}{apart}",
            "place": entry.place}  # fmt: skip


def statement(one: Statement) -> dict[str, Any]:
    """A statement and the table of its tests, a column for each training size."""
    sizes = sorted({test.first.n_train for test in one.tests})
    rows: dict[tuple[str, str], dict[int, Contrast]] = {}
    worst = {test.second.arm for test in one.tests} == {"none"}
    for test in one.tests:
        pair = "" if worst else f"{test.first.arm} − {test.second.arm}"
        where = f"{test.first.network}, {detector_name(test.first.detector)}"
        rows.setdefault((where, pair), {})[test.first.n_train] = test
    return {
        "text": one.text,
        "how": one.how,
        "verdict": words.verdict_text(one),
        "sizes": [count(size) for size in sizes],
        "rows": [
            {"title": where, "pair": pair, "tests": [_test(tests.get(n), worst) for n in sizes]}
            for (where, pair), tests in rows.items()
        ],
    }


def _test(test: Contrast | None, worst: bool) -> dict[str, str]:
    if test is None:
        return {"text": "–", "verdict": "", "arm": "", "source": ""}
    return {
        "text": number(test.difference, signed=True),
        "verdict": test.verdict if len(test.pairs) > 1 else "one set",
        "arm": test.first.arm if worst else "",
        "source": number(test.source, signed=True) if test.source else "",
    }


def resampled(cell: Cell) -> dict[str, str]:
    """The spreads of a cell between fresh sets and between resamples."""
    return {
        "title": f"{cell.network} {cell.arm}",
        "colour": arm_colour(cell.arm),
        "detector": detector_name(cell.detector),
        "n_train": count(cell.n_train),
        "fresh": deviation(cell.spread(_AUC)),
        "sets": count(cell.replicas),
        "resamples": deviation(cell.resample_spread(_AUC)),
        "count": count(len(cell.resampled)),
    }


def best(scan: Scan, tried: Sequence[Setting]) -> dict[str, Any]:
    """The best settings of a search, or of each cell of a study."""
    study, names = is_study(scan.finished), searched(scan.finished)
    groups = {one.key: [o for o in tried if o.key == one.key] for one in tried} if study else {}
    lists = [group[:MOST_OF_CELL] for _, group in sorted(groups.items())]
    lists = lists or [list(tried[:MOST])]
    rows = [
        {
            "title": _cell_title(one) if study else str(rank),
            "first": study and rank == 1,
            "values": [told(one.values.get(name)) for name in names],
            "found": number(one.found),
            "count": count(len(one.points)),
            "time": duration(sum(point.seconds or 0 for point in one.points)),
        }
        for group in lists
        for rank, one in enumerate(group, 1)
    ]
    return {"rows": rows, "names": list(short_names(names).values()), "study": study,
            "shown": max(map(len, lists)), "total": len(tried)}  # fmt: skip


def _cell_title(one: Setting) -> str:
    arm, network, detector, size = one.key
    return ", ".join(filter(None, (f"{network} {arm}", detector, count(size))))
