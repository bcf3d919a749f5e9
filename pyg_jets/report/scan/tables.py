"""The cells of a scan as tables: grids of lines and columns, CSVs, text for a terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_jets.metrics import Estimate
from pyg_jets.report.numbers import aligned, columns_text, count, counted, duration
from pyg_jets.report.scan import captions
from pyg_jets.report.scan.cells import Cell, Layout, axis_name, cells_of, minus, scan_layout
from pyg_jets.report.scan.claims import claims_of
from pyg_jets.report.scan.search import Setting, format_value, searched, settings, short_names
from pyg_jets.runs import Point, Scan, load_scan

__all__ = [
    "Entry",
    "Grid",
    "cells_csv",
    "column_name",
    "grids",
    "metrics_of",
    "points_csv",
    "scan_table",
]

#: Settings that the text for a terminal lists.
_MOST = 10


@dataclass(frozen=True)
class Entry:
    """A cell in a table.

    Args:
        cell: The cell.
        estimate: Its metric.
        place: ``best`` of its panel and column, ``near`` if within one combined error of the
            best, else empty.
    """

    cell: Cell
    estimate: Estimate
    place: str


@dataclass(frozen=True)
class Grid:
    """The table of one value of the first fact that makes panels; of all cells without such facts.

    Args:
        title: This value; empty without such facts.
        header: What the columns before the numbers are called.
        columns: The columns.
        rows: The rest of the panel and the line, and an entry for each column, None where there is
            none.
    """

    title: str
    header: tuple[str, ...]
    columns: tuple[Any, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Entry | None, ...]], ...]


def grids(cells: Sequence[Cell]) -> list[Grid]:
    """A table for each value of the first fact of a panel, in the order of the cells.

    Cells that have only resamples are in none.
    """
    cells = [cell for cell in cells if cell.fresh]
    titles = dict.fromkeys(cell.panel[:1] for cell in cells)
    return [_grid(title, [c for c in cells if c.panel[:1] == title]) for title in titles]


def _grid(title: tuple[str, ...], cells: Sequence[Cell]) -> Grid:
    layout = cells[0].layout
    columns = tuple(dict.fromkeys(sorted({c.column for c in cells}))) if layout.column else (None,)
    by_name = {(*c.panel, c.line, c.column): c for c in cells}
    rows = []
    for name in dict.fromkeys((*c.panel, c.line) for c in cells):
        places = [(*name[:-1], column) for column in columns]
        rivals = ([c for c in cells if c.place == place] for place in places)
        entries = map(_entry, (by_name.get((*name, column)) for column in columns), rivals)
        rows.append((name[len(title) :], tuple(entries)))
    header = tuple(map(axis_name, (*layout.panels[1:], layout.line)))
    return Grid(title[0] if title else "", header, columns, tuple(rows))


def _entry(cell: Cell | None, rivals: Sequence[Cell]) -> Entry | None:
    estimate = cell.estimate if cell else None
    if cell is None or estimate is None:
        return None
    others = [other for rival in rivals if (other := rival.estimate) is not None]
    best = (max if cell.layout.maximises else min)(others, key=lambda other: other.value)
    if len(others) == 1:
        return Entry(cell, estimate, "")
    behind = minus(best, estimate)
    near = abs(behind.value) <= behind.error  # False where there is no error
    return Entry(cell, estimate, "best" if estimate.value == best.value else "near" * near)


def column_name(cell_or_layout: Cell | Layout, column: Any) -> str:
    """The head of a column: the number and what it counts; the metric where there is no axis."""
    layout = cell_or_layout.layout if isinstance(cell_or_layout, Cell) else cell_or_layout
    if not layout.column:
        return captions.metric_title(layout.metric)
    shown = f"{column:,}" if isinstance(column, int) else format_value(column)
    return f"{shown} jets" if layout.column == "n_train" else f"{axis_name(layout.column)} {shown}"


def metrics_of(cells: Iterable[Cell]) -> list[str]:
    """The metrics that a table of cells lists: the layout's own, then all others of the test."""
    cells = list(cells)
    own = cells[0].layout.metric
    names = {name for cell in cells for p in cell.fresh for name in p.run.metrics}
    return [own, *sorted(n for n in names if n.startswith("test/") and n not in (own, "test/loss"))]


