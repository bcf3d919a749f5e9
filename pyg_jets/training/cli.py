"""`pyg-jets fit|validate|test|predict`: LightningCLI, run folders, offline W&B."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from jsonargparse import ArgumentParser
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.cli import (
    LightningArgumentParser,
    LightningCLI,
    SaveConfigCallback,
)
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import Dataset

from pyg_jets.errors import FolderInUseError, InputError
from pyg_jets.files import locked, read_config, remove_unfinished
from pyg_jets.runs import (
    CONFIG,
    LAST_CHECKPOINT,
    PREDICTED,
    RunWriter,
    is_finished,
)
from pyg_jets.training.arguments import (
    default_run,
    flatten_arguments,
    join_options,
    run_arguments,
)
from pyg_jets.training.checkpoint import use_seals
from pyg_jets.training.class_paths import (
    find_own_modules,
    modules_of_arguments,
    only_plain_loads,
    refuse_foreign_code,
)
from pyg_jets.training.data import JetDataModule
from pyg_jets.training.generator import Generator
from pyg_jets.training.parser import ConfigByName, JetArgumentParser
from pyg_jets.training.process import finish_wandb, keep_memory, wandb_logger
from pyg_jets.training.resume import EpochCheckpoint, check_same_training, has_ended
from pyg_jets.training.run_folder import TREE, RunFolder, generated_jets
from pyg_jets.training.scores import check_output, prediction_scores, write_scores
from pyg_jets.training.selection import SelectByEMD
from pyg_jets.training.summary import TrainingSummary, metric_table, run_lines
from pyg_jets.training.tagger import Tagger

__all__ = ["TASKS", "JetCLI", "check_arguments", "main", "make_data", "task_of"]

#: What a command line may train.
TASKS: dict[str, type[lightning.LightningModule]] = {"tag": Tagger, "generate": Generator}

_NOT_FOR_USERS = (
    # lightning 2.6: arguments beside those of the process are just what we want
    ".*LightningCLI's args parameter is intended",
    # lightning 2.6 uses what torch 2.13 deprecates
    ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated",
    # lightning 2.6 proposes many workers; one thread that gathers is faster here
    ".*does not have many workers which may be a bottleneck",
    # lightning 2.6: a test of another run's checkpoint writes into its own folder
    ".*The dirpath has changed from",
    # ours: the line that a fit prints says so too
    ".*name what it shall read with features=",
    # lightning 2.6: the run folder is ours to look after
    ".*Checkpoint directory .* exists and is not empty",
)


class SaveRunConfig(SaveConfigCallback):
    """Write the whole configuration into the run folder as ``config.yaml``."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Write it once, from the first process, when a fit begins; not when one goes on."""
        if stage != "fit" or not trainer.is_global_zero:
            return
        if self.config.resume and _last_checkpoint(self.config).is_file():
            return
        writer = RunWriter(trainer.default_root_dir)
        writer.clear(checkpoints=self.config.get("ckpt_path") is None)
        writer.write_config(_saved_config(self.parser, self.config))


def _saved_config(parser: Any, config: Any) -> str:
    """The configuration of a run as YAML, without what only the command line said about it."""
    config = config.clone()
    config.resume = config.overwrite = False
    if Path(config.checkpoint.dirpath) == _checkpoints(config.run):
        config.checkpoint.dirpath = None  # for a run that is moved, or another one like it
    return parser.dump(config, skip_none=False)


def _checkpoints(folder: str | Path) -> Path:
    return (Path(folder) / LAST_CHECKPOINT).parent


def _last_checkpoint(config: Any) -> Path:
    return Path(config.checkpoint.dirpath) / Path(LAST_CHECKPOINT).name


