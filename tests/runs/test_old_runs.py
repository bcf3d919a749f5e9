"""A run of version 0.1, kept as it was written, is read by this version."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import pyg_jets
from pyg_jets.datasets import ToyJets
from pyg_jets.report import summary_table
from pyg_jets.runs import is_finished, metric_value
from pyg_jets.training import JetDataModule
from pyg_jets.transforms import Features, Resimulate

#: Toys and a small PFN, two epochs: without the sampled jets and the last checkpoint.
OLD = Path(__file__).parent / "data" / "run-0.1"


@pytest.fixture(scope="module")
def run():
    return pyg_jets.load_run(OLD)


def test_its_numbers_are_read(run):
    assert run.provenance["version"] == "0.1.0"
    assert run.title == "PFN of 0.1"
    assert run.metrics["test/auc"] == pytest.approx(0.4800355, abs=1e-6)
    assert run.history["train/loss"].tolist() == pytest.approx([1.4394221, 1.3342687])
    assert run.classes == ("background", "signal")
    assert len(run.predictions.ids) == run.provenance["n_test"] == 118
    assert run.lacks == ("samples.parquet (the pictures of jets)",)
    assert is_finished(OLD)
    assert metric_value(OLD, "train/bce") == run.history["train/bce"][-1]


def test_its_arm_is_a_label(run):
    assert "labels" not in run.provenance
    assert run.labels == {"arm": "pre-inv"}


def test_it_is_reported():
    assert "PFN of 0.1" in summary_table([OLD])


def test_its_tagger_gives_its_scores(run, tmp_path):
    data = JetDataModule(
        ToyJets(tmp_path, n_jets=300),
        Features(["eta", "phi", "pt"], fixed=False, axis="origin"),
        Resimulate("toy-uniform", angles=2),
    )
    tagger = run.tagger()
    (batch,) = data.predict_dataloader()
    with torch.no_grad():
        scores = tagger(batch.x, batch.ptr, batch.pos).flatten().numpy()
    ids = batch.jet_id.flatten().numpy()
    assert np.array_equal(np.sort(ids), run.predictions.ids)
    np.testing.assert_allclose(scores[np.argsort(ids)], run.predictions.scores, atol=1e-4)


def test_a_network_that_is_gone_is_refused_with_the_version(tmp_path):
    folder = shutil.copytree(OLD, tmp_path / "run")
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    tree["model"]["network"]["class_path"] = "pyg_jets.nn.Gone"
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    old = pyg_jets.load_run(folder)
    assert old.predictions is not None
    with pytest.raises(ValueError, match=r"written by pyg_jets 0\.1\.0, and this is 0\."):
        old.tagger()
