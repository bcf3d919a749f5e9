"""Studies are run whole: the quick one of the package, and a user's own folder."""

import csv
import json

import pytest

from pyg_jets.cli import main

BASE = """
seed_everything: 1
model:
  network: {class_path: pyg_jets.nn.PFN, init_args: {phi: [8], f: [8]}}
data:
  dataset:
    class_path: pyg_jets.datasets.ToyJets
    init_args: {root: data/toy, n_jets: 400, seed: 1}
  features: {names: [eta, phi, pt], axis: origin}
  batch_size: 64
trainer: {max_epochs: 1}
"""
SWEEP = """
program: pyg-jets
method: grid
metric: {name: test/auc, goal: maximize}
command: ["${env}", pyg-jets, fit, --config=mystudy_whole/base.yaml, "${args}"]
parameters:
  data.sample.jets: {values: [64, 128]}
  data.sample.replica: {values: [0]}
"""
MEASURES = """
def measures(run):
    run.measure("points", lambda: len(run.scans()[0].finished))
"""
PAGE = """
from pyg_jets.studies import Page

def page(run):
    page = Page(run.study.name, "Of my own")
    page.number("points", "all", "finished", run.measured("points"))
    return page
"""


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_study_of_three_files_and_with_modules_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study, run = tmp_path / "mystudy_whole", tmp_path / "runs/studies/mystudy_whole"
    study.mkdir()
    head = "---\ngroup_by: [network_name, n_train]\n---\n"
    (study / "README.md").write_text(f"{head}# Of my own\n\nDo more jets help?\n")
    (study / "base.yaml").write_text(BASE)
    (study / "sweep.yaml").write_text(SWEEP)
    assert main(["study", "run", "./mystudy_whole", "--workers", "1"]) == 0
    page = (run / "mystudy_whole.md").read_text()
    assert "# Of my own\n\n1 network, trained on 64 to 128 jets; 1 training set a cell." in page
    assert "pyg-jets" in page.split("## How this was made")[1]
    aucs = {r["row"]: float(r["value"]) for r in rows(run / "mystudy_whole.csv")
            if r["table"] == "Test AUC" and r["metric"] == "auc"}  # fmt: skip
    assert list(aucs) == ["PFN, 64 jets", "PFN, 128 jets"]
    (study / "measures.py").write_text(MEASURES)
    (study / "page.py").write_text(PAGE)
    assert main(["study", "run", "./mystudy_whole", "--workers", "1"]) == 0
    assert [r["value"] for r in rows(run / "mystudy_whole.csv")] == ["2"]


@pytest.mark.slow
def test_the_quick_run_of_broken_symmetry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["study", "run", "broken_symmetry", "--quick", "--workers", "2"]) == 0
    run = tmp_path / "runs/studies/broken_symmetry-quick"
    text = (run / "broken_symmetry.md").read_text()
    assert "6 arms, 1 network (PFN) and 2 detectors (toy-uniform, toy-rect)" in text
    assert "12 trainings in all" in text
    provenance = text.split("## How this was made")[1]
    for part in ("| scan | sweep_quick |", "measurement artefacts", "version", "machine"):
        assert part in provenance
    numbers = rows(run / "broken_symmetry.csv")
    assert list(numbers[0]) == ["table", "row", "metric", "value", "error", "n"]
    aucs = [float(r["value"]) for r in numbers if (r["table"], r["metric"]) == ("Test AUC", "auc")]
    assert len(aucs) == 12
    assert min(aucs) > 0.5
    traces = [r for r in numbers if r["table"] == "What a rotation leaves in an image"]
    assert {r["metric"] for r in traces} == {"auc_after", "auc_before", "pixel_ratio_after",
                                             "pixel_ratio_before"}  # fmt: skip
    for picture in ("auc", "spread", "artefacts", "variants-toy-toy-rect"):
        assert (run / f"broken_symmetry-{picture}.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((run / "measures/artefacts.json").read_text())
    assert record["inputs"]["sources"] == ["toy"]
