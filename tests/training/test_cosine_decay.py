"""A learning rate that ends where the training does, and goes on with a longer one."""

import csv
import math

import pytest
import torch
from torch import nn

from pyg_jets.training import CosineDecay, Tagger
from tests.training.test_training import fit


def expected(step, length, warmup):
    rising = math.floor(warmup * length)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / (length - rising)))


def schedule_of(length, warmup=0.25):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = CosineDecay(optimizer, warmup)
    schedule.set_length(length)
    return optimizer, schedule


def rates(optimizer, schedule, steps):
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"] / 2)
        optimizer.step()
        schedule.step()
    return found


def test_it_follows_its_formula_and_stays_at_zero():
    found = rates(*schedule_of(12), 14)
    assert found == pytest.approx([*(expected(t, 12, 0.25) for t in range(12)), 0, 0])
    assert found[2] == found[3] == 1


def test_a_continued_training_takes_the_length_that_it_has_now():
    optimizer, schedule = schedule_of(8)
    rates(optimizer, schedule, 5)
    longer, again = schedule_of(16)
    again.load_state_dict(schedule.state_dict())
    rates(longer, again, 1)
    assert longer.param_groups[0]["lr"] / 2 == pytest.approx(expected(6, 16, 0.25))


def test_a_training_ends_with_it(tmp_path):
    schedule = {"class_path": "pyg_jets.training.CosineDecay", "init_args": {"warmup": 0.5}}
    optimizer = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}}
    run = fit(tmp_path, "run", model__scheduler=schedule, model__scheduler_interval="step",
              model__optimizer=optimizer)  # fmt: skip
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    n_steps = int(rows[-1]["step"])
    found = [float(row["lr"]) for row in rows]
    assert found == pytest.approx([0.01 * expected(n_steps // 2, n_steps, 0.5), 0], abs=1e-9)


def test_bad_schedules_are_refused():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    with pytest.raises(ValueError, match="warmup from 0 to below 1, but got 1"):
        CosineDecay(optimizer, warmup=1.0)
    tagger = Tagger(nn.Linear(2, 1), scheduler=CosineDecay)
    tagger.trainer = type("T", (), {"max_epochs": -1, "estimated_stepping_batches": math.inf})()
    with pytest.raises(ValueError, match=r"has -1 updates: set trainer\.max_epochs"):
        tagger.configure_optimizers()
