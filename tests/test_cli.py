"""The command: help, versions, and what bad input gets."""

import os
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import pyg_jets
from pyg_jets.cli import main
from pyg_jets.studies import list_studies
from tests.processes import python

ROOT = Path(__file__).parent.parent


def run(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess:
    return python("-m", "pyg_jets.cli", *words, folder=folder)


@pytest.mark.parametrize(
    "words",
    [[], ["generate"], ["cluster"], ["datasets"], ["configs"], ["report"], ["demo"], ["fit"]],
    ids=str,
)
def test_help(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert stop.value.code == 0
    assert "--" in capsys.readouterr().out


def test_help_prints_docstrings(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "counted before their variants are made" in said
    assert "Train a network to classify jets" in said


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert pyg_jets.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("words", [["datasets", "show", "jet_class"], ["generate", "--help"]])
def test_a_reader_that_leaves_early_is_no_error(words, monkeypatch):
    """As in ``pyg-jets datasets show jet_class | head``."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main(words) == 128 + signal.SIGPIPE
        output.write("more, as Python ends")  # goes nowhere, and closing does not fail


def test_a_pipe_that_breaks_elsewhere_is_an_error(monkeypatch):
    def breaks(args):
        raise BrokenPipeError("of a server")

    monkeypatch.setitem(sys.modules["pyg_jets.cli.main"]._COMMANDS, "datasets", breaks)
    with pytest.raises(BrokenPipeError, match="of a server"):
        main(["datasets", "list"])


GENERATE = {"--process": ["w"], "--jets": ["5"], "--out": ["out"], "--workers": ["1"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--process": ["higgs"]}, "'higgs': choose from qcd, quark, gluon, w, z, top"),
        ({"--jets": ["0"]}, "n_jets"),
        ({"--pt": ["600", "500"]}, "600"),
        ({"--pt": ["500", "500"]}, "500"),
        ({"--pt": ["-5", "500"]}, "-5"),
        ({"--radius": ["0"]}, "radius"),
        ({"--eta-max": ["-1"]}, "eta_max"),
        ({"--shower": ["cascade"]}, "'cascade': choose from"),
        ({"--setting": ["Beams:colour = red"]}, "Beams:colour"),
        ({"--workers": ["-1"]}, "workers"),
    ],
    ids=str,
)
def test_generate_refuses_bad_input_with_2_and_writes_nothing(
    change, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    words = [w for key, values in {**GENERATE, **change}.items() for w in (key, *values)]
    assert main(["generate", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("pyg-jets: ")
    assert not (tmp_path / "out").exists()


def test_generate_leaves_somebody_elses_folder_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("mine")
    words = ["--process", "w", "--jets", "5", "--out", str(tmp_path), "--workers", "1"]
    assert main(["generate", *words]) == 2
    assert "thesis.tex" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir() if p.name[0] != "."] == ["thesis.tex"]


def test_generate_without_pythia_names_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    words = ["--process", "w", "--jets", "5", "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main(["generate", *words]) == 2
    assert "pip install 'pyg-jets[generate]'" in capsys.readouterr().err


def test_demo_keeps_to_its_arguments(tmp_path, capsys):
    run = tmp_path / "plain"
    run.mkdir()
    (run / "metrics.json").write_text("{}")
    (run / "provenance.json").write_text('{"seed": 1, "content": {"n_jets": 2000}}')
    assert main(["demo", "--out", str(tmp_path), "--seed", "2"]) == 2
    assert "made with (seed, jets) = (1, 2000), not (2, 2000)" in capsys.readouterr().err


def test_report_of_what_is_no_run(tmp_path):
    found = run("report", tmp_path, "--out", tmp_path / "out")
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "Expected --out, the folder of the page"),
        (["run", "--out", "x", "--group-by", "arm"], "--group-by and --replicate-by are for scans"),
        (["scan", "scan"], "Expected one scan, but got 2"),
        (["scan", "run"], "got both: report them one after the other"),
    ],
)
def test_options_of_a_report_that_do_not_go_together(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    for name in ("run", "scan"):
        (tmp_path / name).mkdir()
    (tmp_path / "scan" / "scan.json").write_text("{}")
    assert main(["report", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch, tmp_path):
    monkeypatch.setattr("pyg_jets.events.folder.check_names", lambda names, *_: int("bug"))
    with pytest.raises(ValueError, match="invalid literal"):
        main(["generate", "--process", "w", "--jets", "1", "--out", str(tmp_path)])
    monkeypatch.setattr("pyg_jets.events.folder.claim_folder", None)
    monkeypatch.setattr("pyg_jets.events.folder.check_names", lambda names, *_: tuple(names))
    with pytest.raises(TypeError, match="not callable"):
        main(["generate", "--process", "w", "--jets", "1", "--out", str(tmp_path)])


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_alone_prints_help():
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(f"make {verb}" in said for verb in ("venv", "demo", "test", "lint", "bench"))


def test_the_package_lists_what_it_exports():
    assert {"JetArray", "JetLoader", "load_run"} <= set(dir(pyg_jets))


def test_users_install_no_tools_of_developers():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for_users = project["optional-dependencies"]["all"]
    assert for_users == ["pyg-jets[generate,data,metrics,scan,report,bench]"]
    assert "-e '.[all,dev]'" in (ROOT / "Makefile").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the project, unpacked into a folder as pip would install it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyg_jets", "datasets"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    words = ["build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True)
    zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(folder / "installed")
    shutil.rmtree(source)
    return folder / "installed"


def files(folder, pattern="*"):
    return {p.relative_to(folder).as_posix() for p in folder.rglob(pattern) if p.is_file()}


def test_a_wheel_holds_all_modules_and_what_they_need(wheel):
    names = files(wheel)
    for pattern in ("*.py", "*.yaml", "*.md", "*.csv", "*.html", "*.css", "py.typed"):
        assert {f"pyg_jets/{name}" for name in files(ROOT / "pyg_jets", pattern)} <= names
    kinds = ("README.md", "LICENSE.*", "*.npz", "*.root")
    cards = set().union(*(files(ROOT / "datasets", kind) for kind in kinds))
    assert {f"pyg_jets/_cards/{name}" for name in cards if "/" in name} <= names
    assert not any(name.startswith(("datasets/", "tests/", "docs/")) for name in names)


def test_a_wheel_finds_cards_configurations_and_studies_by_name(wheel, tmp_path):
    code = """
from pyg_jets.cli import main
from pyg_jets.files import config_names, config_path, read_config
from pyg_jets.io import card_path
from pyg_jets.studies import list_studies
print(card_path("toy_jets"), config_path("broken_symmetry/arms/pre-inv"), *list_studies())
assert all(read_config(name) for name in config_names())
assert main(["configs", "copy", "tagging/sweep", "."]) == 0
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(wheel)}, cwd=tmp_path,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, *copies = done.stdout.splitlines()
    card, config, *studies = first.split()
    assert card == str(wheel / "pyg_jets/_cards/toy_jets/README.md")
    assert config == str(wheel / "pyg_jets/studies/broken_symmetry/arms/pre-inv.yaml")
    assert studies == list(list_studies())
    assert "tagging/base.yaml" in copies
