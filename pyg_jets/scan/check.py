"""Whether the command line takes what a sweep file varies, found out before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyg_jets.scan.command import point_words
from pyg_jets.scan.sweep import Sweep
from pyg_jets.training.words import flatten_words

__all__ = ["check_sweep"]

#: Quantiles at which a parameter that cannot be enumerated is tried.
_TRIED = (0.01, 0.99)


def check_sweep(sweep: Sweep) -> None:
    """Have the parser read each value of each parameter once, beside the first of the others.

    Raises:
        ValueError: With the file, the parameter and what the parser says of it.
    """
    from pyg_jets.training.cli import check_words

    for name, point in _points(sweep):
        try:
            check_words(flatten_words(point_words(sweep, point)))
        except ValueError as error:
            text = str(error)
            if name is None:
                named = [key for key in point if key in text]
                name = max(named, key=len) if named else None
            what = "its command" if name is None else f"parameter {name!r} with {point[name]!r}"
            raise ValueError(f"{sweep.path}: {what} is refused by pyg-jets: {text}") from None


def _points(sweep: Sweep) -> Iterator[tuple[str | None, dict[str, Any]]]:
    values = {name: _values(d) for name, d in sweep.parameters.items()}
    first = {name: tried[0] for name, tried in values.items()}
    yield None, first
    for name, tried in values.items():
        for value in _distinct(tried):
            yield name, {**first, name: value}


def _values(distribution: Any) -> list[Any]:
    if distribution.choices is not None:
        return list(distribution.choices)
    return [distribution.at(u) for u in _TRIED]


def _distinct(values: list[Any]) -> list[Any]:
    """All but the first, numbers of one type only once: the parser treats them alike."""
    seen, found = {_kind(values[0])}, []
    for value in values[1:]:
        if (kind := _kind(value)) not in seen:
            seen.add(kind)
            found.append(value)
    return found


def _kind(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _kind(one)) for key, one in sorted(value.items()))
    return repr(value) if isinstance(value, str | list | bool) or value is None else type(value)
