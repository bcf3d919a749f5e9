"""Every data set has a card, whose head names what the class hands out."""

import hashlib
import re

import pytest
import torch_geometric.datasets

from pyg_jets.columns import JET, PARTICLE
from pyg_jets.datasets import DATASETS
from pyg_jets.io import card_names, card_path, cards, read_card
from pyg_jets.io.cards import card_files, card_text, sample_path
from tests.datasets_page import PAGE, page


def snake(name: str) -> str:
    """The folder of a class: a word begins at a capital after a small letter, or before one."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@pytest.mark.parametrize("kind", DATASETS, ids=lambda kind: kind.__name__)
def test_every_data_set_has_a_card(kind):
    assert snake(kind.__name__) in card_names()


def test_every_card_has_a_data_set():
    heads = [read_card(name) for name in card_names()]
    ours = {head["class"] for head in heads if "module" not in head}
    assert ours == {kind.__name__ for kind in DATASETS}


def test_a_card_of_a_data_set_of_pyg_names_its_class():
    heads = [read_card(name) for name in card_names()]
    of_pyg = {head["class"]: head["module"] for head in heads if "module" in head}
    assert of_pyg == {"MNISTSuperpixels": "torch_geometric.datasets"}
    assert hasattr(torch_geometric.datasets, "MNISTSuperpixels")


@pytest.mark.parametrize("name", card_names())
def test_every_card_says_what_is_needed(name):
    head, text = read_card(name), card_text(name)
    assert snake(head["class"]) == name
    for key in ("license", "pretty_name", "summary", "jets", "citation", "homepage", "splits"):
        assert head[key], key
    assert {"files", "classes", "columns"} <= set(head)
    assert head["license"] != "other" or {"license_link", "license_name"} & set(head)
    assert text.startswith("# ")
    assert f"from {head.get('module', 'pyg_jets.datasets')} import {head['class']}" in text
    assert f'{head["class"]}("data/' in text


@pytest.mark.parametrize("name", card_names())
def test_files_of_the_cards(name):
    files = card_files(name)
    assert len({file.name for file in files}) == len(files)
    assert len({file.url for file in files}) == len(files)
    for file in files:
        assert file.url.startswith("https://")
        assert file.url.endswith(f"/{file.name}")
        assert file.bytes is None or file.bytes > 0
        digits = {None: 0, "md5": 32, "sha256": 64}[file.algorithm]
        assert all(re.fullmatch(rf"[0-9a-f]{{{digits}}}", one) for one in file.hashes)
    firsts = [file.hash for file in files if file.hash]
    assert len(set(firsts)) == len(firsts)


def test_files_are_chosen_by_the_keys_of_the_card():
    parts = {part: card_files("quark_gluon", part=part) for part in
             ("pythia", "pythia_withbc", "herwig", "herwig_withbc")}  # fmt: skip
    assert [len(files) for files in parts.values()] == [20] * 4
    assert len(card_files("quark_gluon", part=("pythia", "herwig"))) == 40
    assert len(card_files("quark_gluon", part=None)) == 80
    names = [file.name for file in card_files("jet_net", part=30, type=["q", "g"])]
    assert names == ["g.hdf5", "q.hdf5"]
    assert {f.name for f in card_files("jet_class", split="val")} == {"JetClass_Pythia_val_5M.tar"}
    with pytest.raises(ValueError, match="Unknown part of the files of jet_net '31': choose from"):
        card_files("jet_net", part=31)
    with pytest.raises(ValueError, match="Unknown colour of the files of jet_net 'red'"):
        card_files("jet_net", colour="red")


def test_hashes_where_the_publisher_contradicts_himself():
    """Twenty hashes in order, beside addresses that name file 3 twice and 11 never."""
    files = card_files("quark_gluon", part="pythia_withbc")
    assert [file.name for file in files] == [f"QG_jets_withbc_{i}.npz" for i in range(20)]
    assert [i for i, file in enumerate(files) if file.other_hashes] == list(range(3, 11))
    for i in range(3, 11):
        assert files[i].other_hashes == (files[i + 1].hash,)


def test_a_file_without_a_hash_says_so(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    entry = "{name: a.h5, url: https://example.org/a.h5%s}"
    card = tmp_path / "mine" / "README.md"
    monkeypatch.setattr(cards, "_folder", lambda: tmp_path)
    card.write_text(f"---\nfiles:\n  - {entry % ', unverified: true'}\n---\n")
    assert card_files("mine")[0].hashes == ()
    card.write_text(f"---\nfiles:\n  - {entry % ''}\n---\n")
    with pytest.raises(ValueError, match=r"a\.h5 has no sha256 or md5: give it one, or say"):
        card_files("mine")


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.datasets_page"


def test_samples_are_those_of_the_cards():
    for name in card_names():
        for sample in read_card(name).get("sample", ()):
            content = (card_path(name).parent / sample["name"]).read_bytes()
            assert len(content) == sample["bytes"]
            assert hashlib.sha256(content).hexdigest() == sample["sha256"]


def test_a_card_without_a_sample():
    with pytest.raises(ValueError, match="names no sample"):
        sample_path("toy_jets")


def test_bad_names_and_cards(tmp_path, monkeypatch):
    with pytest.raises(
        ValueError, match="Unknown data set 'toy': choose from aspen_open_jets, event_files, "
    ):
        card_path("toy")
    (tmp_path / "headless").mkdir()
    (tmp_path / "headless" / "README.md").write_text("# No head")
    monkeypatch.setattr(cards, "_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match="no YAML head"):
        read_card("headless")


def test_columns_of_the_cards_are_columns():
    for name in card_names():
        columns = read_card(name)["columns"]
        for level, known in (("particles", PARTICLE), ("jets", JET)):
            assert {column["name"] for column in columns[level]} <= set(known)
            assert all(known[c["name"]].dtype == c["dtype"] for c in columns[level])
