"""Every data set has a card, whose head names what the class hands out."""

import hashlib
import re

import pytest

from pyg_jets.columns import JET, PARTICLE
from pyg_jets.datasets import DATASETS
from pyg_jets.io import card_names, card_path, cards, read_card
from pyg_jets.io.cards import sample_path


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("kind", DATASETS, ids=lambda kind: kind.__name__)
def test_every_data_set_has_a_card(kind):
    head = read_card(snake(kind.__name__))
    assert head["license"]
    assert head["pretty_name"]
    assert kind.__name__ in card_path(snake(kind.__name__)).read_text()


def test_no_card_without_a_data_set_or_a_sample():
    without_class = set(card_names()) - {snake(kind.__name__) for kind in DATASETS}
    assert all(sample_path(name).is_file() for name in without_class)


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
        ValueError, match="Unknown data set 'toy': choose from pythia_jets, sparse_mnist, toy_jets"
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
