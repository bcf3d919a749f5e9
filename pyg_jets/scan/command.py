"""What a point of a sweep runs: the arguments that W&B's agent would write."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.scan.sweep import Sweep

__all__ = ["command_line", "point_arguments"]

_ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
_SCRIPTS = ("pyg_jets/cli/__main__.py",)
_PYTHON = re.compile(r"python[0-9.]*")

# How the agent writes the arguments, each under the name of its macro.
_ARGS: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "args": lambda args: [f"--{name}={value}" for name, value in args.items()],
    "args_no_equals": lambda args: [w for n, v in args.items() for w in (f"--{n}", str(v))],
    "args_no_hyphens": lambda args: [f"{name}={value}" for name, value in args.items()],
    "args_no_boolean_flags": lambda args: [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in args.items()
        if value is not False
    ],
    "args_json": lambda args: [json.dumps(args)],
}


def point_arguments(sweep: Sweep, point: Mapping[str, Any]) -> list[str]:
    """The arguments after ``pyg-jets`` that a point runs, the verb first.

    They are those of W&B's agent: a parameter becomes ``--name=value``, in the file's order, and
    nested ones together one flag with a dictionary as its value.

    Args:
        sweep: The sweep.
        point: A value for each of its parameters.

    Raises:
        InputError: If the sweep's command does not run ``pyg-jets fit``, or has a macro that only
            an agent can fill.

    Examples:
        >>> from pathlib import Path
        >>> sweep = Sweep(
        ...     path=Path("width.yaml"), name="width", method="grid", parameters={"width": None},
        ...     metric=None, command=("${env}", "pyg-jets", "fit", "${args}"), program=None,
        ...     run_cap=None, early_terminate=None, raw={"parameters": {"width": {}}},
        ... )
        >>> point_arguments(sweep, {"width": 16})
        ['fit', '--width=16']
        >>> command_line(sweep, {"width": 16})
        '/usr/bin/env pyg-jets fit --width=16'
    """
    arguments = _agent_arguments(sweep, point)
    rest = _after_program(arguments)
    if not rest or rest[0] != "fit":
        raise InputError(
            f"{sweep.path}: Expected a command that runs pyg-jets fit, such as "
            f'command: ["${{env}}", pyg-jets, fit, "${{args}}"], but got {shlex.join(arguments)}.'
        )
    return rest


def command_line(sweep: Sweep, point: Mapping[str, Any]) -> str:
    """The line that W&B's agent would run for a point, quoted for a shell.

    Args:
        sweep: The sweep.
        point: A value for each of its parameters.
    """
    return shlex.join(_agent_arguments(sweep, point))


def _agent_arguments(sweep: Sweep, point: Mapping[str, Any]) -> list[str]:
    if set(point) != set(sweep.parameters):
        raise InputError(
            f"{sweep.path}: Expected a value for each of {', '.join(sweep.parameters)}, "
            f"but got {', '.join(point) or 'none'}."
        )
    args = _nested(sweep.raw["parameters"], "", point)
    arguments: list[str] = []
    for chunk in map(_fill_environment, sweep.command):
        if chunk.startswith("${") and chunk.endswith("}"):
            arguments += _macro(sweep, chunk, args)
        else:
            arguments.append(chunk)
    if not any(f"${{{macro}}}" in sweep.command for macro in _ARGS):
        raise InputError(
            f"{sweep.path}: Expected ${{args}} in the command, but got {list(sweep.command)}: "
            "without it all points run the same."
        )
    return arguments


def _macro(sweep: Sweep, chunk: str, args: Mapping[str, Any]) -> list[str]:
    name = chunk[2:-1]
    if name in _ARGS:
        return _ARGS[name](args)
    if name == "program" and sweep.program is None:
        raise InputError(
            f"{sweep.path}: Expected program, because the command has ${{program}}, but got none: "
            'add it, or write command: ["${env}", pyg-jets, fit, "${args}"].'
        )
    fixed = {"env": "/usr/bin/env", "interpreter": "python", "program": sweep.program or ""}
    if name not in fixed:
        macros = ", ".join(f"${{{macro}}}" for macro in (*fixed, *_ARGS))
        raise InputError(
            f"{sweep.path}: Expected of macros in the command only {macros} and ${{envvar:NAME}}, "
            f"but got {chunk}."
        )
    return [fixed[name]]


def _fill_environment(chunk: str) -> str:
    # a variable that is not set leaves its name, as it does with the agent
    return _ENVIRONMENT.sub(lambda match: os.environ.get(match[1], match[1]), chunk)


def _nested(specs: Mapping[str, Any], prefix: str, point: Mapping[str, Any]) -> dict[str, Any]:
    """The point as the agent gets it: one entry for each name at the top of the file."""
    return {
        name: _nested(spec["parameters"], f"{prefix}{name}.", point)
        if "parameters" in spec
        else point[f"{prefix}{name}"]
        for name, spec in specs.items()
    }


def _after_program(arguments: list[str]) -> list[str]:
    """What follows ``pyg-jets``, however it is called; nothing if it is not."""
    rest = list(arguments)
    if rest and PurePath(rest[0]).name == "env":
        rest = rest[1:]
    if rest and _PYTHON.fullmatch(PurePath(rest[0]).name):
        rest = rest[2:] if rest[1:2] == ["-u"] else rest[1:]
        if rest[:2] == ["-m", "pyg_jets.cli"]:
            return rest[2:]
    ours = rest and (PurePath(rest[0]).name == "pyg-jets" or rest[0].endswith(_SCRIPTS))
    return rest[1:] if ours else []
