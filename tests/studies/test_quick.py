"""A quick run of the studies of taggers and of generators ends in a page with all its numbers."""

import csv
import json

import pytest

from pyg_jets.cli import main
from pyg_jets.studies import Study
from pyg_jets.studies.page import CSV_COLUMNS

#: What each page must hold: headings, tables of the CSV with a row and a metric, figures.
PAGES = {
    "tagging": {
        "headings": [
            "How it was done", "Top against QCD jets", "Quark against gluon jets",
            "What they cost", "What pT and η tell", "Another parton shower",
            "Beside weaver's ParticleNet",
        ],
        "numbers": {
            ("top", "PFN", "auc"), ("top", "EFN", "accuracy"),
            ("quark", "multiplicity alone", "auc"),
            ("quark", "ParticleNet-Lite minus FCN", "auc_difference"),
            ("costs", "ParticleNet", "us_per_jet"), ("kinematics", "top", "auc_weighted"),
            ("showers", "FCN, vincia, 16", "auc_on_simple"),
        },
        "figures": ["tagging-top-roc.png", "tagging-quark-roc.png"],
        "measures": {"kinematics-top", "costs-pfn", "showers-pfn-simple-16-on-vincia"},
    },
}  # fmt: skip


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
