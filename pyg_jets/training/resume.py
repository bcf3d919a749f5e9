"""`EpochCheckpoint`: a checkpoint at the end of each epoch, from which a killed training goes on.

The continued training gives the metrics of an undisturbed one: the checkpoint also holds the states
of the random number generators, and the order of the jets is a function of its seed and of the
epoch. An epoch that was killed is run again from its start.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from pyg_jets.errors import InputError
from pyg_jets.files import read_config
from pyg_jets.training.checkpoint import read_checkpoint

__all__ = ["EpochCheckpoint", "check_same_training", "has_ended"]

#: The key of a checkpoint for what this callback keeps in it.
_KEY = "epoch_end"


class EpochCheckpoint(ModelCheckpoint):
    """Keep the best weights as Lightning does, and write ``last.ckpt`` at the end of every epoch.

    ``ModelCheckpoint`` writes ``last.ckpt`` only where the monitor improves, before the epoch is
    counted, and without the states of the random number generators. Here it is written after all
    other callbacks, for an epoch that is complete, unless ``save_last`` is false. To continue from
    it, give it as ``ckpt_path``. The arguments are those of ``ModelCheckpoint``, but a checkpoint
    of the same name is written over.

    A scheduler that follows a metric (``ReduceLROnPlateau``) is stepped by Lightning after that,
    and misses the step of the epoch before a kill.

    Examples:
        >>> checkpoint = EpochCheckpoint("runs/toy/checkpoints", "best", "val/loss")
        >>> trainer = lightning.Trainer(callbacks=[checkpoint], logger=False, accelerator="cpu")
        >>> trainer.checkpoint_callback.monitor
        'val/loss'
    """

    _resumed: Mapping[str, Any] | None = None

    def __init__(self, *args: Any, enable_version_counter: bool = False, **kwargs: Any) -> None:
        # A run has one best.ckpt: what a training that began anew left aside would be read instead.
        super().__init__(  # type: ignore[misc]  # ``args`` are those before it
            *args, enable_version_counter=enable_version_counter, **kwargs
        )

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Keep the weights if they are the best so far, then write the checkpoint of the epoch."""
        super().on_train_epoch_end(trainer, pl_module)
        if self.save_last is not False and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            name = f"{self.CHECKPOINT_NAME_LAST}{self.FILE_EXTENSION}"
            self.last_model_path = str(Path(self.dirpath or "") / name)
            trainer.save_checkpoint(self.last_model_path)

    def _save_last_checkpoint(self, trainer: lightning.Trainer, monitor_candidates: Any) -> None:
        """Leave ``last.ckpt`` to the end of the epoch."""

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """At the end of an epoch, count it as complete, and add what Lightning does not keep."""
        progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        if progress["current"]["processed"] != progress["current"]["started"]:
            return
        for counts in progress.values():
            counts["completed"] = counts["processed"]
        metrics = trainer.callback_metrics.items()
        checkpoint[_KEY] = {
            "generators": _of_all_processes(_generator_states()),
            "metrics": {name: value.detach().cpu() for name, value in metrics},
            "should_stop": bool(trainer.should_stop),
        }

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Take over what the checkpoint of an epoch holds; also where the folder was moved."""
        if trainer.state.fn != "fit":
            return
        path = Path(str(trainer.ckpt_path)).resolve()
        is_own = path.parent == Path(str(self.dirpath)).resolve()
        self._resumed = checkpoint.get(_KEY)
        if self._resumed is None and is_own and path.stem == self.CHECKPOINT_NAME_LAST:
            raise InputError(
                f"{path} was not written at the end of an epoch by this version, expected a "
                "checkpoint that a training can go on from: train again, with --overwrite=true."
            )
        trainer.should_stop = bool(self._resumed and self._resumed["should_stop"])
        state = checkpoint["callbacks"].get(self.state_key)
        if state is not None and is_own and state["dirpath"] != self.dirpath:
            before, here = state["dirpath"], str(self.dirpath)
            for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
                state[name] = state[name].replace(before, here, 1)
            best = state["best_k_models"].items()
            state["best_k_models"] = {k.replace(before, here, 1): v for k, v in best}
            state["dirpath"] = here

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Begin a continued training where the last complete epoch ended."""
        super().on_train_start(trainer, pl_module)
        if self._resumed is not None:
            # With max_steps Lightning takes any checkpoint for one from the middle of an epoch.
            trainer.fit_loop._restarting = False
            trainer.fit_loop.epoch_loop.restarting = False
            trainer.callback_metrics.update(self._resumed["metrics"])
        self._restore_generators(trainer)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Where all epochs were complete, let the test draw what it would have drawn then."""
        self._restore_generators(trainer)

    def _restore_generators(self, trainer: lightning.Trainer) -> None:
        if self._resumed is not None:
            states = self._resumed["generators"]
            if trainer.global_rank < len(states):
                _set_generator_states(states[trainer.global_rank])
        self._resumed = None


def _generator_states() -> dict[str, Any]:
    """The states of the global generators of this process, as tensors and plain values."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002  # the global one, whoever uses it
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (str(kind), torch.from_numpy(np.asarray(keys, np.int64)), *rest),
        "python": random.getstate(),
    }