class JetCLI(LightningCLI):
    """LightningCLI for a task and `JetDataModule`, where every run has its folder."""

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # needs self
        """The subcommand that is asked for alone, as each takes a tenth of a second; else all."""
        every = LightningCLI.subcommands()
        return {name: every[name] for name in _arguments.get()[:1] if name in every} or every

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """A parser that finds configurations by name."""
        kwargs.setdefault("dump_header", [f"lightning.pytorch=={lightning.__version__}"])
        parser = self.parser_class(**kwargs)
        text = "a configuration: a YAML file, or a name that pyg-jets configs list prints"
        parser.add_argument("-c", "--config", action=ConfigByName, help=text)
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run folder, early stopping and checkpoint."""
        task = next(name for name, kind in TASKS.items() if kind is self._model_class)
        parser.add_argument("--run", default=default_run(task), help="folder of this run")
        for name, kind, default, text in (
            ("task", str, task, "what is trained: tag, or generate"),
            ("title", str | None, None, "what a report calls this run (default: its folder)"),
            ("labels", dict[str, str], {}, "names and texts that tell this run from others"),
            ("samples", int, 200, "test jets kept before and after the detector, for pictures"),
            ("tree", list[str], list(TREE), "observables that the tree baseline reads"),
            ("overwrite", bool, False, "write over a run, or a file, that is there"),
            ("out", str | None, None, "of test, the folder of its results; of predict, their file"),
            ("test_after_fit", bool, True, "test the best checkpoint when the fit ends"),
        ):
            parser.add_argument(f"--{name}", type=kind, default=default, help=text)
        text = "go on with a run that was stopped; it needs no --config"
        parser.add_argument("--resume", type=bool, nargs="?", const=True, default=False, help=text)
        parser.add_lightning_class_args(EarlyStopping, "early_stopping")
        parser.add_lightning_class_args(EpochCheckpoint, "checkpoint")
        by_emd = task == "generate"
        if by_emd:
            parser.add_lightning_class_args(SelectByEMD, "selection")
        parser.set_defaults(
            {
                "early_stopping.monitor": "val/emd" if by_emd else "val/loss",
                "early_stopping.patience": 50 if by_emd else 10,
                "checkpoint.monitor": "val/emd_admitted" if by_emd else "val/loss",
                "checkpoint.filename": "best",
                "checkpoint.enable_version_counter": False,
                "checkpoint.save_last": True,
            }
        )

    def _parse_ckpt_path(self) -> None:
        """Leave the configuration as it is.

        Lightning takes hyperparameters, class paths too, from a checkpoint, which may come from a
        stranger. Those of our tasks hold none.
        """

    def before_instantiate_classes(self) -> None:
        """Refuse to write over a run, and put the checkpoints into the run folder."""
        config = self._sub()
        _seed_sample(config)
        if config.weights_only is False:
            raise InputError(
                "Expected weights_only as true, but got false: a checkpoint holds tensors and "
                "plain values, and all else may run a stranger's code; leave it out."
            )
        config.weights_only = True
        folder = Path(config.run)
        if config.checkpoint.dirpath is None:
            config.checkpoint.dirpath = str(_checkpoints(folder))
        if self.subcommand == "fit":
            if config.out:
                raise InputError("--out is for test and predict: the folder of a fit is --run.")
            self._open_run(folder, config)
        elif config.resume:
            raise InputError(f"Expected --resume with fit, but got it with {self.subcommand}.")
        elif self.subcommand == "test":
            config.verbose = False  # the table at the end says as much
            if config.out and is_finished(config.out) and not config.overwrite:
                raise FolderInUseError(
                    f"{config.out} holds results: give another --out, or --overwrite=true."
                )
        elif self.subcommand == "predict":
            check_output(self._predicted, config.overwrite)
        config.trainer.default_root_dir = str(folder)

    def _open_run(self, folder: Path, config: Any) -> None:
        """Go on with a run, or see that none is written over."""
        last = _last_checkpoint(config)
        if config.resume:
            limits = config.trainer.max_epochs, config.trainer.max_steps
            if is_finished(folder) and (not last.is_file() or has_ended(last, *limits)):
                raise _AlreadyFinished(f"{folder} is finished: there is nothing to go on with.")
            if last.is_file():
                if (folder / CONFIG).is_file():
                    asked = _saved_config(self._parser(self.subcommand), config)
                    check_same_training(folder / CONFIG, asked)
                config.ckpt_path = str(last)
        elif not config.overwrite:
            _refuse_to_write_over(folder, config)

    @rank_zero_only
    def before_fit(self) -> None:
        """Hold the run's folder, so that no other process trains in it at the same time."""
        folder = Path(self._sub().run)
        if not _held.get().enter_context(locked(folder / CONFIG, wait=False)):
            raise FolderInUseError(
                f"Another process is training in {folder}: wait for its end, or give another --run."
            )
        for place in (folder, Path(self._sub().checkpoint.dirpath)):
            remove_unfinished(place)

    @property
    def _predicted(self) -> Path:
        """The file of a prediction."""
        config = self._sub()
        return Path(config.out or Path(config.run) / PREDICTED)

    @property
    def _results(self) -> Path | None:
        """The folder that gets the results: not that of a finished run that is tested again."""
        config = self._sub()
        if self.subcommand == "test" and not config.out:
            keeps = is_finished(config.run) and not config.overwrite
            return None if keeps else Path(config.run)
        return Path(config.run if self.subcommand != "test" else config.out)

    def _sub(self) -> Any:
        return self.config[self.subcommand] if self.subcommand else self.config

    def instantiate_classes(self) -> None:
        """Make data, task and trainer; of an argument of several types, raise its own error."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            if isinstance(error.__cause__, InputError):
                raise error.__cause__ from None
            raise

    def instantiate_trainer(self, **kwargs: Any) -> lightning.Trainer:
        """The trainer, with the run folder's callback and logger."""
        config = self._sub()
        if config.trainer.logger in (None, True):
            kwargs["logger"] = wandb_logger(Path(config.run)) if self.subcommand == "fit" else False
        trainer = super().instantiate_trainer(**kwargs)
        if every := trainer.check_val_every_n_epoch:  # a short training has a validation as well
            epochs = trainer.max_epochs or every
            trainer.check_val_every_n_epoch = min(every, epochs) if epochs > 0 else every
        callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
        callbacks.append(TrainingSummary())
        if self._results is not None:
            callbacks.append(
                RunFolder(
                    self._results,
                    config.title,
                    samples=config.samples,
                    labels=config.labels,
                    tree=config.tree,
                )
            )
        use_seals(trainer)
        callbacks += _further_callbacks.get()
        return trainer

    def after_predict(self) -> None:
        """Write the jets that were made, or the scores."""
        if isinstance(self.model, Generator):
            if self._sub().out:
                raise InputError("--out is for scores: jets go into the folder of the run.")
            jets = generated_jets(self.model, ("made",))
            print(RunWriter(self._sub().run).write_generated(jets, predicted=True))
            return
        outputs: Any = self.trainer.predict_loop.predictions
        if table := prediction_scores(outputs, self.datamodule):
            write_scores(table, self._predicted)
            print(self._predicted)

    def after_test(self) -> None:
        """Print the metrics, and where they were written."""
        self._print_metrics()
        if self.trainer.is_global_zero and self._results is None:
            print(
                f"{self._sub().run} is finished and stays as it is: --out FOLDER keeps these "
                "results, --overwrite=true replaces its own."
            )

    def _print_metrics(self) -> None:
        if self.trainer.is_global_zero:
            print(metric_table({n: float(v) for n, v in self.trainer.callback_metrics.items()}))
            if self._results is not None:
                print(run_lines(self._results), flush=True)

    def after_fit(self) -> None:
        """Test the best checkpoint."""
        if self._sub().test_after_fit and not self.trainer.interrupted:
            self.trainer.test(
                self.model,
                datamodule=self.datamodule,
                ckpt_path="best",
                weights_only=True,
                verbose=False,
            )
            self._print_metrics()


