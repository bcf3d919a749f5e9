"""A training whose jets have weights: losses, metrics and predictions count them."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from torch_geometric.data import Data

from pyg_jets import JetArray
from pyg_jets.cli import main
from pyg_jets.datasets import JetFiles
from pyg_jets.io import read_parquet, write_parquet
from pyg_jets.losses import ClassificationLoss, InvarianceLoss
from pyg_jets.nn import GraphVAE
from pyg_jets.report import summary_table
from pyg_jets.runs import load_run
from pyg_jets.training import Generator, JetDataModule
from pyg_jets.transforms import FlatWeights


def settings(folder):
    """A small training on a file of jets, whose classes differ in pT."""
    rng = np.random.default_rng(0)
    n, size = 600, 5
    label = np.arange(n) % 2
    pt = rng.uniform(20, 30, (n, size)) * (1 + 0.3 * label[:, None] * rng.uniform(size=(n, 1)))
    columns = np.stack([pt, *(rng.normal(0, 0.1 + 0.05 * label[:, None], (2, n, size)))], -1)
    jets = JetArray(
        columns.reshape(-1, 3).astype(np.float32),
        ("pt", "eta", "phi"),
        np.arange(n + 1) * size,
        labels=label,
        ids=np.arange(n),
        jets={"reco_pt": pt.sum(1).astype(np.float32), "mc": 0.1 + 2 * rng.random(n)},
    )
    write_parquet(jets, folder / "jets.parquet")
    return {
        "model": {
            "network": {"class_path": "pyg_jets.nn.PFN", "init_args": {"phi": [8], "f": [8]}},
        },
        "data": {
            "dataset": {
                "class_path": "pyg_jets.datasets.JetFiles",
                "init_args": {
                    "root": str(folder),
                    "files": str(folder / "jets.parquet"),
                    "classes": ["qcd", "top"],
                },
            },
            "weights": {
                "class_path": "pyg_jets.transforms.FlatWeights",
                "init_args": {"columns": ["reco_pt"], "bins": [4]},
            },
        },
        "trainer": {"max_epochs": 2, "logger": False, "enable_progress_bar": False,
                    "accelerator": "cpu"},
    }  # fmt: skip


def fit(folder, tree):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(tree))
    return main(["fit", "--config", str(path), "--run", str(folder / "run")])


def test_metrics_are_weighted(tmp_path):
    assert fit(tmp_path, settings(tmp_path)) == 0
    table = pq.read_table(tmp_path / "run" / "predictions.parquet")
    score, label, weight = (table[name].to_numpy() for name in ("score", "label", "weight"))
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    want = roc_auc_score(label, score, sample_weight=weight)
    assert found["test/auc"] == pytest.approx(want, abs=1e-6)
    assert abs(want - roc_auc_score(label, score)) > 1e-4
    right = accuracy_score(label, score > 0, sample_weight=weight)
    assert found["test/accuracy"] == pytest.approx(right, abs=1e-6)
    read = load_run(tmp_path / "run").predictions
    assert np.allclose(np.sort(read.weights), np.sort(weight))
    assert f"{want:.2f}" in summary_table([tmp_path / "run"])


def test_a_column_that_the_data_set_lacks_is_named(tmp_path, capsys):
    tree = settings(tmp_path)
    tree["data"]["weights"]["init_args"]["columns"] = ["reco_e"]
    assert fit(tmp_path, tree) == 2
    assert "reco_e" in capsys.readouterr().err


@pytest.mark.parametrize("flat", [False, True], ids=["own", "own-and-flat"])
def test_weights_of_the_file_count_everywhere(tmp_path, flat):
    tree = settings(tmp_path)
    tree["data"]["dataset"]["init_args"]["weight"] = "jets.mc"
    tree["model"]["standardize"] = False
    if not flat:
        del tree["data"]["weights"]
    assert fit(tmp_path, tree) == 0
    table = pq.read_table(tmp_path / "run" / "predictions.parquet").sort_by("jet_id")
    score, label, weight, ids = (
        table[name].to_numpy() for name in ("score", "label", "weight", "jet_id")
    )
    own = read_parquet(tmp_path / "jets.parquet").jets["mc"][ids]
    if flat:
        factor = weight / own
        assert 3 < len(np.unique(factor.round(4))) <= 8  # one for each class and bin
    else:
        np.testing.assert_allclose(weight, own, rtol=1e-6)
    found = load_run(tmp_path / "run").metrics
    area = roc_auc_score(label, score, sample_weight=weight)
    assert found["test/auc"] == pytest.approx(area, abs=1e-6)
    assert abs(area - roc_auc_score(label, score)) > 1e-4
    loss = log_loss(label, 1 / (1 + np.exp(-score.astype(np.float64))), sample_weight=weight)
    assert found["test/loss"] == pytest.approx(loss, rel=1e-5)


def test_flat_weights_multiply_and_flatten_the_weighted_jets():
    rng = np.random.default_rng(4)
    pt, y = torch.from_numpy(rng.uniform(0, 4, (4000, 1))).float(), torch.arange(4000) % 2
    own = torch.from_numpy(rng.uniform(0.5, 2, 4000) * (1 + (pt[:, 0].numpy() > 1))).float()
    jets = Data(jet=pt, y=y, weight=own)
    weights = FlatWeights(["pt"], [4]).fit_statistics([jets], ["pt"])
    after = weights(jets).weight
    torch.testing.assert_close(after, own * weights.of(pt, y))
    edges = np.linspace(float(pt.min()), float(pt.max()), 5)
    for label in (0, 1):
        chosen = (y == label).numpy()
        height, _ = np.histogram(pt[chosen, 0].double(), edges, weights=after[chosen].double())
        np.testing.assert_allclose(height, height.mean(), rtol=1e-3)


def test_the_training_loss_is_that_of_weighted_jets():
    logits, y = torch.tensor([[0.3], [-1.0], [2.0]]), torch.tensor([1, 0, 0])
    weight = torch.tensor([2.0, 1.0, 0.5])
    loss = ClassificationLoss()(logits, Data(y=y, weight=weight))
    want = log_loss(y, logits.double().sigmoid().flatten(), sample_weight=weight)
    assert loss.item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("n_classes", [1, 3])
def test_the_spread_of_variants_is_that_of_weighted_jets(n_classes):
    """A weight of 2 is a jet that is there twice."""
    rng = torch.Generator().manual_seed(2)
    logits = torch.randn(6, n_classes, generator=rng)
    y, variant_of = torch.tensor([1, 1, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 1, 2, 2])
    weight = torch.tensor([2.0, 2.0, 1.0, 1.0, 0.0, 0.0])
    found = InvarianceLoss()(logits, Data(y=y, variant_of=variant_of, weight=weight))
    rows = torch.tensor([0, 1, 0, 1, 2, 3])
    twice = Data(y=y[rows], variant_of=torch.tensor([0, 0, 1, 1, 2, 2]))
    torch.testing.assert_close(found, InvarianceLoss()(logits[rows], twice))


def test_a_generator_refuses_weights(tmp_path):
    settings(tmp_path)
    jets = JetFiles(tmp_path, tmp_path / "jets.parquet", weight="jets.mc", features=["pt"])
    data = JetDataModule(jets)
    assert data.is_weighted
    generator = Generator(GraphVAE(latent=2))
    generator.trainer = SimpleNamespace(datamodule=data)
    with pytest.raises(ValueError, match=r"without weights for a generator.*leave weight= "):
        generator.setup("fit")
