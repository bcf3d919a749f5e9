"""Tables of pandas: rows as pandas reads them, by h5py alone, and never a pickle."""

import pickle
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from pyg_jets.io.hdf5 import open_hdf5, pandas_table, read_rows
from tests.io import broken

FOUR = [f"{c}_{i}" for i in range(5) for c in ("E", "PX", "PY", "PZ")]
ORDER = [*FOUR, "truthE", "ttv", "is_signal_new"]
BLOCKS = {"values_block_0": ORDER[:21], "values_block_1": ORDER[21:]}


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


def _read(path, start=0, stop=700, key="table", blocks=BLOCKS):
    with open_hdf5(path) as file:
        return read_rows(pandas_table(file, key, blocks), start, stop)


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


@pytest.mark.parametrize("lib", [None, "zlib", "blosc", "blosc:zstd", "blosc2", "bzip2"])
def test_rows_are_those_of_pandas(tmp_path, frame, lib):
    path = tmp_path / "x.h5"
    options = {"complib": lib, "complevel": 5 if lib else None}
    frame.to_hdf(path, key="deep/jets", format="table", **options)
    wanted = pd.read_hdf(path, key="deep/jets")
    rows = _read(path, 100, 333, "deep/jets")
    assert len(_read(path, 690, 900, "deep/jets")) == 10
    assert rows["values_block_0"].dtype == np.float32
    for block, names in BLOCKS.items():
        np.testing.assert_array_equal(rows[block], wanted[names].to_numpy()[100:333])


def test_columns_in_a_row_are_a_view(path):
    rows = _read(path, 0, 50)
    jets = rows["values_block_0"][:, :20].reshape(50, 5, 4)
    assert np.shares_memory(jets, rows)
    np.testing.assert_array_equal(jets[:, 1, 0], rows["values_block_0"][:, 4])


@pytest.mark.parametrize("protocol", range(6))
def test_names_of_every_protocol(path, protocol):
    _set_names(path, np.void(pickle.dumps(ORDER[:21], protocol)))
    assert len(_read(path)) == 700
    _set_names(path, np.void(pickle.dumps(ORDER[20::-1], protocol)))
    with pytest.raises(ValueError, match="truthE as column 0 of its values_block_0, expected E_0"):
        _read(path)


def test_names_as_python_2_wrote_them(path):
    _set_names(path, np.bytes_(_python2(ORDER[:21])))
    assert len(_read(path)) == 700
    _set_names(path, np.bytes_(_python2([*ORDER[:19], ORDER[20], ORDER[19]])))
    with pytest.raises(ValueError, match=r"truthE as column 19 of its .*, expected PZ_4"):
        _read(path)


OTHER = {
    "narrow": (np.bytes_(_python2(ORDER[:20])), "nothing as column 20 .* expected truthE"),
    "wide": (np.bytes_(_python2(ORDER[:22])), "ttv as column 21 .* expected nothing"),
    "twice": (np.bytes_(_python2([*ORDER[:20], "E_0"])), "E_0 as column 20"),
}


@pytest.mark.parametrize("other", OTHER)
def test_another_order_is_refused(path, other):
    names, message = OTHER[other]
    _set_names(path, names)
    with pytest.raises(ValueError, match=message) as error:
        _read(path)
    assert str(path) in str(error.value)


UNREADABLE = {
    "absent": None,
    "empty": np.void(b"\0"),
    "cut": np.bytes_(_python2(ORDER[:21])[:-30]),
    "numbers": np.bytes_(pickle.dumps(list(range(21)), 0)),
    "an integer": 7,
    "an array": np.arange(5),
}


@pytest.mark.parametrize("names", UNREADABLE)
def test_without_names_the_published_order_is_taken(path, names):
    _set_names(path, UNREADABLE[names])
    assert len(_read(path)) == 700
    blocks = {"values_block_0": ORDER[:20], "values_block_1": ORDER[21:]}
    with pytest.raises(ValueError, match=r"expected 20 columns of numbers, E_0 to PZ_4") as error:
        _read(path, blocks=blocks)
    assert str(path) in str(error.value)


