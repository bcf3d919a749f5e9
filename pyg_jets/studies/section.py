"""A part of a study with trainings, measurements and a chapter of its page of its own.

A study whose folder has a ``sections.py`` with ``SECTIONS`` runs them one after the other, or those
of ``pyg-jets study run NAME --only``, and its page has a chapter for each that has been measured.

Examples:
    >>> class Speed(Section):
    ...     name, title, full, quick = "speed", "How fast they are", ("sweep",), ("sweep_quick",)
    >>> Speed().sweeps(quick=True)
    ('sweep_quick',)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyg_jets.runs import Point

if TYPE_CHECKING:
    from pyg_jets.studies.page import Page
    from pyg_jets.studies.study import StudyRun

__all__ = ["Cost", "Section"]


@dataclass(frozen=True)
class Cost:
    """What the trainings of one setting cost.

    Args:
        what: The setting.
        step_s: Seconds of a step on one core.
        steps: Number of steps.
        seeds: Number of trainings.

    Examples:
        >>> print(Cost("digits", 0.02, 15_000, 3))
        digits: 0.02 s × 15000 steps × 3 trainings = 15 min
    """

    what: str
    step_s: float
    steps: int
    seeds: int = 1

    @property
    def seconds(self) -> float:
        """Seconds of all trainings on one core."""
        return self.step_s * self.steps * self.seeds

    def __str__(self) -> str:
        trainings = f"{self.seeds} training{'s' * (self.seeds > 1)}"
        return (
            f"{self.what}: {self.step_s:g} s × {self.steps} steps × {trainings} = "
            f"{self.seconds / 60:.0f} min"
        )


class Section:
    """A part of a study; a subclass says what it trains, measures and writes.

    Names of its measurements begin with ``NAME-``, so that a page knows what was measured.

    Attributes:
        name: Its name on the command line and in names of measurements.
        title: The heading of its chapter.
        full: Stems of the sweep files of a full run.
        quick: Stems of the sweep files of a quick run.
        costs: What the trainings of a full run cost.
    """

    name: str = ""
    title: str = ""
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    costs: tuple[Cost, ...] = ()

    def sweeps(self, quick: bool) -> tuple[str, ...]:
        """Stems of the sweep files of a run."""
        return self.quick if quick else self.full

    def points(self, study_run: StudyRun) -> list[Point]:
        """The finished trainings that are there, the last one of each key, in order of their keys.

        Args:
            study_run: The run of the study.
        """
        wanted = self.sweeps(study_run.quick)
        scans = [scan for scan in study_run.scans() if scan.folder.name in wanted]
        points = sorted((p for scan in scans for p in scan.finished), key=lambda p: p.date)
        return sorted({self.key(p): p for p in points}.values(), key=self.key)

    def key(self, point: Point) -> str:
        """The name of a training in names of measurements: its labels and its seed.

        Args:
            point: The training; the ``labels`` of its configuration tell settings apart.
        """
        labels = "-".join(point.labels.values()).lower().replace(" ", "-")
        return f"{self.name}-{labels or 'network'}-{point.run.provenance.get('seed', 0)}"

    def measure_training(self, study_run: StudyRun, point: Point) -> None:
        """Measure what needs the weights of a training, right after it ended.

        Weights are not archived: what a page needs of them is cached here, with the date of the
        training as an input and no path (``study_run.measure(f"{key}-response", …)``).

        Args:
            study_run: The run of the study.
            point: The finished training, with configuration, metrics and provenance.
        """

    def measure(self, study_run: StudyRun) -> None:
        """Measure what compares trainings, and what needs none, when all trainings are finished.

        Args:
            study_run: The run of the study.
        """

    def is_measured(self, study_run: StudyRun) -> bool:
        """Whether anything of this section has been measured."""
        return any((study_run.folder / "measures").glob(f"{self.name}-*.json"))

    def write(self, page: Page, study_run: StudyRun) -> None:
        """Write its chapter below its heading, from what is measured and from nothing else.

        Args:
            page: The page.
            study_run: The run of the study, which may lack some of the trainings.
        """
        raise NotImplementedError(f"{type(self).__name__} has no write().")
