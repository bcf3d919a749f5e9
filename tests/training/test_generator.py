"""Generators from the command line: run folders, selection, and a loss that is not finite."""

import json

import numpy as np
import pytest
import torch
import yaml

from pyg_jets.cli import main
from pyg_jets.datasets import ToyJets
from pyg_jets.files import config_path
from pyg_jets.io import read_parquet
from pyg_jets.loader import JetLoader
from pyg_jets.losses import ResponseLoss
from pyg_jets.metrics.features import feature_distances, jet_features
from pyg_jets.nn import ConditionalGraphVAE, GraphVAE
from pyg_jets.training import (
    Generator,
    JetDataModule,
    RefitPrior,
    SelectByEMD,
    load_generator,
)
from pyg_jets.transforms import Detect


def config(folder, network="ConditionalGraphVAE", **init):
    tree = {
        "task": "generate",
        "model": {
            "network": {
                "class_path": f"pyg_jets.nn.{network}",
                "init_args": {"latent": 4, **init},
            },
            "loss": {"class_path": "pyg_jets.losses.ResponseLoss", "init_args": {"link_epochs": 1}},
        },
        "data": {
            "dataset": {
                "class_path": "pyg_jets.datasets.ToyJets",
                "init_args": {"root": str(folder / "data"), "n_jets": 120},
            },
            "train_transform": {
                "class_path": "pyg_jets.transforms.Detect",
                "init_args": {"detector": "toy-uniform", "names": ["pt", "etarel", "phirel"]},
            },
            "batch_size": 32,
        },
        "trainer": {"max_epochs": 2, "logger": False, "enable_progress_bar": False,
                    "accelerator": "cpu"},
    }  # fmt: skip
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    assert main(["fit", "--config", str(config(folder)), "--run", str(folder / "one")]) == 0
    return folder / "one"


def test_a_run_keeps_what_was_made_beside_what_was_wanted(run):
    jets = read_parquet(run / "generated.parquet")
    found = json.loads((run / "metrics.json").read_text())
    sets = [jets[jets.jets["stage"] == stage] for stage in (0, 1, 2)]
    assert len({len(one) for one in sets}) == 1
    assert np.array_equal(sets[0].ids, sets[2].ids)
    again = feature_distances(*((one.particles, one.ptr) for one in (sets[2], sets[1])))
    for name, value in again.items():
        assert found[f"test/emd_{name}"] == pytest.approx(value, rel=1e-4)
    assert found["val/emd_admitted"] == pytest.approx(found["val/emd"])


def test_a_prediction_is_a_table_of_jets(run):
    words = [f"--config={run}/config.yaml", f"--run={run}"]
    words += [f"--ckpt_path={run}/checkpoints/best.ckpt"]
    assert main(["predict", *words]) == 0
    made = read_parquet(run / "predicted.parquet")
    assert made.columns == ("pt", "etarel", "phirel")
    assert (made.column("pt") > 0).all()


def test_a_checkpoint_of_another_configuration_is_named(run, tmp_path, capsys):
    words = [f"--config={run}/config.yaml", f"--run={tmp_path / 'other'}"]
    words += [f"--ckpt_path={run}/checkpoints/best.ckpt", "--model.network.init_args.latent=3"]
    assert main(["test", *words]) == 2
    assert "of another configuration: network.posterior_head" in capsys.readouterr().err


def test_intensities_are_never_below_zero(tmp_path):
    task = Generator(GraphVAE(latent=2, coordinates="plain", components=1, max_particles=600))
    task.columns = ("eta", "phi", "pt")
    batch = next(iter(JetLoader(ToyJets(str(tmp_path), n_jets=60).get_split("train"), 20)))
    batch.x = batch.x[:, [1, 2, 0]]
    task.network.fit_statistics([batch])
    task.network.fit_prior([batch])
    with torch.no_grad():
        task.network.decoder.shift.bias.fill_(-90.0)
        made = task.eval().make(batch)
    for stage in ("made", "reconstructed"):
        assert (made[stage][0][:, 2] == 0).all()
        assert (made[stage][0][:, :2] < 0).any()


