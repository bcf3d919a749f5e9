"""The threshold of a ConvVAE follows the validation jets of a training."""

import lightning
import pytest
import torch
from torch_geometric.loader import DataLoader

from pyg_jets.datasets import ToyJets
from pyg_jets.errors import InputError
from pyg_jets.losses import VAELoss
from pyg_jets.nn import ConvVAE, GraphVAE
from pyg_jets.training import FitMultiplicity, Generator, JetDataModule, load_generator
from pyg_jets.training.resume import EpochCheckpoint
from pyg_jets.training.run_folder import RunFolder


def trainer(folder, *callbacks, **options):
    return lightning.Trainer(
        default_root_dir=folder, accelerator="cpu", logger=False, max_epochs=1,
        enable_progress_bar=False, enable_model_summary=False, callbacks=list(callbacks),
        num_sanity_val_steps=1, precision="bf16-mixed", **options,
    )  # fmt: skip


@pytest.fixture
def data(tmp_path):
    toys = ToyJets(tmp_path / "toys", n_jets=120)
    return JetDataModule(toys, ["pt", "etarel", "phirel"], batch_size=32, spread_angles=0)


def test_the_threshold_is_fitted_before_each_validation_and_kept(tmp_path, data):
    torch.manual_seed(0)
    task = Generator(ConvVAE(13, padding="mask"), VAELoss(pt=1, mass=10, kl=500), clip=0)
    folder = tmp_path / "run"
    callbacks = FitMultiplicity(), EpochCheckpoint(monitor="val/loss"), RunFolder(folder)
    fit = trainer(folder, *callbacks)
    fit.fit(task, datamodule=data)
    threshold = float(task.network.threshold)
    assert threshold != 0.5
    left = float(fit.callback_metrics["val/multiplicity_w1"])
    generator = torch.Generator().manual_seed(0)
    assert task.network.fit_multiplicity(data.val_dataloader(), generator) <= 13
    assert 0 <= left <= 13
    fit.test(task, datamodule=data, verbose=False)
    kept = load_generator(folder).network
    assert float(kept.threshold) == pytest.approx(threshold)
    fit.validate(task, datamodule=data, verbose=False)
    assert "val/multiplicity_w1" not in fit.callback_metrics


def test_other_networks_and_data_are_refused(tmp_path, data):
    with pytest.raises(TypeError, match=r"Expected a ConvVAE.*got GraphVAE"):
        trainer(tmp_path, FitMultiplicity()).fit(Generator(GraphVAE(k=2)), datamodule=data)
    with pytest.raises(TypeError, match="Expected a JetDataModule"):
        trainer(tmp_path, FitMultiplicity()).fit(
            Generator(ConvVAE(13)), DataLoader(data.splits["train"], 32)
        )
    with pytest.raises(InputError, match="seed of at least 0, but got -1"):
        FitMultiplicity(-1)
