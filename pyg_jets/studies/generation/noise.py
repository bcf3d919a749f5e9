"""Jets of a class out of noise, by two generators."""

from __future__ import annotations

from pyg_jets.studies.page import Page
from pyg_jets.studies.section import Section
from pyg_jets.studies.study import StudyRun

__all__ = ["Noise"]


class Noise(Section):
    """Jets of a class out of noise, by two generators."""

    name = "noise"
    title = "Jets out of noise"

    def write(self, page: Page, study_run: StudyRun) -> None:
        """Write the chapter."""
