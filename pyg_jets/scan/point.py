"""The flat arguments of a point, and hashes of them that name it and the setting it repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyg_jets.files import content_hash, read_config
from pyg_jets.runs import repeats_training
from pyg_jets.scan.command import point_arguments
from pyg_jets.scan.sweep import Sweep
from pyg_jets.training.arguments import flatten_arguments, join_options

__all__ = ["job_arguments", "point_hash", "setting_hash"]

#: What a point is run with unless the sweep file says otherwise.
_QUIET = {"--trainer.enable_progress_bar": "false", "--trainer.logger": "false", "--samples": "0"}


def job_arguments(sweep: Sweep, point: dict[str, Any]) -> list[str]:
    """The flat arguments that run a point: its own, and what keeps a scan quiet."""
    arguments = flatten_arguments(join_options(point_arguments(sweep, point)))
    given = {argument.partition("=")[0] for argument in arguments}
    return [*arguments, *(f"{key}={value}" for key, value in _QUIET.items() if key not in given)]


def point_hash(arguments: Sequence[str]) -> str:
    """A name for what ``pyg-jets fit`` runs with these arguments.

    Configurations count by their content, so that an edited file makes other points. They override
    what stands before them, so their places count; the order of the other arguments does not.

    Args:
        arguments: The arguments after ``pyg-jets``, dotted and flat.

    Examples:
        >>> point_hash(["fit", "--a=1", "--b", "2"]) == point_hash(["fit", "--b=2", "--a=1"])
        True
    """
    parts: list[Any] = [[]]
    for argument in join_options(arguments):
        key, _, value = argument.partition("=")
        if key == "--config":
            for tree in read_config(value):
                parts += [tree, []]
        else:
            parts[-1].append(argument)
    # by the options alone: of one that is given twice, the last counts
    parts[::2] = [sorted(arguments, key=_option) for arguments in parts[::2]]
    return content_hash(parts)


def _option(argument: str) -> str:
    key, sign, _ = argument.partition("=")
    return key + sign


def setting_hash(arguments: Sequence[str]) -> str:
    """The same without what only repeats a training: the sample of the data, and seeds.

    Args:
        arguments: The arguments after ``pyg-jets``, dotted and flat.

    Examples:
        >>> one, other = (["fit", f"--data.sample.replica={i}", "--lr=1"] for i in range(2))
        >>> setting_hash(one) == setting_hash(other)
        True
    """
    kept = [w for w in join_options(arguments) if not repeats_training(w.partition("=")[0])]
    return point_hash(kept)
