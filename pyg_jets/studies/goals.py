"""What a study asks of a number of its page, and whether it is met.

Examples:
    >>> goal = Goal("speed", "red", "mean", Limit(low=3), Limit(low=5), beside=(("blue", "mean"),))
    >>> rows = [("speed", "red", "mean", 4.0, 0.5, 4), ("speed", "blue", "mean", 6.0, None, 4)]
    >>> verdict = goal.verdict(Numbers(rows))
    >>> verdict.word, verdict.measured, verdict.beside
    ('met', '4 ± 0.5', 'blue mean: 6')
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from pyg_jets.studies.page import Page

__all__ = ["Goal", "Limit", "Numbers", "Verdict", "add_verdicts"]

#: A row of a page's CSV.
Row = tuple[str, str, str, float | None, float | None, int | None]


class Numbers:
    """The numbers of a page, by table, row and metric.

    Args:
        rows: Rows of the CSV.
    """

    def __init__(self, rows: Iterable[Row]):
        self.by_name = {row[:3]: row[3:] for row in rows}

    def value(self, table: str, row: str, metric: str) -> tuple[float, float] | None:
        """A number and its error, NaN where there is none; ``None`` if it was not measured."""
        value, error, _ = self.by_name.get((table, row, metric), (None, None, None))
        if value is None or math.isnan(value):
            return None
        return float(value), math.nan if error is None else float(error)


@dataclass(frozen=True)
class Limit:
    """Where a number has to lie.

    Args:
        low: At least this.
        high: At most this.
        below: Less than the same metric of each of these rows of the same table.
        above: At least as much as the same metric of each of these rows.
        factor: The numbers of those rows count times this.
        errors: The number may pass a limit by this many of its errors; where the limit is a number
            of another row, of both errors, added in quadrature.
    """

    low: float | None = None
    high: float | None = None
    below: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    factor: float = 1.0
    errors: float = 0.0

    def __str__(self) -> str:
        parts = []
        if self.low is not None and self.high is not None:
            parts.append(f"{self.low:g} to {self.high:g}")
        elif self.low is not None:
            parts.append(f"≥ {self.low:g}")
        elif self.high is not None:
            parts.append(f"≤ {self.high:g}")
        times = "" if self.factor == 1 else f"{self.factor:g} × "
        for sign, rows in (("<", self.below), ("≥", self.above)):
            parts += [f"{sign} {times}{row}" for row in rows]
        within = f" within {self.errors:g} errors" if self.errors else ""
        return ", ".join(parts) + within if parts else "shown"

    def holds(self, goal: Goal, numbers: Numbers) -> bool | None:
        """Whether the number of a goal lies there; ``None`` if a number is missing.

        Args:
            goal: The goal, which names the number.
            numbers: All numbers of the page.
        """
        measured = numbers.value(goal.table, goal.row, goal.metric)
        if measured is None:
            return None
        value, error = measured
        slack = self.errors * _known(error)
        others = {row: numbers.value(goal.table, row, goal.metric)
                  for row in (*self.below, *self.above)}  # fmt: skip
        if None in others.values():
            return None
        away = {}  # how far the number is above those of other rows, and by how much it may be
        for row, other in others.items():
            if other is not None:
                both = math.hypot(_known(error), self.factor * _known(other[1]))
                away[row] = value - self.factor * other[0], self.errors * both
        return (
            (self.low is None or value + slack >= self.low)
            and (self.high is None or value - slack <= self.high)
            and all(away[row][0] < away[row][1] or away[row][0] < 0 for row in self.below)
            and all(away[row][0] >= -away[row][1] for row in self.above)
        )


def _known(error: float) -> float:
    """An error, 0 where there is none."""
    return 0.0 if math.isnan(error) else error


@dataclass(frozen=True)
class Verdict:
    """Whether a goal is met, with the numbers that it is judged by, as texts.

    Args:
        word: ``goal met``, ``met`` (what is asked at least), ``not met`` or ``not measured``; where
            nothing is asked at least, ``goal met``, ``goal not met`` or ``shown``.
        measured: The number ± its error.
        beside: Numbers that speak against it, or that it has to be read with.
    """

    word: str
    measured: str
    beside: str


@dataclass(frozen=True)
class Goal:
    """What is asked of a number.

    Args:
        table: The table of the page that has it.
        row: Its row.
        metric: The metric.
        at_least: What it must fulfil.
        goal: What is aimed at; ``None`` for no more.
        beside: Rows and metrics of the same table that are shown beside the verdict.
        note: What else is to be known for reading the verdict.
    """

    table: str
    row: str
    metric: str
    at_least: Limit = field(default_factory=Limit)
    goal: Limit | None = None
    beside: tuple[tuple[str, str], ...] = ()
    note: str = ""

    def verdict(self, numbers: Numbers) -> Verdict:
        """Whether it is met.

        Args:
            numbers: All numbers of the page.
        """
        met = self.at_least.holds(self, numbers)
        word = "not measured" if met is None else "met" if met else "not met"
        if met and self.at_least == Limit():
            word = "shown" if self.goal is None else "goal not met"
        if met and self.goal is not None and self.goal.holds(self, numbers):
            word = "goal met"
        shown = [
            f"{row} {metric}: {_text(value)}"
            for row, metric in self.beside
            if (value := numbers.value(self.table, row, metric)) is not None
        ]
        measured = numbers.value(self.table, self.row, self.metric)
        text = "–" if measured is None else _text(measured)
        return Verdict(word, text, "; ".join([*shown, *filter(None, [self.note])]))


def _text(measured: tuple[float, float]) -> str:
    value, error = measured
    return f"{value:.3g}" + (f" ± {error:.2g}" if error > 0 else "")


def add_verdicts(page: Page, goals: Iterable[Goal]) -> None:
    """Add a table of verdicts on the numbers that a page has so far.

    Args:
        page: The page.
        goals: The goals, a row each.
    """
    numbers, rows = Numbers(page.rows), []
    for goal in goals:
        verdict = goal.verdict(numbers)
        aim = "" if goal.goal is None else str(goal.goal)
        what = f"{goal.table}, {goal.row}: {goal.metric}"
        rows.append(
            (what, str(goal.at_least), aim, verdict.measured, f"**{verdict.word}**", verdict.beside)
        )
    page.table(("number", "at least", "goal", "measured", "verdict", "beside it"), rows)
