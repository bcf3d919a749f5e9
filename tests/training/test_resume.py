"""A killed training goes on, and ends with the metrics of one that nobody disturbed."""

import csv
import dataclasses
import functools
import json
import os
import shutil
import signal
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
import yaml
from filelock import FileLock
from lightning.pytorch.callbacks import EarlyStopping

from pyg_jets.cli import main as command
from pyg_jets.datasets import JetFiles
from pyg_jets.io import write_parquet
from pyg_jets.nn import PFN, GraphVAE
from pyg_jets.runs import BEST_CHECKPOINT, LAST_CHECKPOINT
from pyg_jets.training import (
    EpochCheckpoint,
    Generator,
    JetDataModule,
    RunFolder,
    SelectByEMD,
    Tagger,
)
from pyg_jets.training.cli import main
from pyg_jets.transforms import Features, Resimulate
from tests.conftest import random_jets
from tests.processes import python

# lightning 2.6 warns of a folder in which a training goes on
pytestmark = pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty:UserWarning")

#: Epochs that the monitor does not improve before a training stops.
PATIENCE = 3


class Killed(BaseException):
    """Stands for a kill: nothing is written or cleaned up after it."""


class Kill(lightning.Callback):
    """Ends a training in a hook of an epoch, at its n-th call there."""

    def __init__(self, hook, epoch, call=1, how=None):
        self.epoch, self.call, self.calls, self.how = epoch, call, 0, how
        setattr(self, hook, self._kill)

    def _kill(self, trainer, *args):
        if trainer.current_epoch != self.epoch:
            return
        self.calls += 1
        if self.calls == self.call:
            if self.how is not None:
                self.how()
            raise Killed


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small networks wait for their threads where a machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write_jets(folder):
    """Jets that differ in multiplicity, a few of them with the wrong label."""
    jets, rng = random_jets(120, seed=3), np.random.default_rng(0)
    labels = (np.diff(jets.ptr) > 30) ^ (rng.random(120) < 0.2)
    write_parquet(
        dataclasses.replace(jets, labels=labels.astype(np.int64)), folder / "jets.parquet"
    )
    return list(jets.columns)


def tagging(folder):
    """A tagger with dropout and batch norm whose jets a detector sees anew in every epoch."""
    path = folder / "jets.parquet"
    names = write_jets(folder)
    jets = JetFiles(folder, files=str(path), features=names, classes=["qcd", "w"])
    again = Resimulate("cms-like", angles="random", variants=2)
    data = JetDataModule(jets, Features(["ptrel", "etarel", "phirel"]), again, batch_size=16)
    return Tagger(
        PFN(3, phi=(8,), f=(8,), norm=True, dropout=0.2),
        optimizer=lambda p: torch.optim.Adam(p, 0.05),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97),
        scheduler_interval="step",
    ), data  # fmt: skip


def generating(folder):
    """A variational autoencoder, which draws noise in training, validation and test."""
    names = write_jets(folder)
    jets = JetFiles(folder, files=str(folder / "jets.parquet"), features=names, classes=["a", "b"])
    data = JetDataModule(jets, Features(["pt", "etarel", "phirel"]), batch_size=32)
    return Generator(
        GraphVAE(latent=4, hidden=(16,), encoder_hidden=8, components=2),
        optimizer=lambda p: torch.optim.Adam(p, 0.1),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9),
    ), data


def train(make, run, *callbacks, resume=False, **limits):
    """Fit and test from Python, from the start or from the last checkpoint."""
    lightning.seed_everything(12, verbose=False)
    task, data = make(run.parent)
    monitor = "val/loss" if isinstance(task, Tagger) else "val/emd_admitted"
    best = EpochCheckpoint(run / "checkpoints", "best", monitor)
    trainer = lightning.Trainer(
        **{"max_epochs": 20 if isinstance(task, Tagger) else 5, **limits},
        callbacks=[EarlyStopping(monitor, patience=PATIENCE), RunFolder(run, samples=0),
                   SelectByEMD(), best, *callbacks],
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0,
    )  # fmt: skip
    checkpoint = run / LAST_CHECKPOINT
    there = resume and checkpoint.exists()
    trainer.fit(task, data, ckpt_path=checkpoint if there else None, weights_only=True)
    trainer.test(task, data, ckpt_path=best.best_model_path, weights_only=True, verbose=False)


def rows(run):
    return list(csv.DictReader((run / "metrics.csv").open()))


def record(run, name):
    return json.loads((run / f"{name}.json").read_text())


def weights(path):
    state = torch.load(path, weights_only=True)["state_dict"]
    return torch.cat([value.double().flatten() for value in state.values()])


