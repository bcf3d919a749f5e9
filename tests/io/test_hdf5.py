"""HDF5: what h5py wrote comes back as it was; what is broken is refused in a sentence."""

import contextlib
import os
import re
import subprocess
import sys

import h5py
import hdf5plugin
import numpy as np
import pytest

from pyg_jets.io.file_type import describe
from pyg_jets.io.hdf5 import dataset_of, names_of, open_hdf5, read_rows
from tests.io import broken
from tests.processes import python


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(1000, 30, 4)).astype(np.float32)


@pytest.fixture
def path(tmp_path, values):
    path = tmp_path / "g.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("particle_features", data=values, chunks=(64, 30, 4), compression=4)
        file["inside/labels"] = np.arange(1000)
        file["names"] = np.array([b"pt", b"eta"])
        file["words"] = ["pt", "φ"]
        file["words"].attrs["x"] = 1
    return path


def _read_all(path):
    with open_hdf5(path) as file:
        return read_rows(dataset_of(file, "particle_features"), 0, 1000)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip", "shuffle": True},
        {"compression": "lzf"},
        hdf5plugin.Blosc(),
        hdf5plugin.Blosc2(),
        hdf5plugin.Zstd(),
        hdf5plugin.BZip2(),
    ],
    ids=["plain", "gzip", "lzf", "blosc", "blosc2", "zstd", "bzip2"],
)
def test_rows_are_those_that_were_written(tmp_path, values, options):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, **options)
    with open_hdf5(tmp_path / "x.h5") as file:
        data = dataset_of(file, "x", (None, 30, 4), "f")
        assert read_rows(data, 100, 333).dtype == np.float32
        np.testing.assert_array_equal(read_rows(data, 100, 333), values[100:333])
        assert read_rows(data, 990, 2000).shape == (10, 30, 4)


@pytest.fixture(params=["isal", "zlib"])
def library(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    else:
        pytest.importorskip("isal")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("dtype", ["f4", ">f8", "i8", "u1", "bool", "f2", "S3"])
@pytest.mark.parametrize("chunks", [(64, 7, 3), (1, 7, 3), (50, 3, 2), (333, 7, 1), (2000, 1, 3)])
@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"fletcher32": True}])
def test_packed_chunks_of_any_shape(tmp_path, dtype, chunks, options):
    values = np.random.default_rng(1).integers(0, 2, (701, 7, 3)).astype(dtype)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset(
            "x", data=values, chunks=chunks, maxshape=(None, 7, 3), compression=1, **options
        )
    with open_hdf5(tmp_path / "x.h5") as file:
        for start, stop in [(0, 701), (0, 64), (63, 129), (10, 20), (640, 900), (701, 800), (5, 5)]:
            rows = read_rows(file["x"], start, stop)
            assert rows.dtype == file["x"].dtype
            assert rows.flags.c_contiguous
            np.testing.assert_array_equal(rows, values[start:stop])


