"""Every data set that is read from files: what they hold, and what is said of broken ones."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from pyg_jets.datasets import DATASETS, JetFiles, PFNano
from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.io.cards import read_card
from pyg_jets.transforms.derive import derivable
from tests.datasets.layouts.all import LAYOUTS
from tests.datasets.layouts.layout import WRONG
from tests.io.broken import SAID, spoil

#: What the files in the layout of the tests do not have.
_OF_SOME_FILES = {PFNano: ("d0err", "dzerr", "gen_pt", "gen_eta", "gen_phi", "gen_mass")}
each = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@pytest.fixture
def copy(written, tmp_path):
    unread = shutil.ignore_patterns("processed")
    return lambda layout: Path(shutil.copytree(written(layout), tmp_path / "copy", ignore=unread))


def make(layout, root, **extra):
    return layout.kind(root, **{**layout.options, **extra})


def nothing_half_made(root: Path) -> bool:
    return not list(root.glob("processed/[!.]*/meta.json"))


def test_every_class_that_reads_files_has_a_layout():
    assert {layout.kind for layout in LAYOUTS.values()} == {
        kind for kind in DATASETS if issubclass(kind, FileDataset)
    }


@each
def test_agrees_with_an_independent_reading(layout, written):
    root = written(layout)
    dataset, expected = make(layout, root), layout.expected(root)
    assert len(dataset) == len(expected)
    if layout.has_empty_jets:
        assert any(len(one) == 0 for one in expected), "an empty jet belongs into the files"
    for data, one in zip(dataset, expected, strict=True):
        assert data.x.shape == one.shape
        np.testing.assert_allclose(data.x.numpy(), one, rtol=2e-5, atol=2e-5)
    if layout.labels is None:
        assert "y" not in dataset[0]
    else:
        assert dataset._data.y.tolist() == layout.labels(root).tolist()


@each
def test_the_card_lists_what_the_class_gives(layout, written):
    dataset = make(layout, written(layout))
    columns = read_card(dataset.card)["columns"]
    given = dataset.conversion.reader.file_columns(dataset.raw_files()[0].path)
    of_jets = [f"jet_{name}" for name in given.jets]
    optional = _OF_SOME_FILES.get(layout.kind, ())
    for one in columns["particles"]:
        known = derivable(one["name"], (*given.particles, *of_jets), dataset.axis)
        assert known or one["name"] in optional, one["name"]
    held = {*dataset.jet_columns, *(dataset._per_jet - {"jet", "y", "jet_id", "split"})}
    if layout.kind is not JetFiles:  # whose columns are the user's
        assert held == {one["name"] for one in columns["jets"]} - set(optional)


@each
def test_every_way_to_be_wrong_is_tested_or_exempt(layout):
    assert set(layout.wrong) | set(layout.exempt) == set(WRONG)
    assert not set(layout.wrong) & set(layout.exempt)


@pytest.mark.parametrize(
    ("layout", "way"),
    [(layout, way) for layout in LAYOUTS.values() for way in layout.wrong],
    ids=[f"{name}-{way}" for name, layout in LAYOUTS.items() for way in layout.wrong],
)
def test_wrong_content(layout, way, copy):
    root = copy(layout)
    make_wrong, said = layout.wrong[way]
    make_wrong(root)
    with pytest.raises(ValueError, match=said):
        make(layout, root)
    assert nothing_half_made(root)


@each
@pytest.mark.parametrize("way", ["nan", "negative"])
def test_bad_jets_can_be_dropped(layout, way, copy):
    if way in layout.exempt:
        pytest.skip(layout.exempt[way])
    root = copy(layout)
    whole = len(make(layout, root))
    layout.wrong[way][0](root)
    left = make(layout, root, bad_jets="drop", force_reload=True)
    assert whole - 2 <= len(left) < whole


@each
@pytest.mark.parametrize("way", SAID)
def test_broken_files(layout, way, copy):
    root = copy(layout)
    path = layout.files(root)[0]
    content = spoil(path, way)
    with pytest.raises(ValueError, match=re.escape(path.name)) as caught:
        make(layout, root)
    assert re.search(SAID[way], str(caught.value)), caught.value
    assert nothing_half_made(root)
    path.write_bytes(content)  # once it is mended all is well
    assert len(make(layout, root))


@each
def test_missing_file(layout, copy, monkeypatch, tmp_path):
    monkeypatch.setenv("PYG_JETS_MIRROR", str(tmp_path / "nothing here"))
    root = copy(layout)
    for path in layout.files(root):
        path.unlink()
    with pytest.raises((FileNotFoundError, ConnectionError)):
        make(layout, root)
    assert nothing_half_made(root)


@each
def test_unknown_feature_is_refused_by_name(layout, written):
    with pytest.raises(ValueError, match="'colour'"):
        make(layout, written(layout), features=["colour"])
