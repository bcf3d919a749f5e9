"""A training whose jets have weights: losses, metrics and predictions count them."""

import json
from types import SimpleNamespace

import lightning
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from scipy.stats import wasserstein_distance
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from torch_geometric.data import Batch, Data

from pyg_jets import JetArray
from pyg_jets.cli import main
from pyg_jets.columns import STAGES
from pyg_jets.io import read_parquet, write_parquet
from pyg_jets.losses import ClassificationLoss, InvarianceLoss, TermLoss
from pyg_jets.metrics.features import jet_features
from pyg_jets.nn import GraphVAE
from pyg_jets.ops.weighted import weighted_mean
from pyg_jets.report import summary_table
from pyg_jets.runs import load_run
from pyg_jets.training import Generator, JetDataModule
from pyg_jets.training.run_folder import generated_jets
from pyg_jets.transforms import Features, FlatWeights


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
        jets={
            "reco_pt": pt.sum(1).astype(np.float32),
            "mc": 0.1 + 2 * rng.random(n),
            "event": np.arange(n) // 2,
        },
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
    assert np.array_equal(table["event"].to_numpy(), ids // 2)
    own = read_parquet(tmp_path / "jets.parquet").jets["mc"][ids]
    samples = read_parquet(tmp_path / "run" / "samples.parquet")
    sampled = weight[np.searchsorted(ids, samples.ids)]
    np.testing.assert_allclose(samples.jets["weight"], sampled, rtol=1e-6)
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


def test_data_of_others_with_negative_weights_are_refused():
    jets = [Data(x=torch.rand(3, 2), y=i % 2, weight=torch.tensor([1.0])) for i in range(60)]
    assert JetDataModule(jets).is_weighted
    for jet in jets[::2]:
        jet.weight = torch.tensor([-1.0])
    with pytest.raises(ValueError, match=r"weights of the \w+ jets of 0 or more, .*leave these"):
        JetDataModule(jets)


def kept(weight, y, stages):
    """What a generator keeps of two batches of jets of four particles."""
    parts = []
    for rows in (slice(0, 10), slice(10, 30)):
        ptr = torch.arange(0, 4 * len(weight[rows]) + 1, 4)
        made = {s: (x[4 * rows.start : 4 * rows.stop], ptr) for s, x in stages.items()}
        ids, latent = torch.arange(30)[rows], torch.zeros(len(ptr) - 1, 2)
        own = {"weight": weight[rows], "y": y[rows], "event": None, "jet_id": ids}
        parts.append({**made, **own, "latent": latent})
    return parts


@pytest.mark.parametrize("pairs", [False, True])
def test_what_a_generator_makes_is_compared_with_weighted_jets(pairs):
    rng = torch.Generator().manual_seed(0)
    names = ("input", "target", "made", *(() if pairs else ("reconstructed",)))
    stages = {name: torch.rand(120, 3, generator=rng) + 0.1 for name in names}
    weight, y = torch.rand(30, generator=rng) + 0.5, torch.arange(30) % 2
    task = Generator(GraphVAE(latent=2))
    task.kept = kept(weight, y, stages)
    # jets out of noise are not made of the jets of the same row
    means = torch.stack([weight[y == c].mean() for c in (0, 1)])
    made = weight if pairs else means[y]
    torch.testing.assert_close(task.weights("made"), made)
    torch.testing.assert_close(task.weights("target"), weight)
    ptr = torch.arange(0, 121, 4)
    pt = [jet_features(stages[name], ptr)["pt"] for name in ("made", "target")]
    w = [v.double().numpy() for v in (made, weight)]
    deviation = np.sqrt(np.cov(pt[1], aweights=w[1], ddof=0))
    want = wasserstein_distance(*pt, *w) / deviation
    assert task.distances()["pt"] == pytest.approx(want, rel=1e-6)
    written = generated_jets(task)
    stage = written.jets["stage"]
    np.testing.assert_allclose(written.jets["weight"][stage == STAGES.index("made")], made)
    np.testing.assert_allclose(written.jets["weight"][stage == STAGES.index("target")], weight)


def test_means_over_an_epoch_are_those_of_weighted_jets():
    task = Generator(GraphVAE(latent=2))
    logged = {}
    task.log_dict = lambda values, **_: logged.update(values)
    task._trainer = SimpleNamespace(is_last_batch=False)
    for loss, weights in ((1.0, [1.0, 1.0]), (4.0, [0.5, 0.5, 0.0])):
        jets = [Data(x=torch.zeros(1, 3), weight=torch.tensor([w])) for w in weights]
        task._trainer.is_last_batch = loss > 1
        task.log_running_means({"loss": torch.tensor(loss)}, Batch.from_data_list(jets))
    assert float(logged["train/loss"]) == pytest.approx((2 * 1 + 1 * 4) / 3)


class FirstPt(TermLoss):
    """The weighted mean of a number of each jet, so that a mean over batches can be checked."""

    def terms(self, output, batch, epoch=None):
        mean = weighted_mean(batch.x[batch.ptr[:-1], 0], batch.get("weight"))
        return {"first": mean + 0 * output.mean.sum()}


def test_a_generator_validates_and_trains_on_weighted_jets(tmp_path):
    rng = torch.Generator().manual_seed(0)
    jets = []
    for i in range(90):
        pt, weight = torch.rand(1, generator=rng), torch.rand(1, generator=rng)
        x = (
            torch.cat((pt + 0.1 * torch.arange(1, 4), torch.rand(6, generator=rng)))[:6]
            .view(2, 3)
            .T
        )
        columns = pt + 0.1 * torch.arange(3), *torch.rand(2, 3, generator=rng)
        x = torch.stack(columns, 1)
        jets.append(Data(x=x, y=0, weight=weight, jet_id=torch.tensor([i])))
    data = JetDataModule(jets, Features(["x0", "x1", "x2"], columns=("x0", "x1", "x2")),
                         batch_size=20, eval_batch_size=6)  # fmt: skip
    task = Generator(GraphVAE(latent=2, hidden=(4,), components=2), FirstPt())
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(task, data)
    for name, loader in (("val", data.val_dataloader()), ("train", data.train_dataloader())):
        pairs = [(b.x[b.ptr[:-1], 0], b.weight) for b in loader]
        first, weight = (torch.cat(v).double().numpy() for v in zip(*pairs, strict=True))
        found = float(trainer.callback_metrics[f"{name}/first"])
        assert found == pytest.approx(np.average(first, weights=weight), rel=1e-5)
        assert abs(found - first.mean()) > 1e-3
