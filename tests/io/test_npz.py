"""npz and npy: rows as `np.load` gives them, in bounded memory, and never a pickle."""

import io
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from pyg_jets.io.npz import NpzReader
from tests.io import broken


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 20, 4))
    x[np.arange(20) >= rng.integers(1, 20, 1000)[:, None]] = 0
    return {"X": x, "y": rng.integers(0, 2, 1000), "w": rng.random(1000, np.float32)}


def _zip(path, arrays, method):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, value in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, value)
            archive.writestr(f"{name}.npy", buffer.getvalue())


def _read_all(path):
    with NpzReader(path) as reader:
        return [reader.rows(name, 0, 10**9) for name in reader.names]


@pytest.fixture(params=["isal", "zlib"])
def library(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    else:
        pytest.importorskip("isal")


METHODS = ["ZIP_STORED", "ZIP_DEFLATED", "ZIP_BZIP2", "ZIP_LZMA"]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("size", "start"), [(1, 990), (64, 0), (300, 150), (5000, 0), (10, 1000)])
def test_chunks_are_those_of_numpy(tmp_path, arrays, method, size, start):
    _zip(tmp_path / "x.npz", arrays, getattr(zipfile, method))
    whole = np.load(tmp_path / "x.npz")
    with NpzReader(tmp_path / "x.npz") as reader:
        assert reader.names == ("X", "y", "w")
        assert (reader.shape("X"), reader.dtype("w")) == ((1000, 20, 4), np.float32)
        chunks = list(reader.chunks(["y", "X", "w"], size, start))
    assert [len(c["X"]) for c in chunks[:-1]] == [size] * (len(chunks) - 1)
    assert bool(chunks) == (start < 1000)
    for name in arrays:
        read = [chunk[name] for chunk in chunks]
        joined = np.concatenate([whole[name][:0], *read])
        assert joined.dtype == whole[name].dtype
        np.testing.assert_array_equal(joined, whole[name][start:])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_may_be_asked_for_in_any_order(tmp_path, arrays, save):
    save(tmp_path / "x.npz", **arrays)
    with NpzReader(tmp_path / "x.npz") as reader:
        for start, stop in [(500, 600), (100, 700), (0, 1), (700, 700), (995, 2000)]:
            np.testing.assert_array_equal(reader.rows("X", start, stop), arrays["X"][start:stop])
        rows = reader.rows("X", 5, 10)
        rows[:] = 1  # they belong to the caller, and the file stays as it is
        assert torch.from_numpy(rows).sum() == rows.size
        np.testing.assert_array_equal(reader.rows("X", 5, 10), arrays["X"][5:10])
    assert rows.sum() == rows.size