def assert_same(run, other):
    """The same curves, test metrics, number of steps and weights."""
    for mine, theirs in zip(rows(run), rows(other), strict=True):
        assert mine.keys() == theirs.keys()
        numbers = [[float(value or "nan") for value in row.values()] for row in (mine, theirs)]
        np.testing.assert_allclose(*numbers, rtol=1e-6, atol=1e-6)
    metrics = record(other, "metrics")
    assert {"test/auc", "test/emd_mass"} & metrics.keys()
    assert record(run, "metrics") == pytest.approx(metrics, rel=1e-6, abs=1e-6)
    facts = [[record(each, "provenance")[n] for n in ("epochs", "steps")] for each in (run, other)]
    assert facts[0] == facts[1]
    for name in (BEST_CHECKPOINT, LAST_CHECKPOINT):
        torch.testing.assert_close(weights(run / name), weights(other / name), rtol=0, atol=1e-6)
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


@functools.cache
def whole(make, base):
    """A run that nobody disturbed."""
    train(make, base / make.__name__ / "whole")
    return base / make.__name__ / "whole"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    for make in (tagging, generating):
        (folder / make.__name__).mkdir()
    return folder


@pytest.fixture(scope="module")
def tagger(base):
    return whole(tagging, base)


@pytest.fixture(scope="module")
def generator(base):
    return whole(generating, base)


def epochs(run):
    """The first epoch whose monitor is not the best so far, the best one, and the last."""
    table = rows(run)
    values = [float(row.get("val/emd_admitted") or row["val/loss"]) for row in table]
    worse = next(i for i in range(1, len(values)) if values[i] > min(values[:i]))
    return {"worse": worse, "best": int(np.argmin(values)), "last": len(values) - 1}


def epoch_of(run, name):
    """The number of an epoch, or of one that is so many later."""
    name, _, later = str(name).partition("+")
    return int(name) if name.isdigit() else epochs(run)[name] + int(later or 0)


def test_the_undisturbed_run_stops_early(tagger):
    found = epochs(tagger)
    assert 0 < found["worse"] < found["best"] == found["last"] - PATIENCE < 19 - PATIENCE, found


