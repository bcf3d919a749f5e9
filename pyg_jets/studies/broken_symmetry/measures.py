"""What is measured beyond the trainings: the traces that a rotation leaves in an image."""

from __future__ import annotations

from functools import partial

from pyg_jets.studies.broken_symmetry.artefacts import measure_artefacts
from pyg_jets.studies.study import StudyRun

__all__ = ["measures"]


def measures(run: StudyRun) -> None:
    """Measure artefacts of rotations on toys, jets and digits; a quick run on fewer toys alone.

    Args:
        run: The run.
    """
    make = partial(measure_artefacts, run.files("artefacts"), workers=run.workers)
    if run.quick:
        run.measure("artefacts", make, n_events=200, sources=("toy",), angles=(45.0, 90.0))
    else:
        run.measure("artefacts", make, n_events=2000, sources=("toy", "jets", "digits"))