class Watch(RefitPrior):
    """Counts fits, and at which steps they were."""

    def __init__(self):
        super().__init__(max_jets=30)
        self.steps = []

    def refit(self, trainer, task):
        made = super().refit(trainer, task)
        self.steps += [trainer.global_step] * made
        return made


def digits(folder, network="GraphVAE"):
    """A configuration of digits, few and small."""
    tree = yaml.safe_load(config_path("digits_vae").read_text())
    small = {"latent": 3, "hidden": [8], "rank": 4, "encoder_hidden": 4, "components": 1}
    tree["model"]["network"]["init_args"] |= small
    tree["data"] |= {"sample": {"jets": 96}}
    tree["data"]["dataset"]["init_args"] |= {"root": str(folder / "data")}
    tree["trainer"] = {"max_epochs": 2, "logger": False, "enable_progress_bar": False,
                       "accelerator": "cpu", "check_val_every_n_epoch": 2}  # fmt: skip
    path = folder / "digits.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_digits_are_sampled_from_the_checkpoint_of_a_run_that_went_on(tmp_path, capsys):
    path, run = digits(tmp_path), tmp_path / "run"
    words = ["fit", f"--config={path}", f"--run={run}"]
    assert main([*words, "--trainer.max_epochs=1", "--test_after_fit=false"]) == 0
    last = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert bool(last["network.mixture.fitted_classes"].all())
    assert (
        main(["fit", f"--run={run}", "--resume", "--trainer.max_epochs=4", "--test_after_fit=true"])
        == 0
    )
    assert len(json.loads((run / "metrics.json").read_text())) > 3
    network = load_generator(run).network
    x, ptr = network.sample(20, torch.arange(20) % 10)
    assert x.shape == (int(ptr[-1]), 3)
    z, of_jet = network.mixture.sample(3, torch.arange(3))
    assert bool(network.log_prior(z, torch.arange(3), of_jet).isfinite().all())


def test_a_training_shorter_than_the_time_to_a_validation_ends_in_a_test(tmp_path):
    path, run = digits(tmp_path), tmp_path / "run"
    words = ["fit", f"--config={path}", f"--run={run}", "--trainer.max_epochs=3"]
    assert main([*words, "--trainer.check_val_every_n_epoch=10"]) == 0
    logged = json.loads((run / "metrics.json").read_text())
    assert {"test/emd_multiplicity", "val/kl"} <= logged.keys()
    assert 0 <= logged["val/active_latents"] <= 3


def test_active_latents_are_those_that_vary_from_jet_to_jet(monkeypatch):
    task, logged = Generator(GraphVAE(latent=3)), {}
    monkeypatch.setattr(task, "log", lambda name, value, **_: logged.update({name: float(value)}))
    task.kept = [{"latent": torch.tensor([[0.0, 5.0, -1.0]])},
                 {"latent": torch.tensor([[0.4, 5.0, 1.0]])}]  # fmt: skip
    task.on_validation_epoch_end()
    assert logged == {"val/active_latents": 1}  # a variance of .04, of 0, of 1


def test_a_network_with_classes_makes_jets_of_classes(tmp_path):
    batch = next(iter(JetLoader(ToyJets(str(tmp_path), n_jets=60).get_split("train"), 20)))
    batch.x, batch.y = batch.x[:, :3], torch.arange(20) % 2
    network = GraphVAE(latent=2, components=1, max_particles=600, n_classes=2)
    network.fit_statistics([batch])
    network.fit_prior([batch])
    task = Generator(network).eval()
    with torch.no_grad():
        x, ptr = task(batch.x, batch.ptr, batch.y)
        assert len(ptr) == 21
        assert x.shape == (int(ptr[-1]), 3)
        with pytest.raises(ValueError, match="a class of each of 20 jets, but got none"):
            task(batch.x, batch.ptr)
        batch.x_target, batch.x_target_ptr = batch.x, batch.ptr  # pairs, which it does not read
        assert task.make(batch)["made"][0].size(1) == 3
    plain = GraphVAE(latent=2, components=1, max_particles=600)
    plain.fit_statistics([batch])
    plain.fit_prior([batch])
    with torch.no_grad():
        assert len(Generator(plain).eval()(batch.x, batch.ptr)[1]) == 21


