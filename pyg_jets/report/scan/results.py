"""`write_results`: the scans of a study → a page of results in Markdown, its CSV and figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pyg_jets.errors import InputError
from pyg_jets.files import require, write_aside
from pyg_jets.report.numbers import count
from pyg_jets.report.pictures import Picture
from pyg_jets.report.scan import parts, pictures, words
from pyg_jets.report.scan.archive import archive
from pyg_jets.report.scan.cells import Cell, cells_of
from pyg_jets.report.scan.numbers import deviation, number
from pyg_jets.report.scan.search import searched
from pyg_jets.report.scan.statements import Statement, statements
from pyg_jets.report.scan.tables import Grid, cells_csv, detector_name, grids
from pyg_jets.runs import Point, Scan, load_scan

__all__ = ["write_results"]

_AUC = "test/auc"
_TITLES = {
    "auc": "AUC of the arms",
    "signal-efficiency": "Signal efficiency at background efficiency 0.5",
    "spread": "Spread of the output over rotated variants",
    "artefacts": "What a rotation leaves in an image",
}


def write_results(
    folders: Sequence[str | Path],
    out: str | Path,
    title: str | None = None,
    command: str | None = None,
    notes: str | Path | None = None,
) -> Path:
    """Write what the scans of a study found: ``<out>.md``, ``<out>.csv``, ``<out>-*.png``.

    Points of all scans are put together, each once; what is written over is what an earlier call
    with the same ``out`` wrote. ``<out>-points.tar.gz`` holds the records of the finished points:
    unpacked into ``runs/scans``, a scan takes them for done and goes on from there.

    Args:
        folders: Folders of scans, of one study.
        out: Where to write, without the ending, such as ``docs/results/broken_symmetry``.
        title: Title of the page. Default: the name of the first scan.
        command: The command that made the page, for the record.
        notes: A Markdown file whose text stands before the tables, such as how it was done.

    Returns:
        The path of the Markdown file.

    Raises:
        FileNotFoundError: If there is no scan in one of the folders.
        ValueError: If the scans have no finished point of a study, or vary something within a cell.
        ModuleNotFoundError: Without matplotlib and mplhep (``pyg-jets[report]``).
    """
    unique = {Path(folder).resolve(): Path(folder) for folder in folders}
    scans = [load_scan(folder) for folder in unique.values()]
    points = _points(scans)
    text = None if notes is None else Path(notes).read_text(encoding="utf-8")
    for module in ("matplotlib", "mplhep"):
        require(module, "report")
    stem = Path(out)
    cells = cells_of(points)
    drawn = pictures.of_study(cells)
    for scan in scans:
        drawn |= pictures.artefacts(scan.folder)
    blocks = [
        f"# {title or scans[0].name.replace('_', ' ')}",
        *_summary(scans, points, cells),
        *([] if text is None else [text.strip()]),
        *_tables(cells),
        *_sources(cells),
        *_statements(statements(cells)),
        *_resamples(cells),
        *_figures(drawn, stem.name, any(cell.source for cell in cells)),
        *_provenance(scans, stem.name, command),
    ]
    stem.parent.mkdir(parents=True, exist_ok=True)
    for kind, picture in drawn.items():
        _write(stem.with_name(f"{stem.name}-{kind}.png"), picture.png)
    _write(stem.with_name(f"{stem.name}.csv"), cells_csv(cells).encode())
    _write(stem.with_name(f"{stem.name}-points.tar.gz"), archive(scans))
    return _write(stem.with_name(f"{stem.name}.md"), ("\n\n".join(blocks) + "\n").encode())


def _write(path: Path, content: bytes) -> Path:
    with write_aside(path) as part:
        part.write_bytes(content)
    return path


def _points(scans: Sequence[Scan]) -> list[Point]:
    """All finished points of the study, each once."""
    points = {point.name: point for scan in scans for point in scan.finished}
    what = ", ".join(str(scan.folder) for scan in scans) or "no folder"
    known = [point for point in points.values() if point.labels.get("arm")]
    if mixed := searched(known):
        raise InputError(
            f"Expected one setting for each cell of a study, but in {what} cells vary "
            f"{', '.join(mixed)}: move points of an earlier version of the files out of points/; "
            "a search has its own report, pyg-jets report FOLDER."
        )
    if not known:
        raise InputError(
            f"Expected scans of a study, with finished points that have an arm, but got {what}: "
            "use make_scan_report for other scans, or finish the scan first."
        )
    return known


def _summary(scans: Sequence[Scan], points: Sequence[Point], cells: Sequence[Cell]) -> list[str]:
    told = [words.ran(cells), f"{words.counted(len(points), 'training')} in all."]
    if tested := {int(n) for p in points if (n := p.run.provenance.get("n_test"))}:
        told.append(f"Each is tested on {' or '.join(map(count, sorted(tested)))} jets.")
    unfinished = sum(len(scan.points) - len(scan.finished) for scan in scans)
    if unfinished:
        told.append(f"Left out, as not finished or failed: {words.counted(unfinished, 'point')}.")
    if left := words.apart(points):
        told.append(left)
    table = [f"| {one.text} | {words.verdict_text(one)} |" for one in statements(cells)]
    found = ["\n".join(["| statement | verdict |", "|---|---|", *table])] if table else []
    return [" ".join(told), *found]


def _tables(cells: Sequence[Cell]) -> Iterator[str]:
    yield "## Test AUC"
    several = any(cell.replicas > 1 for cell in cells)
    numbers = {cell.replicas for cell in cells}
    yield (
        "Mean over fresh training sets"
        + (" ± its standard error (standard deviation over √n)" if several else "")
        + (", and the number of sets" if len(numbers) > 1 else "")
        + ". **Bold**: the best arm of a network and size; *italic*: "
        "within one combined error of it, so that no order is claimed."
    )
    for grid in grids(cells):
        yield f"**{detector_name(grid.detector)}**"
        yield _table(grid, len(numbers) > 1)


def _table(grid: Grid, numbered: bool) -> str:
    marks = {"best": "**", "near": "*", "": ""}
    heads = " | ".join(f"{count(n)} jets" for n in grid.sizes)
    lines = [f"| network | arm | {heads} |", "|---|---|" + "---|" * len(grid.sizes)]
    for network, arm, entries in grid.rows:
        texts = []
        for entry in entries:
            mark = marks[entry.place] if entry else ""
            text = f"{mark}{number(entry.auc)}{mark}" if entry else "–"
            texts.append(text + (f" ({entry.cell.replicas})" if entry and numbered else ""))
        lines.append(f"| {network} | {arm} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _sources(cells: Sequence[Cell]) -> Iterator[str]:
    """Our cells minus the published ones, a column for each detector and size that has some."""
    known = {(c.network, c.arm, c.detector, c.n_train): c for c in cells if c.difference}
    if not known:
        return
    columns = list(dict.fromkeys(key[2:] for key in sorted(known, key=lambda key: key[3])))
    detectors = [grid.detector for grid in grids(cells)]
    columns.sort(key=lambda column: detectors.index(column[0]))
    heads = [f"{detector_name(detector)}, {count(n)} jets" for detector, n in columns]
    lines = [f"| network | arm | {' | '.join(heads)} |", "|---|---|" + "---|" * len(heads)]
    for network, arm in dict.fromkeys((cell.network, cell.arm) for cell in known.values()):
        texts = [_difference(known.get((network, arm, *column))) for column in columns]
        lines.append(f"| {network} | {arm} | {' | '.join(texts)} |")
    yield "## Against the source"
    yield (
        "Our mean test AUC minus that of arXiv:2311.05952, with both errors in quadrature, and in "
        "brackets the source’s. Its errors are the spread over resamples of one training set. Ours "
        "are errors of a mean over fresh sets. " + words.agreement(cells)
    )
    yield "\n".join(lines)


def _difference(cell: Cell | None) -> str:
    if cell is None or cell.difference is None or cell.source is None:
        return "–"
    return f"{number(cell.difference, signed=True)} ({cell.source.value:.3f})"


def _statements(found: Sequence[Statement]) -> Iterator[str]:
    if not found:
        return
    sourced = any(test.source for one in found for test in one.tests)
    yield "## The statements"
    yield words.TESTED + " In brackets: the same difference in the source." * sourced
    for one in found:
        shown = parts.statement(one)
        yield f"**{one.text}.** It {shown['verdict']}. Compared: {one.how}."
        heads = " | ".join(f"{size} jets" for size in shown["sizes"])
        lines = [f"| network, detector | {heads} |", "|---|" + "---|" * len(shown["sizes"])]
        for row in shown["rows"]:
            title = f"{row['title']}: {row['pair']}" if row["pair"] else row["title"]
            lines.append(f"| {title} | {' | '.join(map(_contrast, row['tests']))} |")
        yield "\n".join(lines)


def _contrast(test: Mapping[str, str]) -> str:
    text = ", ".join(filter(None, (test["text"], test["verdict"], test["arm"])))
    return f"{text} ({test['source']})" if test["source"] else text


def _resamples(cells: Sequence[Cell]) -> Iterator[str]:
    lines = [
        f"| {cell.network} | {cell.arm} | {detector_name(cell.detector)} | {count(cell.n_train)} | "
        f"{deviation(cell.spread(_AUC))} ({cell.replicas}) | "
        f"{deviation(cell.resample_spread(_AUC))} ({len(cell.resampled)}) |"
        for cell in cells
        if cell.resampled
    ]
    if lines:
        yield "## Fresh sets and resamples"
        yield (
            "Standard deviation of the test AUC between fresh training sets, and between resamples "
            "of one set, with the number of trainings. Resampled points count in no other table."
        )
        head = "| network | arm | detector | jets | fresh sets | resamples |"
        yield "\n".join([head, "|---|---|---|---|---|---|", *lines])


def _figures(drawn: dict[str, Picture], stem: str, sourced: bool) -> Iterator[str]:
    for kind, picture in drawn.items():
        if kind in _TITLES:
            yield f"## {_TITLES[kind]}"
        yield f"![{picture.alt}]({stem}-{kind}.png)"
        if kind == "auc":
            yield words.LOOKS + " Open markers: the source." * sourced
        elif caption := words.CAPTIONS.get(kind.partition("-")[0]):
            yield f"{title}: {caption}" if (title := picture.facts.get("title")) else caption


def _provenance(scans: Sequence[Scan], stem: str, command: str | None) -> Iterator[str]:
    yield "## How this was made"
    facts = [(name, value) for name, value in words.provenance(scans) if name != "command"]
    lines = [f"| {name} | {value.replace('|', chr(92) + '|')} |" for name, value in facts]
    yield "\n".join(["| | |", "|---|---|", *lines])
    commands = [scan.record.get("command") for scan in scans]
    commands += [pictures.artefacts_command(scan.folder) for scan in scans] + [command]
    given = list(dict.fromkeys(str(one) for one in commands if one))
    if given:
        yield "\n".join(["```", *given, "```"])
    packed = f"{stem}-points.tar.gz"
    yield (
        f"All numbers, unrounded: [`{stem}.csv`]({stem}.csv). The records of the finished points: "
        f"[`{packed}`]({packed}); unpacked into `runs/scans`, the scan goes on from them."
    )
