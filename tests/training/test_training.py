"""A tagger from the command line on toys: run folder, seeds, checkpoints, refusals, DDP."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from sklearn.metrics import accuracy_score, roc_auc_score, roc_curve

from pyg_jets.cli import main
from pyg_jets.columns import CANONICAL
from pyg_jets.datasets import JetFiles, ToyJets
from pyg_jets.events import toy
from pyg_jets.io import read_parquet, write_parquet
from pyg_jets.loader import JetLoader
from pyg_jets.losses import InvarianceLoss
from pyg_jets.nn import FCN, PFN
from pyg_jets.training import JetDataModule, Tagger, load_tagger, predict
from pyg_jets.transforms import Compose, Features, Resimulate
from tests.processes import python


def config(folder: Path, **changes) -> Path:
    """A small configuration on the toys, as a YAML file."""
    toys = {"detector": "toy-uniform", "angles": 2}
    tree = {
        "seed_everything": 7,
        "model": {
            "network": {"class_path": "pyg_jets.nn.PFN", "init_args": {"phi": [16], "f": [16]}},
            "loss": {"class_path": "pyg_jets.losses.InvarianceLoss", "init_args": {"b": 10.0}},
        },
        "data": {
            "dataset": {
                "class_path": "pyg_jets.datasets.ToyJets",
                "init_args": {"root": str(folder / "data"), "n_jets": 120},
            },
            "features": {"names": ["eta", "phi", "pt"], "fixed": False, "axis": "origin"},
            "train_transform": {"class_path": "pyg_jets.transforms.Resimulate", "init_args": toys},
            "batch_size": 32,
        },
        "trainer": {"max_epochs": 2, "logger": False, "enable_progress_bar": False,
                    "accelerator": "cpu"},
    }  # fmt: skip
    for dotted, value in changes.items():
        place = tree
        *path, last = dotted.split("__")
        for name in path:
            place = place[name]
        place[last] = value
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def fit(folder: Path, run: str, *words: str, **changes) -> Path:
    """Fit from the command line, and give the run folder."""
    out = folder / run
    assert main(["fit", "--config", str(config(folder, **changes)), "--run", str(out), *words]) == 0
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return fit(tmp_path_factory.mktemp("runs"), "one", "--title", "Toys")


def test_leaves_a_whole_run_folder(run):
    found = {p.name for p in run.iterdir()}
    assert found >= {"config.yaml", "metrics.json", "metrics.csv", "provenance.json",
                     "predictions.parquet", "samples.parquet", "checkpoints"}  # fmt: skip
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["title"] == "Toys"
    assert provenance["seed"] == 7
    assert provenance["epochs"] == 2
    assert provenance["n_train"] + provenance["n_val"] + provenance["n_test"] == 120


def test_metrics_are_those_of_the_predictions(run):
    metrics = json.loads((run / "metrics.json").read_text())
    table = pq.read_table(run / "predictions.parquet").to_pydict()
    score, label = np.array(table["score"]), np.array(table["label"])
    assert metrics["test/auc"] == pytest.approx(roc_auc_score(label, score))
    assert metrics["test/accuracy"] == pytest.approx(accuracy_score(label, score > 0))
    assert metrics["test/spread"] > 0
    background, signal, _ = roc_curve(label, score)
    found = metrics["test/signal_efficiency_0.5"]
    assert found == pytest.approx(np.interp(0.5, background, signal), abs=0.5 / label.sum())


def test_metrics_hold_the_best_validation(run):
    metrics = json.loads((run / "metrics.json").read_text())
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    best = min(rows, key=lambda row: float(row["val/loss"]))
    assert metrics["val/loss"] == float(best["val/loss"])
    assert metrics["val/auc"] == float(best["val/auc"])


def test_metrics_csv_has_a_row_an_epoch(run):
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert [row["step"] for row in rows] == ["2", "4"]
    assert {"train/loss", "train/bce", "train/invariance", "val/loss", "val/auc", "lr"} <= set(
        rows[0]
    )


def test_samples_hold_both_stages_and_variants(run):
    jets = read_parquet(run / "samples.parquet")
    stage, angle = jets.jets["stage"], jets.jets["angle"]
    plain = angle == 0
    assert set(jets.ids[plain & (stage == 0)]) == set(jets.ids[plain & (stage == 1)])
    assert (angle > 0).sum() == 2 * 20 * 7


def test_the_same_seed_gives_the_same_metrics(run, tmp_path):
    again = fit(tmp_path, "again")
    assert (again / "metrics.json").read_text() == (run / "metrics.json").read_text()
    assert (again / "metrics.csv").read_text() == (run / "metrics.csv").read_text()
    other = fit(tmp_path, "other", seed_everything=8)
    assert (other / "metrics.json").read_text() != (run / "metrics.json").read_text()


def test_test_and_predict_from_a_checkpoint(run, tmp_path):
    words = ["--config", str(config(tmp_path)), "--run", str(tmp_path / "again"),
             "--ckpt_path", str(run / "checkpoints" / "best.ckpt")]  # fmt: skip
    assert main(["test", *words]) == 0
    mine, fitted = (json.loads((folder / "metrics.json").read_text())
                    for folder in (tmp_path / "again", run))  # fmt: skip
    assert mine == pytest.approx({k: v for k, v in fitted.items() if k.startswith("test/")})
    assert main(["predict", *words]) == 0


def test_jets_of_a_file_go_through_the_detector_of_the_run_or_not(run, tmp_path):
    path = tmp_path / "jets.parquet"
    write_parquet(toy.generate(12, seed=5), path)
    jets = JetFiles(tmp_path / "hand", path, features=CANONICAL)
    features = Features(["eta", "phi", "pt"], fixed=False, axis="origin")
    simulate, tagger = Resimulate("toy-uniform", angles=2).for_evaluation(), load_tagger(run)
    scores = []
    for detector, steps in ((True, [simulate, features]), (False, [features])):
        out = predict(run, path, tmp_path / f"scores-{detector}.parquet", detector=detector)
        scores.append(pq.read_table(out)["score"].to_pylist())
        batch = next(iter(JetLoader(jets, 12, batch_transform=Compose(steps))))
        expected = tagger(batch.x, batch.ptr, batch.pos).flatten().tolist()
        assert scores[-1] == pytest.approx(expected, rel=1e-5)
    assert scores[0] != pytest.approx(scores[1], rel=1e-3)


def test_a_stopped_run_continues(run, tmp_path):
    folder = fit(tmp_path, "half", "--test_after_fit=false", trainer__max_epochs=1)
    assert main(["fit", "--config", str(config(tmp_path)), "--run", str(folder)]) == 2
    fit(tmp_path, "half", "--ckpt_path", str(folder / "checkpoints" / "last.ckpt"))
    assert (folder / "metrics.csv").read_text().count("\n") == 3
    rows = [list(csv.DictReader((f / "metrics.csv").open())) for f in (folder, run)]
    assert [row["epoch"] for row in rows[0]] == ["0", "1"]
    assert rows[0][0] == rows[1][0]


def test_a_run_that_failed_before_training_does_not_block_its_folder(tmp_path, monkeypatch):
    def fail(self, batch, batch_idx):
        raise RuntimeError("out of luck")

    with monkeypatch.context() as patch:
        patch.setattr(Tagger, "training_step", fail)
        with pytest.raises(RuntimeError, match="out of luck"):
            fit(tmp_path, "again")
    assert (tmp_path / "again" / "config.yaml").exists()
    assert (fit(tmp_path, "again", trainer__max_epochs=1) / "metrics.json").exists()


def test_checkpoints_hold_plain_values(run):
    for name in ("best.ckpt", "last.ckpt"):
        loaded = torch.load(run / "checkpoints" / name, weights_only=True)
        assert loaded["state_dict"]["shift"].shape == (3,)
    network = PFN(phi=[16], f=[16])
    tagger = Tagger.load_from_checkpoint(run / "checkpoints" / "best.ckpt", network=network)
    assert tagger(torch.zeros(4, 3), torch.tensor([0, 4])).shape == (1, 1)


def test_statistics_come_from_the_unrotated_training_jets(run, tmp_path):
    toys = ToyJets(tmp_path, n_jets=120)
    features = Features(["eta", "phi", "pt"], fixed=False, axis="origin")
    data = JetDataModule(toys, features, Resimulate("toy-uniform", angles=8))
    x = torch.cat([batch.x for batch in data.statistics_dataloader()]).double()
    loaded = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    torch.testing.assert_close(loaded["shift"].double(), x.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(1 / loaded["scale"].double(), x.std(0, correction=0), rtol=1e-4,
                               atol=1e-5)  # fmt: skip


def test_a_fcn_trains_too(tmp_path):
    network = {"class_path": "pyg_jets.nn.FCN",
               "init_args": {"max_particles": 172, "hidden": [32]}}  # fmt: skip
    assert (fit(tmp_path, "fcn", model__network=network) / "metrics.json").exists()


def test_several_logits_are_classes(tmp_path):
    network = {"class_path": "pyg_jets.nn.PFN", "init_args": {"phi": [8], "out_channels": 2}}
    out = fit(tmp_path, "two", model__network=network)
    table = pq.read_table(out / "predictions.parquet").to_pydict()
    right = np.array(table["label"]) == (np.array(table["score_1"]) > np.array(table["score_0"]))
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test/accuracy"] == pytest.approx(right.mean())


def test_learns_what_can_be_learned(tmp_path):
    toys = ToyJets(tmp_path, n_jets=400)
    features = Features(["eta", "phi", "pt"], fixed=False, axis="origin")
    data = JetDataModule(toys, features, batch_size=50)
    tagger = Tagger(PFN(3, phi=(32,), f=(32,)))
    batch = next(iter(data.train_dataloader()))
    optimizer = torch.optim.Adam(tagger.parameters(), 1e-2)
    losses = []
    for _ in range(150):
        loss = tagger.loss(tagger(batch.x, batch.ptr), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_an_empty_jet_goes_through(tmp_path):
    toys = ToyJets(tmp_path, n_jets=50)
    data = JetDataModule(toys, Features(["eta"], axis="origin", fixed=False))
    tagger = Tagger(FCN(1, max_particles=4))
    batch = next(iter(data.val_dataloader()))
    ptr = torch.cat([batch.ptr, batch.ptr[-1:]])
    assert torch.isfinite(tagger(batch.x, ptr)).all()
    assert isinstance(InvarianceLoss()(tagger(batch.x, batch.ptr), batch), torch.Tensor)


@pytest.mark.parametrize(
    "change",
    [
        {"data__colour": 1},
        {"model__network": {"class_path": "pyg_jets.nn.PFN", "init_args": {"depth": 3}}},
        {"data__features": {"names": ["colour"]}},
        {"data__train_transform": {"class_path": "pyg_jets.transforms.Resimulate",
                                   "init_args": {"detector": "atlas"}}},
        {"data__batch_size": 0},
    ],
    ids=["data key", "network key", "feature", "preset", "batch size"],
)  # fmt: skip
def test_bad_configurations_end_with_2_and_write_nothing(tmp_path, change, capsys):
    words = ["fit", "--config", str(config(tmp_path, **change)), "--run", str(tmp_path / "run")]
    try:
        code = main(words)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert not (tmp_path / "run").exists()
    said = capsys.readouterr().err
    assert any(word in said for word in ("colour", "depth", "atlas", "batch_size"))
    assert "Traceback" not in said


def test_a_run_is_not_written_over(run, tmp_path, capsys):
    before = (run / "metrics.json").read_bytes()
    assert main(["fit", "--config", str(config(tmp_path)), "--run", str(run)]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    best = str(run / "checkpoints" / "best.ckpt")
    words = ["--config", str(config(tmp_path)), "--run", str(run), "--ckpt_path", best]
    assert main(["test", *words]) == 0
    assert (run / "metrics.json").read_bytes() == before


def test_two_processes_train_together(run, tmp_path):
    words = ["fit", "--config", str(config(tmp_path)), "--run", str(tmp_path / "two"),
             "--trainer.devices=2", "--trainer.strategy=ddp"]  # fmt: skip
    python("-m", "pyg_jets.cli", *words).check_returncode()
    two = pq.read_table(tmp_path / "two" / "predictions.parquet").to_pydict()
    one = pq.read_table(run / "predictions.parquet").to_pydict()
    assert two["jet_id"] == one["jet_id"]
    assert json.loads((tmp_path / "two" / "provenance.json").read_text())["world_size"] == 2
