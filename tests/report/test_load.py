"""Run folders that are whole, unfinished, broken, or none."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyg_jets.io import write_parquet
from pyg_jets.report import make_report, summary_table
from pyg_jets.runs import load_run, load_runs
from tests.report.conftest import jet_like

LOGITS = ("score_0", "score_1", "score_2")


@pytest.fixture
def run(arms, tmp_path):
    """A copy of a finished run, to be broken."""
    return shutil.copytree(arms[0], tmp_path / "plain")


def test_reads_everything(arms):
    run = load_run(arms[0])
    assert (run.name, run.title, run.classes) == ("plain", "PFN, plain", ("qcd", "w"))
    assert run.facts["pt"] == [500, 600]
    assert np.isnan(run.history["val/auc"][0])
    assert (np.diff(run.predictions.ids) > 0).all()
    assert set(run.samples.jets) == {"stage", "angle"}
    assert run.lacks == ()


def test_predictions_keep_rows_together(arms):
    table = pq.read_table(arms[0] / "predictions.parquet").to_pydict()
    seen = load_run(arms[0]).predictions
    known = dict(zip(table["jet_id"], zip(table["score"], table["mass"], strict=True), strict=True))
    found = zip(seen.scores, seen.observables["mass"], strict=True)
    assert all(pair == known[jet] for jet, pair in zip(seen.ids, found, strict=True))


def test_two_logits_are_one_score(run):
    path = run / "predictions.parquet"
    one, table = load_run(run), pq.read_table(path)
    score = np.array(table["score"], np.float64)
    table = table.drop_columns("score")
    table = table.append_column("score_0", [0.25 * score]).append_column("score_1", [1.25 * score])
    pq.write_table(table, path)
    two = load_run(run)
    assert np.allclose(two.predictions.scores, one.predictions.scores)
    assert np.array_equal(two.predictions.labels, one.predictions.labels)
    assert set(two.predictions.observables) == set(one.predictions.observables)
    assert (two.classes, two.test_set) == (one.classes, one.test_set)


def test_scores_of_several_classes(class_arms):
    table = pq.read_table(class_arms[0] / "predictions.parquet")
    run = load_run(class_arms[0])
    order = np.argsort(table["jet_id"].to_numpy())
    known = np.stack([table[name].to_numpy()[order] for name in LOGITS], -1)
    assert np.array_equal(run.predictions.scores, known)
    assert np.array_equal(run.predictions.labels, table["label"].to_numpy()[order])
    assert run.predictions.observables == {}
    assert run.classes == ("qcd", "w", "top")


def test_classes_without_names_are_numbered(class_arms, tmp_path):
    folder = shutil.copytree(class_arms[0], tmp_path / "run")
    (folder / "provenance.json").write_text(json.dumps({"classes": ["qcd", "w"]}))
    assert load_run(folder).classes == ("class 0", "class 1", "class 2")


def test_same_folder_twice_counts_once(arms):
    assert len(load_runs([arms[0], str(arms[0]), arms[0] / "."])) == 1


@pytest.mark.parametrize("call", [summary_table, lambda runs: make_report(runs, "unused")])
def test_refuses_what_holds_no_finished_run(run, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run / "predictions.parquet").unlink()
    with pytest.raises(ValueError, match="at least one finished run"):
        call([run])
    with pytest.raises(ValueError, match="got no folder"):
        call([])
    with pytest.raises(FileNotFoundError, match="no run folder"):
        call([tmp_path / "nothing"])
    with pytest.raises(ValueError, match="is no run folder: it holds none of config"):
        call([tmp_path])
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("name", ["predictions.parquet", "samples.parquet"])
def test_refuses_a_parquet_file_cut_short(run, name):
    whole = (run / name).read_bytes()
    (run / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=f"{name} is cut short"):
        load_run(run)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("metrics.json", '{"test/auc": 0.9', "metrics.json is not a JSON file"),
        ("metrics.json", "[1, 2]", "names and values in .*metrics.json, but got list"),
        ("provenance.json", "", "provenance.json is not a JSON file"),
        ("metrics.csv", "step,loss\n1,2\n", "column 'epoch' in .*metrics.csv, but got step, loss"),
        ("metrics.csv", "epoch,val/loss\n0,big\n", "metrics.csv holds something that is no number"),
        ("config.yaml", "a: [1, 2", "config.yaml is not YAML of plain values"),
    ],
)
def test_refuses_broken_text(run, name, text, words):
    (run / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        load_run(run)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"jet_id": [1, 2], "label": [0, 1]}, "has no column score"),
        ({"jet_id": [1], "label": [0], "score_0": [0.1]}, "with C of at least 2"),
        (
            {"jet_id": [1], "label": [0], "score_0": [0.1], "score_2": [0.1]},
            "has no column score_1",
        ),
        (
            {"jet_id": [1, 2], "label": [0, 3], **dict.fromkeys(LOGITS, (0.1, 0.2))},
            "labels from 0 to 2, but got 3",
        ),
        (
            {"jet_id": [1, 2], "label": [2, 2], **dict.fromkeys(LOGITS, (0.1, 0.2))},
            r"jets of several classes, but got those of \[2\]",
        ),
        (
            {"jet_id": [1, 2], "label": [0, 1], "score": [0.1, float("nan")]},
            "1 of 2 scores are NaN",
        ),
        ({"jet_id": [1, 2], "label": [1, 1], "score": [0.1, 0.2]}, "both classes"),
        ({"jet_id": [1, 2], "label": [1, 3], "score": [0.1, 0.2]}, "labels of 0"),
    ],
)
def test_refuses_predictions_that_make_no_table(run, columns, words):
    pq.write_table(pa.table(columns), run / "predictions.parquet")
    with pytest.raises(ValueError, match=rf"predictions.parquet.*{words}"):
        load_run(run)


def test_refuses_samples_without_stages(run):
    write_parquet(jet_like(4), run / "samples.parquet")
    with pytest.raises(ValueError, match="no jet column angle, stage"):
        load_run(run)


def test_a_run_that_stopped_early_is_read(run):
    for name in ("predictions.parquet", "samples.parquet", "metrics.json", "provenance.json"):
        (run / name).unlink()
    read = load_run(run)
    assert read.predictions is None
    assert read.title == "plain"
    assert len(read.lacks) == 4


def test_test_sets_are_told_apart_by_their_jets(arms, run):
    first, second = load_run(arms[0]), load_run(arms[1])
    assert first.test_set == second.test_set
    table = pq.read_table(run / "predictions.parquet")
    mass = np.array(table["mass"]) + 1
    table = table.set_column(table.column_names.index("mass"), "mass", pa.array(mass))
    pq.write_table(table, run / "predictions.parquet")
    assert load_run(run).test_set != first.test_set


def test_without_observables_the_data_hash_tells(run):
    table = pq.read_table(run / "predictions.parquet").select(["jet_id", "label", "score"])
    pq.write_table(table, run / "predictions.parquet")
    before = load_run(run).test_set
    provenance = json.loads((run / "provenance.json").read_text())
    (run / "provenance.json").write_text(json.dumps({**provenance, "data_hash": "other"}))
    assert load_run(run).test_set != before
