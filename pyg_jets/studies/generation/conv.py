"""The convolutional autoencoder of lists, trained as its source does."""

from __future__ import annotations

from pyg_jets.studies.page import Page
from pyg_jets.studies.section import Section
from pyg_jets.studies.study import StudyRun

__all__ = ["ConvBaseline"]


class ConvBaseline(Section):
    """The convolutional autoencoder of lists, trained as its source does."""

    name = "conv"
    title = "The convolutional baseline"

    def write(self, page: Page, study_run: StudyRun) -> None:
        """Write the chapter."""
