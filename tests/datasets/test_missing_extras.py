"""A missing extra is one sentence, writes nothing, and after its installation all works."""

import hashlib
import json
import shutil
import sys

import h5py
import numpy as np
import pytest
import yaml

from pyg_jets.cli import main
from pyg_jets.datasets import JetFiles, PythiaJets
from pyg_jets.events import PythiaOptions
from pyg_jets.events.folder import MARKER, generate_folder
from pyg_jets.io.checksums import read_checked_json, write_checked_json
from pyg_jets.io.remote import MIRROR
from pyg_jets.training.scores import check_output
from tests.datasets.layouts.all import LAYOUTS
from tests.report.conftest import write_run

FEW = PythiaOptions(pthat=(0.8, 1.6), events_per_chunk=20, seed=4)
GENERATE = ["generate", "--process", "w", "--jets", "3", "--events-per-chunk", "20", "--out", "out"]
SWEEP = {
    "method": "bayes",
    "metric": {"name": "val/loss"},
    "run_cap": 1,
    "command": ["pyg-jets", "fit", "--config=broken_symmetry/base", "${args}"],
    "parameters": {"data.batch_size": {"values": [32, 64]}},
}


@pytest.fixture
def content(tmp_path, monkeypatch):
    """The files and folders of the working folder, with their bytes."""
    monkeypatch.chdir(tmp_path)

    def read():
        found = sorted(tmp_path.rglob("*"))
        return {
            str(path.relative_to(tmp_path)): hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "folder"
            for path in found
        }

    return read


@pytest.fixture
def missing(content, monkeypatch, capsys):
    """Does something without a module, and checks the sentence and that nothing is written."""

    def attempt(module, extra, action):
        before = content()
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(ModuleNotFoundError) as raised:
                action()
        said = str(raised.value)
        assert said.startswith(f"{module} is not installed")
        assert f"pip install 'pyg-jets[{extra}]'" in said
        assert content() == before
        return said

    return attempt


@pytest.fixture
def command(missing, capsys):
    """The same of a command, which prints the sentence and ends with code 2."""

    def attempt(module, extra, words):
        def action():
            code = main(words)
            sentence = capsys.readouterr().err
            assert code == 2
            assert sentence.startswith("pyg-jets: ")
            raise ModuleNotFoundError(sentence.removeprefix("pyg-jets: "))

        return missing(module, extra, action)

    return attempt


@pytest.mark.parametrize(
    ("module", "workers"), [("pythia8mc", "1"), ("fastjet", "1"), ("distributed", "2")]
)
def test_generate(command, module, workers):
    command(module, "generate", [*GENERATE, "--workers", workers])


def test_generate_after_the_extra_is_installed(command, tmp_path):
    words = [*GENERATE, "--workers", "1"]
    command("pythia8mc", "generate", words)
    assert main(words) == 0
    versions = json.loads((tmp_path / "out" / MARKER).read_text())["versions"]
    assert "none" not in versions.values()


