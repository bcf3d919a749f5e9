"""Tables of pandas: rows as pandas reads them, by h5py alone, and never a pickle."""

import pickle
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from pyg_jets.io.pandas_table import PandasTable, pickled_names
from tests.io import broken

FOUR = [f"{c}_{i}" for i in range(5) for c in ("E", "PX", "PY", "PZ")]
ORDER = [*FOUR, "truthE", "ttv", "is_signal_new"]


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((700, 21), np.float32), columns=ORDER[:21])
    frame["ttv"] = rng.integers(0, 3, 700)
    frame["is_signal_new"] = rng.integers(0, 2, 700)
    return frame


@pytest.fixture
def path(tmp_path, frame):
    frame.to_hdf(tmp_path / "train.h5", key="table", format="table")
    return tmp_path / "train.h5"


def _read_all(path):
    with PandasTable(path) as table:
        return table.rows(0, table.num_rows)


def _set_names(path, pickled, block=0):
    with h5py.File(path, "a") as file:
        attributes = file["table/table"].attrs
        del attributes[f"values_block_{block}_kind"]
        if pickled is not None:
            attributes[f"values_block_{block}_kind"] = pickled


def _python2(names):
    """The list as PyTables pickled it under Python 2, protocol 0."""
    text = "(lp1\n"
    for number, name in enumerate(names):
        text += f"S'{name}'\np{number + 2}\na"
    return text.encode() + b"."


@pytest.mark.parametrize("data_columns", [None, True, ["E_0", "ttv"]])
@pytest.mark.parametrize("lib", [None, "zlib", "blosc", "blosc:zstd", "blosc2", "bzip2"])
def test_rows_are_those_of_pandas(tmp_path, frame, lib, data_columns):
    path = tmp_path / "x.h5"
    options = {"complib": lib, "complevel": 5 if lib else None, "data_columns": data_columns}
    frame.to_hdf(path, key="deep/jets", format="table", **options)
    wanted = pd.read_hdf(path, key="deep/jets")
    with PandasTable(path, "deep/jets") as table:
        assert sorted(table.columns) == sorted(ORDER)
        assert table.num_rows == 700
        rows = table.rows(100, 333)
        assert len(table.rows(690, 900)) == 10
        for names in (FOUR, FOUR[::-1], FOUR[::4], FOUR[:1], FOUR[1::4], ["E_3", "E_0", "PX_4"]):
            taken = table.take(rows, names)
            assert taken.dtype == np.float32
            np.testing.assert_array_equal(taken, wanted[names].to_numpy()[100:333])
        for names in (["is_signal_new"], ["is_signal_new", "ttv"], ["ttv", "E_2", "truthE"]):
            taken = table.take(rows, names)
            np.testing.assert_array_equal(taken, wanted[names].to_numpy()[100:333])
        assert table.take(rows, []).shape == (233, 0)
        some = table.take(rows[::3], FOUR)
        np.testing.assert_array_equal(some, wanted[FOUR].to_numpy()[100:333:3])


def test_columns_in_a_row_are_a_view(path):
    with PandasTable(path) as table:
        rows = table.rows(0, 50)
        assert table.columns == tuple(ORDER)
        assert table.block_of("PX_1") == ("values_block_0", 5)
        assert table.block_of("is_signal_new") == ("values_block_1", 1)
        for names in (FOUR, FOUR[4:8], FOUR[::4], ["ttv", "is_signal_new"], ["is_signal_new"]):
            assert np.shares_memory(table.take(rows, names), rows)
        jets = table.take(rows, FOUR).reshape(50, 5, 4)
    np.testing.assert_array_equal(jets[:, 1, 0], rows["values_block_0"][:, 4])