@pytest.mark.parametrize("dtype", ["uint8", ">f4", "float16", "bool", "S5", "U3"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_plain_dtype_comes_through(tmp_path, dtype, save):
    values = np.arange(60).reshape(20, 3).astype(dtype)
    save(tmp_path / "x.npz", values)
    with NpzReader(tmp_path / "x.npz") as reader:
        np.testing.assert_array_equal(reader.rows("arr_0", 3, 9), values[3:9])


@pytest.mark.parametrize("shape", [(0,), (0, 5), (7, 0), (7, 0, 3)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_empty_arrays(tmp_path, shape, save):
    save(tmp_path / "x.npz", np.empty(shape))
    with NpzReader(tmp_path / "x.npz") as reader:
        assert reader.rows("arr_0", 0, 100).shape == shape


def test_plain_npy(tmp_path, arrays):
    np.save(tmp_path / "x.npy", arrays["X"])
    with NpzReader(tmp_path / "x.npy") as reader:
        assert reader.names == ("arr_0",)
        np.testing.assert_array_equal(reader.rows("arr_0", 10, 30), arrays["X"][10:30])
    broken.refuses_cuts(tmp_path / "x.npy", _read_all, (0.0002, 0.1, 0.5, 0.999))


def test_columns_in_fortran_order(tmp_path, arrays):
    values = np.asfortranarray(arrays["X"])
    np.savez(tmp_path / "x.npz", X=values)
    with NpzReader(tmp_path / "x.npz") as reader:
        np.testing.assert_array_equal(reader.rows("X", 10, 30), values[10:30])
    np.savez_compressed(tmp_path / "x.npz", X=values)
    with NpzReader(tmp_path / "x.npz") as reader, pytest.raises(ValueError, match="C order"):
        reader.rows("X", 0, 1)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_memory_does_not_grow_with_the_file(tmp_path, save):
    save(tmp_path / "x.npz", X=np.zeros((100_000, 20, 4)))  # 64 MB
    tracemalloc.start()
    with NpzReader(tmp_path / "x.npz") as reader:
        rows = sum(len(chunk["X"]) for chunk in reader.chunks(["X"], 1000, 50_000))
        assert len(reader.rows("X", 99_000, 10**6)) == 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 50_000
    assert peak < 12e6


def test_other_files_are_refused(tmp_path):
    broken.refuses_others(tmp_path / "x.npz", "an npz or npy file", _read_all)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_cut_files_are_refused(tmp_path, arrays, save):
    save(tmp_path / "x.npz", **arrays)
    broken.refuses_cuts(tmp_path / "x.npz", _read_all)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("place", [0.001, 0.3, 0.6, 0.8])
def test_damage_inside_is_refused(tmp_path, arrays, place):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, **arrays)
    raw = bytearray(path.read_bytes())
    at = max(100, int(len(raw) * place))
    raw[at : at + 4] = bytes(255 - b for b in raw[at : at + 4])
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="damaged in array 'X'") as caught:
        _read_all(path)
    assert broken.is_sentence(caught.value, path)


@pytest.mark.usefixtures("library")
def test_a_wrong_crc_is_refused(tmp_path, arrays):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, y=arrays["y"])
    with zipfile.ZipFile(path) as archive:
        crc = archive.getinfo("y.npy").CRC.to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(crc, b"abcd"))
    with pytest.raises(ValueError, match=r"its CRC is [0-9a-f]{8}, the archive promises 64636261"):
        _read_all(path)


def test_what_does_not_fit_is_refused(tmp_path, arrays):
    np.savez(tmp_path / "x.npz", **arrays, short=np.zeros(999), one=np.float64(3))
    with NpzReader(tmp_path / "x.npz") as reader:
        with pytest.raises(ValueError, match="no array 'Z', it holds X, y, w, short, one"):
            reader.shape("Z")
        with pytest.raises(ValueError, match=r"different numbers of rows \(X: 1000, short: 999\)"):
            next(reader.chunks(["X", "short"], 10))
        with pytest.raises(ValueError, match="'one' is a single value"):
            reader.rows("one", 0, 1)
        with pytest.raises(ValueError, match=r"y: 1000, one: no"):
            next(reader.chunks(["y", "one"], 10))


class _Trap:
    def __reduce__(self):
        return print, ("a pickle ran",)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_objects_are_refused_and_never_made(tmp_path, save, capsys):
    save(tmp_path / "x.npz", X=np.array([_Trap(), None]), y=np.arange(2))
    with NpzReader(tmp_path / "x.npz") as reader:
        with pytest.raises(ValueError, match="array 'X' holds Python objects"):
            reader.rows("X", 0, 1)
        assert list(reader.rows("y", 0, 2)) == [0, 1]
    assert capsys.readouterr().out == ""


def test_a_header_that_lies_is_refused(tmp_path):
    for save in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        np.save(buffer, np.zeros(10))
        text = buffer.getvalue().replace(b"(10,)", b"(99,)")
        with zipfile.ZipFile(tmp_path / "x.npz", "w", save) as archive:
            archive.writestr("X.npy", text)
        with pytest.raises(ValueError, match=r"shape \(99,\) needs 792 bytes, there are 80"):
            _read_all(tmp_path / "x.npz")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("cut", [1, 100, 5000])
def test_a_member_that_ends_early_is_refused(tmp_path, arrays, cut):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, X=arrays["X"])
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("X.npy").compress_size
    raw = path.read_bytes()
    # The directory of the archive is whole, but promises fewer bytes than the member needs.
    path.write_bytes(raw.replace(size.to_bytes(4, "little"), (size - cut).to_bytes(4, "little")))
    with pytest.raises(ValueError, match="damaged in array 'X'"):
        _read_all(path)