def test_more_jets_of_a_folder_that_has_some(missing, tmp_path):
    """What is there stays whole, and what the chunks suffice for needs no generator."""
    kept = generate_folder(["w"], 3, tmp_path / "out", FEW, workers=1)["w"].read_bytes()

    def more(n_jets):
        return generate_folder(["w"], n_jets, tmp_path / "out", FEW, workers=1)["w"]

    missing("fastjet", "generate", lambda: more(1000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "fastjet", None)
        assert more(3).read_bytes() == kept
        assert more(2).read_bytes() != kept


def test_a_folder_that_recorded_no_generator_is_mended(tmp_path):
    """As version 0.2 left it, which wrote the record before it looked for the packages."""
    generate_folder(["w"], 2, tmp_path / "out", FEW, workers=1)
    for path in (tmp_path / "out").rglob("*.*"):
        if path.suffix == ".parquet":
            path.unlink()
    marker = tmp_path / "out" / MARKER
    record = read_checked_json(marker)
    record |= {"processes": {}, "versions": record["versions"] | {"pythia8mc": "none"}}
    write_checked_json(marker, record)
    assert generate_folder(["w"], 2, tmp_path / "out", FEW, workers=1)["w"].exists()


def test_a_data_set_of_generated_jets(missing, tmp_path):
    missing("pythia8mc", "generate", lambda: PythiaJets(tmp_path / "data", n_jets=5, workers=1))


PACKAGES = {
    "aspen_open_jets": "h5py",
    "event_files": "pyhepmc",
    "jet_class": "uproot",
    "jet_images": "h5py",
    "jet_net": "h5py",
    "lhc_jets": "h5py",
    "lhc_olympics": "fastjet",
    "pf_nano": "uproot",
    "quark_gluon": "particle",
    "top_tagging": "h5py",
}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_data_set_of_files(missing, written, tmp_path, name):
    layout = LAYOUTS[name]
    shutil.copytree(written(layout) / "raw", tmp_path / "root/raw")
    missing(PACKAGES[name], "data", lambda: layout.kind(tmp_path / "root", **layout.options))
    assert len(layout.kind(tmp_path / "root", **layout.options)) > 0
    with pytest.MonkeyPatch.context() as patch:  # flat files need nothing
        patch.setitem(sys.modules, PACKAGES[name], None)
        if name != "pf_nano":  # looks at the files for their columns
            layout.kind(tmp_path / "root", **layout.options)


def test_every_layout_is_tested():
    assert set(PACKAGES) | {"jet_files", "sparse_mnist"} == set(LAYOUTS)


def test_files_of_ones_own(missing, tmp_path):
    with h5py.File(tmp_path / "jets.h5", "w") as file:
        file["X"] = np.abs(np.random.default_rng(1).normal(size=(30, 4, 3)))
    columns = {name: ("X", i) for i, name in enumerate(("pt", "eta", "phi"))}

    def make():
        return JetFiles(tmp_path / "root", tmp_path / "jets.h5", columns)

    missing("h5py", "data", make)
    assert len(make()) == 30


def test_several_processes_of_a_conversion(missing, tmp_path):
    for i in range(2):
        np.savez(tmp_path / f"jets-{i}.npz", X=np.ones((30, 4, 3)))
    columns = {name: ("X", i) for i, name in enumerate(("pt", "eta", "phi"))}
    make = lambda: JetFiles(tmp_path / "root", "jets-*.npz", columns, workers=2)  # noqa: E731
    missing("distributed", "data", make)


@pytest.mark.parametrize("name", ["top_tagging", "jet_class", "lhc_jets"])
def test_a_download(missing, command, tmp_path, name):
    layout = LAYOUTS[name]
    missing("requests", "data", lambda: layout.kind(tmp_path / "root", split="val"))
    command("requests", "data", ["datasets", "fetch", name, "--split", "val"])


def test_a_copy_on_disk_needs_no_client(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "requests", None)
    monkeypatch.setenv(MIRROR, str(tmp_path))
    assert main(["datasets", "fetch", "top_tagging", "--root", str(tmp_path / "top")]) == 2
    assert "copy it there" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["matplotlib", "mplhep", "jinja2"])
def test_report(command, tmp_path, module):
    write_run(tmp_path / "run", n=40)
    command(module, "report", ["report", "run", "--out", "report"])


@pytest.mark.parametrize(
    ("module", "extra"), [("optuna", "scan"), ("distributed", "scan"), ("jinja2", "report")]
)
def test_scan(command, tmp_path, module, extra, monkeypatch):
    monkeypatch.setattr("pyg_jets.scan.engine.check_sweep", lambda sweep: None)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(SWEEP))
    said = command(module, extra, ["scan", "sweep.yaml", "--out", "scan", "--workers", "1"])
    assert said.endswith("or scan with --no-report.\n") == (extra == "report")


def test_a_scan_whose_jets_cannot_be_made_ends_at_once(tmp_path, monkeypatch, capsys):
    """Each point would fail; what is recorded of the scan does not hinder the next attempt."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    few = ["--trainer.max_steps=1", "--data.dataset.init_args.n_jets=9"]
    command = ["pyg-jets", "fit", "--config=tagger", *few, "${args}"]
    sweep = {**SWEEP, "method": "grid", "command": command}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    assert main(["scan", "sweep.yaml", "--out", "scan", "--no-report"]) == 2
    assert "pyg-jets[generate]" in capsys.readouterr().err
    assert not (tmp_path / "scan/points").exists()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("module", "extra"), [("mplhep", "report"), ("fastjet", "generate")])
def test_demo(command, module, extra):
    command(module, extra, ["demo", "--jets", "5"])


@pytest.mark.parametrize(("module", "extra"), [("matplotlib", "report"), ("distributed", "scan")])
def test_study(command, module, extra):
    command(module, extra, ["study", "run", "broken_symmetry", "--quick"])


def test_scores_as_root(missing, tmp_path):
    missing("uproot", "data", lambda: check_output(tmp_path / "scores.root", overwrite=False))