class _Trap:
    def __reduce__(self):
        return print, ("a pickle ran",)


@pytest.mark.parametrize("protocol", range(6))
def test_no_pickle_is_run(path, protocol, capsys, monkeypatch):
    with h5py.File(path, "a") as file:
        for name in ("non_index_axes", "values_cols", "info"):
            file["table"].attrs[name] = np.void(pickle.dumps(_Trap(), protocol))

    def refuse(*_, **__):
        raise AssertionError("unpickled")

    trapped = np.void(pickle.dumps([*ORDER[:20], _Trap()], protocol))
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert len(_read(path)) == 700
    _set_names(path, trapped)
    with pytest.raises(ValueError, match="as column 20 of its values_block_0, expected truthE"):
        _read(path)
    assert capsys.readouterr().out == ""


def test_what_does_not_fit_is_refused(tmp_path, path, frame):
    with pytest.raises(ValueError, match="no dataset 'jets', it holds table/"):
        _read(path, key="jets")
    with pytest.raises(ValueError, match="E_0 as column 0 of its values_block_0, expected mass"):
        _read(path, blocks={"values_block_0": ["mass"]})
    frame.to_hdf(tmp_path / "fixed.h5", key="table", format="fixed")
    with pytest.raises(ValueError, match=r"fixed format, expected a table.*format=\"table\""):
        _read(tmp_path / "fixed.h5")
    frame.to_hdf(tmp_path / "columns.h5", key="table", format="table", data_columns=True)
    with pytest.raises(
        ValueError, match=r"columns\.h5.* as its values_block_0, expected 21 columns"
    ):
        _read(tmp_path / "columns.h5")
    frame.assign(ttv="train").to_hdf(tmp_path / "text.h5", key="table", format="table")
    with pytest.raises(
        ValueError, match=r"text\.h5.*nothing as column 1 .* expected is_signal_new"
    ):
        _read(tmp_path / "text.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["table/table"] = np.zeros((3, 4))
        file["other/table"] = np.zeros(3)
        file["flat"] = np.zeros(3, [("a", "f4")])
    with pytest.raises(ValueError, match=r"shape \(3, 4\), expected \(any\)"):
        _read(tmp_path / "x.h5")
    with pytest.raises(ValueError, match="'other/table' has dtype float64, expected"):
        _read(tmp_path / "x.h5", key="other")
    with pytest.raises(ValueError, match=r"x\.h5"):
        _read(tmp_path / "x.h5", key="flat")


def test_other_files_are_refused(tmp_path):
    broken.refuses_others(tmp_path / "test.h5", "an HDF5 file", _read)


@pytest.mark.parametrize("lib", [None, "zlib"])
def test_cut_files_are_refused(tmp_path, frame, lib):
    frame.to_hdf(tmp_path / "x.h5", key="table", format="table", complib=lib, complevel=5)
    broken.refuses_cuts(tmp_path / "x.h5", _read)


def test_damage_inside_is_refused(tmp_path, frame):
    path = tmp_path / "x.h5"
    frame.to_hdf(path, key="table", format="table", complib="zlib", complevel=5)
    with h5py.File(path) as file:
        chunk = file["table/table"].id.get_chunk_info(0)
    raw = bytearray(path.read_bytes())
    raw[chunk.byte_offset + 20 : chunk.byte_offset + 60] = bytes(40)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="'/table/table' is damaged between rows 0 and 700"):
        _read(path)


def test_the_file_is_closed_after_an_error(path):
    _set_names(path, np.bytes_(_python2(ORDER[1:22])))
    with pytest.raises(ValueError, match="published order"):
        _read(path)
    shutil.copy(path, path.with_suffix(".copy"))
    with h5py.File(path, "a"):  # would fail if it were still open for reading
        pass