def task_of(arguments: Sequence[str]) -> str:
    """The task that a command line, or a configuration of it, asks for; the last one counts.

    Raises:
        InputError: For an unknown task, or a configuration that is not there.
    """
    found = "tag"
    for argument in join_options(arguments):
        name, _, value = argument.partition("=")
        if name == "--task":
            found = value
        elif name == "--config" and value:
            for tree in read_config(value):
                found = str(tree.get("task", found))
    if found not in TASKS:
        raise InputError(f"Unknown task {found!r}: choose from {', '.join(TASKS)}.")
    return found


def _seed_sample(config: Any) -> None:
    """Other initial weights and another order for another training sample."""
    sample, seed = config.data.get("sample"), config.get("seed_everything")
    if sample is None or seed is None or seed is True or seed is False:
        return
    parts = [int(sample.get(name) or 0) for name in ("replica", "resample", "fold")]
    if any(parts):
        mixed = np.random.SeedSequence([int(seed), *parts]).generate_state(1)[0]
        lightning.seed_everything(int(mixed), workers=True, verbose=False)


def _refuse_to_write_over(folder: Path, config: Any) -> None:
    """Refuse a folder with results, or with checkpoints of which none was given to go on from."""
    if is_finished(folder):
        raise FolderInUseError(
            f"{folder} holds a finished run: give another --run, or --overwrite=true."
        )
    left = sorted(path.name for path in Path(config.checkpoint.dirpath).glob("*.ckpt"))
    if left and config.get("ckpt_path") is None:
        raise FolderInUseError(
            f"{folder} holds {' and '.join(left)} of a run that was stopped: go on with --resume, "
            "or give another --run, or --overwrite=true."
        )