@pytest.mark.usefixtures("library")
def test_chunks_that_were_never_written_hold_the_fill_value(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", (100,), "f4", chunks=(10,), compression=1, fillvalue=7)
        data[35:52] = 1
        data.id.write_direct_chunk((80,), np.full(10, 2, "f4").tobytes(), filter_mask=1)
    with open_hdf5(tmp_path / "x.h5") as file, h5py.File(tmp_path / "x.h5") as same:
        np.testing.assert_array_equal(read_rows(file["x"], 3, 99), same["x"][3:99])


def test_a_user_block_may_stand_before(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w", userblock_size=512) as file:
        file["x"] = [1.0]
    with open_hdf5(tmp_path / "x.h5") as file:
        assert file["x"][0] == 1


def test_names(path):
    with open_hdf5(path) as file:
        assert names_of(file, "names") == ["pt", "eta"]
        assert names_of(file, "words") == ["pt", "φ"]
        with pytest.raises(ValueError, match="'inside/labels' has dtype int64, expected"):
            names_of(file, "inside/labels")


def test_what_does_not_fit_is_refused(path):
    with open_hdf5(path) as file:
        assert dataset_of(file, "inside/labels", (None,), "iu").shape == (1000,)
        with pytest.raises(ValueError, match="no dataset 'jets', it holds inside/, names, partic"):
            dataset_of(file, "jets")
        with pytest.raises(ValueError, match="no dataset 'inside', it holds"):
            dataset_of(file, "inside")
        with pytest.raises(ValueError, match="no dataset 'x', it holds labels"):
            dataset_of(file["inside"], "x")
        with pytest.raises(ValueError, match=r"shape \(1000, 30, 4\), expected \(any, 30, 3\)"):
            dataset_of(file, "particle_features", (None, 30, 3))
        with pytest.raises(ValueError, match="expected signed integer or unsigned integer") as e:
            dataset_of(file, "particle_features", None, "iu")
    assert "g.hdf5" in str(e.value)
    assert "float32" in str(e.value)


def test_a_file_that_is_being_written_is_not_called_damaged(path):
    with h5py.File(path, "a"):
        code = f"from pyg_jets.io.hdf5 import *\nwith open_hdf5({str(path)!r}): pass"
        run = python("-c", code)
    last = run.stderr.splitlines()[-1]
    assert re.search("g.hdf5 is open elsewhere .* wait until it is written", last), run.stderr
    assert broken.REMEDY not in last


def test_a_file_may_be_open_twice(path, values):
    with h5py.File(path) as file, open_hdf5(path) as same:
        np.testing.assert_array_equal(read_rows(same["particle_features"], 1, 9), values[1:9])
        assert file["names"].shape == (2,)


def test_other_files_are_refused(tmp_path):
    broken.refuses_others(tmp_path / "train.h5", "an HDF5 file", _read_all)


def test_cut_files_are_refused(path):
    broken.refuses_cuts(path, _read_all)


@pytest.mark.usefixtures("library")
def test_damage_inside_is_refused(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 300] = bytes(300)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"'/particle_features' is damaged between rows 0 and"):
        _read_all(path)


@pytest.mark.parametrize("at", [30, 60, 100, 150, 300, 700, 900, 1200, 2000])
def test_damage_in_the_structure_gives_no_traceback(path, at):
    raw = bytearray(path.read_bytes())
    raw[at : at + 8] = b"\xff" * 8
    path.write_bytes(raw)
    with contextlib.suppress(ValueError):  # or the damage is where nothing was
        _read_all(path)


def test_a_missing_filter_is_named(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(9999), chunks=(999,), **hdf5plugin.Blosc())
    code = f"""
import sys
sys.modules["hdf5plugin"] = None
from pyg_jets.io.hdf5 import open_hdf5, read_rows
with open_hdf5({str(path)!r}) as file:
    read_rows(file["x"], 0, 100)
"""
    env = {name: value for name, value in os.environ.items() if name != "HDF5_PLUGIN_PATH"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    last = run.stderr.splitlines()[-1]
    assert re.search(r"'blosc' \(HDF5 filter 32001\).*pip install hdf5plugin", last), run.stderr


def test_a_filter_that_hdf5plugin_lacks_is_named(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((100,))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((10,))
        plist.set_filter(305, h5py.h5z.FLAG_OPTIONAL, ())  # lzo, of PyTables alone
        data = h5py.Dataset(h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_INT64, space, plist))
        for start in range(0, 100, 10):
            data.id.write_direct_chunk((start,), bytes(80))
    with open_hdf5(path) as file, pytest.raises(ValueError, match=r"305.*ptrepack"):
        read_rows(file["x"], 0, 100)


def test_text_of_any_language_is_text(tmp_path):
    path = tmp_path / "x"
    path.write_text("é" * 3000)  # the head that is looked at ends inside a letter or not
    assert describe(path).startswith("a text file")
    path.write_text("a" + "é" * 3000)
    assert describe(path).startswith("a text file")
