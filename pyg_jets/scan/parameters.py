"""One parameter of a W&B sweep file to its distribution."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.scan.distributions import (
    Beta,
    Categorical,
    Constant,
    Continuous,
    Distribution,
    IntUniform,
    LogNormal,
    LogUniform,
    Normal,
    Quantized,
    Uniform,
)

__all__ = ["as_number", "distribution"]


@dataclass(frozen=True)
class _Kind:
    """A distribution of the file: the keys that it takes, and what it is made into."""

    make: Callable[..., Distribution]
    required: tuple[str, ...] = ()
    defaults: Mapping[str, float] = field(default_factory=dict)


def _exponents(min: float, max: float) -> LogUniform:
    return LogUniform(*_powers(min, max))


def _negative_exponents(min: float, max: float) -> LogUniform:
    low, high = _powers(min, max)
    return LogUniform(1 / high, 1 / low)


def _powers(min: float, max: float) -> tuple[float, float]:
    Uniform(min, max)  # what is wrong with exponents is said of exponents
    if not -700 < min < max < 700:
        raise InputError(
            f"Expected min and max as exponents of e, between -700 and 700, but got min={min:g} "
            f"and max={max:g}: log_uniform_values takes the values themselves."
        )
    return math.exp(min), math.exp(max)


def _categorical(values: list, probabilities: list | None = None) -> Categorical:
    for name, given in (("values", values), ("probabilities", probabilities)):
        if given is not None and not isinstance(given, list):
            raise InputError(f"Expected {name} as a list, but got {given!r}.")
    weights = None
    if probabilities is not None:
        weights = tuple(float(as_number("probabilities", p)) for p in probabilities)
    return Categorical(tuple(values), weights)


def _int_uniform(min: float, max: float) -> IntUniform:
    for name, number in (("min", min), ("max", max)):
        if number != int(number):
            raise InputError(
                f"Expected {name} of an int_uniform as a whole number, but got {number!r}: "
                "write distribution: uniform for real numbers."
            )
    return IntUniform(int(min), int(max))


def _quantized(make: Callable[..., Continuous]) -> Callable[..., Quantized]:
    return lambda q, **others: Quantized(make(**others), q)


_RANGE = ("min", "max")
_REAL: dict[str, _Kind] = {
    "uniform": _Kind(Uniform, _RANGE),
    "log_uniform": _Kind(_exponents, _RANGE),
    "log_uniform_values": _Kind(LogUniform, _RANGE),
    "normal": _Kind(Normal, defaults={"mu": 0.0, "sigma": 1.0}),
    "log_normal": _Kind(LogNormal, defaults={"mu": 0.0, "sigma": 1.0}),
    "beta": _Kind(Beta, defaults={"a": 1.0, "b": 1.0}),
}
_KINDS: dict[str, _Kind] = {
    "constant": _Kind(Constant, ("value",)),
    "categorical": _Kind(_categorical, ("values",)),
    "categorical_w_probabilities": _Kind(_categorical, ("values", "probabilities")),
    "int_uniform": _Kind(_int_uniform, _RANGE),
    **_REAL,
    "inv_log_uniform": _Kind(_negative_exponents, _RANGE),
    # log(1/X) uniform from log(1/max) to log(1/min): log(X) is uniform as well
    "inv_log_uniform_values": _Kind(LogUniform, _RANGE),
    **{
        f"q_{name}": _Kind(_quantized(kind.make), kind.required, {**kind.defaults, "q": 1})  # type: ignore[arg-type]
        for name, kind in _REAL.items()
    },
}
_NUMBERS = ("min", "max", "mu", "sigma", "q", "a", "b")


def distribution(spec: Any) -> Distribution:
    """Return the distribution that a parameter of a sweep file describes.

    Without ``distribution``, ``value`` means constant, ``values`` categorical (with
    ``probabilities``, if there are some), and ``min`` and ``max`` int_uniform if both are whole,
    else uniform, as W&B has it. ``log_uniform``, ``q_log_uniform`` and ``inv_log_uniform`` take
    exponents of e. ``q`` is 1 by default; values are whole numbers where ``q`` is one. Numbers
    may be text, because YAML reads ``1e-3`` as one.

    Args:
        spec: The parameter's mapping.

    Raises:
        InputError: For a mapping that is none of W&B's distributions.

    Examples:
        >>> distribution({"min": 1, "max": 8})
        IntUniform(min=1, max=8)
        >>> distribution({"distribution": "log_uniform_values", "min": "1e-4", "max": 0.1})
        LogUniform(min=0.0001, max=0.1)
        >>> distribution({"values": [480, 960], "min": 3})
        Traceback (most recent call last):
        ...
        pyg_jets.errors.InputError: Expected of a categorical parameter only values, but got min:
        leave it out.
    """
    if not isinstance(spec, Mapping):
        raise InputError(
            f"Expected a mapping, such as {{values: [1, 2]}} or {{min: 0.1, max: 1.0}}, "
            f"but got {reprlib.repr(spec)}."
        )
    given = {k: as_number(k, v) if k in _NUMBERS else v for k, v in spec.items()}
    name = _kind(given)
    kind = _KINDS[name]
    _check_keys(name, given, kind)
    given.pop("distribution", None)
    return kind.make(**{**kind.defaults, **given})


def _kind(spec: Mapping[str, Any]) -> str:
    if "distribution" in spec:
        name = spec["distribution"]
        if not isinstance(name, str) or name not in _KINDS:
            raise InputError(
                f"Expected distribution as one of {', '.join(_KINDS)}, but got {name!r}."
            )
        return name
    if "value" in spec:
        return "constant"
    if "values" in spec:
        return "categorical_w_probabilities" if "probabilities" in spec else "categorical"
    if "min" in spec and "max" in spec:
        whole = isinstance(spec["min"], int) and isinstance(spec["max"], int)
        return "int_uniform" if whole else "uniform"
    raise InputError(
        "Expected value, values, min and max, or a distribution, "
        f"but got only {', '.join(map(str, spec)) or 'an empty mapping'}."
    )


def _check_keys(name: str, spec: Mapping[str, Any], kind: _Kind) -> None:
    allowed = (*kind.required, *kind.defaults)
    if missing := [key for key in kind.required if key not in spec]:
        raise InputError(
            f"Expected of a {name} parameter {' and '.join(kind.required)}, "
            f"but got no {' and no '.join(missing)}: add it."
        )
    if other := [str(key) for key in spec if key not in (*allowed, "distribution")]:
        raise InputError(
            f"Expected of a {name} parameter only {', '.join(allowed)}, "
            f"but got {', '.join(other)}: leave it out."
        )


def as_number(key: str, value: Any) -> int | float:
    """Return a finite number, also of a text such as ``1e-3``; a ``ValueError`` names the key."""
    number = value
    if isinstance(value, str):
        for read in (int, float):
            try:
                number = read(value)
                break
            except ValueError:
                continue
    if isinstance(number, bool | str) or not isinstance(number, int | float):
        raise InputError(f"Expected {key} as a number, but got {value!r}.")
    if not math.isfinite(number):
        raise InputError(f"Expected {key} as a finite number, but got {value!r}.")
    return number
