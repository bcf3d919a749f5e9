"""Distributions of a sweep's parameters, by their inverse CDF: values, real numbers, steps."""

from __future__ import annotations

import bisect
import itertools
import json
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Any

from pyg_jets.errors import InputError

__all__ = [
    "Beta",
    "Categorical",
    "Constant",
    "Continuous",
    "Distribution",
    "IntUniform",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Quantized",
    "Uniform",
    "identity",
]

#: More values than this are not listed one by one.
_MOST_CHOICES = 100_000
#: The uniform draws nearest to 0 and 1, where a normal distribution is still finite.
_LOWEST, _HIGHEST = 2.0**-53, 1 - 2.0**-53


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
        _check_order(self.min, self.max)

    @property
    def choices(self) -> tuple[int, ...] | None:
        few = self.max - self.min < _MOST_CHOICES
        return tuple(range(self.min, self.max + 1)) if few else None

    def at(self, u: float) -> int:
        return min(self.min + int(u * (self.max - self.min + 1)), self.max)

    def where(self, value: Any) -> float | None:
        if not _is_number(value) or value != int(value) or not self.min <= value <= self.max:
            return None
        return (value - self.min + 0.5) / (self.max - self.min + 1)


class Continuous(Distribution):
    """A real number, by its CDF within a support."""

    @property
    def support(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return -math.inf, math.inf

    @abstractmethod
    def cdf(self, value: float) -> float:
        """The share of draws below ``value``, of any real number."""

    def where(self, value: Any) -> float | None:
        low, high = self.support
        return self.cdf(value) if _is_number(value) and low <= value <= high else None


@dataclass(frozen=True)
class Uniform(Continuous):
    """A real number from ``min`` to ``max``."""

    min: float
    max: float

    def __post_init__(self) -> None:
        _check_order(self.min, self.max)

    @property
    def support(self) -> tuple[float, float]:
        return self.min, self.max

    def at(self, u: float) -> float:
        return _clip(self.min + u * (self.max - self.min), self.min, self.max)

    def cdf(self, value: float) -> float:
        return _clip((value - self.min) / (self.max - self.min), 0, 1)


@dataclass(frozen=True)
class LogUniform(Continuous):
    """A real number from ``min`` to ``max``, both above 0, whose logarithm is uniform."""

    min: float
    max: float

    def __post_init__(self) -> None:
        _check_order(self.min, self.max)
        if self.min <= 0:
            raise InputError(
                f"Expected min above 0, of which there is a logarithm, but got min={self.min:g}: "
                "log_uniform takes exponents of e, the others ending in _values take values."
            )

    @property
    def support(self) -> tuple[float, float]:
        return self.min, self.max

    def at(self, u: float) -> float:
        low, high = math.log(self.min), math.log(self.max)
        return _clip(math.exp(low + u * (high - low)), self.min, self.max)

    def cdf(self, value: float) -> float:
        value = _clip(value, self.min, self.max)
        return _clip(math.log(value / self.min) / math.log(self.max / self.min), 0, 1)


@dataclass(frozen=True)
class Normal(Continuous):
    """A real number of mean ``mu`` and standard deviation ``sigma``."""

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        _check_positive(sigma=self.sigma)

    def at(self, u: float) -> float:
        return NormalDist(self.mu, self.sigma).inv_cdf(_clip(u, _LOWEST, _HIGHEST))

    def cdf(self, value: float) -> float:
        return NormalDist(self.mu, self.sigma).cdf(value)


@dataclass(frozen=True)
class LogNormal(Normal):
    """A number above 0 whose logarithm has mean ``mu`` and standard deviation ``sigma``."""

    @property
    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def at(self, u: float) -> float:
        return math.exp(super().at(u))

    def cdf(self, value: float) -> float:
        return super().cdf(math.log(value)) if value > 0 else 0.0


@dataclass(frozen=True)
class Beta(Continuous):
    """A number from 0 to 1 with a density of xᵃ⁻¹ (1 − x)ᵇ⁻¹."""

    a: float
    b: float

    def __post_init__(self) -> None:
        _check_positive(a=self.a, b=self.b)

    @property
    def support(self) -> tuple[float, float]:
        return 0.0, 1.0

    def at(self, u: float) -> float:
        from scipy.special import betaincinv

        return float(betaincinv(self.a, self.b, u))

    def cdf(self, value: float) -> float:
        from scipy.special import betainc

        return float(betainc(self.a, self.b, _clip(value, 0, 1)))


@dataclass(frozen=True)
class Quantized(Distribution):
    """The multiple of ``q`` nearest to a draw of another distribution; it may lie outside its ends.

    Whole numbers if ``q`` is one.

    Examples:
        >>> Quantized(Uniform(0, 1), 0.1).at(0.32)
        0.3
        >>> Quantized(Uniform(0, 10), 4).choices
        (0, 4, 8)
    """

    of: Continuous
    q: float

    def __post_init__(self) -> None:
        _check_positive(q=self.q)

    @property
    def choices(self) -> tuple[float, ...] | None:
        low, high = (end / self.q for end in self.of.support)
        if not high - low < _MOST_CHOICES:
            return None
        listed = [self._multiple(n) for n in range(round(low), round(high) + 1)]
        return tuple(value for value in listed if self.where(value) is not None)

    def _multiple(self, n: int) -> float:
        # in decimals, so that 3 × 0.1 is 0.3 in a table or the name of a folder
        return n * self.q if isinstance(self.q, int) else float(Decimal(repr(self.q)) * n)

    def at(self, u: float) -> float:
        return self._multiple(round(self.of.at(u) / self.q))

    def where(self, value: Any) -> float | None:
        if not _is_number(value):
            return None
        n = round(value / self.q)
        low, high = (self.of.cdf((n + side) * self.q) for side in (-0.5, 0.5))
        return (low + high) / 2 if low < high and math.isclose(self._multiple(n), value) else None


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _check_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if number <= 0:
            raise InputError(f"Expected {name} above 0, but got {name}={number!r}.")


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number, and neither true nor false."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_order(low: float, high: float) -> None:
    """Refuse a range that is empty or turned round."""
    if low >= high:
        raise InputError(
            f"Expected min below max, but got min={low!r} and max={high!r}: "
            "exchange them, or give one value as value."
        )
