"""The sweep files under W&B's own client: its expansion of a point, its sync of an offline run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from pyg_jets.cli import main
from pyg_jets.files import config_names, read_config
from pyg_jets.scan import Proposals, read_sweep
from tests.processes import python
from tests.scan.wandb_server import wandb_server

SWEEPS = [name for name, path in config_names().items() if "method:" in path.read_text()]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if "quick" in n else [pytest.mark.slow]) for n in SWEEPS],
)
def test_the_command_line_takes_the_shipped_sweep_files(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["scan", name, "--dry-run", "--count", "3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == Proposals(read_sweep(name), count=3).total
    assert all(line.startswith("/usr/bin/env pyg-jets fit --config=") for line in said)


@pytest.fixture
def agent_words(tmp_path):
    """The words of a point with nested and dict values, as W&B's agent expands it."""
    (tree,) = read_config("broken_symmetry/sweep_quick")
    base = [word for word in tree["command"] if word.startswith("--config")]
    nested = {"dataset": {"init_args": {"root": str(tmp_path / "toys"), "n_jets": 300}},
              "train_transform": {"init_args": {"detector": "toy-rect"}}}  # fmt: skip
    values = {
        "config": "broken_symmetry/arms/pre-inv",
        "data": nested,
        "data.sample": {"jets": 60, "replica": 1},
        "trainer.max_steps": 16,
        "model.network.init_args.phi": [8, 8],
    }
    args = {"args": {name: {"value": value} for name, value in values.items()}}
    return ["fit", *base, *create_sweep_command_args(args)["args"]]


def run_as_agent(folder, words):
    """Run the words as W&B's agent does, offline; the finished process and the run's folder."""
    environment = {**os.environ, "WANDB_MODE": "offline", "WANDB_SWEEP_ID": "s1",
                   "WANDB_RUN_ID": "r1"}  # fmt: skip
    ran = python("-m", "pyg_jets.cli", *words, folder=folder, environment=environment)
    return ran, folder / "runs/sweeps/s1/r1"


def synced(run):
    """The rows of history and the exit codes that ``wandb sync`` sends of an offline run."""
    (offline,) = run.glob("wandb/offline-run-*")
    with wandb_server() as (address, history, exits):
        online = {**os.environ, "WANDB_BASE_URL": address, "WANDB_API_KEY": "0" * 40}
        wandb = Path(sys.executable).with_name("wandb")
        sent = subprocess.run([wandb, "sync", offline], env=online, capture_output=True,
                              text=True)  # fmt: skip
        assert sent.returncode == 0, sent.stderr
    return history, exits


def test_a_failed_run_is_a_failure_for_wandb_too(tmp_path, agent_words):
    ran, run = run_as_agent(tmp_path, [*agent_words, "--model.optimizer.init_args.lr=1e30"])
    assert ran.returncode != 0
    assert "diverged" in ran.stderr
    _, exits = synced(run)
    assert exits == [1]


def test_an_agents_run_is_logged_offline_and_syncs(tmp_path, agent_words):
    ran, run = run_as_agent(tmp_path, agent_words)
    assert ran.returncode == 0, ran.stderr
    made = json.loads((run / "provenance.json").read_text())
    assert (made["n_train"], made["detector"], made["labels"]) == (
        60,
        "toy-rect",
        {"arm": "pre-inv"},
    )
    assert made["sample"]["replica"] == 1
    history, exits = synced(run)
    assert exits == [0]
    logged = {name for row in history for name in row}
    assert {"val/loss", "val/auc", "train/loss", "test/auc"} <= logged
    aucs = [row["test/auc"] for row in history if "test/auc" in row]
    assert aucs == [pytest.approx(json.loads((run / "metrics.json").read_text())["test/auc"])]
