"""A user's own ROOT file → tagger → scores: `test` and `predict` need only the run."""

import io
import json
from contextlib import redirect_stdout

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import uproot
import yaml

import pyg_jets
from pyg_jets.cli import main
from pyg_jets.datasets import JetFiles
from pyg_jets.loader import JetLoader
from pyg_jets.training import predict
from pyg_jets.training.scores import score_table

COLUMNS = {"pt": "part_pt", "eta": "part_eta", "phi": "part_phi", "d0": "part_d0"}
FEATURES = ["logptrel", "etarel", "phirel", "d0"]


def write_root(path, n_jets, seed=0, label=None):
    """Jets as a user has them, the third one without particles."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, 9, n_jets)
    counts[2:3] = 0
    n = int(counts.sum())
    values = {"part_pt": rng.exponential(9, n) + 0.5, "part_eta": rng.normal(0, 0.3, n),
              "part_phi": rng.normal(0, 0.3, n), "part_d0": rng.normal(0, 1, n)}  # fmt: skip
    branches = {name: ak.unflatten(v.astype(np.float32), counts) for name, v in values.items()}
    if label is not None:
        branches["is_top"] = label
    with uproot.recreate(path) as file:
        file["jets"] = branches
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scores")


@pytest.fixture(scope="module")
def fitted(folder):
    """A run on a ROOT file, and what the fit printed."""
    write_root(folder / "train.root", 150, label=np.arange(150) % 2)
    dataset = {"root": str(folder / "data"), "files": str(folder / "train.root"), "tree": "jets",
               "columns": COLUMNS, "label": "is_top", "classes": ["qcd", "top"],
               "features": FEATURES, "pt": [20.0, 1000.0]}  # fmt: skip
    tree = {
        "model": {"network": {"class_path": "pyg_jets.nn.PFN",
                              "init_args": {"phi": [8], "f": [8]}}},
        "data": {"dataset": {"class_path": "pyg_jets.datasets.JetFiles", "init_args": dataset}},
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "logger": False,
                    "enable_progress_bar": False},
    }  # fmt: skip
    (folder / "fit.yaml").write_text(yaml.safe_dump(tree))
    with redirect_stdout(io.StringIO()) as printed:
        words = ["--config", str(folder / "fit.yaml"), "--run", str(folder / "run")]
        assert main(["fit", *words, "--overwrite=true", "--resume=true"]) == 0
    return folder / "run", printed.getvalue()


@pytest.fixture(scope="module")
def run(fitted):
    return fitted[0]


def by_hand(run, file, root):
    """The logits of all jets of a file, by the tagger that `load_run` gives."""
    jets = JetFiles(root, file, COLUMNS, tree="jets", features=FEATURES)
    tagger = pyg_jets.load_run(run).tagger()
    with torch.no_grad():
        logits = [tagger(b.x, b.ptr, b.pos) for b in JetLoader(jets, 4)]
    return torch.cat(logits).flatten().numpy()


def test_the_features_of_the_data_set_are_trained_on(run):
    assert pyg_jets.load_run(run).provenance["features"] == FEATURES


def test_a_fit_says_what_starts_and_what_came_out(fitted):
    run, printed = fitted
    facts = pyg_jets.load_run(run).provenance
    metrics = json.loads((run / "metrics.json").read_text())
    assert f"{facts['n_train']} train, {facts['n_val']} val, {facts['n_test']} test" in printed
    assert f"PFN: {facts['parameters']} parameters, reads logptrel, etarel, phirel, d0" in printed
    last = printed.splitlines()[-2:]
    assert last == [f"The run: {run}", f"A page of it: pyg-jets report {run} --out {run}/report"]
    shown = dict(line.split() for line in printed.splitlines() if line.startswith("test/"))
    assert shown.keys() == {name for name in metrics if name.startswith("test/")}
    assert float(shown["test/auc"]) == pytest.approx(metrics["test/auc"], rel=1e-3)


def test_a_fit_has_no_out(folder, tmp_path, capsys):
    words = ["--config", str(folder / "fit.yaml"), "--run", str(tmp_path / "run")]
    assert main(["fit", *words, "--out", str(tmp_path / "out")]) == 2
    assert "the folder of a fit is --run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_tested_again_by_its_folder_alone(run, tmp_path, capsys):
    before = contents(run)
    assert main(["test", "--run", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "test/auc" in printed
    assert "is finished and stays as it is: --out FOLDER" in printed
    assert contents(run) == before
    assert main(["test", "--run", str(run), "--out", str(tmp_path / "again")]) == 0
    assert main(["validate", "--run", str(run)]) == 0
    assert contents(run) == before
    old, new = (json.loads((f / "metrics.json").read_text()) for f in (run, tmp_path / "again"))
    assert new == pytest.approx({k: v for k, v in old.items() if k.startswith("test/")})
    assert main(["test", "--run", str(run), "--out", str(tmp_path / "again")]) == 2
    assert "holds results" in capsys.readouterr().err


def test_overwriting_a_test_keeps_what_the_training_left(run):
    before = [json.loads((run / name).read_text()) for name in ("metrics.json", "provenance.json")]
    assert main(["test", "--run", str(run), "--overwrite=true"]) == 0
    after = [json.loads((run / name).read_text()) for name in ("metrics.json", "provenance.json")]
    assert after[0] == pytest.approx(before[0])
    for name in ("epochs", "steps", "wall_time_s", "n_train", "classes"):
        assert after[1][name] == before[1][name]


def test_a_folder_that_is_no_run_is_named(tmp_path, capsys):
    for verb in ("test", "predict", "validate"):
        assert main([verb, "--run", str(tmp_path / "none")]) == 2
        assert "There is no" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("suffix", ["root", "parquet"])
def test_unlabelled_jets_get_scores_in_their_order(run, suffix, tmp_path, capsys):
    file = write_root(tmp_path / "measured.root", 9, seed=1)
    out = tmp_path / f"scores.{suffix}"
    assert main(["predict", "--run", str(run), "--data", str(file), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    if suffix == "root":
        with uproot.open(out) as opened:
            table = opened["scores"].arrays(library="np")
    else:
        table = {name: np.array(column) for name, column in pq.read_table(out).to_pydict().items()}
    assert table["row"].tolist() == table["jet_id"].tolist() == list(range(9))
    expected = by_hand(run, file, tmp_path / "hand")
    np.testing.assert_allclose(table["score"], expected, rtol=1e-5, atol=1e-6)
    signal = 1 / (1 + np.exp(-expected))
    np.testing.assert_allclose(table["probability_top"], signal, rtol=1e-5)
    np.testing.assert_allclose(table["probability_qcd"], 1 - signal, rtol=1e-5)
    assert "label" not in table
    with uproot.open(file) as opened:
        pt = opened["jets"].arrays(["part_pt", "part_phi"])
    px, py = (ak.sum(pt.part_pt * f(pt.part_phi), 1) for f in (np.cos, np.sin))
    np.testing.assert_allclose(table["pt"], np.hypot(px, py), rtol=1e-5)
    assert {"eta", "mass"} <= table.keys()


def test_files_of_other_columns_are_refused_in_words(run, tmp_path, capsys):
    other = tmp_path / "other.root"
    with uproot.recreate(other) as file:
        file["jets"] = {"trk_pt": ak.Array([[1.0, 2.0]]), "trk_eta": ak.Array([[0.1, 0.2]])}
    assert main(["predict", "--run", str(run), "--data", str(other)]) == 2
    assert "other.root has no 'part_d0', it holds trk_eta, trk_pt" in capsys.readouterr().err
    words = ["--data.dataset=ToyJets", f"--data.dataset.root={tmp_path / 'toys'}",
             "--data.dataset.n_jets=80", "--model.network=PFN", "--trainer.max_epochs=1",
             "--trainer.logger=false", "--trainer.enable_progress_bar=false",
             "--trainer.accelerator=cpu"]  # fmt: skip
    toys = tmp_path / "run"
    assert main(["fit", *words, "--run", str(toys)]) == 0
    capsys.readouterr()
    assert main(["predict", "--run", str(toys), "--data", str(other)]) == 2
    said = capsys.readouterr().err
    assert "was trained on ToyJets, but it has the columns trk_eta, trk_pt" in said
    assert "class_path: JetFiles" in said


def test_labels_are_taken_along_and_need_not_be_classes(run, tmp_path):
    labelled = write_root(tmp_path / "labelled.root", 6, label=np.array([1, 0, 0, 1, 1, 0]))
    other = write_root(tmp_path / "other.root", 4, seed=3, label=np.full(4, -1))
    out = predict(run, [labelled], tmp_path / "scores.parquet")
    assert pq.read_table(out)["label"].to_pylist() == [1, 0, 0, 1, 1, 0]
    both = predict(run, [other, labelled], tmp_path / "both.parquet")
    table = pq.read_table(both)
    assert table["file"].to_pylist() == [0] * 4 + [1] * 6
    assert table["row"].to_pylist() == [*range(4), *range(6)]
    assert "label" not in table.column_names
    assert table["score"].to_pylist()[4:] == pytest.approx(
        pq.read_table(out)["score"].to_pylist(), rel=1e-5
    )


def test_a_file_that_is_there_is_kept(run, tmp_path, capsys):
    file = write_root(tmp_path / "measured.root", 1)
    words = ["predict", "--run", str(run), "--data", str(file)]
    assert main(words) == 0
    assert pq.read_table(run / "predicted.parquet").num_rows == 1
    assert main(words) == 2
    assert "--overwrite=true" in capsys.readouterr().err
    assert main([*words, "--overwrite=true"]) == 0
    assert main([*words, "--out", "scores.csv"]) == 2
    assert "Expected out as a file .parquet or .root" in capsys.readouterr().err


def test_several_classes_have_a_score_and_a_probability_each():
    logits = torch.tensor([[0.0, 1.0, 2.0], [3.0, 3.0, 3.0]])
    table = score_table([4, 7], logits, ("u", "c", "b"), label=[2, 0])
    assert list(table) == ["jet_id", "label", "score_u", "score_c", "score_b",
                           "probability_u", "probability_c", "probability_b"]  # fmt: skip
    assert table["score_b"].tolist() == [2.0, 3.0]
    exact = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    for name, first in zip("ucb", exact, strict=True):
        assert table[f"probability_{name}"].tolist() == pytest.approx([first, 1 / 3])


@pytest.mark.parametrize("suffix", ["root", "parquet"])
def test_no_jets_give_no_scores(run, suffix, tmp_path):
    empty = tmp_path / "empty.parquet"
    full = write_root(tmp_path / "full.root", 3)
    lists = {name: ak.values_astype(ak.Array([[0.0]])[:0], np.float32) for name in COLUMNS.values()}
    ak.to_parquet(ak.zip(lists, depth_limit=1), empty)
    table = pq.read_table(predict(run, full, tmp_path / "full.parquet"))
    out = predict(run, empty, tmp_path / f"scores.{suffix}")
    if suffix == "root":
        with uproot.open(out) as opened:
            assert opened["scores"].num_entries == 0
            assert set(opened["scores"].keys()) <= set(table.column_names)
    else:
        assert pq.read_table(out).num_rows == 0


def test_a_data_set_is_scored_whole(run, folder, tmp_path):
    tree = yaml.safe_load((folder / "fit.yaml").read_text())["data"]["dataset"]
    (tmp_path / "jets.yaml").write_text(yaml.safe_dump({"data": {"dataset": tree}}))
    out = predict(run, tmp_path / "jets.yaml", tmp_path / "scores.parquet")
    table = pq.read_table(out).to_pydict()
    predictions = pyg_jets.load_run(run).predictions
    scores = dict(zip(table["jet_id"], table["score"], strict=True))
    assert len(scores) > len(predictions.ids)
    assert [scores[i] for i in predictions.ids] == pytest.approx(predictions.scores, rel=1e-5)


def test_without_data_the_test_jets_are_scored(run, tmp_path):
    out = tmp_path / "scores.parquet"
    assert main(["predict", "--run", str(run), "--out", str(out)]) == 0
    table = pq.read_table(out).to_pydict()
    predictions = pyg_jets.load_run(run).predictions
    order = np.argsort(table["jet_id"])
    assert np.array(table["jet_id"])[order].tolist() == predictions.ids.tolist()
    np.testing.assert_allclose(np.array(table["score"])[order], predictions.scores, rtol=1e-5)
    assert np.array(table["label"])[order].tolist() == predictions.labels.tolist()


def test_a_file_without_a_column_that_the_tagger_reads_is_refused(run, tmp_path, capsys):
    path = tmp_path / "other.root"
    with uproot.recreate(path) as file:
        file["jets"] = {"part_pt": ak.Array([[1.0, 2.0], [3.0]])}
    words = ["predict", "--run", str(run), "--out", str(tmp_path / "scores.root"), "--data"]
    assert main([*words, str(path)]) == 2
    said = capsys.readouterr().err
    assert "has no 'part_d0'" in said
    assert main([*words, str(tmp_path / "nothing.root")]) == 2
    assert "There is no file" in capsys.readouterr().err
