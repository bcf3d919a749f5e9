"""Jets from trees of jets: `read_root`, and back to awkward from a batch."""

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_jets import JetArray
from pyg_jets.io import read_root
from tests.conftest import random_jets

COLUMNS = {"pt": "part_pt", "eta": "Part_Eta"}


@pytest.fixture
def jets():
    made = random_jets(30, seed=2)
    return made.select(("pt", "eta")).with_jets(gen_pt=np.arange(30, dtype=np.float32))


@pytest.fixture
def write(tmp_path, jets):
    def save(**change):
        lists = {n: ak.unflatten(jets.column(n), jets.counts) for n in ("pt", "eta")}
        arrays = {f"part_{n}": v for n, v in lists.items()}
        arrays |= {"jet_pt": jets.jets["gen_pt"], "kind": np.arange(30) % 3, **change}
        path = tmp_path / "jets.root"
        with uproot.recreate(path) as file:
            types = {n: ak.type(v).content if isinstance(v, ak.Array) else v.dtype
                     for n, v in arrays.items()}  # fmt: skip
            file.mktree("deep/tree", types)
            file["deep/tree"].extend(arrays)
        return path

    return save


def test_read_root(write, jets):
    read = read_root(write(), "deep/tree", COLUMNS, {"gen_pt": "jet_pt"}, label="kind")
    expected = JetArray(
        jets.particles, jets.columns, jets.ptr, np.arange(30) % 3, {"gen_pt": jets.jets["gen_pt"]}
    )
    assert read.equals(expected)


def test_a_range_of_entries_keeps_its_ids(write, jets):
    path = write()
    whole = read_root(path, "deep/tree", COLUMNS, label=2)
    assert whole.labels.tolist() == [2] * 30
    assert read_root(path, "deep/tree", COLUMNS, label=2, start=7, stop=19).equals(whole[7:19])
    assert len(read_root(path, "deep/tree", COLUMNS, start=28, stop=99)) == 2
    none = read_root(path, "deep/tree", COLUMNS, ["jet_pt"], start=30)
    assert none.columns == ("pt", "eta")
    assert len(none) == 0
    with pytest.raises(ValueError, match="start=3, stop=2"):
        read_root(path, "deep/tree", COLUMNS, start=3, stop=2)


def test_names_as_in_the_file(write, jets):
    read = read_root(write(), "deep/tree", ["part_pt", "part_eta"], "jet_pt")
    assert read.columns == ("part_pt", "part_eta")
    assert np.array_equal(read.particles, jets.particles)
    assert list(read.jets) == ["jet_pt"]


def test_what_does_not_fit_is_refused(write):
    path = write()
    for columns, message in (
        ({"pt": "jet_pt"}, "'jet_pt' holds float32, expected lists of numbers"),
        ({"pt": "part_px"}, "no branch 'part_px'"),
        ({}, "at least one particle column"),
    ):
        with pytest.raises(ValueError, match=message):
            read_root(path, "deep/tree", columns)
    with pytest.raises(ValueError, match=r"'part_pt' holds var \* float32, expected numbers"):
        read_root(path, "deep/tree", COLUMNS, {"pt": "part_pt"})
    with pytest.raises(FileNotFoundError, match=r"no\.root"):
        read_root(path.with_name("no.root"), "tree", COLUMNS)
    texts = write(part_eta=ak.Array(["a", "b", "c"] * 10))
    with pytest.raises(ValueError, match="holds string, expected lists of numbers"):
        read_root(texts, "deep/tree", COLUMNS)


def test_lists_of_different_length(write, jets):
    path = write(
        part_eta=ak.unflatten(jets.column("eta")[:-1], [*jets.counts[:-1], jets.counts[-1] - 1])
    )
    with pytest.raises(
        ValueError,
        match=r"jets.root is not consistent \(a list of .*'Part_Eta', but of .* 'part_pt'",
    ):
        read_root(path, "deep/tree", COLUMNS)


def test_a_nan_is_refused_with_the_name_of_the_file(write, jets):
    spoilt = jets.column("pt").copy()
    spoilt[3] = np.nan
    path = write(part_pt=ak.unflatten(spoilt, jets.counts))
    with pytest.raises(ValueError, match=r"jets.root: Jet \d+ .* has a NaN"):
        read_root(path, "deep/tree", COLUMNS)
