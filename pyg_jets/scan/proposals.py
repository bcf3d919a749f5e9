"""The points of a sweep one after the other: all combinations, at random, or by Optuna's TPE."""

from __future__ import annotations

import hashlib
import itertools
import math
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.scan.distributions import Categorical, Constant, Distribution, identity
from pyg_jets.scan.sweep import Sweep

__all__ = ["Bayes", "Proposals", "draw"]

#: A search at random ends after so many repeated points in a row.
_MOST_REPEATS = 100_000
#: Attempts to get a point that was not proposed before.
_ATTEMPTS = 20

Point = dict[str, Any]


class Proposals:
    """Points of a sweep, never the same twice.

    With ``grid``, all combinations, the first parameter of the file varying slowest. With
    ``random``, point after point of a sequence that depends on the seed and the parameters' names
    alone. With ``bayes``, the proposals of Optuna's TPE, given the metric of earlier points.

    A grid hands out every point, whatever the history. Points of the history that are in the
    sweep's space are not handed out again by the others, and count toward ``run_cap`` and
    ``count``; so do the points that :meth:`meet` registers.

    Args:
        sweep: The sweep.
        seed: Seed of ``random`` and ``bayes``.
        history: Earlier points with their value.
        begun: Points that were begun and not finished: with ``random`` and ``bayes``, those in
            the sweep's space come first.
        count: The most points, besides the sweep's own ``run_cap``.

    Raises:
        InputError: For a grid over what cannot be listed, or a search without an end.

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
        """Register a point that another scan of the same sweep runs."""
        if self.sweep.method != "grid" and _has(self.sweep, point):
            self._seen.add(identity(dict(point)))

    def _is_new(self, point: Point) -> bool:
        return identity(point) not in self._seen

    def tell(self, point: Mapping[str, Any], value: float | None) -> None:
        """Register the metric of a point that was handed out.

        Args:
            point: The point.
            value: The sweep's metric; None, or what is no finite number, if it failed.

        Raises:
            InputError: If ``bayes`` did not hand out the point, or has its metric already.
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


class Bayes:
    """A search that learns from the metric of earlier points.

    Numbers are searched through the uniform draw of their inverse CDF, so that a log-uniform one
    is searched in its logarithm; a categorical one by its index, whatever its values are, and
    whatever their probabilities.

    Args:
        sweep: A sweep that has a metric.
        seed: Seed of the search.
        history: Earlier points and their metric; points outside of the sweep's space are left out.
    """

    def __init__(
        self,
        sweep: Sweep,
        seed: int = 0,
        history: Iterable[tuple[Mapping[str, Any], float | None]] = (),
    ):
        self.optuna = require("optuna", "scan")
        self.parameters = sweep.parameters
        self._space = {
            name: self._axis(distribution)
            for name, distribution in sweep.parameters.items()
            if not isinstance(distribution, Constant)
        }
        earlier = list(history)
        # another seed on each resume, or the first proposals would be those of the last time
        text = f"{seed}:{len(earlier)}".encode()
        sampler_seed = int.from_bytes(hashlib.sha256(text).digest()[:4])
        with self._quiet():
            self.study = self.optuna.create_study(
                direction=sweep.metric.goal if sweep.metric else "minimize",
                sampler=self.optuna.samplers.TPESampler(seed=sampler_seed, constant_liar=True),
            )
        self._trials: dict[str, Any] = {}
        for point, value in earlier:
            self._add_trial(point, value)

    def _axis(self, distribution: Distribution) -> Any:
        if isinstance(distribution, Categorical):
            n_choices = len(distribution.choices)
            return self.optuna.distributions.CategoricalDistribution(range(n_choices))
        return self.optuna.distributions.FloatDistribution(0.0, 1.0)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Silence Optuna's message about each study and its warnings of experimental arguments."""
        verbosity = self.optuna.logging.get_verbosity()
        self.optuna.logging.set_verbosity(self.optuna.logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", self.optuna.exceptions.ExperimentalWarning)
                yield
        finally:
            self.optuna.logging.set_verbosity(verbosity)

    def _add_trial(self, point: Mapping[str, Any], value: float | None) -> None:
        params = self._params(point)
        if params is None:
            return
        state = self.optuna.trial.TrialState
        good = value is not None and math.isfinite(value)
        self.study.add_trial(
            self.optuna.trial.create_trial(
                params=params,
                distributions=self._space,
                value=value if good else None,
                state=state.COMPLETE if good else state.FAIL,
            )
        )

    def _params(self, point: Mapping[str, Any]) -> dict[str, float] | None:
        """A point as Optuna sees it; None if the sweep could not give it."""
        if set(point) != set(self.parameters):
            return None
        params: dict[str, float] = {}
        for name, one in self.parameters.items():
            u = one.where(point[name])
            if u is None:
                return None
            if isinstance(one, Categorical):
                params[name] = [identity(v) for v in one.choices].index(identity(point[name]))
            elif name in self._space:
                params[name] = u
        return params

    def _point(self, params: Mapping[str, Any]) -> dict[str, Any]:
        point = {}
        for name, one in self.parameters.items():
            if isinstance(one, Categorical):
                point[name] = one.choices[params[name]]
            else:
                point[name] = one.at(params.get(name, 0.5))
        return point

    def ask(self, seen: set[str]) -> dict[str, Any] | None:
        """A point that is not among ``seen``; None if all attempts gave one of those."""
        for _ in range(_ATTEMPTS):
            trial = self.study.ask(self._space)
            point = self._point(trial.params)
            if identity(point) not in seen:
                self._trials[identity(point)] = trial
                return point
            self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
        return None

    def adopt(self, point: Mapping[str, Any]) -> None:
        """Register a point that was not proposed by this search as one that was."""
        self.study.enqueue_trial(self._params(point))
        self._trials[identity(point)] = self.study.ask(self._space)

    def tell(self, point: Mapping[str, Any], value: float | None) -> None:
        """Register the metric of a point.

        Raises:
            ValueError: If it was not handed out, or has its metric already.
        """
        trial = self._trials.pop(identity(dict(point)), None)
        if trial is None:
            raise InputError(f"Expected a point that was handed out, but got {dict(point)}.")
        if value is None or not math.isfinite(value):
            self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, value)
