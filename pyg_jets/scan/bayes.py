"""`Bayes`: points by Optuna's TPE, which sees a uniform draw, or an index, of each parameter."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.scan.distributions import Categorical, Constant, Distribution, identity
from pyg_jets.scan.sweep import Sweep

__all__ = ["Bayes"]

#: So often it is asked for a point that was not there before.
_ATTEMPTS = 20


class Bayes:
    """A search that learns from the values told.

    Numbers are searched through the uniform draw of their inverse CDF, so that a log-uniform one
    is searched in its logarithm; a categorical one by its index, whatever its values are, and
    whatever their probabilities.

    Args:
        sweep: A sweep that has a metric.
        seed: Seed of the search.
        history: Points and values told first; those that the sweep could not give are left out.
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
            name: self._axis(one)
            for name, one in sweep.parameters.items()
            if not isinstance(one, Constant)
        }
        known = list(history)
        # another seed on each resume, or the first proposals would be those of the last time
        text = f"{seed}:{len(known)}".encode()
        sampler_seed = int.from_bytes(hashlib.sha256(text).digest()[:4])
        with self._quiet():
            self.study = self.optuna.create_study(
                direction=sweep.metric.goal if sweep.metric else "minimize",
                sampler=self.optuna.samplers.TPESampler(seed=sampler_seed, constant_liar=True),
            )
        self._trials: dict[str, Any] = {}
        for point, value in known:
            self._remember(point, value)

    def _axis(self, one: Distribution) -> Any:
        if isinstance(one, Categorical):
            return self.optuna.distributions.CategoricalDistribution(range(len(one.choices)))
        return self.optuna.distributions.FloatDistribution(0.0, 1.0)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Optuna says each study, and warns that some arguments are new to it."""
        verbosity = self.optuna.logging.get_verbosity()
        self.optuna.logging.set_verbosity(self.optuna.logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", self.optuna.exceptions.ExperimentalWarning)
                yield
        finally:
            self.optuna.logging.set_verbosity(verbosity)

    def _remember(self, point: Mapping[str, Any], value: float | None) -> None:
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
        """A point that is not among ``seen``; None if it comes back to those again and again."""
        for _ in range(_ATTEMPTS):
            trial = self.study.ask(self._space)
            point = self._point(trial.params)
            if identity(point) not in seen:
                self._trials[identity(point)] = trial
                return point
            self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
        return None

    def adopt(self, point: Mapping[str, Any]) -> None:
        """Take a point that came from elsewhere as a proposal of one's own."""
        self.study.enqueue_trial(self._params(point))
        self._trials[identity(point)] = self.study.ask(self._space)

    def tell(self, point: Mapping[str, Any], value: float | None) -> None:
        """Say what came of a point.

        Raises:
            ValueError: If it was not handed out, or told before.
        """
        trial = self._trials.pop(identity(dict(point)), None)
        if trial is None:
            raise InputError(f"Expected a point that was handed out, but got {dict(point)}.")
        if value is None or not math.isfinite(value):
            self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, value)
