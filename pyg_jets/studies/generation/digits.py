"""Digits as clouds of pixels: read, written, and made out of noise."""

from __future__ import annotations

from pyg_jets.studies.page import Page
from pyg_jets.studies.section import Section
from pyg_jets.studies.study import StudyRun

__all__ = ["Digits"]


class Digits(Section):
    """Digits as clouds of pixels: read, written, and made out of noise."""

    name = "digits"
    title = "Digits"

    def write(self, page: Page, study_run: StudyRun) -> None:
        """Write the chapter."""
