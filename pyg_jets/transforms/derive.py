"""`Derived`: every particle and jet column that follows from those at hand, each made once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.ops.pointer import ptr_to_batch
from pyg_jets.transforms.rules import Rule, rules_for

__all__ = ["Derived", "derivable", "positions", "requirements"]


def _plan(
    name: str, given: frozenset[str], axis: str, tried: frozenset[str] = frozenset()
) -> dict[str, Rule | None] | None:
    """The rule for ``name`` and for all that it needs; ``None`` for what is given."""
    if name in given:
        return {name: None}
    if name in tried:
        return None
    for rule in rules_for(axis):
        if name not in rule.gives or not given.issuperset(rule.given):
            continue
        steps: dict[str, Rule | None] = {name: rule}
        for need in rule.needs:
            below = _plan(need, given, axis, tried | {name})
            if below is None:
                break
            steps = below | {step: how for step, how in steps.items() if step not in below}
        else:
            return steps
    return None


@cache
def _cached_plan(name: str, given: frozenset[str], axis: str) -> dict[str, Rule | None] | None:
    return _plan(name, given, axis)


def derivable(name: str, given: Iterable[str], axis: str = "jet") -> bool:
    """Whether a column follows from those given.

    Args:
        name: The column; names of jet columns begin with ``jet_``.
        given: Names of the columns at hand.
        axis: ``"jet"``, or ``"origin"`` for jets on a plane.

    Examples:
        >>> derivable("px", ("pt", "eta", "phi")), derivable("px", ("ptrel", "etarel", "phirel"))
        (True, False)
    """
    return _cached_plan(name, frozenset(given), axis) is not None


def requirements(names: Iterable[str], given: Iterable[str], axis: str = "jet") -> tuple[str, ...]:
    """Which of the given columns are needed to make ``names``, in the order given.

    Examples:
        >>> requirements(["deltar"], ("pt", "eta", "phi", "mass", "d0"))
        ('pt', 'eta', 'phi', 'mass')
    """
    given = tuple(given)
    needed: set[str] = set()
    for name in names:
        needed.update(_cached_plan(name, frozenset(given), axis) or ())
    return tuple(name for name in given if name in needed)


def positions(x: Tensor, ptr: Tensor, columns: Sequence[str], axis: str) -> Tensor:
    """(η, φ) relative to the axis, ``[N, 2]``, of particles ``x [N, F]``; see :class:`Derived`."""
    derived = Derived(dict(zip(columns, x.unbind(-1), strict=True)), ptr, axis=axis)
    return torch.stack([derived["etarel"].to(x.dtype), derived["phirel"].to(x.dtype)], -1)


class Derived:
    """The columns of a ragged table of jets and what follows from them, each made only if asked.

    Args:
        particles: Particle columns ``{name: [N]}``, numpy or torch.
        ptr: Ragged pointer ``[J + 1]``, of the same kind.
        jets: Jet columns at hand, ``{name: [J]}``, their names without ``jet_``: where the axis is
            known it counts, else the E-scheme sum of the particles.
        axis: ``"jet"``, or ``"origin"`` for jets on a plane.

    Examples:
        >>> jets = Derived({"pt": np.array([3.0]), "ptrel": np.array([0.5])}, np.array([0, 1]))
        >>> jets["logptrel"].round(3).tolist()
        [-0.693]
    """

    def __init__(
        self,
        particles: Mapping[str, Any],
        ptr: Any,
        jets: Mapping[str, Any] | None = None,
        axis: str = "jet",
    ):
        self.ptr, self.axis = ptr, axis
        self._known = dict(particles)
        self._known.update({f"jet_{name}": value for name, value in (jets or {}).items()})
        self._given = frozenset(self._known)
        self._spread: dict[str, Any] = {}

    def can(self, name: str) -> bool:
        """Whether a column can be given."""
        return _cached_plan(name, self._given, self.axis) is not None

    def __getitem__(self, name: str) -> Any:
        """A column, ``[N]``, or ``[J]`` if its name begins with ``jet_``.

        Raises:
            ValueError: If it follows from none of those at hand.
        """
        if name in self._known:
            return self._known[name]
        plan = _cached_plan(name, self._given, self.axis)
        if plan is None:
            at_hand = ", ".join(sorted(self._given))
            raise InputError(f"{name} does not follow from the columns at hand: {at_hand}.")
        for step, rule in plan.items():
            if rule is not None and step not in self._known:
                self._make(step, rule)
        return self._known[name]

    def _make(self, wanted: str, rule: Rule) -> None:
        of_jets = rule.gives[0].startswith("jet_")
        needs = [
            self._known[need] if of_jets or not need.startswith("jet_") else self.spread(need)
            for need in rule.needs
        ]
        made = rule.make(*needs, ptr=self.ptr) if rule.sums else rule.make(*needs)
        if len(rule.gives) == 1 and not isinstance(made, tuple):
            made = (made,)
        for name, value in zip(rule.gives, made, strict=True):
            # What comes along is kept only where it would be made so anyway: else a column would
            # depend on which others were asked for before it.
            if name == wanted or self._is_made_by(rule, name):
                self._known.setdefault(name, value)

    def _is_made_by(self, rule: Rule, name: str) -> bool:
        plan = _cached_plan(name, self._given, self.axis)
        return plan is not None and plan[name] is rule

    def spread(self, name: str) -> Any:
        """A jet column, repeated for each particle."""
        if name not in self._spread:
            value = self[name]
            if isinstance(self.ptr, Tensor):
                self._spread[name] = value[ptr_to_batch(self.ptr)]
            else:
                self._spread[name] = np.repeat(value, np.diff(self.ptr))
        return self._spread[name]
