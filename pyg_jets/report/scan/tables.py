"""A study's cells as tables: a grid for each detector, CSVs, text for a terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pyg_jets.metrics import Estimate
from pyg_jets.report.numbers import columns_text, count
from pyg_jets.report.scan.cells import Cell, minus
from pyg_jets.report.scan.numbers import number
from pyg_jets.runs import Point

__all__ = [
    "Entry",
    "Grid",
    "cells_csv",
    "detector_name",
    "grids",
    "points_csv",
    "table_text",
]

_AUC = "test/auc"


@dataclass(frozen=True)
class Entry:
    """A cell in a table.

    Args:
        cell: The cell.
        auc: Its AUC.
        place: ``best`` of its network and column, ``near`` if within one combined error of the
            best, else empty.
    """

    cell: Cell
    auc: Estimate
    place: str


@dataclass(frozen=True)
class Grid:
    """The table of one detector.

    Args:
        detector: Its name.
        sizes: The columns: numbers of training jets.
        rows: Network, arm, and an entry for each column, None where there is none.
    """

    detector: str
    sizes: tuple[int, ...]
    rows: tuple[tuple[str, str, tuple[Entry | None, ...]], ...]


def detector_name(detector: str) -> str:
    """A detector as a table calls it."""
    return detector or "no detector"


def grids(cells: Sequence[Cell]) -> list[Grid]:
    """A table for each detector, in the order of the cells; resamples are in none."""
    cells = [cell for cell in cells if cell.fresh]
    detectors = dict.fromkeys(cell.detector for cell in cells)
    return [_grid(one, [c for c in cells if c.detector == one]) for one in detectors]


def _grid(detector: str, cells: Sequence[Cell]) -> Grid:
    sizes = tuple(sorted({cell.n_train for cell in cells}))
    known = {(c.network, c.arm, c.n_train): c for c in cells}
    rows = []
    for network, arm in dict.fromkeys((c.network, c.arm) for c in cells):
        entries = (
            _entry(known.get((network, arm, n)), [c for c in cells if (c.network, c.n_train) ==
                                                  (network, n)])
            for n in sizes
        )  # fmt: skip
        rows.append((network, arm, tuple(entries)))
    return Grid(detector, sizes, tuple(rows))


def _entry(cell: Cell | None, column: Sequence[Cell]) -> Entry | None:
    auc = cell.mean(_AUC) if cell else None
    if cell is None or auc is None:
        return None
    rivals = [found for one in column if (found := one.mean(_AUC)) is not None]
    best = max(rivals, key=lambda found: found.value)
    if len(rivals) == 1:
        return Entry(cell, auc, "")
    behind = minus(best, auc)
    near = behind.value <= behind.error  # False where there is no error
    return Entry(cell, auc, "best" if auc.value == best.value else "near" if near else "")


def cells_csv(cells: Iterable[Cell]) -> str:
    """One row a cell, with full precision; what is not known is empty."""
    rows = []
    for cell in cells:
        auc, source, difference = cell.mean(_AUC), cell.source, cell.difference
        rows.append({
            "arm": cell.arm, "network": cell.network, "detector": cell.detector,
            "n_train": cell.n_train, "bootstraps": cell.replicas,
            **_pair("auc", auc), "auc_std": cell.spread(_AUC),
            **_pair("signal_efficiency_0.5", cell.mean("test/signal_efficiency_0.5")),
            **_pair("accuracy", cell.mean("test/accuracy")),
            **_pair("spread", cell.mean("test/spread")),
            "source_auc": source.value if source else None,
            "source_auc_err": source.error if source else None,
            "difference": difference.value if difference else None,
            "seconds": cell.seconds,
            "resamples": len(cell.resampled), "resample_std": cell.resample_spread(_AUC),
        })  # fmt: skip
    return _csv(rows)


def _pair(name: str, found: Estimate | None) -> dict[str, float | None]:
    return {name: found.value if found else None, f"{name}_err": found.error if found else None}


def points_csv(points: Sequence[Point]) -> str:
    """One row a point: parameters as they were given, then every metric of the test."""
    names = dict.fromkeys(name for point in points for name in point.parameters)
    metrics = sorted({name for point in points for name in point.run.metrics})
    rows = [
        {
            "hash": point.name,
            "status": point.status,
            **{name: _plain(point.parameters.get(name)) for name in names},
            **{name: point.run.metrics.get(name) for name in metrics},
            "seconds": point.seconds,
            "error": point.error,
        }
        for point in points
    ]
    return _csv(rows)


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | bool) else value


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        missing = (name for name, v in row.items() if isinstance(v, float) and math.isnan(v))
        writer.writerow(row | dict.fromkeys(missing, ""))
    return stream.getvalue()


def table_text(grid: Grid) -> str:
    """A grid as plain text; a star marks the best of a column, ``~`` what is not worse than it."""
    marks = {"best": " *", "near": " ~", "": "  "}
    lines = [("network", "arm", *map(count, grid.sizes))]
    for network, arm, entries in grid.rows:
        texts = (f"{number(e.auc)}{marks[e.place]}" if e else "–  " for e in entries)
        lines.append((network, arm, *texts))
    return columns_text([f"Test AUC, {detector_name(grid.detector)}"], lines, left=2)
