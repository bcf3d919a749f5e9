"""Claims about the lines of a scan, tested on training sets that both of a pair saw."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from pyg_jets.metrics import Estimate
from pyg_jets.report.scan.cells import Cell, mean_of, minus

__all__ = ["VERDICTS", "Claim", "Contrast", "against_rivals", "claims_of", "paired", "verdict"]

VERDICTS = ("holds", "fails", "undecided")
#: The same, what speaks most against a claim first.
_AGAINST = ("fails", "undecided", "holds")


@dataclass(frozen=True)
class Contrast:
    """Two lines at one place, the first of which should be better.

    They are compared on the same training sets, pair by pair: what a set does to both cancels.

    Args:
        first: The cell of the line that should be better.
        second: The cell of the other.
    """

    first: Cell
    second: Cell

    @cached_property
    def pairs(self) -> tuple[float, ...]:
        """The metric of the first minus that of the second for each training set that both saw."""
        metric = self.first.layout.metric
        first, second = self.first.of_replicas(metric), self.second.of_replicas(metric)
        return tuple(value - second[key] for key, value in first.items() if key in second)

    @property
    def difference(self) -> Estimate:
        """Mean of the pairs and its error, NaN for one; without pairs the difference of means."""
        if mean := mean_of(self.pairs):
            return mean
        first, second = self.first.estimate, self.second.estimate
        if first is None or second is None:
            return Estimate(math.nan, math.nan)
        return Estimate(minus(first, second).value, math.nan)

    @property
    def source(self) -> Estimate | None:
        """The same difference in the source."""
        first, second = self.first.source, self.second.source
        return None if first is None or second is None else minus(first, second)

    @property
    def verdict(self) -> str:
        """``holds``, ``fails`` or ``undecided``, by Student's paired t-test at 5 %."""
        difference = self.difference
        sign = 1 if self.first.layout.maximises else -1
        return verdict(Estimate(sign * difference.value, difference.error), len(self.pairs))


def verdict(difference: Estimate, pairs: int) -> str:
    """Whether a mean of paired differences is positive.

    Student's t-test, two-sided at 5 %: the fewer the pairs, the more errors it takes. Undecided
    without an error.

    Args:
        difference: Mean of the differences and its standard error.
        pairs: Their number.

    Examples:
        >>> verdict(Estimate(0.03, 0.01), 20), verdict(Estimate(0.03, 0.01), 3)
        ('holds', 'undecided')
        >>> verdict(Estimate(-0.03, 0.01), 20), verdict(Estimate(0.03, float("nan")), 1)
        ('fails', 'undecided')
    """
    from scipy.stats import t

    if pairs < 2 or not abs(difference.value) > t.ppf(0.975, pairs - 1) * difference.error:
        return "undecided"
    return "holds" if difference.value > 0 else "fails"


@dataclass(frozen=True)
class Claim:
    """A claim and its tests.

    Args:
        text: The claim, a sentence without its stop.
        how: What is compared.
        tests: A test for each place and pair of lines.
        names_rival: Whether each test names its first line, as it differs from test to test.
    """

    text: str
    how: str
    tests: tuple[Contrast, ...]
    names_rival: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many tests came out how, of those with several training sets."""
        verdicts = [test.verdict for test in self.tests if len(test.pairs) > 1]
        return {v: verdicts.count(v) for v in VERDICTS}


def claims_of(cells: Sequence[Cell]) -> list[Claim]:
    """The claims of the cells' layout that have a test."""
    claims = cells[0].layout.claims if cells else None
    return [claim for claim in claims(cells) if claim.tests] if claims else []


def paired(cells: Iterable[Cell], pairs: Sequence[tuple[str, str]]) -> Iterator[Contrast]:
    """A contrast for each place that has both lines of a pair.

    Args:
        cells: The cells; those without the metric are in no contrast.
        pairs: Names of lines, the one that should be better first.
    """
    by_line = {(cell.line, cell.place): cell for cell in cells if cell.estimate}
    for place, (first, second) in product(dict.fromkeys(place for _, place in by_line), pairs):
        if (first, place) in by_line and (second, place) in by_line:
            yield Contrast(by_line[first, place], by_line[second, place])


def against_rivals(
    cells: Iterable[Cell], baseline: str, rivals: Sequence[str]
) -> Iterator[Contrast]:
    """For each place the rival that contradicts "the baseline is worst", else leaves it open.

    Among equal verdicts the one with the least difference.

    Args:
        cells: The cells; those without the metric are in no contrast.
        baseline: The line that should be worst.
        rivals: The lines that it is compared with.
    """
    by_line = {(cell.line, cell.place): cell for cell in cells if cell.estimate}
    for place in dict.fromkeys(place for _, place in by_line):
        if worst := by_line.get((baseline, place)):
            tests = [Contrast(by_line[r, place], worst) for r in rivals if (r, place) in by_line]
            if tests:
                yield min(tests, key=_for_the_baseline)


def _for_the_baseline(test: Contrast) -> tuple[int, float]:
    sign = 1 if test.first.layout.maximises else -1
    return _AGAINST.index(test.verdict), sign * test.difference.value
