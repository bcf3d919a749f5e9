"""What a sweep's parameter may be, as the inverse CDF of a uniform draw: values one by one."""

from __future__ import annotations

import bisect
import itertools
import json
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from pyg_jets.errors import InputError

__all__ = [
    "MOST_CHOICES",
    "Categorical",
    "Constant",
    "Distribution",
    "IntUniform",
    "check_order",
    "identity",
    "is_number",
]

#: More values than this are not listed one by one.
MOST_CHOICES = 100_000


def identity(value: Any) -> str:
    """A text that two values share if a JSON file could not tell them apart.

    Examples:
        >>> identity((1, 2)) == identity([1, 2]), identity(1) == identity(True)
        (True, False)
    """
    return json.dumps(value, sort_keys=True, default=str)


class Distribution(ABC):
    """What one parameter of a sweep may be."""

    @property
    def choices(self) -> tuple[Any, ...] | None:
        """Every value once, in order; None if they cannot be listed."""
        return None

    @abstractmethod
    def at(self, u: float) -> Any:
        """The value below which a share ``u`` of all draws lies: the inverse CDF.

        Args:
            u: A uniform draw from 0 to 1.
        """

    @abstractmethod
    def where(self, value: Any) -> float | None:
        """A draw ``u`` with ``at(u) == value``, amid all that have it; None if there is none."""


@dataclass(frozen=True)
class Constant(Distribution):
    """Always the same value."""

    value: Any

    @property
    def choices(self) -> tuple[Any, ...]:
        return (self.value,)

    def at(self, u: float) -> Any:
        return self.value

    def where(self, value: Any) -> float | None:
        return 0.5 if identity(value) == identity(self.value) else None


@dataclass(frozen=True)
class Categorical(Distribution):
    """One of ``values``, of any type, with equal or given probabilities."""

    values: tuple[Any, ...]
    probabilities: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError("Expected at least one entry in values, but got an empty list.")
        given = self.probabilities
        if given is None:
            return
        if len(given) != len(self.values):
            raise InputError(
                f"Expected as many probabilities as values ({len(self.values)}), "
                f"but got {len(given)}: give one for each value."
            )
        if min(given) < 0 or not math.isclose(math.fsum(given), 1, abs_tol=1e-6):
            raise InputError(
                "Expected probabilities that are not negative and sum to 1, "
                f"but got {list(given)} with the sum {math.fsum(given):g}."
            )

    @property
    def weights(self) -> tuple[float, ...]:
        """The probability of each value."""
        return self.probabilities or (1 / len(self.values),) * len(self.values)

    @property
    def choices(self) -> tuple[Any, ...]:
        """Every value of a probability above 0, once."""
        once: dict[str, Any] = {}
        for value, weight in zip(self.values, self.weights, strict=True):
            if weight:
                once.setdefault(identity(value), value)
        return tuple(once.values())

    def at(self, u: float) -> Any:
        ends = list(itertools.accumulate(self.weights))
        last = max(i for i, weight in enumerate(self.weights) if weight)
        return self.values[min(bisect.bisect_right(ends, u), last)]

    def where(self, value: Any) -> float | None:
        start = 0.0
        for other, weight in zip(self.values, self.weights, strict=True):
            if weight and identity(other) == identity(value):
                return start + weight / 2
            start += weight
        return None


@dataclass(frozen=True)
class IntUniform(Distribution):
    """A whole number from ``min`` to ``max``, both included."""

    min: int
    max: int

    def __post_init__(self) -> None:
        check_order(self.min, self.max)

    @property
    def choices(self) -> tuple[int, ...] | None:
        few = self.max - self.min < MOST_CHOICES
        return tuple(range(self.min, self.max + 1)) if few else None

    def at(self, u: float) -> int:
        return min(self.min + int(u * (self.max - self.min + 1)), self.max)

    def where(self, value: Any) -> float | None:
        if not is_number(value) or value != int(value) or not self.min <= value <= self.max:
            return None
        return (value - self.min + 0.5) / (self.max - self.min + 1)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and neither true nor false."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_order(low: float, high: float) -> None:
    """Refuse a range that is empty or turned round."""
    if low >= high:
        raise InputError(
            f"Expected min below max, but got min={low!r} and max={high!r}: "
            "exchange them, or give one value as value."
        )
