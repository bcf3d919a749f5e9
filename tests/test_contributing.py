"""The examples of CONTRIBUTING.md are written to files and run as they stand there."""

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.processes import python

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "CONTRIBUTING.md"
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.M | re.S)
BLOCK = re.compile(r"^```(python|yaml|markdown|sh)\n(.*?)^```", re.M | re.S)
#: The first line of a block names the file that it is.
FILE = re.compile(r"(?:# |<!-- )([\w./]+)(?: -->)?\n")
#: Fewer jets and epochs of the shipped configuration.
FEWER = {
    "fit": [
        "--data.dataset.init_args.n_jets=100",
        "--data.spread_jets=20",
        "--trainer.max_epochs=1",
        "--trainer.logger=false",
    ]
}


def sections() -> dict[str, str]:
    found = dict(SECTION.findall(PAGE.read_text()))
    return {title: text for title, text in found.items() if title.startswith("Add your own")}


def write_files(text: str, folder: Path) -> list[Path]:
    """The blocks of a section that are files, written below a folder."""
    paths = []
    for _, block in BLOCK.findall(text):
        if (name := FILE.match(block)) is None:
            continue
        path = folder / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block[name.end() :])
        paths.append(path)
    return paths


def commands(text: str) -> list[str]:
    return [
        line for kind, block in BLOCK.findall(text) if kind == "sh" for line in block.split("\n")
    ]


def test_every_kind_of_piece_has_an_example():
    kinds = ("tagger", "data set", "loss", "figure", "study")
    assert list(sections()) == [f"Add your own {kind}" for kind in kinds]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One folder of generated jets for all examples."""
    return tmp_path_factory.mktemp("data")


#: Examples that train on jets from Pythia.
LONG = ("Add your own tagger", "Add your own loss")


@pytest.mark.parametrize(
    "title",
    [pytest.param(title, marks=[pytest.mark.slow] * (title in LONG)) for title in sections()],
)
def test_the_example_runs(title, tmp_path, data):
    text = sections()[title]
    assert write_files(text, tmp_path), "a section has a finished example"
    environment = {**os.environ, "WANDB_MODE": "offline", "PYG_JETS_DATA": str(data)}
    environment.pop("PYTHONPATH", None)
    for line in filter(None, commands(text)):
        words = shlex.split(line)
        if words[0] == "pyg-jets":
            words = ["-m", "pyg_jets.cli", *words[1:], *FEWER.get(words[1], [])]
        else:
            assert words[0] == "python"
            words = words[1:]
        done = python(*words, folder=tmp_path, environment=environment)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