def _set_generator_states(states: Mapping[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate(states["python"])


def _of_all_processes(value: Any) -> list[Any]:
    """The values of all processes that train together, which save a checkpoint together."""
    group = torch.distributed
    if not (group.is_available() and group.is_initialized()):
        return [value]
    values: list[Any] = [None] * group.get_world_size()
    group.all_gather_object(values, value)
    return values


def has_ended(path: Path, max_epochs: int | None, max_steps: int) -> bool:
    """Whether the training of a finished run has come to its end, and was not tested on its way.

    Args:
        path: The run's last checkpoint. Where it cannot be gone on from, the run stays finished.
        max_epochs: Epochs to train for; ``None`` or -1 for no limit.
        max_steps: Steps to train for; -1 for no limit.
    """
    try:
        checkpoint = read_checkpoint(path)
    except InputError:
        return True
    if (state := checkpoint.get(_KEY)) is None or state["should_stop"]:
        return True
    done = (checkpoint["epoch"] + 1, max_epochs), (checkpoint["global_step"], max_steps)
    return any(limit is not None and 0 <= limit <= count for count, limit in done)


#: Options that do not change the weights of an epoch: names, output, how long, where and on what.
_FREE = (
    "run", "out", "title", "labels", "samples", "tree", "overwrite", "resume", "ckpt_path",
    "weights_only",
    "test_after_fit", "early_stopping.verbose", "checkpoint.dirpath", "checkpoint.verbose",
    "data.dataset.init_args.root", "data.num_workers", "data.cache_variants",
    *(f"trainer.{name}" for name in (
        "accelerator", "logger", "callbacks", "default_root_dir", "enable_progress_bar",
        "enable_model_summary", "log_every_n_steps", "profiler", "max_epochs", "max_steps",
        "max_time",
    )),
)  # fmt: skip


def check_same_training(saved: Path, asked: str) -> None:
    """Check that a run is continued with the configuration with which it was begun.

    Options may differ that do not shape the training, such as ``trainer.max_epochs`` or ``title``.

    Args:
        saved: The configuration of the run, a YAML file.
        asked: The configuration that is to continue it, as YAML.

    Raises:
        InputError: If they differ, with the first options that do.
    """
    before, now = (dict(_options(tree)) for value in (saved, asked) for tree in read_config(value))
    names = dict.fromkeys([*before, *now])
    differ = [name for name in names if before.get(name) != now.get(name)]
    if differ:
        listed = [f"{name}={now.get(name)} (then {before.get(name)})" for name in differ[:3]]
        listed += ["…"] * (len(differ) > 3)
        raise InputError(
            f"{saved.parent} was begun with another configuration: this one has "
            f"{', '.join(listed)}. Continue it with its own, by --resume without --config, or give "
            "another --run."
        )


def _options(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of all options that shape a training."""
    if name in _FREE:
        return
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from _options(value, f"{name}.{key}" if name else str(key))
    elif tree not in (None, {}):
        yield name, tree
