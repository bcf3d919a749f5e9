"""RECO jets out of GEN jets, beside everything that needs no network."""

from __future__ import annotations

from pyg_jets.studies.page import Page
from pyg_jets.studies.section import Section
from pyg_jets.studies.study import StudyRun

__all__ = ["GenToReco"]


class GenToReco(Section):
    """RECO jets out of GEN jets, beside everything that needs no network."""

    name = "gen_reco"
    title = "GEN → RECO"

    def write(self, page: Page, study_run: StudyRun) -> None:
        """Write the chapter."""
