"""What arXiv 2311.05952 says of the arms, tested on the cells of a study."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from pyg_jets.metrics import Estimate
from pyg_jets.report.scan.cells import ARMS, Cell, Key, mean_of, minus

__all__ = ["VERDICTS", "Contrast", "Statement", "statements", "verdict"]

VERDICTS = ("holds", "fails", "undecided")
#: The same, what speaks most against a statement first.
_AGAINST = ("fails", "undecided", "holds")
_METRIC = "test/auc"
#: The arms that the source has.
_SOURCE = ARMS[:-1]


@dataclass(frozen=True)
class Contrast:
    """Two arms of one network, detector and training size, the first of which should be better.

    Arms are compared on the same training sets, pair by pair: what a set does to both cancels.

    Args:
        first: The cell of the arm that should be better.
        second: The cell of the other.
    """

    first: Cell
    second: Cell

    @cached_property
    def pairs(self) -> tuple[float, ...]:
        """AUC of the first minus that of the second for each training set that both saw."""
        first, second = self.first.of_replicas(_METRIC), self.second.of_replicas(_METRIC)
        return tuple(value - second[one] for one, value in first.items() if one in second)

    @property
    def difference(self) -> Estimate:
        """Mean of the pairs and its error, NaN for one; without pairs the difference of means."""
        if found := mean_of(self.pairs):
            return found
        first, second = self.first.mean(_METRIC), self.second.mean(_METRIC)
        assert first  # as statements chose
        assert second
        return Estimate(minus(first, second).value, math.nan)

    @property
    def source(self) -> Estimate | None:
        """The same difference in the source."""
        first, second = self.first.source, self.second.source
        return None if first is None or second is None else minus(first, second)

    @property
    def verdict(self) -> str:
        """``holds``, ``fails`` or ``undecided``: see :func:`verdict`."""
        return verdict(self.difference, len(self.pairs))


def verdict(difference: Estimate, pairs: int) -> str:
    """What a mean of paired differences says of a statement that it is positive.

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
class Statement:
    """A statement and its tests.

    Args:
        text: The statement.
        how: What is compared.
        tests: A test for each network, detector, pair of arms and training size.
    """

    text: str
    how: str
    tests: tuple[Contrast, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many tests came out how, of those with several training sets."""
        told = [test.verdict for test in self.tests if len(test.pairs) > 1]
        return {v: told.count(v) for v in VERDICTS}


def statements(cells: Iterable[Cell]) -> list[Statement]:
    """The statements that can be tested, each with its tests in the order of the cells.

    Args:
        cells: The cells of a study; any may lack.
    """
    known = {(c.arm, c.network, c.detector, c.n_train): c for c in cells if c.mean(_METRIC)}
    rect = {key: cell for key, cell in known.items() if key[2].endswith("rect")}
    aug_inv = (("pre-aug", "post-aug"), ("pre-inv", "post-inv"))
    found = [
        Statement(
            "Without rotations (none) a network does worst",
            "the arm of the source that speaks most against it, minus none",
            tuple(_worst(known)),
        ),
        Statement(
            "On the rectangular grid, rotating before the detector beats rotating after it",
            "pre-aug minus post-aug, pre-inv minus post-inv",
            tuple(_pairs(rect, aug_inv)),
        ),
        Statement(
            "Encouraged invariance beats augmentation alone",
            "post-inv minus post-aug, pre-inv minus pre-aug",
            tuple(_pairs(known, (("post-inv", "post-aug"), ("pre-inv", "pre-aug")))),
        ),
        Statement(
            "Fresh random angles beat eight fixed ones (not in the source)",
            "pre-inv-continuous minus pre-inv",
            tuple(_pairs(known, (("pre-inv-continuous", "pre-inv"),))),
        ),
    ]
    return [one for one in found if one.tests]


def _pairs(cells: Mapping[Key, Cell], arms: Sequence[tuple[str, str]]) -> Iterator[Contrast]:
    places = dict.fromkeys(key[1:] for key in cells)
    for place, (first, second) in product(places, arms):
        if (first, *place) in cells and (second, *place) in cells:
            yield Contrast(cells[first, *place], cells[second, *place])


def _worst(cells: Mapping[Key, Cell]) -> Iterator[Contrast]:
    """For each cell of ``none`` a rival that contradicts it, else one that leaves it open.

    Among equal verdicts the one with the least difference.
    """
    for place in dict.fromkeys(key[1:] for key in cells):
        found = [cells[arm, *place] for arm in _SOURCE if (arm, *place) in cells]
        rivals = [Contrast(cell, found[0]) for cell in found[1:]]
        if rivals and found[0].arm == "none":
            yield min(rivals, key=lambda one: (_AGAINST.index(one.verdict), one.difference.value))