def cells_csv(cells: Sequence[Cell]) -> str:
    """One row a cell, with full precision; what is not by_name is empty."""
    metrics, rows = metrics_of(cells), []
    for cell in cells:
        own = _column(cell.layout.metric)
        row: dict[str, Any] = {
            axis_name(name) if name != "n_train" else name: value
            for name, value in zip(cell.layout.group_by, cell.key, strict=True)
        }
        row["training_sets"] = cell.replicas
        for metric in metrics:
            row |= _pair(_column(metric), cell.mean(metric))
            if metric == cell.layout.metric:
                row[f"{own}_std"] = cell.spread(metric)
        difference = cell.difference
        row |= _pair(f"reference_{own}", cell.source)
        row |= {
            "difference": difference.value if difference else None,
            "seconds": cell.seconds,
            "resamples": len(cell.resampled),
            "resample_std": cell.resample_spread(cell.layout.metric),
        }
        rows.append(row)
    return _csv(rows)


def _column(metric: str) -> str:
    return metric.rpartition("/")[2]


def _pair(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    return {
        name: estimate.value if estimate else None,
        f"{name}_err": estimate.error if estimate else None,
    }


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


def scan_table(folder: str | Path, layout: Layout | None = None) -> str:
    """The results of a scan as plain text: its cells, or the best settings of a search.

    Args:
        folder: The scan's folder.
        layout: What makes a cell. Default: that of the points' labels, if they have any.

    Raises:
        FileNotFoundError: If there is no scan in ``folder``.
        ValueError: If it has no point.
    """
    scan = load_scan(folder)
    layout = layout or scan_layout(scan)
    is_search = layout is None or bool(searched(scan.finished, layout))
    cells = [] if is_search or layout is None else cells_of(scan.finished, layout)
    blocks = [f"{scan.name}: {captions.lead(scan, cells, layout)}"]
    if cells:
        blocks += [_grid_text(grid, cells[0].layout) for grid in grids(cells)]
        blocks[-1] += (
            "\n± one standard error over training sets; * best of its column, ~ within one error."
        )
        verdicts = captions.verdicts(claims_of(cells))
        blocks += ["\n".join(f"{text}: {verdict}." for text, verdict in verdicts)] * bool(verdicts)
    elif scan.finished:
        blocks.append(_best_text(scan, layout))
    failures = captions.errors(scan.points)
    blocks += [f"{counted(len(names), 'point')}: {text}" for text, names in failures]
    return "\n\n".join(blocks)


def _grid_text(grid: Grid, layout: Layout) -> str:
    """A grid as plain text; a star marks the best of a column, ``~`` what is not worse than it."""
    marks = {"best": " *", "near": " ~", "": "  "}
    lines = [(*grid.header, *(column_name(layout, column) for column in grid.columns))]
    for names, entries in grid.rows:
        texts = (f"{aligned(e.estimate)}{marks[e.place]}" if e else "–  " for e in entries)
        lines.append((*names, *texts))
    title = ", ".join(filter(None, (captions.metric_title(layout.metric), grid.title)))
    return columns_text([title], lines, left=len(grid.header))


def _best_text(scan: Scan, layout: Layout | None) -> str:
    names, tried = searched(scan.finished, layout), settings(scan, layout)
    if not tried:
        return f"No point has {scan.metric}."
    shown: Sequence[Setting] = tried[:_MOST]
    cell: list[str] = []
    if layout:
        best = {one.key: one for one in reversed(tried)}
        shown, cell = [best[key] for key in sorted(best)], list(map(axis_name, layout.group_by))
    lines = [[*cell, *short_names(names).values(), scan.metric, "points", "time"]]
    lines += [
        [
            *map(str, setting.key),
            *map(format_value, setting.values.values()),
            aligned(setting.estimate),
            count(len(setting.points)),
            duration(sum(point.seconds or 0 for point in setting.points)),
        ]
        for setting in shown
    ]
    which = "of each cell" if layout else str(len(shown))
    title = f"The best {which}, of {counted(len(tried), 'setting')}"
    return columns_text([title], lines, left=len(lines[0]) - 3)
