"""`pyg-jets datasets`: list, show, fetch, verify."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from pyg_jets.cli import main
from pyg_jets.datasets import ToyJets
from pyg_jets.errors import DiskFullError
from pyg_jets.io import write_parquet
from pyg_jets.io.cards import card_name, card_names, read_card
from pyg_jets.io.checksums import write_checked_json
from pyg_jets.io.remote import MIRROR
from tests.conftest import random_jets

DATA = b"jets" * 1000


def datasets(capsys, *words) -> tuple[int, str, str]:
    code = main(["datasets", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A copy of the public sets: some files of top_tagging, on disk."""
    copies = tmp_path / "copies"
    folder = copies / "record/2603256/files"
    folder.mkdir(parents=True)
    for name in ("train.h5", "val.h5"):
        (folder / name).write_bytes(DATA)
    monkeypatch.setenv(MIRROR, str(copies))
    monkeypatch.chdir(tmp_path)
    return folder


def test_list_has_every_card(capsys, tmp_path):
    code, said, _ = datasets(capsys, "list", "--root", tmp_path)
    assert code == 0
    for name in card_names():
        line = next(line for line in said.splitlines() if line.startswith(f"{name} "))
        assert read_card(name)["class"] in line


def test_list_says_what_is_on_disk(capsys, tmp_path):
    raw = tmp_path / "jet_net" / "raw"
    raw.mkdir(parents=True)
    (raw / "g.hdf5").write_bytes(bytes(2_000_000))
    (raw / "q.hdf5.part").write_bytes(b"x")
    processed = tmp_path / "jet_net" / "processed" / "abc"
    processed.mkdir(parents=True)
    (processed / "x.bin").write_bytes(bytes(3000))
    (tmp_path / "toy_jets" / "raw").mkdir(parents=True)
    (tmp_path / "toy_jets" / "raw" / "toy.parquet").write_bytes(bytes(500))
    _, said, _ = datasets(capsys, "list", "--root", tmp_path)
    assert "1 of 10 files, 2.0 MB; 1 broken off; processed 3.0 kB" in said
    assert "raw 500 B" in said


@pytest.mark.parametrize("name", card_names())
def test_show(capsys, name):
    code, said, _ = datasets(capsys, "show", name)
    head = read_card(name)
    assert code == 0
    assert head["class"] in said
    assert head["homepage"] in said
    for column in (*head["columns"]["particles"], *head["columns"]["jets"]):
        assert column["description"] in said


@pytest.mark.parametrize("name", card_names())
def test_the_class_of_a_data_set_names_its_card(capsys, name):
    of_card, of_class = (
        datasets(capsys, "show", each) for each in (name, read_card(name)["class"])
    )
    assert of_card == of_class


@pytest.mark.parametrize("name", ["TopTagging", "toptagging", "TOP_TAGGING", "top-tagging"])
def test_spellings_of_a_data_set(name):
    assert card_name(name) == "top_tagging"


def test_fetch_and_verify_by_class(capsys, mirror, tmp_path):
    words = ("TopTagging", "--split", "train")
    code, said, _ = datasets(capsys, "fetch", *words, "--quiet")
    assert code == 0
    assert "top_tagging: 1 file wanted in data/top_tagging/raw" in said
    assert datasets(capsys, "verify", *words)[0] == 0


def test_fetch_and_verify(capsys, mirror, tmp_path):
    words = ("top_tagging", "--split", "train", "val")
    code, said, _ = datasets(capsys, "fetch", *words, "--quiet")
    assert code == 0
    assert "2 files wanted in data/top_tagging/raw, 2 missing" in said
    raw = tmp_path / "data/top_tagging/raw"
    assert (raw / "train.h5").read_bytes() == DATA
    assert (
        "2 files wanted in data/top_tagging/raw, 0 missing"
        in datasets(capsys, "fetch", *words, "--quiet")[1]
    )

    code, said, _ = datasets(capsys, "verify", *words)
    assert (code, said.count("recorded ")) == (0, 3)
    code, said, _ = datasets(capsys, "verify", "top_tagging")
    assert code == 0
    assert "1 missing" in said
    assert datasets(capsys, "verify", "top_tagging", "--only", "test.h5")[0] == 1

    (raw / "val.h5").write_bytes(DATA + b"!")
    code, said, _ = datasets(capsys, "verify", "top_tagging")
    assert code == 1
    assert "wrong hash  val.h5" in said
    assert hashlib.sha256(DATA).hexdigest() in said
    assert hashlib.sha256(DATA + b"!").hexdigest() in said
    assert "Remove what is wrong, and fetch it again." in said


