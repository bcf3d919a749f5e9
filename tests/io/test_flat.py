"""Flat folders: what is damaged is refused, and what was interrupted goes on where it was good."""

import json
import shutil

import numpy as np
import pytest

from pyg_jets.errors import InputError
from pyg_jets.io import flat
from pyg_jets.io.flat import open_flat, verify_flat
from pyg_jets.io.flat_writer import FlatWriter, join_flat

PTR = np.array([0, 2, 2, 5])


def append(writer, start=0, **place):
    x = np.arange(10.0).reshape(5, 2) + start
    writer.append({"x": x, "y": np.arange(3)}, {"x": PTR, "y": None}, **place)


@pytest.fixture
def table(tmp_path):
    writer = FlatWriter(tmp_path / "table")
    append(writer)
    append(writer, 100)
    writer.finish({})
    return tmp_path / "table"


def flip(path, place=-1):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["x.npy", "x.ptr.npy", "y.npy"])
def test_a_flipped_bit_is_refused(table, name):
    flip(table / name)
    with pytest.raises(InputError, match=rf"table is damaged \({name} is damaged: .*make it again"):
        open_flat(table)
    assert verify_flat(table)[name].startswith("damaged: its values have the CRC")
    assert verify_flat(table)["meta.json"] == "ok"


def test_values_of_a_large_table_are_compared_when_asked(table, monkeypatch):
    monkeypatch.setattr(flat, "_CHECKED_BYTES", 100)
    flip(table / "x.npy")
    assert open_flat(table).columns["x"][-1, -1] != 109
    with pytest.raises(InputError, match=r"x\.npy is damaged"):
        open_flat(table, verify=True)
    assert verify_flat(table)["x.npy"].startswith("damaged")
    flip(table / "x.ptr.npy")
    with pytest.raises(InputError, match=r"x\.ptr\.npy is damaged"):
        open_flat(table)


def test_another_dtype_or_shape_is_refused(table):
    path = table / "x.npy"
    path.write_bytes(path.read_bytes().replace(b"'<f8'", b"'<i8'"))
    with pytest.raises(InputError, match=r"x\.npy is damaged: it holds int64"):
        open_flat(table)


def test_meta_is_refused_by_its_checksum(table):
    meta = (table / "meta.json").read_text()
    (table / "meta.json").write_text(meta.replace('"joined_last": []', '"joined_last": ["x"]'))
    with pytest.raises(InputError, match=r"meta\.json is damaged \(its content has another"):
        open_flat(table)
    (table / "meta.json").write_text(meta.replace('"checksum"', '"checksul"'))
    with pytest.raises(InputError, match=r"meta\.json is damaged \(its content has another"):
        open_flat(table)


@pytest.mark.parametrize(
    ("ptr", "said"),
    [
        ([0, 2, 1, 5, 7, 7, 10], "a pointer falls"),
        ([0, 2, 2, 5, 7, 7, 9], "the pointer of x does not fit its 10 rows"),
        ([1, 2, 2, 5, 7, 7, 10], "the pointer of x does not fit its 10 rows"),
        ([0, 2, 2, 5, 7, 10], "y has 6 rows for 5 jets"),
    ],
)
def test_pointers_of_an_earlier_version_are_checked(table, ptr, said):
    np.save(table / "x.ptr.npy", np.array(ptr))
    meta = json.loads((table / "meta.json").read_text())
    del meta["arrays"], meta["checksum"]
    (table / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match=said):
        open_flat(table)
    np.save(table / "x.ptr.npy", np.array([0, 2, 2, 5, 7, 7, 10]))
    assert len(open_flat(table)) == 6
    assert verify_flat(table) == {"meta.json": "unverified"}


def test_a_table_goes_on_from_the_last_place(table, tmp_path):
    writer = FlatWriter(tmp_path / "parts")
    append(writer, place=[1])
    join_flat([table], writer)  # interrupted before it says that all of the part is in
    writer.close()
    (tmp_path / "parts" / ".journal.json.k2_abcde").mkdir()  # as a kill leaves it
    writer = FlatWriter(tmp_path / "parts")
    assert not list((tmp_path / "parts").glob(".*"))
    assert (writer.place, writer.rows) == ([1], 5)
    join_flat([table], writer)
    writer.place = [2]
    writer.finish({})
    joined = open_flat(tmp_path / "parts", verify=True)
    assert joined.columns["x"][:, 0].tolist() == [0, 2, 4, 6, 8, 0, 2, 4, 6, 8, *range(100, 110, 2)]
    assert joined.slices["x"].tolist() == [0, 2, 2, 5, 7, 7, 10, 12, 12, 15]


@pytest.mark.parametrize("name", ["x.npy", "journal.json"])
def test_a_table_that_was_damaged_while_it_waited_begins_anew(tmp_path, name):
    for damage in (flip, lambda path: path.write_bytes(path.read_bytes()[:-9])):
        writer = FlatWriter(tmp_path / "table")
        append(writer, place=[1])
        writer.close()
        damage(tmp_path / "table" / name)
        writer = FlatWriter(tmp_path / "table")
        assert (writer.place, writer.rows) == (None, 0)
        append(writer)
        writer.finish({})
        assert open_flat(tmp_path / "table", verify=True).columns["x"][-1, 0] == 8
        shutil.rmtree(tmp_path / "table")


def test_columns_joined_along_their_last_dimension_have_a_checksum_too(tmp_path):
    writer = FlatWriter(tmp_path / "table")
    edges = np.arange(10).reshape(2, 5)
    writer.append({"e": edges, "y": np.arange(3)}, {"e": PTR, "y": None}, {"e"})
    writer.finish({})
    assert open_flat(tmp_path / "table", verify=True).columns["e"].tolist() == edges.tolist()
    flip(tmp_path / "table" / "e.npy")
    with pytest.raises(InputError, match=r"e\.npy is damaged"):
        open_flat(tmp_path / "table")
