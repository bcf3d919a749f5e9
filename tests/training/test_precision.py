"""Trainings in mixed precision: a fit, its validation, its test and a prediction."""

import math
import warnings

import lightning
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from pyg_jets.datasets import ToyJets
from pyg_jets.nn import EFN, PFN, GraphVAE, ParticleNet
from pyg_jets.training import Generator, JetDataModule, SelectByEMD, Tagger
from pyg_jets.transforms import Features

TASKS = {
    "PFN": lambda: Tagger(PFN(phi=(8, 8), f=(8,), norm=True)),
    "EFN": lambda: Tagger(EFN(weight=2, phi=(8, 8), f=(8,))),
    "ParticleNet": lambda: Tagger(ParticleNet(channels=((8,), (8,)), k=3, fc=(8,))),
    "GraphVAE": lambda: Generator(GraphVAE(latent=2, components=2, max_particles=600)),
}


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    return ToyJets(tmp_path_factory.mktemp("toys"), n_jets=80)


@pytest.mark.parametrize("name", TASKS)
def test_a_fit_in_mixed_precision(toys, tmp_path, name):
    torch.manual_seed(1)
    task = TASKS[name]()
    generates = isinstance(task, Generator)
    names = ["pt", "eta", "phi"] if generates else ["eta", "phi", "pt"]
    data = JetDataModule(toys, Features(names, axis="origin", fixed=False), batch_size=20)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            max_epochs=1,
            precision="bf16-mixed",
            accelerator="cpu",
            logger=False,
            default_root_dir=tmp_path,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[SelectByEMD()] if generates else [],
        )
        trainer.fit(task, data)
        tested = trainer.test(task, data, verbose=False)[0]
        predicted = trainer.predict(task, data)
    if generates:
        assert math.isfinite(tested["test/emd_pt"])
    else:
        logits, label = (task.predictions[key].flatten() for key in ("logits", "label"))
        exact = binary_cross_entropy_with_logits(logits.double(), label.double())
        assert tested["test/loss"] == pytest.approx(float(exact), rel=1e-6)  # no rounded mean
        assert {part["probability"].dtype for part in predicted} == {torch.float32}
    for parameter in task.parameters():
        assert parameter.isfinite().all()
