"""Run folders that are whole, unfinished, broken, or none."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyg_jets.io import write_parquet
from pyg_jets.report import make_report, summary_table
from pyg_jets.report.load import load_run, load_runs
from tests.report.conftest import jet_like


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
        ("config.yaml", "a: [1, 2", "config.yaml is not a YAML file"),
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
        ({"jet_id": [1], "label": [0], "score_0": [0.1]}, "scores of several classes"),
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
