"""The pages of the study: toys, and the same question on jets of Pythia."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.report.figures.style import GREY, network_colour
from pyg_jets.report.scan import Layout
from pyg_jets.runs import Scan
from pyg_jets.studies.archive import archive, archive_measures
from pyg_jets.studies.broken_symmetry.artefact_figures import (
    artefact_pictures,
    artefact_table,
    load_cases,
)
from pyg_jets.studies.broken_symmetry.claims import ARMS, claims
from pyg_jets.studies.generic import add_cells, add_provenance, read_reference
from pyg_jets.studies.page import Page
from pyg_jets.studies.study import StudyRun

__all__ = ["layout", "page"]

_ARTEFACTS = "What a rotation leaves in an image"
_GROUP_BY = ("detector", "network_name", "arm", "n_train")
# Colour: where the rotation happens. Line and marker: what is done with it.
_AFTER, _BEFORE, _FRESH = network_colour(5), network_colour(0), network_colour(3)
_CAPTIONS = {
    "artefacts": (
        "Above: an event as detected, and with a rotation after or before the detector; in the "
        "corner its number of filled pixels. Below: how well a classifier tells rotated from "
        "un-rotated images (0.5: not at all), and how many times as many pixels they fill."
    ),
    "variants": (
        "an event at eight angles. Above, its particles before the detector; in the middle, what "
        "the detector sees of each; below, the detected image rotated. In the corner the number "
        "of filled pixels; darker is more energy."
    ),
    "average": "the average image of each class, before and after the detector.",
}


def layout(folder: Path) -> Layout:
    """What makes a cell, the looks of the arms, and what the source has.

    Args:
        folder: The study's folder.
    """
    return Layout(
        _GROUP_BY,
        orders={"arm": ARMS, "detector": ("toy-uniform", "toy-rect")},
        looks={
            "none": (GREY, (0, (1.2, 1.4)), "v"),
            "post-aug": (_AFTER, (0, (4, 1.8)), "s"),
            "pre-aug": (_BEFORE, (0, (4, 1.8)), "s"),
            "post-inv": (_AFTER, "-", "o"),
            "pre-inv": (_BEFORE, "-", "o"),
            "pre-inv-continuous": (_FRESH, "-", "D"),
        },
        looks_text="Colour: where the rotation happens (blue before the detector, orange after it, "
        "purple before it by fresh random angles, grey nowhere). Squares and dashes: as "
        "augmentation; others: with encouraged invariance.",
        reference=read_reference(folder / "reference.csv", _GROUP_BY),
        source="arXiv:2311.05952",
        source_text="Its errors are the spread over resamples of one training set. Ours are errors "
        "of a mean over fresh sets.",
        claims=claims,
    )


def page(run: StudyRun) -> list[Page]:
    """The page of the toys, and that of the jets, as far as their scans are there.

    Args:
        run: The run.
    """
    scans = {scan.folder.name: scan for scan in run.scans()}
    jets = [scans.pop("sweep_pythia")] if "sweep_pythia" in scans else []
    pages = []
    if scans:
        pages.append(_toys(run, list(scans.values())))
    if jets:
        title = f"{run.study.title} of real jets"
        pages.append(_start(run, f"{run.study.name}_pythia", title, "pythia.md", jets))
        add_provenance(pages[-1], run, jets, measures=())
    if not pages:
        raise InputError(
            f"{run.folder} has no scan of the study: pyg-jets study run {run.study.name} makes "
            "them, or give archives of points."
        )
    return pages


def _start(run: StudyRun, name: str, title: str, text: str, scans: list[Scan]) -> Page:
    page = Page(name, title)
    notes = "" if run.quick else (run.study.folder / text).read_text(encoding="utf-8")
    add_cells(page, scans, layout(run.study.folder), notes)
    if not (run.quick or run.only_read):
        page.files[f"{name}-points.tar.gz"] = archive(scans)
    return page


def _toys(run: StudyRun, scans: list[Scan]) -> Page:
    page = _start(run, run.study.name, run.study.title, "toys.md", scans)
    if not run.quick:
        page.numbers_of(run.study.folder / "toys.csv")
    if measured := run.measured("artefacts"):
        _add_artefacts(page, measured, run.files("artefacts"))
    elif (run.out / f"{page.name}-artefacts.png").is_file():
        _add_artefacts_0_1(page, run.study.folder)
    if not (run.quick or run.only_read):
        page.files[f"{page.name}-measures.tar.gz"] = archive_measures(run)
    add_provenance(page, run, scans)
    return page


def _add_artefacts(page: Page, measured: dict[str, Any], folder: Path) -> None:
    page.heading(_ARTEFACTS)
    for title, *rows in artefact_table(load_cases(measured, folder)):
        for when, row in zip(("after", "before"), rows, strict=True):
            for name, metric in (("auc", "auc"), ("pixel_ratio", "multiplicity_ratio")):
                page.number(_ARTEFACTS, f"{title}, {row['angle']:g}°", f"{name}_{when}",
                            row[metric], row[f"{metric}_error"], row["n_events"])  # fmt: skip
    for picture in artefact_pictures(measured, folder):
        caption = _CAPTIONS[picture.kind.partition("-")[0]]
        named = f"{case}: {caption}" if (case := picture.facts.get("title")) else caption
        page.figure(picture.kind, picture, picture.alt, named)


def _add_artefacts_0_1(page: Page, folder: Path) -> None:
    """The section of version 0.1, whose figures are there and whose numbers were rounded."""
    page.heading(_ARTEFACTS)
    page.text((folder / "artefacts_0_1.md").read_text(encoding="utf-8"))
    page.numbers_of(folder / "artefacts_0_1.csv")
