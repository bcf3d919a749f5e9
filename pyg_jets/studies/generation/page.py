"""The page of the study: the verdicts, then a chapter of each section."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from pyg_jets import __version__
from pyg_jets.studies.archive import archive, archive_measures
from pyg_jets.studies.generation.claims import GOALS
from pyg_jets.studies.goals import add_verdicts
from pyg_jets.studies.page import Page
from pyg_jets.studies.study import StudyRun

__all__ = ["page"]

INTRODUCTION = """Digits and jets by networks of sets of any size, beside everything that needs no
network. Jets are Pythia's, in a window of the pT of the jet, without weights: that is a definition
of the sample, and the detector is a fast one (`cms-like`), so that nothing here says how a network
would do on another. They are generated with seed 2; settings were chosen on jets of seed 1. Of
digits there is one set, and its test digits were looked at while the design was made."""
FLOW = """Flow matching stays out: in the prototypes of this study it reached the quality of the
variational autoencoder at about 400 times the time a jet (920 to 2,743 µs against 7). The
autoregressive network is the second generator instead: its likelihood is exact."""


def page(study_run: StudyRun) -> Page:
    """The page, from the records of the trainings and the measurements.

    Args:
        study_run: The run of the study.
    """
    study = study_run.study
    page, chapters = Page(study.name, study.title), Page(study.name, study.title)
    measured = [section for section in study.sections if section.is_measured(study_run)]
    for section in measured:
        chapters.heading(section.title)
        section.write(chapters, study_run)
    page.text(f"```sh\npyg-jets study run {study.name}{' --quick' * study_run.quick}\n```")
    if study_run.quick:
        page.text("A quick run, on so few jets that its numbers mean nothing.")
    page.text(INTRODUCTION)
    page.rows = chapters.rows
    page.heading("What it had to show")
    for name, goals in GOALS.items():
        title = next((s.title for s in study.sections if s.name == name), "What it costs")
        page.heading(title, 3)
        add_verdicts(page, goals)
    page.blocks += chapters.blocks
    page.figures, page.files = chapters.figures, chapters.files
    page.heading("What stays out")
    page.text(FLOW)
    _add_provenance(page, study_run)
    if not study_run.quick:
        page.files[f"{study.name}-points.tar.gz"] = archive(study_run.scans())
        page.files[f"{study.name}-measures.tar.gz"] = archive_measures(study_run)
    return page


def _add_provenance(page: Page, study_run: StudyRun) -> None:
    """Seconds, date and version of each training, and of all measurements."""
    page.heading("How this was made")
    rows = []
    for section in study_run.study.sections:
        for point in section.points(study_run):
            facts = point.run.provenance
            seconds = float(facts["wall_time_s"])
            key = section.key(point)
            rows.append((key, str(facts["seed"]), f"{seconds:.0f}", str(facts["date"])[:10],
                         _machine_text(facts.get("machine"))))  # fmt: skip
            page.number("trainings", key, "seconds", seconds)
    if rows:
        page.table(("training", "seed", "seconds", "date", "machine"), rows)
    records = study_run.measurements()
    seconds = sum(record["seconds"] for record in records)
    dates = sorted({record["date"][:10] for record in records})
    if records:
        page.text(f"{len(records)} measurements of {dates[0]} to {dates[-1]} took {seconds:.0f} s.")
    page.text(f"pyg_jets {__version__}, page of {datetime.date.today()}.")


def _machine_text(machine: Any) -> str:
    """A machine in few words."""
    if not isinstance(machine, Mapping):
        return "–"
    known = machine.get("gpu") or machine.get("cpu"), f"{machine.get('threads', '?')} threads"
    return ", ".join(str(each) for each in known if each)