def test_the_prior_is_fitted_once_for_each_state_of_the_weights(tmp_path):
    import lightning

    jets = ToyJets(str(tmp_path / "data"), n_jets=60)
    data = JetDataModule(jets, features=["pt", "eta", "phi"], batch_size=16)
    task, watch = Generator(GraphVAE(latent=2, components=2, max_particles=600)), Watch()
    trainer = lightning.Trainer(
        max_epochs=4, check_val_every_n_epoch=2, logger=False, enable_progress_bar=False,
        accelerator="cpu", default_root_dir=tmp_path, enable_checkpointing=False,
        callbacks=[watch],
    )  # fmt: skip
    trainer.fit(task, datamodule=data)
    a_fit = trainer.num_training_batches
    assert watch.steps == [0, 2 * a_fit, 4 * a_fit]  # before training, and at each validation
    assert sum(isinstance(c, RefitPrior) for c in trainer.callbacks) == 1
    with pytest.raises(ValueError, match="max_jets of at least 1"):
        RefitPrior(0)


def test_the_task_is_checked(tmp_path, capsys):
    path = config(tmp_path)
    path.write_text(path.read_text().replace("task: generate", "task: draw"))
    assert main(["fit", "--config", str(path)]) == 2
    assert "Unknown task 'draw'" in capsys.readouterr().err


def test_a_network_of_pairs_needs_pairs(tmp_path, capsys):
    path, tree = config(tmp_path), None
    tree = yaml.safe_load(path.read_text())
    del tree["data"]["train_transform"]
    tree["data"]["features"] = {"names": ["pt", "eta", "phi"], "fixed": False, "axis": "origin"}
    path.write_text(yaml.safe_dump(tree))
    assert main(["fit", "--config", str(path), "--run", str(tmp_path / "run")]) == 2
    assert "pyg_jets.transforms.Detect" in capsys.readouterr().err


class Broken(ResponseLoss):
    """Its divergence is not a number."""

    def terms(self, output, batch, epoch=None):
        found = super().terms(output, batch, epoch)
        return {**found, "kl": found["kl"] * float("nan")}


def test_a_loss_that_is_not_finite_leaves_its_batch(tmp_path):
    import lightning

    names = ["pt", "etarel", "phirel"]
    toys = ToyJets(str(tmp_path / "data"), n_jets=60)
    data = JetDataModule(toys, train_transform=Detect("toy-uniform", names), batch_size=16)
    trainer = lightning.Trainer(
        max_epochs=1, logger=False, enable_progress_bar=False, accelerator="cpu",
        default_root_dir=tmp_path / "run", enable_checkpointing=False,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"step 0 .* by the term kl"):
        trainer.fit(Generator(ConditionalGraphVAE(), Broken()), datamodule=data)
    state = torch.load(tmp_path / "run" / "nan-step-0.pt", weights_only=True)
    assert np.isnan(state["terms"]["kl"])
    assert state["batch"]["ptr"][-1] == len(state["batch"]["x"])


def test_thresholds():
    with pytest.raises(ValueError, match="threshold above 0"):
        SelectByEMD(0)


def test_features_are_those_of_the_jets():
    rng = np.random.default_rng(0)
    x = np.stack([rng.exponential(9, 40), rng.normal(0, 0.2, 40), rng.normal(0, 0.2, 40)], 1)
    found = jet_features(x, [0, 15, 40])
    for jet, (pt, eta, phi) in enumerate((x[:15].T, x[15:].T)):
        p = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)])
        px, py, pz, energy = p.sum(1)
        known = {
            "pt": np.hypot(px, py),
            "eta": np.arctanh(pz / np.sqrt(px**2 + py**2 + pz**2)),
            "phi": np.arctan2(py, px),
            "mass": np.sqrt(energy**2 - px**2 - py**2 - pz**2),
            "energy": energy,
            "multiplicity": len(pt),
        }
        for name, value in known.items():
            assert found[name][jet] == pytest.approx(value, rel=1e-9)