def test_fetch_shows_a_bar(capsys, mirror, tmp_path):
    _, _, said = datasets(capsys, "fetch", "top_tagging", "--only", "val.h5", "--root", tmp_path)
    assert "val.h5: 100%" in said


def test_verify_of_converted_and_generated_jets(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path(ToyJets("data/toy_jets", n_jets=20).processed_dir)
    generated = tmp_path / "jets"
    write_parquet(random_jets(5), generated / "w.parquet")
    write_checked_json(generated / "generation.json", {"processes": {"w": {}, "qcd": {}}})
    code, said, _ = datasets(capsys, "verify", "toy_jets")
    assert code == 0
    assert re.fullmatch(r"\d+ ok of the files that were made in data/toy_jets\n", said)
    code, said, _ = datasets(capsys, "verify", "jets")
    assert code == 1
    assert "jets/qcd.parquet is missing\n" in said
    assert "2 ok, 1 damaged of the files that were made in jets" in said
    values = (folder / "x.npy").read_bytes()
    (folder / "x.npy").write_bytes(values[:-1] + bytes([values[-1] ^ 1]))
    code, said, _ = datasets(capsys, "verify", "ToyJets")
    assert code == 1
    assert "x.npy is damaged: its values have the CRC" in said
    assert "Make them again: with force_reload=True" in said
    assert datasets(capsys, "verify", "sparse_mnist")[0] == 1


def test_verify_of_nothing(capsys, tmp_path):
    code, said, _ = datasets(capsys, "verify", "toy_jets", "--root", tmp_path)
    assert (code, said) == (1, f"Nothing to verify in {tmp_path}.\n")
    code, said, _ = datasets(capsys, "verify", "jet_net", "--root", tmp_path)
    assert (code, said) == (1, f"10 missing in {tmp_path}/raw\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "jetnets"], "Unknown data set 'jetnets': choose from"),
        (["show", "jetnets"], "Did you mean 'jet_net'?"),
        (["show", "TopTaging"], "Did you mean 'top_tagging'?"),
        (["fetch", "PythiaJet"], "Did you mean 'pythia_jets'?"),
        (["verify", "jet_net", "--split", "train"], "Unknown split of the files of jet_net"),
        (["fetch", "top_tagging", "--split", "tets"], "Did you mean 'test'?"),
        (["fetch", "toy_jets"], "toy_jets has no files to fetch or verify"),
        (["fetch", "jet_net", "--only", "x.h5"], "Unknown file of jet_net 'x.h5': choose from"),
        (["fetch", "jet_net", "--split", "train"], "Unknown split of the files of jet_net"),
        (["verify", "jet_net", "--part", "31"], "Unknown part of the files of jet_net '31'"),
        (
            ["fetch", "top_tagging", "--only", "test.h5"],
            "test.h5 is not there, where PYG_",
        ),
    ],
)
def test_what_bad_words_get(capsys, mirror, words, message):
    code, _, said = datasets(capsys, *words)
    assert code == 2
    assert message in said
    assert said.startswith("pyg-jets: ")


def test_a_file_with_other_bytes(capsys, mirror, monkeypatch):
    folder = mirror.parent.parent / "269622" / "files"
    folder.mkdir(parents=True)
    name = read_card("jet_images")["files"][0]["name"]
    (folder / name).write_bytes(DATA)
    code, _, said = datasets(capsys, "fetch", "jet_images", "--quiet")
    assert code == 2
    for word in (name, "f9b11c46b6a0ff928bec2eccf865ecf0", hashlib.md5(DATA).hexdigest()):
        assert word in said


def test_a_full_disk_is_said_in_a_sentence(capsys, mirror, monkeypatch):
    def full(*_, **__):
        raise DiskFullError("The disk is full")

    monkeypatch.setattr("pyg_jets.io.download.fetch", full)
    code, _, said = datasets(capsys, "fetch", "top_tagging")
    assert (code, said) == (2, "pyg-jets: The disk is full\n")


@pytest.mark.parametrize("words", [[], ["list"], ["show"], ["fetch"], ["verify"]], ids=str)
def test_help(capsys, words):
    with pytest.raises(SystemExit) as stop:
        main(["datasets", *words, "--help"])
    assert stop.value.code == 0
    assert "NAME" in capsys.readouterr().out or words in ([], ["list"])
