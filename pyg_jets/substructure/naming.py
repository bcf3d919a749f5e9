"""`Family` and `Observable`: how the name of an observable is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyg_jets.substructure.subjettiness import AXES

__all__ = ["Family", "Observable"]

_NUMBER = r"\d+(?:\.\d+)?"
#: The options of names, and what each may be.
_OPTIONS = {
    "kappa": _NUMBER,
    "z": _NUMBER,
    "f": _NUMBER,
    "beta": _NUMBER,
    "r": _NUMBER,
    "axes": "|".join(sorted(AXES, key=len, reverse=True)),
}


@dataclass(frozen=True)
class Family:
    """Observables that are computed alike.

    Args:
        shown: Its names as documentation and messages show them.
        pattern: The names without options, a regular expression.
        options: The options that they take, in the order in which they are written, and the value
            of each where it is not given.
        compute: The values ``[J]`` of the observables that a `_Jets` makes of a name.
        unit: The unit, empty if there is none.
        doc: What they are.
        check: Raises an `InputError` for a name that fits the pattern and means nothing.
    """

    shown: str
    pattern: str
    options: Mapping[str, Any]
    compute: Callable[[Any, Observable], np.ndarray]
    unit: str
    doc: str
    check: Callable[[Observable], None] = lambda observable: None

    def match(self, name: str) -> Observable | None:
        """The observable of a name, or ``None`` if it is none of this family."""
        endings = (f"(?:_{'' if o == 'axes' else o}({_OPTIONS[o]}))?" for o in self.options)
        match = re.fullmatch(f"({self.pattern}){''.join(endings)}", name)
        if match is None:
            return None
        base, *groups = match.groups()
        given = groups[len(groups) - len(self.options) :]
        options = {
            option: default if value is None else value if option == "axes" else float(value)
            for (option, default), value in zip(self.options.items(), given, strict=True)
        }
        return Observable(name, base, options, self)


@dataclass(frozen=True)
class Observable:
    """An observable of a jet, as its name says.

    Args:
        name: The name.
        base: The name without options.
        options: The options.
        family: The family.
    """

    name: str
    base: str
    options: Mapping[str, Any]
    family: Family = field(repr=False)

    @property
    def numbers(self) -> list[int]:
        """The digits of the base: 2 and 1 of ``tau21``."""
        return [int(digit) for digit in re.findall(r"\d", self.base)]

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The edges of the graph of an energy-flow polynomial."""
        digits = self.numbers
        return list(zip(digits[::2], digits[1::2], strict=True))