class _AlreadyFinished(Exception):
    """There is nothing left to do."""


_further_callbacks: ContextVar[Sequence[Callback]] = ContextVar("_callbacks", default=())
_arguments: ContextVar[Sequence[str]] = ContextVar("_arguments", default=())
#: What is given back when a command ends.
_held: ContextVar[ExitStack] = ContextVar("_held")


@only_plain_loads()
def main(args: Sequence[Any] | None = None, callbacks: Sequence[Callback] = ()) -> JetCLI | None:
    """Run one of ``fit``, ``validate``, ``test``, ``predict``.

    Args:
        args: The arguments, subcommand first. Default: those of this process.
        callbacks: Further callbacks of the trainer.

    Returns:
        The command line after it ran; ``None`` for a run that is finished and was to go on.
    """
    _further_callbacks.set(tuple(callbacks))
    given = [str(a) for a in (sys.argv[1:] if args is None else args)]
    keep_memory()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    exit_code = 1
    with ExitStack() as stack:
        _held.set(stack)
        try:
            cli = _cli(flatten_arguments(run_arguments(given)))
            exit_code = 0
            return cli
        except _AlreadyFinished as finished:
            exit_code = 0
            print(finished)
            return None
        finally:
            finish_wandb(exit_code)


def check_arguments(arguments: Sequence[str]) -> Any:
    """Parse a command line as :func:`main` does, run nothing, and return the configuration.

    Raises:
        InputError: With what the parser says, if it refuses the arguments.
    """
    config = _cli(flatten_arguments(arguments), _Parsed).config
    return config[config.subcommand]


@only_plain_loads()
def make_data(arguments: Sequence[str]) -> Dataset:
    """Make the data set of a command line, which generates or downloads what is missing.

    Args:
        arguments: The arguments after ``pyg-jets``, such as ``["fit", "--config=FILE"]``.
    """
    config = _cli(flatten_arguments(arguments), _Parsed).config
    parser = ArgumentParser()
    parser.add_argument("--dataset", type=Dataset)
    parsed = parser.parse_object({"dataset": config[config.subcommand].data.dataset})
    return parser.instantiate(parsed).dataset


class _Parsed(JetCLI):
    """The command line, parsed and no more."""

    def _set_seed(self) -> None:
        pass

    before_instantiate_classes = instantiate_classes = _set_seed

    def _run_subcommand(self, subcommand: str) -> None:
        pass


def _cli(arguments: list[str], kind: type[JetCLI] = JetCLI) -> JetCLI:
    refuse_foreign_code()
    find_own_modules(modules_of_arguments(arguments))
    _arguments.set(arguments)
    with warnings.catch_warnings():
        for message in _NOT_FOR_USERS:
            warnings.filterwarnings("ignore", message=message)
        return kind(
            TASKS[task_of(arguments)],
            JetDataModule,
            args=arguments,
            seed_everything_default=1,
            save_config_callback=SaveRunConfig,
            parser_class=JetArgumentParser,
            parser_kwargs={"parser_mode": "yaml"},
            trainer_defaults={
                "max_epochs": 50,
                "accelerator": "auto",
                "devices": 1,
                "enable_model_summary": False,
                "log_every_n_steps": 1,
                "num_sanity_val_steps": 0,
            },
        )
