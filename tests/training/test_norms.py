"""Batch norms of a tagger, learning-rate schedules, diverged trainings."""

import csv

import pytest
import torch
from torch import nn

from pyg_jets.datasets import ToyJets
from pyg_jets.nn import PFN
from pyg_jets.training import JetDataModule, Tagger
from pyg_jets.transforms import Features, Resimulate
from tests.training.test_training import fit


def test_the_sum_is_normalised():
    torch.manual_seed(0)
    model = PFN(2, phi=(8, 4), f=(8,), norm=True)
    assert repr(model).endswith("norm=True)")
    x, ptr = torch.randn(40, 2), torch.arange(0, 41, 4)
    summed = model.phi(x, ptr)
    scaled = (summed - summed.mean(0)) / (summed.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(model(x, ptr), model.f(scaled))
    with torch.no_grad():
        model.norm.weight.fill_(3)
    model.reset_parameters()
    assert torch.equal(model.norm.weight, torch.ones(4))


def test_running_statistics_are_those_of_unrotated_training_jets(tmp_path):
    toys = ToyJets(tmp_path, n_jets=200)
    features = Features(["eta", "phi", "pt"], fixed=False, axis="origin")
    data = JetDataModule(toys, features, Resimulate("toy-rect", angles=8, rotate="after"))
    network = PFN(3, phi=(8,), f=(8,), norm=True)
    tagger = Tagger(network)
    network.train()
    tagger.fit_batch_norms(data.statistics_dataloader())
    assert network.norm.training
    assert network.norm.momentum == 0.1
    (batch,) = JetDataModule(toys, features, Resimulate("toy-rect", 1)).statistics_dataloader()
    summed = network.phi(batch.x, batch.ptr).detach()
    torch.testing.assert_close(network.norm.running_mean, summed.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.norm.running_var, summed.var(0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("last", [1, 20])
def test_running_statistics_are_a_mean_over_jets_not_over_batches(tmp_path, last):
    toys = ToyJets(tmp_path, n_jets=200)
    features = Features(["eta", "phi", "pt"], fixed=False, axis="origin")
    size = len(toys.get_split("train")) - last
    data = JetDataModule(toys, features, Resimulate("toy-rect", 1), eval_batch_size=size)
    loader = data.statistics_dataloader()
    assert [len(batch.ptr) - 1 for batch in loader] == [size, last]
    network = PFN(3, phi=(8,), f=(8,), norm=True)
    Tagger(network).fit_batch_norms(loader)
    summed = torch.cat([network.phi(batch.x, batch.ptr) for batch in loader if len(batch.ptr) > 2])
    mean = summed.detach().mean(0)
    torch.testing.assert_close(network.norm.running_mean, mean, rtol=1e-4, atol=1e-4)


def test_a_network_without_norms_is_left_alone(tmp_path):
    tagger = Tagger(nn.Sequential())
    tagger.fit_batch_norms(iter(()))  # nothing is read


def test_a_schedule_by_the_step(tmp_path):
    falling = {"start_factor": 1.0, "end_factor": 0.5, "total_iters": 4}
    schedule = {"class_path": "torch.optim.lr_scheduler.LinearLR", "init_args": falling}
    optimizer = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}}
    network = {"class_path": "pyg_jets.nn.PFN", "init_args": {"phi": [8], "f": [8], "norm": True}}
    run = fit(tmp_path, "run", model__scheduler=schedule, model__scheduler_interval="step",
              model__optimizer=optimizer, model__network=network)  # fmt: skip
    rates = [float(row["lr"]) for row in csv.DictReader((run / "metrics.csv").open())]
    assert rates == pytest.approx([0.01 * (1 - 0.5 * 2 / 4), 0.005])
    with pytest.raises(ValueError, match="scheduler_interval"):
        Tagger(nn.Sequential(), scheduler_interval="year")


def test_a_diverged_training_says_so(tmp_path, capsys):
    optimizer = {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e30}}
    with pytest.raises(AssertionError):
        fit(tmp_path, "run", model__optimizer=optimizer)
    assert "the training diverged; lower the learning rate" in capsys.readouterr().err
