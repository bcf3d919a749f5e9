"""One folder a study: its configurations, measurements, claims and page, run by one command."""

from pyg_jets.studies.page import Page
from pyg_jets.studies.study import Study, StudyRun, list_studies, run_study, write_pages

__all__ = ["Page", "Study", "StudyRun", "list_studies", "run_study", "write_pages"]