@pytest.mark.parametrize(
    ("hook", "epoch", "call"),
    [
        ("on_train_batch_end", 0, 1),
        ("on_save_checkpoint", 0, 2),
        ("on_train_batch_end", "worse", 2),
        ("on_train_batch_start", "worse+1", 1),
        ("on_validation_batch_end", "best", 1),
        ("on_save_checkpoint", "best", 2),
        ("on_train_batch_end", "last", 2),
        ("on_save_checkpoint", "last", 1),
        ("on_test_batch_start", "last+1", 1),
    ],
    ids=["first epoch", "first best checkpoint", "epoch that is worse",
         "after an epoch that is worse", "validation", "between best and last checkpoint",
         "last epoch", "last checkpoint", "test"],
)  # fmt: skip
def test_a_killed_tagger_ends_as_if_undisturbed(tagger, tmp_path, hook, epoch, call):
    with pytest.raises(Killed):
        train(tagging, tmp_path / "run", Kill(hook, epoch_of(tagger, epoch), call))
    assert not (tmp_path / "run" / "metrics.json").exists()
    train(tagging, tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", tagger)


@pytest.mark.parametrize(
    ("hook", "epoch"),
    [
        ("on_train_batch_end", 0),
        ("on_train_batch_end", "worse+1"),
        ("on_train_batch_end", "last"),
        ("on_test_batch_start", "last+1"),
    ],
    ids=["first epoch", "after an epoch that is worse", "last epoch", "test"],
)
def test_a_killed_generator_ends_as_if_undisturbed(generator, tmp_path, hook, epoch):
    with pytest.raises(Killed):
        train(generating, tmp_path / "run", Kill(hook, epoch_of(generator, epoch)))
    train(generating, tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", generator)


def test_a_training_may_be_killed_again_and_again(tagger, tmp_path):
    for epoch in (1, 1, 2, 3):
        with pytest.raises(Killed):
            train(tagging, tmp_path / "run", Kill("on_train_batch_end", epoch), resume=True)
    train(tagging, tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", tagger)


def test_steps_may_be_counted_instead_of_epochs(tmp_path):
    """With max_steps Lightning takes every checkpoint for one from the middle of an epoch."""
    limits = {"max_epochs": -1, "max_steps": 23, "check_val_every_n_epoch": 2}
    train(tagging, tmp_path / "whole", **limits)
    seen = [(row["epoch"], row["step"]) for row in rows(tmp_path / "whole")]
    assert seen == [("1", "10"), ("3", "20")]
    for epoch in (2, 4):  # after an epoch with a validation and, without one, the last
        run = tmp_path / f"killed-{epoch}"
        with pytest.raises(Killed):
            train(tagging, run, Kill("on_train_batch_end", epoch), **limits)
        train(tagging, run, resume=True, **limits)
        assert_same(run, tmp_path / "whole")


class Cut(lightning.Callback):
    """A kill while the checkpoint of an epoch is written: all its bytes are, but not its name."""

    def __init__(self, epoch, monkeypatch):
        self.epoch, self.monkeypatch, self.replace = epoch, monkeypatch, os.replace

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            self.monkeypatch.setattr(os, "replace", self.cut)

    def cut(self, source, target):
        if Path(target).name == "last.ckpt":
            raise Killed
        self.replace(source, target)


def test_a_checkpoint_that_is_being_written_does_not_count(tagger, tmp_path, monkeypatch):
    run = tmp_path / "run"
    with pytest.raises(Killed), monkeypatch.context() as patched:
        train(tagging, run, Cut(2, patched))
    assert torch.load(run / LAST_CHECKPOINT, weights_only=True)["epoch"] == 1
    train(tagging, run, resume=True)
    assert_same(run, tagger)


KILL_9 = """
import os, pathlib, signal, sys
from tests.training.test_resume import Kill, tagging, torch, train
torch.set_num_threads(1)
kill = Kill("on_train_batch_end", 2, 2, how=lambda: os.kill(os.getpid(), signal.SIGKILL))
train(tagging, pathlib.Path(sys.argv[1]), kill)
"""


def test_a_process_that_is_killed(tagger, tmp_path):
    run = tmp_path / "run"
    ended = python("-c", KILL_9, run)
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]
    train(tagging, run, resume=True)
    assert_same(run, tagger)


def configuration(folder):
    """The tagger as a configuration of the command line."""
    names = write_jets(folder)
    return {
        "seed_everything": 5,
        "model": {
            "network": {
                "class_path": "pyg_jets.nn.PFN",
                "init_args": {"phi": [8], "f": [8], "norm": True, "dropout": 0.2},
            },
        },
        "data": {
            "dataset": {
                "class_path": "pyg_jets.datasets.JetFiles",
                "init_args": {"root": str(folder), "files": str(folder / "jets.parquet"),
                              "features": names, "classes": ["qcd", "w"]},
            },
            "features": ["ptrel", "etarel", "phirel"],
            "train_transform": {
                "class_path": "pyg_jets.transforms.Resimulate",
                "init_args": {"detector": "cms-like", "angles": "random", "variants": 2},
            },
            "batch_size": 16,
        },
        "trainer": {"max_epochs": 4, "accelerator": "cpu", "logger": False,
                    "enable_progress_bar": False},
        "samples": 0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command-line")
    (folder / "training.yaml").write_text(yaml.safe_dump(configuration(folder)))
    return folder / "training.yaml"


@pytest.fixture(scope="module")
def finished(path):
    """A run that nobody disturbed."""
    main(["fit", f"--config={path}", f"--run={path.parent / 'whole'}"])
    return path.parent / "whole"


@pytest.fixture(scope="module")
def stopped(path):
    """A run that was killed in its third epoch."""
    run = path.parent / "stopped"
    with pytest.raises(Killed):
        main(["fit", f"--config={path}", f"--run={run}"], [Kill("on_train_batch_end", 2)])
    return run


@pytest.fixture
def copied(stopped, tmp_path):
    return Path(shutil.copytree(stopped, tmp_path / "copied"))


def times(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_a_run_goes_on_where_it_was_moved(finished, stopped, copied, capsys):
    """Its history, clock and configuration are those that it has; nothing else is needed."""
    before = times(stopped)
    checkpoint = torch.load(copied / LAST_CHECKPOINT, weights_only=True)
    checkpoint["run_folder"]["seconds"] += 1000
    torch.save(checkpoint, copied / LAST_CHECKPOINT)
    (copied / "metrics.csv").unlink(missing_ok=True)  # written every two seconds at most
    config = (copied / "config.yaml").stat().st_mtime_ns
    assert command(["fit", "--resume", "--run", str(copied), "--title=Moved"]) == 0
    assert_same(copied, finished)
    assert rows(copied) == rows(finished)
    provenance = record(copied, "provenance")
    assert provenance["title"] == "Moved"
    assert 1000 < provenance["wall_time_s"] < 1600
    assert (copied / "config.yaml").stat().st_mtime_ns == config
    assert times(stopped) == before


def test_a_finished_run_is_left_alone(finished, capsys):
    before = times(finished)
    assert command(["fit", "--run", str(finished), "--resume"]) == 0
    assert f"{finished} is finished: there is nothing to go on with." in capsys.readouterr().out
    assert times(finished) == before


def test_a_stopped_run_that_was_tested_goes_on(finished, copied):
    assert command(["test", "--run", str(copied)]) == 0
    assert (copied / "metrics.json").exists()
    assert command(["fit", "--run", str(copied), "--resume"]) == 0
    assert_same(copied, finished)


def test_a_finished_run_may_train_for_longer(finished, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    assert command(["fit", "--run", str(run), "--resume", "--trainer.max_epochs=5"]) == 0
    assert [row["epoch"] for row in rows(run)] == ["0", "1", "2", "3", "4"]
    assert rows(run)[:4] == rows(finished)
    (run / LAST_CHECKPOINT).write_bytes(b"damaged")
    before = times(run)
    assert command(["fit", "--run", str(run), "--resume", "--trainer.max_epochs=9"]) == 0
    assert times(run) == before


def test_another_configuration_is_refused(path, copied, capsys):
    words = [f"--config={path}", f"--run={copied}", "--resume", "--data.batch_size=8"]
    words += ["--model.network.init_args.dropout=0.1", "--trainer.max_epochs=9", "--title=Again"]
    assert command(["fit", *words]) == 2
    said = capsys.readouterr().err
    assert f"{copied} was begun with another configuration: this one has " in said
    assert "data.batch_size=8 (then 16)" in said
    assert "model.network.init_args.dropout=0.1 (then 0.2)" in said
    assert "max_epochs" not in said
    assert "title" not in said


def test_a_stopped_run_is_not_written_over(path, copied, capsys):
    assert command(["fit", f"--config={path}", f"--run={copied}"]) == 2
    said = capsys.readouterr().err
    assert f"{copied} holds best.ckpt and last.ckpt of a run that was stopped" in said
    assert "--resume" in said
    (copied / BEST_CHECKPOINT).unlink()
    assert command(["fit", f"--config={path}", f"--run={copied}"]) == 2
    assert f"{copied} holds last.ckpt of a run" in capsys.readouterr().err


def test_a_run_that_failed_before_its_first_checkpoint_blocks_nothing(path, finished, tmp_path):
    run = tmp_path / "run"
    words = ["fit", f"--config={path}", f"--run={run}"]
    with pytest.raises(Killed):
        main(words, [Kill("on_train_batch_start", 0)])
    assert (run / "config.yaml").exists()
    assert not list(run.rglob("*.ckpt"))
    assert command(words) == 0
    assert_same(run, finished)


def test_what_is_written_over_is_gone(path, finished, tmp_path):
    """A run that is killed while it replaces a finished one is no finished run."""
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    with pytest.raises(Killed):
        main(["fit", f"--config={path}", f"--run={run}", "--overwrite=true"],
             [Kill("on_train_batch_end", 1)])  # fmt: skip
    assert not (run / "metrics.json").exists()
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["overwrite"] is config["resume"] is False
    assert config["checkpoint"]["dirpath"] is None
    assert command(["fit", "--resume", f"--run={run}"]) == 0
    assert_same(run, finished)


def test_a_run_without_configuration_files_may_be_killed_at_once(path, finished, tmp_path):
    tree = yaml.safe_load(path.read_text())
    words = [f"--{name}={json.dumps(value)}" for name, value in tree.items()]
    run = tmp_path / "run"
    run.mkdir()
    assert command(["fit", *words, f"--run={run}", "--resume"]) == 0
    assert_same(run, finished)


def test_nothing_to_go_on_with(path, tmp_path, capsys):
    assert command(["fit", "--resume", "--run", str(tmp_path / "none")]) == 2
    assert "config.yaml: give the folder of a run that was begun" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    assert command(["test", f"--config={path}", f"--run={tmp_path / 'none'}", "--resume"]) == 2
    assert "Expected --resume with fit, but got it with test" in capsys.readouterr().err


def test_a_folder_in_which_another_process_trains_is_refused(copied, capsys):
    with FileLock(copied / ".config.yaml.lock"):
        assert command(["fit", "--resume", f"--run={copied}"]) == 2
    assert f"Another process is training in {copied}" in capsys.readouterr().err
    assert not (copied / "metrics.json").exists()


def test_a_checkpoint_of_an_earlier_version_is_refused(copied, capsys):
    checkpoint = torch.load(copied / LAST_CHECKPOINT, weights_only=True)
    del checkpoint["epoch_end"]
    torch.save(checkpoint, copied / LAST_CHECKPOINT)
    assert command(["fit", "--resume", f"--run={copied}"]) == 2
    assert "was not written at the end of an epoch" in capsys.readouterr().err
