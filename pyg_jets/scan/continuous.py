"""Distributions of real numbers in a sweep, and their rounding to multiples of a step."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.scan.distributions import MOST_CHOICES, Distribution, check_order, is_number

__all__ = ["Beta", "Continuous", "LogNormal", "LogUniform", "Normal", "Quantized", "Uniform"]

#: The uniform draws nearest to 0 and 1, where a normal distribution is still finite.
_LOWEST, _HIGHEST = 2.0**-53, 1 - 2.0**-53


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
        return self.cdf(value) if is_number(value) and low <= value <= high else None


@dataclass(frozen=True)
class Uniform(Continuous):
    """A real number from ``min`` to ``max``."""

    min: float
    max: float

    def __post_init__(self) -> None:
        check_order(self.min, self.max)

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
        check_order(self.min, self.max)
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
        if not high - low < MOST_CHOICES:
            return None
        listed = [self._multiple(n) for n in range(round(low), round(high) + 1)]
        return tuple(value for value in listed if self.where(value) is not None)

    def _multiple(self, n: int) -> float:
        # in decimals, so that 3 × 0.1 is 0.3 in a table or the name of a folder
        return n * self.q if isinstance(self.q, int) else float(Decimal(repr(self.q)) * n)

    def at(self, u: float) -> float:
        return self._multiple(round(self.of.at(u) / self.q))

    def where(self, value: Any) -> float | None:
        if not is_number(value):
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
