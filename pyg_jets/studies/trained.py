"""The finished runs of a study's scans, and the data that they were trained and tested on."""

from __future__ import annotations

from typing import Any

from pyg_jets.runs import Run, load_run
from pyg_jets.studies.study import StudyRun
from pyg_jets.training import JetDataModule

__all__ = ["data_module", "finished_runs"]


def finished_runs(study_run: StudyRun, sweep: str) -> list[Run]:
    """The finished runs of a scan with all their files, in the order in which they ended.

    Args:
        study_run: The run of the study.
        sweep: Stem of the sweep file. A scan that has not been run has no runs.
    """
    scans = {scan.folder.name: scan for scan in study_run.scans()}
    if sweep not in scans:
        return []
    return [load_run(point.run.folder) for point in scans[sweep].finished]


def data_module(run: Run, **options: Any) -> JetDataModule:
    """Rebuild the data module of a run from its configuration.

    Args:
        run: The run.
        **options: Arguments of :class:`~pyg_jets.training.JetDataModule` that are to differ, such
            as ``sample=None`` for all training jets.
    """
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(JetDataModule, "data", fail_untyped=False)
    return parser.instantiate(parser.parse_object({"data": {**run.config["data"], **options}})).data
