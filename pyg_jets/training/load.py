"""`load_tagger` and `load_generator`: the model of a run, with its weights, from its folder."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import TypeVar

import torch
from jsonargparse import ArgumentError, ArgumentParser

from pyg_jets import __version__
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.runs import BEST_CHECKPOINT, CONFIG, PROVENANCE, Run, load_run
from pyg_jets.training.checkpoint import read_checkpoint
from pyg_jets.training.class_paths import (
    find_own_modules,
    modules_of_values,
    only_plain_loads,
    refuse_foreign_code,
)
from pyg_jets.training.generator import Generator
from pyg_jets.training.tagger import Tagger
from pyg_jets.training.task import JetTask

__all__ = ["load_generator", "load_tagger"]

_Task = TypeVar("_Task", bound=JetTask)


def load_tagger(run: Run | str | Path) -> Tagger:
    """The tagger of a run, with the weights of its best epoch, ready to be called.

    The network is built from the run's configuration, so a class of your own must be importable, or
    lie in the working folder.

    Args:
        run: The run, or its folder.

    Returns:
        The tagger in evaluation mode on the CPU: ``tagger(x, ptr, pos)`` gives logits ``[J, C]``
        of features as the run's data module makes them.

    Raises:
        FileNotFoundError: If the run has no configuration or no checkpoint.
        ValueError: If it is the run of a generator, a file is damaged, or the network cannot be
            built; the message names the version that wrote the run.
    """
    return _load(Tagger, "tag", run)


def load_generator(run: Run | str | Path) -> Generator:
    """The generator of a run, with the weights of its best epoch; see :func:`load_tagger`.

    Args:
        run: The run, or its folder.

    Returns:
        The generator in evaluation mode on the CPU: ``generator.network.sample(n_jets)`` makes
        jets, ``generator(x, ptr)`` makes jets out of these.

    Raises:
        FileNotFoundError: If the run has no configuration or no checkpoint.
        ValueError: If it is the run of a tagger, a file is damaged, or the network cannot be built.
    """
    return _load(Generator, "generate", run)


def _load(kind: type[_Task], task: str, run: Run | str | Path) -> _Task:
    folder = run.folder if isinstance(run, Run) else Path(run)
    run = load_run(folder, only=(CONFIG, PROVENANCE))
    for name in (CONFIG, BEST_CHECKPOINT):
        if not (folder / name).is_file():
            raise MissingFileError(
                f"{folder} has no {name}, which its model is built from: give the folder of a run "
                "that was trained."
            )
    if (trained := run.config.get("task", "tag")) != task:
        other = "load_generator" if task == "tag" else "load_tagger"
        raise InputError(f"{folder} is a run of the task {trained!r}: call {other} for its model.")
    checkpoint = read_checkpoint(folder / BEST_CHECKPOINT)
    if reason := run.config.get("not_described"):
        raise InputError(
            f"The network of {folder} cannot be built, because {reason}: build it as it was, and "
            f"give {kind.__name__}.load_from_checkpoint({str(folder / BEST_CHECKPOINT)!r}, "
            "network=) the network."
        )
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and then replaced
        model = _build(kind, run)
        try:
            model.on_load_checkpoint(checkpoint)
            model.load_state_dict(checkpoint["state_dict"])
        except (InputError, RuntimeError, KeyError) as error:
            raise InputError(
                f"{folder / BEST_CHECKPOINT} does not hold the weights of the network in {CONFIG}"
                f"{_version(run)}: {' '.join(str(error).split())}"
            ) from None
    return model.eval()


@only_plain_loads()
def _build(kind: type[_Task], run: Run) -> _Task:
    """The model of the configuration, with weights as they are drawn."""
    refuse_foreign_code()
    find_own_modules(modules_of_values(run.config.get("model")))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "model", instantiate=True)
    try:
        with redirect_stderr(io.StringIO()):
            parsed = parser.parse_object({"model": run.config.get("model") or {}})
            return parser.instantiate(parsed).model
    except (ArgumentError, ValueError, TypeError, ImportError) as error:
        raise InputError(
            f"The model of {run.folder / CONFIG} cannot be built{_version(run)}: "
            f"{' '.join(str(error).split())}"
        ) from None


def _version(run: Run) -> str:
    """Which version wrote a run, for a message, if it is another one."""
    version = run.provenance.get("version")
    if version in (None, __version__):
        return ""
    return f"; it was written by pyg_jets {version}, and this is {__version__}"
