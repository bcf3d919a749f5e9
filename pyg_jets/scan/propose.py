"""`Proposals`: the points of a sweep one after the other, by grid, at random, or by Optuna."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.scan.bayes import Bayes
from pyg_jets.scan.distributions import identity
from pyg_jets.scan.sweep import Sweep

__all__ = ["Proposals", "draw"]

#: So many points in a row that were there before end a search at random.
_MOST_REPEATS = 100_000

Point = dict[str, Any]


class Proposals:
    """Points of a sweep, never the same twice.

    With ``grid``, all combinations, the first parameter of the file varying slowest. With
    ``random``, point after point of a sequence that depends on the seed and the parameters' names
    alone. With ``bayes``, what Optuna's TPE makes of the values told so far.

    A grid hands out every point, whatever the history. Points of the history that are in the
    sweep's space are not handed out again by the others, and count toward ``run_cap`` and
    ``count``; so do the points that :meth:`meet` was told of.

    Args:
        sweep: The sweep.
        seed: Seed of ``random`` and ``bayes``.
        history: Earlier points with their value.
        begun: Points that were begun and not finished: with ``random`` and ``bayes``, those in
            the sweep's space come first.
        count: The most points, besides the sweep's own ``run_cap``.

    Raises:
        ValueError: For a grid over what cannot be listed, or a search without an end.

    Examples:
        >>> from pathlib import Path
        >>> from pyg_jets.scan.parameters import distribution
        >>> space = {"a": distribution({"values": [1, 2]}), "b": distribution({"value": "x"})}
        >>> sweep = Sweep(
        ...     path=Path("s.yaml"), name="s", method="grid", parameters=space, metric=None,
        ...     command=(), program=None, run_cap=None, early_terminate=None, raw={},
        ... )
        >>> proposals = Proposals(sweep)
        >>> proposals.total, proposals.ask(), proposals.ask(), proposals.ask()
        (2, {'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}, None)
    """

    def __init__(
        self,
        sweep: Sweep,
        seed: int = 0,
        history: Iterable[tuple[Mapping[str, Any], float | None]] = (),
        count: int | None = None,
        begun: Iterable[Mapping[str, Any]] = (),
    ):
        if count is not None and (isinstance(count, bool) or count < 1):
            raise InputError(f"Expected count as a whole number above 0, but got {count!r}.")
        #: The history without what the sweep could not give.
        self.history = [(dict(point), value) for point, value in history if _has(sweep, point)]
        caps = [cap for cap in (count, sweep.run_cap) if cap is not None]
        size = _check_grid(sweep) if sweep.method == "grid" else _check_end(sweep, caps)
        self.sweep = sweep
        self.total: int = min([*caps, *([] if size is None else [size])])
        self._seen = set() if sweep.method == "grid" else {identity(p) for p, _ in self.history}
        self._bayes = Bayes(sweep, seed, self.history) if sweep.method == "bayes" else None
        self._points = _grid(sweep) if sweep.method == "grid" else _random(sweep, seed)
        left = [] if sweep.method == "grid" else [dict(p) for p in begun if _has(sweep, p)]
        self._begun = deque(point for point in left if self._is_new(point))

    def ask(self) -> Point | None:
        """The next point, by dotted names; None when there is none left."""
        if len(self._seen) >= self.total:
            return None
        point = self._bayes.ask(self._seen) if self._bayes and not self._begun else None
        if point is None:
            point = self._next()
            if point is not None and self._bayes:
                self._bayes.adopt(point)
        if point is not None:
            self._seen.add(identity(point))
        return point

    def _next(self) -> Point | None:
        while self._begun:
            if self._is_new(point := self._begun.popleft()):
                return point
        new = (p for p in itertools.islice(self._points, _MOST_REPEATS) if self._is_new(p))
        return next(new, None)

    def meet(self, point: Mapping[str, Any]) -> None:
        """Take note of a point that another scan of the same sweep runs."""
        if self.sweep.method != "grid" and _has(self.sweep, point):
            self._seen.add(identity(dict(point)))

    def _is_new(self, point: Point) -> bool:
        return identity(point) not in self._seen

    def tell(self, point: Mapping[str, Any], value: float | None) -> None:
        """Say what came of a point that was handed out.

        Args:
            point: The point.
            value: The sweep's metric; None, or what is no finite number, if it failed.

        Raises:
            ValueError: If ``bayes`` did not hand out the point, or was told before.
        """
        if self._bayes:
            self._bayes.tell(point, value)


def _has(sweep: Sweep, point: Mapping[str, Any]) -> bool:
    """Whether a point is in the space of the sweep as it stands now."""
    return set(point) == set(sweep.parameters) and all(
        one.where(point[name]) is not None for name, one in sweep.parameters.items()
    )


def draw(seed: int, k: int, name: str) -> float:
    """A number between 0 and 1, neither included, that depends on its arguments alone.

    Args:
        seed: The seed of a search.
        k: The number of the point.
        name: The parameter's dotted name.
    """
    digest = hashlib.sha256(f"{seed}:{k}:{name}".encode()).digest()
    return ((int.from_bytes(digest[:8]) >> 12) + 0.5) / 2.0**52


def _random(sweep: Sweep, seed: int) -> Iterator[Point]:
    for k in itertools.count():
        yield {name: one.at(draw(seed, k, name)) for name, one in sweep.parameters.items()}


def _grid(sweep: Sweep) -> Iterator[Point]:
    lists = [one.choices or () for one in sweep.parameters.values()]
    for values in itertools.product(*lists):
        yield dict(zip(sweep.parameters, values, strict=True))


def _check_grid(sweep: Sweep) -> int:
    """The number of points; refuse a parameter whose values cannot be listed."""
    for name, one in sweep.parameters.items():
        if one.choices is None:
            raise InputError(
                f"{sweep.path}: Expected for method: grid values that can be listed, but got "
                f"{one!r} for parameters.{name}: give values, or q, or write method: random."
            )
    return math.prod(len(one.choices or ()) for one in sweep.parameters.values())


def _check_end(sweep: Sweep, caps: list[int]) -> int | None:
    """The number of points there are, if they can be counted; refuse a search without an end."""
    if not caps:
        raise InputError(
            f"{sweep.path}: Expected a number of points, without which method: {sweep.method} "
            "never ends, but got none: add run_cap to the file, or give --count."
        )
    lists = [one.choices for one in sweep.parameters.values()]
    return None if None in lists else math.prod(len(values or ()) for values in lists)
