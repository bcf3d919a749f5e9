"""`read_sweep`: a W&B sweep file as it is, checked before anything runs."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.files import config_path, load_yaml
from pyg_jets.scan.distributions import Distribution
from pyg_jets.scan.hyperband import Hyperband
from pyg_jets.scan.parameters import as_number, distribution

__all__ = ["Metric", "Sweep", "read_sweep"]

_METHODS = ("grid", "random", "bayes")
_GOALS = ("minimize", "maximize")
_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")

# What W&B knows at the top of a sweep file. Some tell its server only where to keep the sweep.
_KEYS = (
    "method", "parameters", "metric", "command", "program", "run_cap", "early_terminate", "name",
    "description", "project", "entity", "controller", "imports", "job", "image_uri", "launch",
    "scheduler", "settings", "apiVersion", "kind",
)  # fmt: skip
_METRIC_KEYS = ("name", "goal", "target", "impute", "impute_while_running")
_EARLY_KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Metric:
    """The number that a sweep is about, and whether less or more of it is better."""

    name: str
    goal: str = "minimize"


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Args:
        path: The file.
        name: The sweep's name; that of the file if it has none.
        method: ``grid``, ``random`` or ``bayes``.
        parameters: Distribution of each parameter by its dotted name, in the file's order.
        metric: The metric to improve, if any.
        command: The command's words, with W&B's macros in them.
        program: What the macro ``${program}`` stands for.
        run_cap: The most points to run.
        early_terminate: When a bad run is stopped, if at all.
        raw: The file's mapping as it was read.
    """

    path: Path
    name: str
    method: str
    parameters: Mapping[str, Distribution]
    metric: Metric | None
    command: tuple[str, ...]
    program: str | None
    run_cap: int | None
    early_terminate: Hyperband | None
    raw: Mapping[str, Any]


def read_sweep(path: str | Path) -> Sweep:
    """Read a W&B sweep file.

    Values of ``values`` and ``value`` stay as YAML reads them; numbers elsewhere may be written
    as ``1e-3``, which YAML reads as text. A metric's ``target`` and ``impute`` are accepted,
    because W&B has them, and change nothing here.

    Args:
        path: The YAML file, or the name of one of the package such as ``tagging/sweep``.

    Raises:
        MissingFileError: If there is none.
        InputError: For a file that W&B would not take, or that asks for what cannot be done here;
            it names file and key.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "width.yaml"
        >>> _ = path.write_text('''
        ... method: grid
        ... command: [pyg-jets, fit, "${args}"]
        ... parameters:
        ...   model.width: {values: [16, 64]}
        ... ''')
        >>> sweep = read_sweep(path)
        >>> sweep.name, sweep.parameters["model.width"].choices
        ('width', (16, 64))
    """
    path = config_path(path)
    try:
        return _sweep(path, _load(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _load(path: Path) -> dict[str, Any]:
    return _mapping("the file", load_yaml(path.read_bytes(), "it"))


def _sweep(path: Path, raw: dict[str, Any]) -> Sweep:
    _check_keys("the file", raw, _KEYS)
    method = raw.get("method")
    if method not in _METHODS:
        raise InputError(f"Expected method as one of {', '.join(_METHODS)}, but got {method!r}.")
    metric = _metric(raw["metric"]) if raw.get("metric") is not None else None
    for key, needed in (("method: bayes", method == "bayes"), ("early_terminate", _EARLY in raw)):
        if needed and metric is None:
            raise InputError(
                f"Expected a metric for {key}, but got none: "
                "add metric: {name: val/loss, goal: minimize}."
            )
    return Sweep(
        path=path,
        name=_text("name", raw.get("name")) or path.stem,
        method=method,
        parameters=_parameters(raw),
        metric=metric,
        command=_command(raw.get("command")),
        program=_text("program", raw.get("program")),
        run_cap=_run_cap(raw.get("run_cap")),
        early_terminate=_early(raw[_EARLY]) if raw.get(_EARLY) is not None else None,
        raw=raw,
    )


_EARLY = "early_terminate"


def _parameters(raw: Mapping[str, Any]) -> dict[str, Distribution]:
    distributions: dict[str, Distribution] = {}
    for name, spec in _flat("parameters", raw.get("parameters"), ""):
        if name in distributions:
            raise InputError(f"Expected parameters.{name} once, but got it twice: leave one out.")
        try:
            distributions[name] = distribution(spec)
        except ValueError as error:
            raise InputError(f"parameters.{name}: {error}") from None
    return distributions


def _flat(where: str, specs: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Dotted name and mapping of each parameter, of nested ones too."""
    if not isinstance(specs, Mapping) or not specs:
        raise InputError(
            f"Expected {where} as a mapping of at least one parameter, but got "
            f"{reprlib.repr(specs)}: add one, such as model.width: {{values: [16, 64]}}."
        )
    for key, spec in specs.items():
        if not isinstance(key, str) or not _NAME.fullmatch(key):
            raise InputError(
                f"Expected the names in {where} of letters, digits, and ._- (quoted, if YAML "
                f"reads them as something else), but got {key!r}."
            )
        if isinstance(spec, Mapping) and "parameters" in spec:
            _check_keys(f"{where}.{key}", spec, ("parameters",))
            yield from _flat(f"{where}.{key}.parameters", spec["parameters"], f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", spec


def _metric(raw: Any) -> Metric:
    _check_keys("metric", _mapping("metric", raw), _METRIC_KEYS)
    name, goal = raw.get("name"), raw.get("goal", "minimize")
    if not isinstance(name, str) or not name:
        raise InputError(f"Expected metric.name as a name such as val/loss, but got {name!r}.")
    if goal not in _GOALS:
        raise InputError(f"Expected metric.goal as minimize or maximize, but got {goal!r}.")
    return Metric(name, goal)


def _command(raw: Any) -> tuple[str, ...]:
    if raw is None:
        return _COMMAND
    if not isinstance(raw, list) or not raw:
        raise InputError(
            f"Expected command as a list of words, but got {raw!r}: "
            'write [pyg-jets, fit, "${args}"].'
        )
    return tuple(str(word) for word in raw)


def _run_cap(raw: Any) -> int | None:
    if raw is None:
        return None
    cap = as_number("run_cap", raw)
    if cap != int(cap) or cap < 1:
        raise InputError(f"Expected run_cap as a whole number above 0, but got {raw!r}.")
    return int(cap)


def _early(raw: Any) -> Hyperband:
    _check_keys(_EARLY, _mapping(_EARLY, raw), _EARLY_KEYS)
    if raw.get("type") != "hyperband":
        raise InputError(
            f"Expected {_EARLY}.type as hyperband, W&B's only one, but got {raw.get('type')!r}."
        )
    numbers: dict[str, Any] = {k: v for k, v in raw.items() if k not in ("type", "strict")}
    try:
        numbers = {key: as_number(key, value) for key, value in numbers.items()}
        return Hyperband(**numbers, strict=raw.get("strict", False))
    except ValueError as error:
        raise InputError(f"{_EARLY}: {error}") from None


def _mapping(where: str, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise InputError(
            f"Expected {where} as a mapping of keys to values, but got {reprlib.repr(raw)}."
        )
    return raw


def _check_keys(where: str, raw: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    if other := [str(key) for key in raw if key not in allowed]:
        raise InputError(
            f"Expected in {where} only {', '.join(allowed)}, but got {', '.join(other)}: "
            "leave it out, or mend its spelling."
        )


def _text(key: str, raw: Any) -> str | None:
    if raw is not None and not isinstance(raw, str):
        raise InputError(f"Expected {key} as text, but got {raw!r}: put it in quotes.")
    return raw
