"""`make_scan_report`: a scan's folder → a folder with one self-contained page, figures and CSVs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyg_jets import __version__
from pyg_jets.report.folder import PAGE, claim, render, write_page
from pyg_jets.report.pictures import Picture
from pyg_jets.report.scan import parts, pictures, words
from pyg_jets.report.scan.cells import Cell, cells_of
from pyg_jets.report.scan.search import Setting, is_study, searched, settings
from pyg_jets.report.scan.statements import statements
from pyg_jets.report.scan.tables import cells_csv, grids, points_csv
from pyg_jets.runs import Scan, load_scan

__all__ = ["make_scan_report"]


def make_scan_report(
    folder: str | Path,
    out: str | Path | None = None,
    title: str | None = None,
    command: str | None = None,
) -> Path:
    """Write a report of a scan: ``index.html``, its figures as PNG, ``points.csv``, ``cells.csv``.

    Points that belong to the arms of a study become cells of arm, network, detector and training
    size, with their means over replicas, beside what was published. The points of a search are
    ranked. Points that are not finished or failed are counted, with their errors.

    Args:
        folder: The scan's folder.
        out: The folder of the report; one that holds a report is written over. Default:
            ``report`` in the scan's folder.
        title: Title of the page. Default: the scan's name.
        command: The command that made the report, for the record.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: If there is no scan in ``folder``.
        ValueError: If it has no point.
        FileExistsError: If ``out`` holds something else than a report.
        ModuleNotFoundError: Without matplotlib, mplhep and jinja2 (``pyg-jets[report]``).
    """
    scan = load_scan(folder)
    out = claim(Path(folder) / "report" if out is None else out)
    mixed = searched(scan.finished)
    study = is_study(scan.finished) and not mixed
    cells = cells_of(scan.finished) if study else []
    tried = [] if study else settings(scan)
    drawn = {
        **pictures.of_study(cells),
        **pictures.of_search(scan, tried),
        **pictures.artefacts(folder),
    }
    context = _context(scan, cells, tried, drawn) | {
        "title": title or scan.name.replace("_", " "),
        "command": command,
        "mixed": list(mixed) if is_study(scan.finished) else [],
    }
    contents = {f"{kind}.png": picture.png for kind, picture in drawn.items()}
    contents["points.csv"] = points_csv(scan.points).encode()
    if cells:
        contents["cells.csv"] = cells_csv(cells).encode()
    return write_page(out, {**contents, PAGE: render("scan.html", context).encode()})


def _context(
    scan: Scan,
    cells: Sequence[Cell],
    tried: Sequence[Setting],
    drawn: Mapping[str, Picture],
) -> dict[str, Any]:
    """Everything the template names, but for title and command."""
    return {
        "lead": words.lead(scan, cells),
        "cards": parts.cards(cells) if cells else parts.best_card(scan, tried),
        "statements": [parts.statement(one) for one in statements(cells)],
        "verdicts": words.verdicts(statements(cells)),
        "grids": [parts.grid(one) for one in grids(cells)],
        "agreement": words.agreement(cells),
        "has_source": any(cell.difference for cell in cells),
        "resampled": [parts.resampled(cell) for cell in cells if cell.resampled],
        "tested": words.TESTED,
        "looks": words.LOOKS,
        "captions": words.CAPTIONS,
        "one_test": len({one.run.provenance.get("data_hash") for one in scan.finished}) == 1,
        "best": parts.best(scan, tried),
        "metric": scan.metric,
        "maximises": scan.maximises,
        "figures": drawn,
        "artefacts": [(kind, parts.heading(kind)) for kind in drawn if parts.heading(kind)],
        "apart": words.apart(scan.finished) if cells else "",
        "errors": words.errors(scan.points),
        "provenance": words.provenance([scan]),
        "sweep": scan.sweep,
        "version": __version__,
    }
