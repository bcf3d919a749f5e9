"""The page of a study that has no ``page.py``: a table of each of its scans."""

from __future__ import annotations

from pyg_jets.errors import InputError
from pyg_jets.report.scan import scan_table
from pyg_jets.studies.page import Page
from pyg_jets.studies.study import StudyRun

__all__ = ["generic_page"]


def generic_page(run: StudyRun) -> Page:
    """The page of the scans of a run.

    Args:
        run: The run.
    """
    scans = run.scans()
    if not scans:
        raise InputError(
            f"{run.folder} has no scan: pyg-jets study run {run.study.name} makes them."
        )
    page = Page(run.study.name, run.study.title)
    page.text(run.study.text.removeprefix(f"# {run.study.title}"))
    for scan in scans:
        page.heading(scan.name)
        page.text(f"```\n{scan_table(scan.folder)}\n```")
        for point in scan.finished:
            if (value := point.value(scan.metric)) is not None:
                page.number(scan.name, point.name, scan.metric, value)
    page.heading("How this was made")
    page.text(f"```\n{run.command}\n```")
    return page
