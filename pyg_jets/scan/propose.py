"""`Proposals`: the points of a sweep one after the other, by grid, at random, or by Optuna."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

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

    A grid hands out every point, whatever the history. Points of the history are not handed out
    again by the others, and count toward ``run_cap`` and ``count``.

    Args:
        sweep: The sweep.
        seed: Seed of ``random`` and ``bayes``.
        history: Earlier points with their value; None for one that failed.
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
    ):
        if count is not None and (isinstance(count, bool) or count < 1):
            raise ValueError(f"Expected count as a whole number above 0, but got {count!r}.")
        before = [(dict(point), value) for point, value in history]
        caps = [cap for cap in (count, sweep.run_cap) if cap is not None]
        size = _check_grid(sweep) if sweep.method == "grid" else _check_end(sweep, caps)
        self.sweep = sweep
        self.total: int = min([*caps, *([] if size is None else [size])])
        self._seen = set() if sweep.method == "grid" else {identity(p) for p, _ in before}
        self._bayes = Bayes(sweep, seed, before) if sweep.method == "bayes" else None
        self._points = _grid(sweep) if sweep.method == "grid" else _random(sweep, seed)

    def ask(self) -> Point | None:
        """The next point, by dotted names; None when there is none left."""
        if len(self._seen) >= self.total:
            return None
        point = self._bayes.ask(self._seen) if self._bayes else None
        if point is None:
            point = self._next()
            if point is not None and self._bayes:
                self._bayes.adopt(point)
        if point is not None:
            self._seen.add(identity(point))
        return point

    def _next(self) -> Point | None:
        new = (p for p in itertools.islice(self._points, _MOST_REPEATS) if self._is_new(p))
        return next(new, None)

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
            raise ValueError(
                f"{sweep.path}: Expected for method: grid values that can be listed, but got "
                f"{one!r} for parameters.{name}: give values, or q, or write method: random."
            )
    return math.prod(len(one.choices or ()) for one in sweep.parameters.values())


def _check_end(sweep: Sweep, caps: list[int]) -> int | None:
    """The number of points there are, if they can be counted; refuse a search without an end."""
    if not caps:
        raise ValueError(
            f"{sweep.path}: Expected a number of points, without which method: {sweep.method} "
            "never ends, but got none: add run_cap to the file, or give --count."
        )
    lists = [one.choices for one in sweep.parameters.values()]
    return None if None in lists else math.prod(len(values or ()) for values in lists)
