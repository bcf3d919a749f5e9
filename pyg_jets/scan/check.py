"""Check before anything runs that the command line takes what a sweep file varies."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyg_jets.errors import InputError, did_you_mean
from pyg_jets.files import content_hash, read_config
from pyg_jets.scan.command import point_arguments
from pyg_jets.scan.sweep import Sweep
from pyg_jets.training.arguments import flatten_arguments, join_options

if TYPE_CHECKING:
    from pyg_jets.training.metric_names import LoggedMetrics

__all__ = ["check_sweep"]

#: Quantiles at which a parameter that cannot be enumerated is tried.
_TRIED = (0.01, 0.99)
#: So many values are each tried.
_MANY = 50


def check_sweep(sweep: Sweep) -> None:
    """Have the parser read each value of each parameter once, beside the first of the others.

    Raises:
        InputError: With the file, the parameter and what the parser says of it; for points without
            a test, for an early stop by what only the test knows, and for a metric that no training
            logs.
    """
    from pyg_jets.training.cli import check_arguments

    _check_metric(sweep)
    known: dict[str, LoggedMetrics] = {}
    for name, point in _points(sweep):
        try:
            arguments = flatten_arguments(join_options(point_arguments(sweep, point)))
            config = check_arguments(arguments)
        except ValueError as error:
            text = str(error)
            if name is None:
                named = [key for key in point if key in text]
                name = max(named, key=len) if named else None
            what = "its command" if name is None else f"parameter {name!r} with {point[name]!r}"
            raise InputError(f"{sweep.path}: {what} is refused by pyg-jets: {text}") from None
        _check_tested(sweep, arguments)
        _check_logged(sweep, config, known)


def _check_logged(sweep: Sweep, config: Any, known: dict[str, LoggedMetrics]) -> None:
    """Refuse a metric, or a monitor, that no training of a point logs.

    Args:
        sweep: The sweep.
        config: The configuration of a point.
        known: What trainings log, by what it depends on; filled here.
    """
    from pyg_jets.training.metric_names import logged_metrics

    asked = {"metric.name": sweep.metric.name if sweep.metric else None}
    asked |= {f"{key}.monitor": config[key].monitor for key in ("early_stopping", "checkpoint")}
    parts = config.task, config.model, config.data, config.trainer.get("callbacks")
    key = content_hash(*map(str, parts))
    if key not in known:
        known[key] = logged_metrics(config)
    logged = known[key]
    unknown = [(where, name) for where, name in asked.items() if name and not logged.has(name)]
    if unknown and not logged.complete:
        named = ", ".join(f"{where}: {name}" for where, name in unknown)
        warnings.warn(
            f"{sweep.path}: whether a training logs {named} is not known before it runs, since "
            "network, loss or callbacks are not of this package.",
            stacklevel=2,
        )
    elif unknown:
        (where, name), names = unknown[0], sorted(logged.names)
        raise InputError(
            f"{sweep.path}: No training of this sweep logs {where}: {name}; choose from "
            f"{', '.join(names)}.{did_you_mean(name, names)}"
        )


def _check_metric(sweep: Sweep) -> None:
    metric = sweep.metric.name if sweep.metric else ""
    if sweep.early_terminate and metric.startswith("test/"):
        raise InputError(
            f"{sweep.path}: Expected for early_terminate a metric that each validation logs, but "
            f"got metric.name: {metric}: write {metric.replace('test/', 'val/')}."
        )


def _check_tested(sweep: Sweep, arguments: list[str]) -> None:
    """Refuse a point that is not tested, by an option or a configuration; the last one counts."""
    import yaml

    tested: Any = True
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key == "--test_after_fit":
            tested = yaml.safe_load(value)
        elif key == "--config":
            for tree in read_config(value):
                tested = tree.get("test_after_fit", tested)
    if tested is False:
        raise InputError(
            f"{sweep.path}: Expected test_after_fit as true, but got false: a point is finished "
            "when it is tested, so leave it out."
        )


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
    """All but the first; of many, numbers of one type only once: the parser treats them alike."""
    kind_of = repr if len(values) <= _MANY else _kind
    seen, kept = {kind_of(values[0])}, []
    for value in values[1:]:
        if (kind := kind_of(value)) not in seen:
            seen.add(kind)
            kept.append(value)
    return kept


def _kind(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _kind(one)) for key, one in sorted(value.items()))
    return repr(value) if isinstance(value, str | list | bool) or value is None else type(value)
