"""W&B's early stop of a sweep's bad runs, after Hyperband (arXiv 1603.06560)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyg_jets.errors import InputError

__all__ = ["Hyperband"]


@dataclass(frozen=True)
class Hyperband:
    """Compare a run with the others as they were at its last *bracket*, and stop it if it is bad.

    An iteration is one value of the sweep's metric, mostly an epoch, counted from 1. The brackets
    are ``min_iter × eta^k`` for k = 0, 1, …, or ``max_iter / eta^k`` for k = 1 … ``s``, rounded
    down. Of all runs that came to a bracket, itself among them, the value of rank n/``eta``
    (rounded down, from 0) is the threshold. A run stops if its best value so far is worse; with
    ``strict``, if its value at the bracket is. So does W&B (``hyperband_stopping.py`` of its
    package sweeps 0.3.0; that ``strict`` is off unless given is said in its documentation).

    Args:
        min_iter: The first bracket; either this or ``max_iter`` and ``s``.
        max_iter: The number of iterations of a whole run.
        s: How many brackets there are before ``max_iter``.
        eta: Factor between brackets, and the share that goes on as its inverse.
        strict: Stop more runs: a better value before or after the bracket does not count.

    Raises:
        InputError: For numbers that make no bracket.

    Examples:
        >>> Hyperband(min_iter=3).brackets(50)
        (3, 9, 27)
        >>> Hyperband(max_iter=27, s=2).brackets(27)
        (3, 9)
        >>> Hyperband(min_iter=2).stops([0.9, 0.7, 0.8], [0.5, 0.6, 0.9], goal="minimize")
        True
    """

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3
    strict: bool = False

    def __post_init__(self) -> None:
        _check_schedule(self.min_iter, self.max_iter, self.s)
        _check_whole(min_iter=self.min_iter, max_iter=self.max_iter, s=self.s)
        if isinstance(self.eta, bool) or not isinstance(self.eta, int | float) or self.eta <= 1:
            raise InputError(f"Expected eta as a number above 1, but got eta={self.eta!r}.")
        if not isinstance(self.strict, bool):
            raise InputError(f"Expected strict as true or false, but got strict={self.strict!r}.")
        if self.max_iter is not None and self.max_iter < self.eta:
            raise InputError(
                f"Expected max_iter of at least eta, but got max_iter={self.max_iter} and "
                f"eta={self.eta:g}, which make no bracket: raise max_iter."
            )

    def brackets(self, up_to: int) -> tuple[int, ...]:
        """The iterations, none above ``up_to``, at which a run is compared.

        Args:
            up_to: The last iteration of a run.
        """
        brackets = set()
        if self.min_iter is not None:
            bracket: float = self.min_iter
            while bracket < up_to + 1:
                brackets.add(int(bracket))
                bracket *= self.eta
        elif self.max_iter is not None and self.s is not None:
            brackets = {int(self.max_iter / self.eta**k) for k in range(1, self.s + 1)}
        return tuple(sorted(n for n in brackets if 1 <= n <= up_to))

    def bracket(self, iteration: int) -> int | None:
        """The last bracket up to an iteration; None before the first."""
        return max(self.brackets(iteration), default=None)

    def stops(self, values: Sequence[float], others: Sequence[float], goal: str) -> bool:
        """Whether a run is to stop.

        Args:
            values: All values of its metric so far, without those that are no numbers.
            others: The value that other runs had at its last bracket.
            goal: ``minimize`` or ``maximize``.
        """
        if goal not in ("minimize", "maximize"):
            raise InputError(f"Expected goal as minimize or maximize, but got {goal!r}.")
        if (bracket := self.bracket(len(values))) is None:
            return False
        sign = 1 if goal == "minimize" else -1
        own = [sign * value for value in values]
        reached = sorted([own[bracket - 1], *(sign * value for value in others)])
        threshold = reached[int(1 / self.eta * len(reached))]
        return (own[bracket - 1] if self.strict else min(own)) > threshold


def _check_schedule(min_iter: int | None, max_iter: int | None, s: int | None) -> None:
    by_first, by_last = min_iter is not None, max_iter is not None or s is not None
    if by_first and by_last:
        raise InputError("Expected either min_iter or max_iter and s, but got both: leave one out.")
    if not by_first and (max_iter is None or s is None):
        raise InputError(
            "Expected either min_iter or max_iter and s, "
            f"but got max_iter={max_iter!r} and s={s!r}: give min_iter."
        )


def _check_whole(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InputError(f"Expected {name} as a whole number above 0, but got {number!r}.")
