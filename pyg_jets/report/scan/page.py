"""`make_scan_report`: a scan's folder → a folder with one self-contained page, figures and CSVs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pyg_jets import __version__
from pyg_jets.report.figures.style import check_formats, network_colour
from pyg_jets.report.folder import PAGE, claim, render, write_page
from pyg_jets.report.numbers import aligned, count, deviation, duration
from pyg_jets.report.pictures import picture_files
from pyg_jets.report.scan import captions
from pyg_jets.report.scan.cells import Cell, Layout, axis_name, cells_of, scan_layout, with_column
from pyg_jets.report.scan.claims import Claim, Contrast, claims_of
from pyg_jets.report.scan.pictures import cell_pictures, looks_of, search_pictures
from pyg_jets.report.scan.search import Setting, format_value, searched, settings, short_names
from pyg_jets.report.scan.tables import Entry, Grid, cells_csv, column_name, grids, points_csv
from pyg_jets.runs import Scan, load_scan

__all__ = ["claim_table", "make_scan_report"]

#: Colour, line style and marker of each line.
Looks = Mapping[str, tuple[str, Any, str]]

#: Settings that the page lists, of a search and of each cell.
_MOST, _MOST_OF_CELL = 15, 3


def make_scan_report(
    folder: str | Path,
    out: str | Path | None = None,
    title: str | None = None,
    command: str | None = None,
    layout: Layout | None = None,
    formats: Sequence[str] = ("png",),
) -> Path:
    """Write a report of a scan: ``index.html``, figures as files, ``points.csv``, ``cells.csv``.

    Points become cells of the facts that the layout groups by, with their means over training
    sets, beside what was published. Points without a layout, or that vary something else within a
    cell, are a search, and are ranked. Points that are not finished or failed are counted, with
    their errors.

    Args:
        folder: The scan's folder.
        out: The folder of the report; one that holds a report is written over. Default:
            ``report`` in the scan's folder.
        title: Title of the page. Default: the scan's name.
        command: The command that made the report, for the record.
        layout: What makes a cell. Default: that of the points' labels, if they have any.
        formats: Formats of the files of figures: ``png``, ``svg``, ``pdf``.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: If there is no scan in ``folder``.
        ValueError: If it has no point; for an unknown format.
        FileExistsError: If ``out`` holds something else than a report.
        ModuleNotFoundError: Without matplotlib, mplhep and jinja2 (``pyg-jets[report]``).
    """
    scan, formats = load_scan(folder), check_formats(formats)
    out = claim(Path(folder) / "report" if out is None else out)
    layout = layout or scan_layout(scan)
    mixed = searched(scan.finished, layout)
    cells = cells_of(scan.finished, layout) if layout and not mixed else []
    tried = [] if layout and not mixed else settings(scan, layout)
    figures = {**cell_pictures(cells), **search_pictures(scan, tried, layout)}
    claims, looks = claims_of(cells), looks_of(cells)
    context = {
        "title": title or scan.name.replace("_", " "),
        "command": command,
        "mixed": mixed if layout else [],
        "lead": captions.lead(scan, cells, layout),
        "cards": _cell_cards(cells, looks) if cells else _best_card(tried, scan.metric, layout),
        "claims": [claim_table(one) for one in claims],
        "verdicts": captions.verdicts(claims),
        "grids": [_grid(grid, cells[0].layout, looks) for grid in grids(cells)],
        "agreement": captions.agreement(cells),
        "has_source": any(cell.difference for cell in cells),
        "resampled": [_resampled(cell, looks) for cell in cells if cell.resampled],
        "tested": captions.TESTED.format(metric=captions.metric_name(scan.metric)),
        "layout": cells[0].layout if cells else None,
        "line": axis_name(cells[0].layout.line) if cells else "",
        "metric_title": captions.metric_title(cells[0].layout.metric if cells else scan.metric),
        "metric_name": captions.metric_name(cells[0].layout.metric if cells else scan.metric),
        "one_test": len({p.run.provenance.get("data_hash") for p in scan.finished}) == 1,
        "best": _best(scan, tried, layout),
        "metric": scan.metric,
        "maximises": scan.maximises,
        "figures": figures,
        "own_figure": next(iter(figures), None) if cells else None,
        "apart": captions.apart(scan.finished) if cells else "",
        "errors": captions.errors(scan.points),
        "provenance": captions.provenance([scan]),
        "sweep": scan.sweep,
        "version": __version__,
        "formats": formats,
    }
    contents = picture_files([figures], formats)
    contents["points.csv"] = points_csv(scan.points).encode()
    if cells:
        contents["cells.csv"] = cells_csv(cells).encode()
    return write_page(out, {**contents, PAGE: render("scan.html", context).encode()})


def _cell_cards(cells: Sequence[Cell], looks: Looks) -> list[dict[str, str]]:
    """The best line of each panel at its last column."""
    cards = []
    for panel, group in groupby(sorted(cells, key=lambda c: c.panel[::-1]), lambda c: c.panel):
        estimates = [(cell, value) for cell in group if (value := cell.estimate)]
        if not estimates:
            continue
        layout = estimates[0][0].layout
        last = max((cell.column for cell, _ in estimates), default=None) if layout.column else None
        at_last = [(cell, value) for cell, value in estimates if cell.column == last]
        cell, best = (max if layout.maximises else min)(at_last, key=lambda pair: pair[1].value)
        size = f"{count(last)} training jets" if layout.column == "n_train" else None
        where = f" at {size or column_name(layout, last)}" if layout.column else ""
        cards.append({"title": ", ".join(panel[::-1]) or captions.metric_title(layout.metric),
                      "value": aligned(best), "unit": captions.metric_name(layout.metric),
                      "colour": looks[cell.line][0],
                      "note": f"{cell.line}, best{where}"})  # fmt: skip
    return cards


def _best_card(
    tried: Sequence[Setting], metric: str, layout: Layout | None
) -> list[dict[str, str]]:
    """The best setting of a search."""
    if not tried or layout:
        return []
    best, short = tried[0], short_names(list(tried[0].values))
    note = ", ".join(f"{short[name]} {format_value(value)}" for name, value in best.values.items())
    return [{"title": "Best setting", "value": aligned(best.estimate), "unit": metric,
             "note": note, "colour": network_colour(0)}]  # fmt: skip


def _grid(grid: Grid, layout: Layout, looks: Looks) -> dict[str, Any]:
    """A grid as the template takes it."""
    rows, before = [], None
    for names, entries in grid.rows:
        rows.append({"name": " ".join(names), "colour": looks[names[-1]][0],
                     "first": names[:-1] != before,
                     "cells": [_entry(entry) for entry in entries]})  # fmt: skip
        before = names[:-1]
    columns = [column_name(layout, column) for column in grid.columns]
    return {"title": grid.title, "columns": columns, "rows": rows,
            "header": ", ".join(grid.header).capitalize()}  # fmt: skip


def _entry(entry: Entry | None) -> dict[str, str]:
    if entry is None:
        return {"value": "–", "note": "", "place": ""}
    difference = entry.cell.difference
    apart = f" · Δ {aligned(difference, signed=True)}" if difference else ""
    return {"value": aligned(entry.estimate), "note": f"×{entry.cell.replicas}{apart}",
            "place": entry.place}  # fmt: skip


def claim_table(claim: Claim) -> dict[str, Any]:
    """A claim and the table of its tests, a column for each place along the axis.

    Args:
        claim: The claim; it has a test.
    """
    layout = claim.tests[0].first.layout
    columns = sorted({test.first.column for test in claim.tests}) if layout.column else [None]
    rows: dict[tuple[str, str], dict[Any, Contrast]] = {}
    for test in claim.tests:
        pair = "" if claim.names_rival else f"{test.first.line} − {test.second.line}"
        where = ", ".join(test.first.panel[::-1])
        rows.setdefault((where, pair), {})[test.first.column] = test
    return {
        "text": claim.text,
        "how": claim.how,
        "verdict": captions.verdict_text(claim),
        "header": ", ".join(map(axis_name, layout.panels[::-1])),
        "columns": [column_name(layout, column) for column in columns],
        "rows": [
            {
                "title": where,
                "pair": pair,
                "tests": [_test(tests.get(column), claim.names_rival) for column in columns],
            }
            for (where, pair), tests in rows.items()
        ],
    }


def _test(test: Contrast | None, names_rival: bool) -> dict[str, str]:
    if test is None:
        return {"text": "–", "verdict": "", "rival": "", "source": ""}
    return {
        "text": aligned(test.difference, signed=True),
        "verdict": test.verdict if len(test.pairs) > 1 else "one set",
        "rival": test.first.line if names_rival else "",
        "source": aligned(test.source, signed=True) if test.source else "",
    }


def _resampled(cell: Cell, looks: Looks) -> dict[str, str]:
    """The spreads of a cell between fresh sets and between resamples."""
    metric = cell.layout.metric
    return {
        "title": captions.cell_title(cell),
        "colour": looks[cell.line][0],
        "fresh": deviation(cell.spread(metric)),
        "sets": count(cell.replicas),
        "resamples": deviation(cell.resample_spread(metric)),
        "count": count(len(cell.resampled)),
    }


def _best(scan: Scan, tried: Sequence[Setting], layout: Layout | None) -> dict[str, Any]:
    """The best settings of a search, or of each cell."""
    names = searched(scan.finished, layout)
    lists = [list(tried[:_MOST])]
    if layout:
        keys = sorted({setting.key for setting in tried})
        layout = with_column(layout, keys)
        lists = [[s for s in tried if s.key == key][:_MOST_OF_CELL] for key in keys] or [[]]
    rows = [
        {
            "title": captions.cell_title(Cell(setting.key, layout)) if layout else str(rank),
            "first": bool(layout) and rank == 1,
            "values": [format_value(setting.values.get(name)) for name in names],
            "estimate": aligned(setting.estimate),
            "count": count(len(setting.points)),
            "time": duration(sum(point.seconds or 0 for point in setting.points)),
        }
        for group in lists
        for rank, setting in enumerate(group, 1)
    ]
    return {"rows": rows, "names": list(short_names(names).values()), "cells": bool(layout),
            "shown": max(map(len, lists)), "total": len(tried)}  # fmt: skip