def test_other_dtypes(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": np.array([1, 2], np.int8), "name": ["q", "gg"]})
    frame["yes"] = np.array([3, 4], np.uint32)
    frame.to_hdf(tmp_path / "x.h5", key="table", format="table")
    with PandasTable(tmp_path / "x.h5") as table:
        rows = table.rows(0, 2)
        assert table.take(rows, ["b"]).dtype == np.int8
        np.testing.assert_array_equal(table.take(rows, ["a", "b", "yes"]), [[1, 1, 3], [2, 2, 4]])
        assert table.take(rows, ["name"]).tolist() == [[b"q"], [b"gg"]]


@pytest.mark.parametrize("protocol", range(6))
def test_names_of_every_protocol(protocol):
    for names in (["E_0"], ORDER, ["φ", "it's", "a\nb", ""], [f"c{i}" for i in range(2000)]):
        assert pickled_names(pickle.dumps(names, protocol)) == names
        assert pickled_names(pickle.dumps(tuple(names), protocol)) == names


def test_names_as_python_2_wrote_them(path):
    assert pickled_names(_python2(ORDER)) == ORDER
    _set_names(path, np.bytes_(_python2(ORDER[:21])))
    with PandasTable(path) as table:
        assert table.columns == tuple(ORDER)
    _set_names(path, np.void(pickle.dumps(ORDER[:21], 2)))
    with PandasTable(path) as table:
        assert table.columns == tuple(ORDER)


BAD = {
    "absent": None,
    "empty": np.void(b"\0"),
    "cut": np.bytes_(_python2(ORDER[:21])[:-30]),
    "narrow": np.bytes_(_python2(ORDER[:20])),
    "twice": np.bytes_(_python2([*ORDER[:20], "E_0"])),
    "numbers": np.bytes_(pickle.dumps(list(range(21)), 0)),
    "an integer": 7,
    "an array": np.arange(5),
}


@pytest.mark.parametrize("bad", BAD)
def test_without_names_the_published_order_is_taken(path, bad):
    _set_names(path, BAD[bad])
    with PandasTable(path, order=ORDER) as table:
        assert table.columns == tuple(ORDER)
        assert table.block_of("ttv") == ("values_block_1", 0)
    with pytest.raises(ValueError, match="does not name the 21 columns of its values_block_0") as e:
        PandasTable(path)
    assert str(path) in str(e.value)
    with pytest.raises(ValueError, match="order= leaves 20 names for them, expected 21"):
        PandasTable(path, order=ORDER[1:])


def test_the_published_order_fills_only_what_is_missing(path):
    _set_names(path, None, block=1)
    with PandasTable(path, order=[*ORDER[::-1]]) as table:
        assert table.columns == (*ORDER[:21], "is_signal_new", "ttv")


class _Trap:
    def __reduce__(self):
        return print, ("a pickle ran",)


@pytest.mark.parametrize("protocol", range(6))
def test_no_pickle_is_run(path, protocol, capsys, monkeypatch):
    _set_names(path, np.void(pickle.dumps([*ORDER[:20], _Trap()], protocol)))
    with h5py.File(path, "a") as file:
        for name in ("non_index_axes", "values_cols", "info"):
            file["table"].attrs[name] = np.void(pickle.dumps(_Trap(), protocol))

    def refuse(*_, **__):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    with PandasTable(path, order=ORDER) as table:
        assert table.columns == tuple(ORDER)
        table.rows(0, 10)
    assert capsys.readouterr().out == ""


def test_what_does_not_fit_is_refused(tmp_path, path, frame):
    with pytest.raises(ValueError, match="no dataset 'jets', it holds table/"):
        PandasTable(path, "jets")
    with PandasTable(path) as table, pytest.raises(ValueError, match="no column 'mass', it has E_"):
        table.take(table.rows(0, 1), ["mass"])
    frame.to_hdf(tmp_path / "fixed.h5", key="table", format="fixed")
    with pytest.raises(ValueError, match=r"fixed format, expected a table.*format=\"table\""):
        PandasTable(tmp_path / "fixed.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["table/table"] = np.zeros((3, 4))
        file["other/table"] = np.zeros(3)
        file["flat"] = np.zeros(3, [("a", "f4")])
    with pytest.raises(ValueError, match=r"shape \(3, 4\), expected \(any\)"):
        PandasTable(tmp_path / "x.h5")
    with pytest.raises(ValueError, match="'other/table' has dtype float64, expected"):
        PandasTable(tmp_path / "x.h5", "other")
    with pytest.raises(ValueError, match=r"x\.h5"):
        PandasTable(tmp_path / "x.h5", "flat")


def test_other_files_are_refused(tmp_path):
    broken.refuses_others(tmp_path / "test.h5", "an HDF5 file", _read_all)


@pytest.mark.parametrize("lib", [None, "zlib"])
def test_cut_files_are_refused(tmp_path, frame, lib):
    frame.to_hdf(tmp_path / "x.h5", key="table", format="table", complib=lib, complevel=5)
    broken.refuses_cuts(tmp_path / "x.h5", _read_all)


def test_damage_inside_is_refused(tmp_path, frame):
    path = tmp_path / "x.h5"
    frame.to_hdf(path, key="table", format="table", complib="zlib", complevel=5)
    with h5py.File(path) as file:
        chunk = file["table/table"].id.get_chunk_info(0)
    raw = bytearray(path.read_bytes())
    raw[chunk.byte_offset + 20 : chunk.byte_offset + 60] = bytes(40)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="'/table/table' is damaged between rows 0 and 700"):
        _read_all(path)


def test_the_file_is_closed_after_an_error(path):
    _set_names(path, None)
    with pytest.raises(ValueError, match="does not name"):
        PandasTable(path)
    shutil.copy(path, path.with_suffix(".copy"))
    with h5py.File(path, "a"):  # would fail if it were still open for reading
        pass
