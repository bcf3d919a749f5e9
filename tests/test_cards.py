"""Every data set has a card, whose head names what the class hands out."""

import re

import pytest

from pyg_jets.columns import JET, PARTICLE
from pyg_jets.datasets import DATASETS
from pyg_jets.io import card_names, card_path, cards, read_card


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("kind", DATASETS, ids=lambda kind: kind.__name__)
def test_every_data_set_has_a_card(kind):
    head = read_card(snake(kind.__name__))
    assert head["license"]
    assert head["pretty_name"]
    assert kind.__name__ in card_path(snake(kind.__name__)).read_text()


def test_no_card_without_a_data_set():
    assert set(card_names()) == {snake(kind.__name__) for kind in DATASETS}


def test_bad_names_and_cards(tmp_path, monkeypatch):
    with pytest.raises(
        ValueError, match="Unknown data set 'toy': choose from pythia_jets, toy_jets"
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
