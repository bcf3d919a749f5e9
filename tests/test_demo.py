"""The whole way on few jets: Pythia, data set, three trainings, report."""

import csv

import pytest

from pyg_jets.cli import main
from pyg_jets.io import read_parquet

WORDS = ["demo", "--jets", "60", "--epochs", "2", "--seed", "3"]


@pytest.mark.slow
def test_demo_from_pythia_to_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(WORDS) == 0
    said = capsys.readouterr().out
    page = tmp_path / "runs" / "demo" / "report" / "index.html"
    assert page.exists()
    assert str(page) in said
    rows = list(csv.DictReader((page.parent / "table.csv").open()))
    assert [row["run"] for row in rows[:3]] == ["plain", "pre-aug", "pre-inv"]
    assert all(0 < float(row["auc"]) <= 1 for row in rows)
    for row in rows[:3]:
        logged = list((tmp_path / "runs" / "demo" / row["run"] / "wandb").glob("offline-run-*"))
        assert len(logged) == 1
    samples = read_parquet(tmp_path / "runs" / "demo" / "plain" / "samples.parquet")
    assert set(samples.jets["stage"]) == {0, 1}

    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("metrics.json")}
    assert main(WORDS) == 0
    assert "finished and kept" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in before} == before
