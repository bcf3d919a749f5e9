"""`make_report`: run folders → a folder with one self-contained page, its figures and its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets import __version__
from pyg_jets.metrics import Estimate
from pyg_jets.report import describe
from pyg_jets.report.classes import ClassComparison, ClassDifference, class_comparisons
from pyg_jets.report.compare import (
    DRAWS,
    SEED,
    Comparison,
    Difference,
    beyond_two_errors,
    comparisons,
)
from pyg_jets.report.figures.images import PIXELS
from pyg_jets.report.figures.roc import FEWEST
from pyg_jets.report.figures.style import check_formats, network_colour
from pyg_jets.report.folder import MARKER, PAGE, claim, render, write_page
from pyg_jets.report.numbers import class_name, estimate
from pyg_jets.report.pictures import Picture, picture_files, pictures
from pyg_jets.report.table import (
    EFFICIENCIES,
    Row,
    area_range,
    class_rows,
    class_verdicts,
    csv_text,
    jets_of_classes,
    jets_of_each,
    matrix,
    rows,
    verdicts,
)
from pyg_jets.runs import Run, load_runs

__all__ = ["MARKER", "PAGE", "make_report"]


def make_report(
    runs: Sequence[str | Path],
    out: str | Path,
    title: str | None = None,
    command: str | None = None,
    formats: Sequence[str] = ("png",),
) -> Path:
    """Write a report of run folders: ``index.html``, its figures as files, ``table.csv``.

    The page holds everything it shows and asks no server for anything. It follows from the run
    folders alone: made again from the same folders, it is the same to the byte. Runs are compared
    where they were tested on the same jets. What a run lacks is named on the page.

    Args:
        runs: Run folders, at least one of them finished (with its predictions).
        out: The folder of the report; one that holds a report is written over.
        title: Title of the page. Default: the classes.
        command: The command that made the report, for the record.
        formats: Formats of the files of figures: ``png``, ``svg``, ``pdf``.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: If there is no such run folder.
        ValueError: If none is finished, one is no run folder, or one of its files is broken; for
            an unknown format.
        FileExistsError: If ``out`` holds something else than a report.
        ModuleNotFoundError: Without matplotlib, mplhep and jinja2 (``pyg-jets[report]``).
    """
    loaded, formats = load_runs(runs), check_formats(formats)
    out = claim(out)
    compared: list[Comparison | ClassComparison] = [*comparisons(loaded)]
    compared += class_comparisons(loaded)
    drawn = [pictures(one) for one in compared]
    title = title or describe.default_title(compared[0].run)
    context = _context(loaded, compared, drawn, title, command)
    page = render("page.html", {**context, "formats": formats})
    contents = picture_files(drawn, formats)
    contents |= {"table.csv": csv_text(compared).encode(), PAGE: page.encode()}
    return write_page(out, contents)


def _context(
    runs: Sequence[Run],
    compared: Sequence[Comparison | ClassComparison],
    drawn: Sequence[Mapping[str, Picture]],
    title: str,
    command: str | None,
) -> dict[str, Any]:
    """Everything the template names."""
    return {
        "title": title,
        "groups": [_group(one, figures) for one, figures in zip(compared, drawn, strict=True)],
        "runs": [describe.details(run) for run in runs if run.predictions],
        "unfinished": [run.name for run in runs if run.predictions is None],
        "efficiencies": EFFICIENCIES,
        "bootstrap": {"draws": DRAWS, "seed": SEED},
        "fewest": FEWEST,
        "pixels": PIXELS,
        "command": command,
        "version": __version__,
    }


def _group(
    compared: Comparison | ClassComparison, figures: Mapping[str, Picture]
) -> dict[str, Any]:
    """What the templates say of a set of test jets; ``kind`` is that of its template."""
    if isinstance(compared, ClassComparison):
        results = {"kind": "several", **_of_several(compared)}
    else:
        results = {"kind": "two", **_of_two(compared)}
    return {
        "lead": describe.lead(compared),
        "physics": describe.physics(compared.run),
        "toy": describe.is_toy(compared.run),
        "weighted": compared.weights is not None,
        "events": _events(compared),
        "figures": figures,
        "radius": describe.radius(compared.run),
        **results,
    }


def _events(compared: Comparison | ClassComparison) -> str:
    """Whether jets of the test share an event, as far as that is known."""
    events = compared.networks[0].events
    if events is None:
        return "alone" if describe.is_toy(compared.run) else "unknown"
    return "shared" if len(np.unique(events)) < len(events) else "alone"


def _of_two(compared: Comparison) -> dict[str, Any]:
    background, signal = map(class_name, compared.run.classes)
    n_background, n_signal = jets_of_each(compared)
    pairs = (*compared.differences, *compared.against_tree)
    return {
        "signal": signal,
        "background": background,
        "n_signal": n_signal,
        "n_background": n_background,
        "rows": [_row(row) for row in rows(compared)],
        "differences": [
            _difference(pair, (pair.auc, pair.accuracy, pair.passing)) for pair in pairs
        ],
        "baselines": [{"title": b.title, "note": b.note} for b in compared.baselines],
        "verdicts": verdicts(compared),
        "notes": describe.inconsistencies(
            "AUC", [(network, network.auc.value) for network in compared.networks]
        ),
    }


def _of_several(compared: ClassComparison) -> dict[str, Any]:
    networks = compared.networks
    return {
        "classes": [class_name(name) for name in compared.run.classes],
        "jets_of_classes": jets_of_classes(compared),
        "rows": [
            {**_row(row), "matrix": matrix(network), "range": area_range(network)}
            for row, network in zip(class_rows(compared), networks, strict=True)
        ],
        "differences": [
            _difference(pair, (pair.accuracy, *pair.against_rest)) for pair in compared.differences
        ],
        "verdicts": class_verdicts(compared),
        "notes": describe.inconsistencies(
            "accuracy", [(network, network.accuracy.value) for network in networks]
        ),
    }


def _row(row: Row) -> dict[str, Any]:
    colour = network_colour(row.tagger.colour) if row.tagger.run else None
    return {"title": row.tagger.title, "texts": row.texts, "colour": colour}


def _difference(pair: Difference | ClassDifference, measured: Iterable[Estimate]) -> dict[str, Any]:
    return {
        "title": f"{pair.first.title} − {pair.second.title}",
        "numbers": [
            {"text": estimate(value, signed=True), "apart": beyond_two_errors(value)}
            for value in measured
        ],
    }
