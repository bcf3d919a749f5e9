"""A quick run of the studies of taggers and of generators ends in a page with all its numbers."""

import csv
import json
from pathlib import Path

import pytest

from pyg_jets.cli import main
from pyg_jets.studies import Study, StudyRun
from pyg_jets.studies.archive import archive, archive_measures
from pyg_jets.studies.generation.claims import GOALS
from pyg_jets.studies.page import CSV_COLUMNS

#: What each page must hold: headings, tables of the CSV with a row and a metric, figures.
PAGES = {
    "tagging": {
        "headings": [
            "How it was done",
            "Top against QCD jets",
            "Quark against gluon jets",
            "What they cost",
            "What pT and η tell",
            "Another parton shower",
            "Beside weaver's ParticleNet",
        ],
        "numbers": {
            ("top", "PFN", "auc"),
            ("top", "EFN", "accuracy"),
            ("quark", "multiplicity alone", "auc"),
            ("quark", "ParticleNet-Lite minus FCN", "auc_difference"),
            ("costs", "ParticleNet", "us_per_jet"),
            ("kinematics", "top", "auc_weighted"),
            ("showers", "FCN, vincia, 16", "auc_on_simple"),
        },
        "figures": ["tagging-top-roc.png", "tagging-quark-roc.png"],
        "measures": {"kinematics-top", "costs-pfn", "showers-pfn-simple-16-on-vincia"},
    },
    "generation": {
        "headings": [
            "What it had to show",
            "Digits",
            "GEN → RECO",
            "Jets out of noise",
            "The convolutional baseline",
            "What stays out",
            "How this was made",
        ],
        "numbers": {
            ("digits-8", "real digits", "reconstruction_accuracy"),
            ("gen-reco", "identity", "w1p"),
            ("gen-reco", "detector again", "w1_tau21"),
            ("gen-reco-ablations", "no merging", "skill"),
            ("noise-w", "truth floor", "w1_tau32"),
            ("noise-w", "AutoregressiveJets", "bits_per_jet"),
            ("conv-30", "detector again", "emd_n"),
            ("conv-wide-all", "identity", "emd_n"),
            ("sampling", "GEN → RECO", "us_per_jet"),
        },
        "figures": [
            "generation/digits-100.png",
            "generation/gen-reco-bins.png",
            "generation/gen-reco-response.png",
            "generation/conv-curves.png",
        ],
        "measures": {
            "digits-100-1-read",
            "gen_reco-floor",
            "gen_reco-identity",
            "noise-w-30-graphvae-1-jets",
        },
    },
}
#: Goals that a quick run does not measure: jets of which it makes none.
NOT_QUICK = ("digits-25", "noise-g", "noise-top", "noise-w-all")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_quick_run_ends_in_its_page(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["study", "run", name, "--quick"]) == 0
    run, expected = tmp_path / f"runs/studies/{name}-quick", PAGES[name]
    assert capsys.readouterr().out.splitlines()[-1] == str(run / f"{name}.md")
    page = (run / f"{name}.md").read_text()
    assert page.startswith(f"# {Study.load(name).title}\n")
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == expected[
        "headings"
    ]
    assert f"pyg-jets study run {name} --quick" in page
    for figure in expected["figures"]:
        assert f"]({figure})" in page
        assert (run / figure).read_bytes().startswith(b"\x89PNG")
    with (run / f"{name}.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert all(row["value"] != "" for row in rows)
    assert {(row["table"], row["row"], row["metric"]) for row in rows} >= expected["numbers"]
    records = {path.stem: json.loads(path.read_text()) for path in run.glob("measures/*.json")}
    assert set(records) >= expected["measures"]
    for record in records.values():
        assert {"version", "date", "command", "seconds", "inputs", "value"} <= set(record)
    before = {path: path.stat().st_mtime_ns for path in run.glob("measures/*.json")}
    assert main(["study", "page", name, "--quick"]) == 0
    assert {path: path.stat().st_mtime_ns for path in run.glob("measures/*.json")} == before
    assert (run / f"{name}.md").read_text() == page
    if name == "generation":
        check_goals(rows)
        check_archives(tmp_path / "elsewhere", run, capsys)


def check_goals(rows):
    """A chapter writes what each goal is about, and all that it is compared with."""
    written = {(row["table"], row["row"], row["metric"]) for row in rows}
    for goal in (goal for goals in GOALS.values() for goal in goals):
        limits = (limit for limit in (goal.at_least, goal.goal) if limit)
        others = {row for limit in limits for row in (*limit.below, *limit.above)}
        if goal.table not in NOT_QUICK:
            assert {(goal.table, row, goal.metric) for row in (goal.row, *others)} <= written


def check_archives(folder, run, capsys):
    """A run goes on from records alone: nothing is trained or measured again."""
    study_run = StudyRun(Study.load("generation"), run, quick=True, only_read=True)
    folder.mkdir()
    packed = [folder / "points.tar.gz", folder / "measures.tar.gz"]
    packed[0].write_bytes(archive(study_run.scans()))
    packed[1].write_bytes(archive_measures(study_run))
    words = ["study", "run", "generation", "--quick", "--out", str(folder / "run"), "--from"]
    capsys.readouterr()
    assert main([*words, *map(str, packed)]) == 0
    assert not list((folder / "run").rglob("*.ckpt"))
    dates = [
        [record["date"] for record in map(json.loads, map(Path.read_text, paths))]
        for paths in (sorted(each.glob("measures/*.json")) for each in (run, folder / "run"))
    ]
    assert dates[0] == dates[1]
    assert (folder / "run" / "generation.csv").read_text() == (run / "generation.csv").read_text()
