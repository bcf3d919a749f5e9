"""Arguments of a command line: those of W&B's agent, written in Python, become dotted options."""

from __future__ import annotations

import ast
import json
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyg_jets.errors import MissingFileError
from pyg_jets.runs import BEST_CHECKPOINT, CONFIG

__all__ = ["default_run", "flatten_arguments", "join_options", "run_arguments"]

_OPTION = re.compile(r"--[\w.-]+")
_NAME = re.compile(r"[\w.-]+")


def flatten_arguments(arguments: Sequence[str]) -> list[str]:
    """Take dictionaries and lists of a command line apart, so that they overlay a configuration.

    W&B's agent writes every value as Python prints it. ``--key={'a': {'b': 1}}`` becomes
    ``--key.a.b=1``, with ``class_path`` before what it takes; ``None`` becomes ``null``, which
    YAML knows; ``--config=['a.yaml', 'b.yaml']`` becomes two arguments, and ``--config=None`` none.
    A dictionary or a list may also be JSON, and a value may stand after a space. All else stays
    as it is and where it is, such as ``--names=[eta, phi]``.

    Text stays bare, so that an argument whose type is text reads it as it was. One that may be
    both text and number reads ``1e-3`` as a number, from any command line.

    Args:
        arguments: The arguments of a command line.

    Examples:
        >>> flatten_arguments(["fit", "--model={'net': {'init_args': {'f': [8, 8], 'bn': None}}}"])
        ['fit', '--model.net.init_args.f=[8, 8]', '--model.net.init_args.bn=null']
        >>> flatten_arguments(["--config=['a.yaml', 'b.yaml']", "--names=[eta, phi]"])
        ['--config=a.yaml', '--config=b.yaml', '--names=[eta, phi]']
    """
    flat: list[str] = []
    left = list(arguments)
    while left:
        taken, key, value = _option(left)
        new = None if value is None else _expand(key, value)
        flat += left[:taken] if new is None else new
        del left[:taken]
    return flat


def join_options(arguments: Sequence[str]) -> list[str]:
    """Write an option and the value after it as one argument; ``-c`` is ``--config``.

    Args:
        arguments: The arguments of a command line.

    Examples:
        >>> join_options(["fit", "-c", "a.yaml", "--b=2", "--on", "--d", "-3"])
        ['fit', '--config=a.yaml', '--b=2', '--on', '--d=-3']
    """
    joined: list[str] = []
    for argument in ("--config" if argument == "-c" else argument for argument in arguments):
        if joined and _OPTION.fullmatch(joined[-1]) and not argument.startswith("--"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def default_run(task: str) -> str:
    """``runs/tagger``, or a folder for each run of an agent's sweep."""
    sweep, run = (os.environ.get(f"WANDB_{name}_ID") for name in ("SWEEP", "RUN"))
    kind = "tagger" if task == "tag" else "generator"
    return f"runs/sweeps/{sweep}/{run}" if sweep and run else f"runs/{kind}"


def run_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments of ``validate``, ``test``, ``predict`` and of a run that is to go on.

    They need only the run: where no configuration is named, it is that of ``--run``, for all but
    ``fit`` with the checkpoint of the best epoch.

    Args:
        arguments: The arguments after ``pyg-jets``.

    Raises:
        MissingFileError: If the run's folder lacks its configuration or its checkpoint.
    """
    verb, *words = arguments or [""]
    options = dict(word.partition("=")[::2] for word in join_options(words))
    resumes = verb == "fit" and options.get("--resume") in ("", "true")
    evaluates = verb in ("validate", "test", "predict") and "--run" in options
    if "--config" in options or not (resumes or evaluates):
        return list(arguments)
    folder = Path(options.get("--run") or default_run(options.get("--task", "tag")))
    if resumes and not (folder / CONFIG).is_file() and options.keys() - {"--run", "--resume"}:
        return list(arguments)  # killed before it wrote its configuration, or not yet begun
    needed = [CONFIG] + ([BEST_CHECKPOINT] if evaluates and "--ckpt_path" not in options else [])
    for name in needed:
        if not (folder / name).is_file():
            of = "was begun" if resumes else "was trained"
            also = "a --config to begin one" if resumes else "--config and --ckpt_path"
            raise MissingFileError(
                f"There is no {folder / name}: give the folder of a run that {of}, or {also}."
            )
    # the run may have been made with these, which are not meant for what follows
    added = [f"--config={folder / CONFIG}", "--overwrite=false", "--resume=false"]
    added += [f"--ckpt_path={folder / BEST_CHECKPOINT}"] if len(needed) > 1 else []
    return [verb, *added, *words]


def _option(arguments: list[str]) -> tuple[int, str, str | None]:
    """How many of the first arguments belong together, and the option and its value in them."""
    key, sign, value = arguments[0].partition("=")
    if not _OPTION.fullmatch(key):
        return 1, key, None
    if sign:
        return 1, key, value
    if len(arguments) > 1 and (arguments[1] == "None" or _read(arguments[1]) is not None):
        return 2, key, arguments[1]
    return 1, key, None


def _expand(key: str, text: str) -> list[str] | None:
    """The arguments for one option; None if it stays as it is."""
    if text == "None":
        return [] if key == "--config" else [f"{key}=null"]
    value = _read(text)
    if value is None:
        return None
    if _is_tree(value):
        return _dotted(key, value)
    if key == "--config" and isinstance(value, list):
        return [f"--config={_text(path)}" for path in value if path is not None]
    return None if _yaml_reads(text, value) else [f"{key}={_text(value)}"]


def _is_tree(value: Any) -> bool:
    """Whether a value is a dictionary of names, which can be dotted."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and _NAME.fullmatch(name) for name in value)
    )


def _dotted(key: str, value: Any) -> list[str]:
    if not _is_tree(value):
        return [f"{key}={_text(value)}"]
    arguments = []
    for name in sorted(value, key=lambda name: name != "class_path"):
        arguments += _dotted(f"{key}.{name}", value[name])
    return arguments


def _text(value: Any) -> str:
    """A value as YAML reads it back; text bare."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(text: str) -> dict | list | None:
    """The dictionary or list that a text is, in JSON or in Python; None if it is neither."""
    if text[:1] not in ("{", "["):
        return None
    for read in (json.loads, _python):
        try:
            value = read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return value if isinstance(value, dict | list) else None
    return None


def _python(text: str) -> Any:
    with warnings.catch_warnings():  # of a backslash in what is no Python at all
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)


def _yaml_reads(text: str, value: Any) -> bool:
    import yaml

    try:
        return repr(yaml.safe_load(text)) == repr(value)
    except yaml.YAMLError:
        return False
