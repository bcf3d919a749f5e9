"""Pages of scans in Markdown: tables, claims and figures of their cells, every number as CSV.

:func:`generic_page` is the page of a study without a ``page.py``; the other functions are the
sections that a study's own page puts together.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.metrics import Estimate
from pyg_jets.report.numbers import aligned, count, counted, deviation
from pyg_jets.report.scan import Layout, captions, scan_layout, scan_table
from pyg_jets.report.scan.cells import Cell, axis_name, cells_of
from pyg_jets.report.scan.claims import Claim, claims_of
from pyg_jets.report.scan.page import claim_table
from pyg_jets.report.scan.pictures import FIGURES, cell_pictures
from pyg_jets.report.scan.search import searched
from pyg_jets.report.scan.tables import Grid, column_name, grids, metrics_of
from pyg_jets.runs import Point, Scan
from pyg_jets.studies.page import Page
from pyg_jets.studies.study import StudyRun

__all__ = ["add_cells", "add_provenance", "generic_page", "points_of", "read_reference"]


def generic_page(run: StudyRun) -> Page:
    """The page of a study without a ``page.py``: the cells of all its scans, or their best points.

    The head of the study's ``README.md`` may name ``group_by`` and ``replicate_by``, the facts that
    make a cell and that tell training sets apart; a ``reference.csv`` gives published values, and
    ``claims(cells)`` of a ``claims.py`` what is tested.

    Args:
        run: The run.
    """
    scans = run.scans()
    if not scans:
        raise InputError(
            f"{run.folder} has no scan: pyg-jets study run {run.study.name} makes them."
        )
    page = Page(run.study.name, run.study.title)
    points = [point for scan in scans for point in scan.finished]
    layout = _layout_of(run, scans)
    text = run.study.text.removeprefix(f"# {run.study.title}")
    if layout and not searched(points, layout):
        add_cells(page, scans, layout, text)
    else:
        page.text(text)
        for scan in scans:
            page.heading(scan.name.replace("_", " ").capitalize())
            page.text(f"```\n{scan_table(scan.folder, layout)}\n```")
            for point in scan.finished:
                if (value := point.value(scan.metric)) is not None:
                    page.number(scan.name, point.name, _column(scan.metric), value)
    add_provenance(page, run, scans)
    return page


def _layout_of(run: StudyRun, scans: Sequence[Scan]) -> Layout | None:
    head = run.study.head
    layouts = [scan_layout(s, head.get("group_by"), head.get("replicate_by")) for s in scans]
    if (layout := layouts[0]) is None:
        return None
    reference = run.study.folder / "reference.csv"
    claims = run.study.module("claims")
    return replace(
        layout,
        source=str(head.get("source") or ""),
        reference=read_reference(reference, layout.group_by) if reference.is_file() else {},
        claims=claims.claims if claims else None,
    )


def read_reference(path: Path, group_by: Sequence[str]) -> dict[tuple[Any, ...], Estimate]:
    """Published values by the key of a cell.

    Args:
        path: A CSV with a column for each fact of ``group_by`` (``network`` for ``network_name``),
            ``value`` and ``error``; other columns, such as where a value is from, are left alone.
        group_by: The facts that make a cell.

    Raises:
        InputError: If a column is missing.
    """
    names = [name if name == "n_train" else axis_name(name) for name in group_by]
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if missing := [n for n in (*names, "value", "error") if rows and n not in rows[0]]:
        raise InputError(f"{path} has no column {', '.join(missing)}: add it.")
    return {
        tuple(int(row[n]) if n == "n_train" else row[n] for n in names): Estimate(
            float(row["value"]), float(row["error"] or "nan")
        )
        for row in rows
    }


def points_of(scans: Sequence[Scan], layout: Layout) -> list[Point]:
    """All finished points of scans, each once.

    Raises:
        InputError: If there are none, or if something varies within a cell.
    """
    points = list({point.name: point for scan in scans for point in scan.finished}.values())
    folders = ", ".join(str(scan.folder) for scan in scans) or "no folder"
    if not points:
        raise InputError(f"Expected scans with finished points, but got {folders}: run them first.")
    if mixed := searched(points, layout):
        raise InputError(
            f"Expected one setting for each cell, but in {folders} cells vary "
            f"{', '.join(mixed)}: move points of an earlier version of the files out of points/; "
            "a search has its own report, pyg-jets report FOLDER."
        )
    return points


def add_cells(page: Page, scans: Sequence[Scan], layout: Layout, text: str = "") -> list[Cell]:
    """Add what scans came to: a summary, a text, tables, claims, and figures.

    Args:
        page: The page.
        scans: The scans; their points are put together.
        layout: What makes a cell.
        text: Markdown to stand before the tables.

    Returns:
        The cells.
    """
    points = points_of(scans, layout)
    cells = cells_of(points, layout)
    claims = claims_of(cells)
    sentences = [captions.axes(cells), f"{counted(len(points), 'training')} in all."]
    if tested := {int(n) for p in points if (n := p.run.provenance.get("n_test"))}:
        sentences.append(f"Each is tested on {' or '.join(map(count, sorted(tested)))} jets.")
    if unfinished := sum(len(scan.points) - len(scan.finished) for scan in scans):
        sentences.append(f"Left out, as not finished or failed: {counted(unfinished, 'point')}.")
    page.text(" ".join([*sentences, captions.apart(points)]))
    page.number("summary", "all", "trainings", len(points))
    for n_test in sorted(tested):
        page.number("summary", "all", "test_jets", n_test)
    if claims:
        page.table(["claim", "verdict"], [[c.text, captions.verdict_text(c)] for c in claims])
    page.text(text)
    _add_tables(page, cells)
    _add_reference(page, cells)
    _add_claims(page, claims)
    _add_resamples(page, cells)
    _add_figures(page, cells)
    return cells


def _column(metric: str) -> str:
    return metric.rpartition("/")[2]


def row_name(cell: Cell) -> str:
    """The row of a cell in the CSV: its panel, its line, and its place along the axis."""
    place = [] if cell.column is None else [column_name(cell, cell.column)]
    return ", ".join([*cell.panel, cell.line, *place])


def _add_tables(page: Page, cells: Sequence[Cell]) -> None:
    layout = cells[0].layout
    title = captions.metric_title(layout.metric)
    page.heading(title)
    numbers = {cell.replicas for cell in cells}
    page.text(
        "Mean over fresh training sets"
        + (" ± its standard error (standard deviation over √n)" if max(numbers) > 1 else "")
        + (", and the number of sets" if len(numbers) > 1 else "")
        + f". **Bold**: the best {axis_name(layout.line)} of a panel and column; *italic*: within "
        "one combined error of it, so that no order is claimed."
    )
    for grid in grids(cells):
        if grid.title:
            page.text(f"**{grid.title}**")
        _add_grid(page, grid, layout, len(numbers) > 1)
    for cell in cells:
        for metric in metrics_of(cells):
            n = len(cell.of_replicas(metric))
            if mean := cell.mean(metric):
                page.number(title, row_name(cell), _column(metric), mean.value, mean.error, n)
        page.number(title, row_name(cell), "seconds", cell.seconds)


def _add_grid(page: Page, grid: Grid, layout: Layout, numbered: bool) -> None:
    marks = {"best": "**", "near": "*", "": ""}
    rows = []
    for names, entries in grid.rows:
        texts = []
        for entry in entries:
            mark = marks[entry.place] if entry else ""
            text = f"{mark}{aligned(entry.estimate)}{mark}" if entry else "–"
            texts.append(text + (f" ({entry.cell.replicas})" if entry and numbered else ""))
        rows.append([*names, *texts])
    page.table([*grid.header, *(column_name(layout, c) for c in grid.columns)], rows)


def _add_reference(page: Page, cells: Sequence[Cell]) -> None:
    """Our cells minus the published ones, a column for each title and place that has some."""
    sourced = [cell for cell in cells if cell.difference]
    if not sourced:
        return
    layout = sourced[0].layout
    table = "Against the source"
    page.heading(table)
    metric = captions.metric_name(layout.metric)
    page.text(
        f"Our mean {captions.metric_title(layout.metric).replace('Test', 'test')} minus that of "
        f"{layout.source or 'the source'}, with both errors in quadrature, and in brackets the "
        f"source’s. {layout.source_text} {captions.agreement(cells)}"
    )
    columns = list(dict.fromkeys((cell.panel[:1], cell.column) for cell in sourced))
    lines: dict[tuple[str, ...], dict[Any, str]] = {}
    for cell in sourced:
        ours, theirs = cell.difference, cell.source
        assert ours is not None  # as chosen
        assert theirs is not None
        text = f"{aligned(ours, signed=True)} ({theirs.value:.3f})"
        lines.setdefault((*cell.panel[1:], cell.line), {})[cell.panel[:1], cell.column] = text
        page.number(table, row_name(cell), f"difference_{_column(layout.metric)}", *ours)
        page.number(table, row_name(cell), f"source_{_column(layout.metric)}", *theirs)
    differences = [cell.difference.value for cell in sourced if cell.difference]
    page.number(table, "all", f"mean_difference_{metric.lower()}",
                sum(differences) / len(differences), n=len(differences))  # fmt: skip
    heads = [", ".join([*title, column_name(layout, column)]) for title, column in columns]
    header = [*map(axis_name, layout.panels[1:]), axis_name(layout.line), *heads]
    page.table(header, [[*names, *(texts.get(column, "–") for column in columns)]
                        for names, texts in lines.items()])  # fmt: skip


def _add_claims(page: Page, claims: Sequence[Claim]) -> None:
    if not claims:
        return
    metric = claims[0].tests[0].first.layout.metric
    page.heading("The claims")
    sourced = any(test.source for claim in claims for test in claim.tests)
    page.text(
        captions.TESTED.format(metric=captions.metric_name(metric))
        + " In brackets: the same difference in the source." * sourced
    )
    for claim in claims:
        shown = claim_table(claim)
        page.text(f"**{claim.text}.** It {shown['verdict']}. Compared: {claim.how}.")
        rows = []
        for row in shown["rows"]:
            title = ": ".join(filter(None, (row["title"], row["pair"])))
            rows.append([title, *map(_test_text, row["tests"])])
        page.table([shown["header"], *shown["columns"]], rows)
        for verdict, number in claim.counts.items():
            page.number(claim.text, "all", verdict, number, n=sum(claim.counts.values()))
        for test in claim.tests:
            row = f"{row_name(test.first)} − {test.second.line}"
            name = f"difference_{_column(metric)}"
            page.number(claim.text, row, name, *test.difference, len(test.pairs))
            if test.source:
                page.number(claim.text, row, f"source_{name}", *test.source)


def _test_text(test: Mapping[str, str]) -> str:
    text = ", ".join(filter(None, (test["text"], test["verdict"], test["rival"])))
    return f"{text} ({test['source']})" if test["source"] else text


def _add_resamples(page: Page, cells: Sequence[Cell]) -> None:
    layout, resampled = cells[0].layout, [cell for cell in cells if cell.resampled]
    table, metric = "Fresh sets and resamples", layout.metric
    for cell in cells:
        page.number(table, row_name(cell), "std_of_fresh_sets", cell.spread(metric),
                    n=cell.replicas)  # fmt: skip
    if not resampled:
        return
    page.heading(table)
    title = captions.metric_title(metric).replace("Test", "test")
    page.text(
        f"Standard deviation of the {title} between fresh training sets, and between resamples of "
        "one set, with the number of trainings. Resampled points count in no other table."
    )
    rows = []
    for cell in resampled:
        value = cell.resample_spread(metric)
        page.number(table, row_name(cell), "std_of_resamples", value, n=len(cell.resampled))
        place = [] if cell.column is None else [column_name(cell, cell.column)]
        rows.append([*cell.panel, cell.line, *place,
                     f"{deviation(cell.spread(metric))} ({cell.replicas})",
                     f"{deviation(value)} ({len(cell.resampled)})"])  # fmt: skip
    names = [*map(axis_name, (*layout.panels, layout.line)), *(["size"] if layout.column else [])]
    page.table([*names, "fresh sets", "resamples"], rows)


def _add_figures(page: Page, cells: Sequence[Cell]) -> None:
    layout = cells[0].layout
    titles = {kind: title for kind, _, _, title, _ in FIGURES.values()}
    for kind, picture in cell_pictures(cells).items():
        own = kind not in titles
        page.heading(titles.get(kind, f"{captions.metric_title(layout.metric)} side by side"))
        caption = (
            f"{layout.looks_text} Bands and bars: standard error of the mean over fresh training "
            "sets." + " Open markers: the source." * any(cell.source for cell in cells)
        )
        page.figure(kind, picture, picture.alt, caption if own else "")


def add_provenance(
    page: Page, run: StudyRun, scans: Sequence[Scan], measures: Sequence[str] | None = None
) -> None:
    """Add what made the page: scans, machine, versions, measurements, commands.

    Args:
        page: The page.
        run: The run.
        scans: The scans that the page shows.
        measures: Names of the measurements that it shows. Default: all.
    """
    page.heading("How this was made")
    facts = [(name, value) for name, value in captions.provenance(scans) if name != "command"]
    records = [
        record for record in run.measurements() if measures is None or record["name"] in measures
    ]
    facts += [
        (
            f"measurement {record['name']}",
            f"{record['date'][:10]}, version {record['version']}, {record['seconds']:.0f} s",
        )
        for record in records
    ]
    page.table(["", ""], facts)
    commands = [scan.record.get("command") for scan in scans]
    commands += [record["command"] for record in records] + [run.command]
    lines = list(dict.fromkeys(str(command) for command in commands if command))
    page.text("\n".join(["```", *lines, "```"]))
    page.text(f"All numbers, unrounded: [`{page.name}.csv`]({page.name}.csv).")
