"""Own files: every kind gives the same data set, and maps that do not fit are refused."""

import os
import pickle

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import uproot

from pyg_jets import JetArray
from pyg_jets.datasets.jet_files import JetFiles
from pyg_jets.io import write_parquet
from tests.datasets.layouts import jet_files as layout
from tests.datasets.layouts.layout import padded, per_jet

NAMES = layout.NAMES
THEIRS = {name: f"part_{name}" for name in NAMES}
SHARED = {"jets": {"event": "number", "pt": "jet_pt", "eta": "jet_eta", "phi": "jet_phi"},
          "label": "y", "classes": layout.CLASSES}  # fmt: skip


@pytest.fixture
def jets(layout_jets):
    return layout_jets


def of_jets(jets):
    rng = np.random.default_rng(8)
    axis = {n: rng.random(len(jets)).astype(np.float32) for n in ("jet_eta", "jet_phi")}
    number = {"y": jets.labels % 3, "number": 7 * jets.labels}
    return {**number, "jet_pt": 500 + 40 * rng.random(len(jets)).astype(np.float32), **axis}


def lists(jets):
    return {THEIRS[n]: ak.Array(per_jet(jets.column(n), jets)) for n in NAMES}


def length(jets):
    return int(jets.counts.max()) + 3


def flat(jets):
    """One padded 2-d array a column."""
    return {THEIRS[n]: padded(jets, {n: jets.column(n)}, length(jets), np.float32)[..., 0]
            for n in NAMES}  # fmt: skip


def cube(jets):
    return {"X": padded(jets, {n: jets.column(n) for n in NAMES}, length(jets), np.float32)}


def fields(jets):
    dtype = [(name, np.float32) for name in NAMES] + [("valid", bool)]
    out = np.zeros((len(jets), length(jets)), dtype)
    for name in NAMES:
        out[name] = flat(jets)[THEIRS[name]]
    out["valid"] = np.arange(length(jets)) < jets.counts[:, None]
    return {"parts": out}


def write_npz(path, arrays):
    np.savez(path, **arrays)


def write_hdf5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            chunks = (16, *values.shape[1:])
            file.create_dataset(name, data=values, chunks=chunks, compression="gzip")


def write_root(path, arrays):
    with uproot.recreate(path) as file:
        file["events"] = {n: ak.values_astype(v, np.float32) if v.ndim > 1 else v
                          for n, v in arrays.items()}  # fmt: skip


def write_arrow(path, arrays):
    plain = {n: ak.to_arrow(v, extensionarray=False) if isinstance(v, ak.Array) else pa.array(v)
             for n, v in arrays.items()}  # fmt: skip
    pq.write_table(pa.table(plain), path, row_group_size=15)


def write_records(path, arrays):
    records = ak.zip(
        {n.removeprefix("part_"): v for n, v in arrays.items() if n in THEIRS.values()}
    )
    rest = {n: v for n, v in arrays.items() if n not in THEIRS.values()}
    write_arrow(path, {"parts": records, **rest})


def write_fixed(path, arrays):
    """Padded parquet, lists of one size."""
    size = len(arrays["part_pt"][0])
    fixed = {n: pa.FixedSizeListArray.from_arrays(v.ravel(), size) if v.ndim > 1 else pa.array(v)
             for n, v in arrays.items()}  # fmt: skip
    pq.write_table(pa.table(fixed), path)


CUBE = {name: ("X", i) for i, name in enumerate(NAMES)}
FIELDS = {name: ("parts", name) for name in NAMES}
VALID = {"columns": FIELDS, "mask": ("parts", "valid")}
KINDS = {
    "npz": ("npz", write_npz, cube, {"columns": CUBE}),
    "npz-2d": ("npz", write_npz, flat, {"columns": THEIRS}),
    "npz-fields": ("npz", write_npz, fields, VALID),
    "hdf5": ("h5", write_hdf5, cube, {"columns": CUBE}),
    "hdf5-2d": ("hdf5", write_hdf5, flat, {"columns": THEIRS, "key": "pt"}),
    "hdf5-fields": ("h5", write_hdf5, fields, VALID),
    "hdf5-group": ("h5", lambda p, a: write_hdf5(p, {f"deep/{n}": v for n, v in a.items()}), cube,
                   {"columns": {n: ("deep/X", i) for n, (_, i) in CUBE.items()},
                    "jets": {n: f"deep/{p}" for n, p in SHARED["jets"].items()},
                    "label": "deep/y"}),
    "root": ("root", write_root, lists, {"columns": THEIRS, "tree": "events"}),
    "root-only-tree": ("root", write_root, lists,
                       {"columns": {n: p.upper() for n, p in THEIRS.items()}}),
    "root-fixed": ("root", write_root, flat, {"columns": THEIRS}),
    "parquet": ("parquet", write_arrow, lists, {"columns": THEIRS}),
    "parquet-records": ("parquet", write_records, lists, {"columns": FIELDS}),
    "parquet-fixed": ("pq", write_fixed, flat, {"columns": THEIRS}),
    "wrong-suffix": ("dat", write_arrow, lists, {"columns": THEIRS}),
}  # fmt: skip


def make(root, kind, table, /, **extra):
    """Two files of a kind, read."""
    suffix, write, particles, options = KINDS[kind]
    for i, part in enumerate((slice(None, 18), slice(18, None))):
        chosen = {n: v[part] for n, v in of_jets(table).items()}
        write(root / f"jets{i}.{suffix}", {**particles(table[part]), **chosen})
    files = [root / f"jets{i}.{suffix}" for i in range(2)]
    return JetFiles(root, files, **{**SHARED, **options, **extra})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same(tmp_path, jets, kind):
    dataset = make(tmp_path, kind, jets)
    assert len(dataset) == len(jets)
    assert dataset.columns == NAMES
    assert dataset.num_classes == 3
    wanted = np.stack([jets.column(name) for name in NAMES], -1)
    assert np.array_equal(dataset._data.x.numpy(), wanted)
    assert np.array_equal(dataset.slices["x"].numpy(), jets.ptr)
    held = of_jets(jets)
    assert dataset._data.y.tolist() == held["y"].tolist()
    assert dataset._data.event.tolist() == held["number"].tolist()
    for name in ("pt", "eta", "phi"):
        column = dataset.jet_columns.index(name)
        np.testing.assert_array_equal(dataset._data.jet[:, column].numpy(), held[f"jet_{name}"])
    eta = jets.column("eta") - np.repeat(held["jet_eta"], jets.counts)
    np.testing.assert_allclose(dataset._data.pos[:, 0].numpy(), eta, atol=1e-6)
    assert (dataset._data.jet_id >> 32).tolist() == [0] * 18 + [1] * (len(jets) - 18)


def test_splits_agree_between_kinds(tmp_path, jets):
    splits = []
    for kind in ("npz", "root", "parquet-records", "hdf5-fields"):
        (tmp_path / kind).mkdir()
        splits.append(make(tmp_path / kind, kind, jets, jets={})._data.split)
    for other in splits[1:]:
        assert torch.equal(splits[0], other)
    assert len(set(splits[0].tolist())) == 3


@pytest.mark.parametrize("kind", ["npz", "hdf5-2d", "root", "parquet"])
def test_small_chunks_give_the_same(tmp_path, jets, kind, monkeypatch):
    whole = make(tmp_path, kind, jets)
    monkeypatch.setattr("pyg_jets.datasets.conversion._CHUNK", 4)
    small = make(tmp_path, kind, jets, force_reload=True)
    assert torch.equal(whole._data.x, small._data.x)
    assert torch.equal(whole._data.jet_id, small._data.jet_id)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [0, 7, 17, 18])
def test_reading_goes_on_from_any_row(tmp_path, jets, kind, start):
    dataset = make(tmp_path, kind, jets)
    part, reader = dataset.raw_files()[0], dataset.reader()
    chunks = list(reader.chunks(part, NAMES, start, 5, False))
    assert [i for chunk in chunks for i in chunk.jets.ids] == list(range(start, 18))
    assert not chunks or chunks[-1].stop == 18
    if chunks:
        found = np.concatenate([chunk.jets.particles for chunk in chunks])
        assert np.array_equal(found, jets[start:18].select(NAMES).particles)


class TestOwnParquet:
    """Files of ``write_parquet``, which need no map."""

    @pytest.fixture
    def path(self, tmp_path, jets):
        named = {"gen_pt": np.full(len(jets), 5.0, np.float32), "event": jets.labels}
        own = JetArray(jets.particles, jets.columns, jets.ptr, jets.labels % 2, named, jets.ids)
        write_parquet(own, tmp_path / "own.parquet")
        return tmp_path / "own.parquet"

    def test_without_a_map(self, path, jets):
        dataset = JetFiles(path.parent, path, classes=("a", "b"))
        assert dataset.columns == jets.columns
        assert np.array_equal(dataset._data.x.numpy(), jets.particles)
        assert dataset._data.y.tolist() == (jets.labels % 2).tolist()
        assert dataset._data.event.tolist() == jets.labels.tolist()
        assert "y" not in JetFiles(path.parent, path)[0]

    def test_jet_columns_of_the_level(self, path):
        gen = JetFiles(path.parent, path, level="gen")
        assert gen._data.jet[:, gen.jet_columns.index("gen_pt")].tolist() == [5.0] * len(gen)
        reco = JetFiles(path.parent, path, level="reco")
        assert reco.jet_columns[0] == "reco_pt"
        assert reco._data.jet[0, 0] > 100  # summed, since the file has none of this level
        both = JetFiles(path.parent, path)
        assert both.jet_columns == ("pt", "eta", "phi", "mass", "gen_pt")

    def test_with_other_features(self, path):
        dataset = JetFiles(path.parent, path, features=["logpt", "deltar"], max_particles=10)
        assert dataset[0].x.shape == (10, 2)

    def test_another_parquet_needs_one(self, tmp_path):
        pq.write_table(pa.table({"a": [[1.0]], "b": [1]}), tmp_path / "other.parquet")
        with pytest.raises(ValueError, match=r"other.parquet was not .* holds a, b: give columns="):
            JetFiles(tmp_path, tmp_path / "other.parquet")


def test_classes_by_file(tmp_path, jets):
    for name, part in (("w1", jets[:5]), ("w2", jets[5:9]), ("qcd", jets[9:15])):
        write_parquet(
            JetArray(part.particles, part.columns, part.ptr), tmp_path / f"{name}.parquet"
        )
    files = {"qcd": tmp_path / "qcd.parquet", "w": [str(tmp_path / "w*.parquet")]}
    dataset = JetFiles(tmp_path / "out", files)
    assert dataset.classes == ("qcd", "w")
    assert dataset._data.y.tolist() == [0] * 6 + [1] * 9
    with pytest.raises(ValueError, match=r"qcd\.parquet is named for two classes"):
        JetFiles(tmp_path / "out", {**files, "all": tmp_path / "*.parquet"})
    with pytest.raises(ValueError, match="by file or by label"):
        JetFiles(tmp_path / "out", files, classes=("a", "b"))


def test_a_changed_file_is_converted_again(tmp_path, jets):
    first = make(tmp_path, "npz", jets)
    path = tmp_path / "jets0.npz"
    assert make_again(first).content_hash == first.content_hash
    stamp = path.stat().st_mtime_ns
    os.utime(path, ns=(stamp, stamp + 1))
    assert make_again(first).content_hash != first.content_hash


def make_again(dataset):
    files = [file.path for file in dataset.raw_files()]
    return JetFiles(dataset.root, files, CUBE, **SHARED)


def test_every_part_of_the_map_counts(tmp_path, jets):
    base = make(tmp_path, "npz-2d", jets)
    others = [{"columns": {**THEIRS, "eta": "part_phi"}}, {"key": "mass"}, {"level": "gen"},
              {"jets": {}}, {"classes": ("a", "b", "c")}, {"mask": "part_pt"}]  # fmt: skip
    hashes = [JetFiles(tmp_path, sorted(tmp_path.glob("*.npz")), **{
        **SHARED, "columns": THEIRS, **extra}).content_hash for extra in others]  # fmt: skip
    assert len({base.content_hash, *hashes}) == len(others) + 1


def test_relative_paths_and_patterns(tmp_path, jets, monkeypatch):
    layout.write(tmp_path, jets)
    in_raw = JetFiles(tmp_path, ["jets_*.npz"], layout.COLUMNS)
    monkeypatch.chdir(tmp_path / "raw")
    here = JetFiles("../elsewhere", ["jets_1.npz", "jets_*.npz"], layout.COLUMNS)
    assert len(in_raw) == len(here) == len(jets)
    assert [file.path.name for file in here.raw_files()] == ["jets_1.npz", "jets_0.npz"]


def test_names_of_your_own(tmp_path, jets):
    dataset = make(tmp_path, "parquet", jets, columns={**THEIRS, "heat": "part_pt"},
                   jets={"hotness": "jet_pt"})  # fmt: skip
    assert dataset.columns == (*NAMES, "heat")
    assert "hotness" in dataset.jet_columns
    assert torch.equal(dataset[0].x[:, 0], dataset[0].x[:, 4])


def test_lists_have_no_padding_unless_said(tmp_path):
    table = pa.table(
        {"pt": [[5.0, 0.0], [0.0]], "eta": [[0.1, 0.2], [0.3]], "phi": [[0.0] * 2, [1.0]]}
    )
    pq.write_table(table, tmp_path / "jets.parquet")
    same = {name: name for name in table.column_names}
    counts = [
        [d.num_nodes for d in JetFiles(tmp_path, tmp_path / "jets.parquet", same, **extra)]
        for extra in ({}, {"key": "pt"}, {"mask": "pt"})
    ]
    assert counts == [[2, 1], [1, 0], [1, 0]]


def test_pickles_as_its_path(tmp_path, jets):
    dataset = make(tmp_path, "npz", jets, split="train")
    again = pickle.loads(pickle.dumps(dataset))
    assert len(again) == len(dataset) > 0
    assert torch.equal(again[1].x, dataset[1].x)


@pytest.mark.parametrize("kind", ["npz", "hdf5", "root", "parquet"])
@pytest.mark.parametrize("way", ["empty", "truncated", "html"])
def test_broken_files(tmp_path, jets, kind, way):
    make(tmp_path, kind, jets)
    path = tmp_path / f"jets1.{KINDS[kind][0]}"
    content = path.read_bytes()
    broken = {"empty": b"", "truncated": content[: len(content) // 2], "html": b"<!DOCTYPE html>"}
    path.write_bytes(broken[way])
    words = {"empty": "empty", "truncated": "cut short", "html": "HTML"}[way]
    with pytest.raises(ValueError, match=f"{path.name} is .*{words}"):
        make_kind(tmp_path, kind)


def make_kind(root, kind, **extra):
    suffix, *_, options = KINDS[kind]
    files = [root / f"jets{i}.{suffix}" for i in range(2)]
    return JetFiles(root, files, **{**SHARED, **options, **extra})


@pytest.mark.parametrize("kind", ["npz", "npz-2d", "hdf5", "hdf5-2d", "root", "parquet"])
def test_a_missing_column_is_named_with_what_is_there(tmp_path, jets, kind):
    make(tmp_path, kind, jets)
    there = "X|part_eta"
    for extra in ({"columns": {"pt": "p_t"}}, {"label": "p_t"}, {"jets": {"mass": "p_t"}}):
        with pytest.raises(ValueError, match=rf"jets0\..* has no 'p_t', it holds .*({there})"):
            make_kind(tmp_path, kind, **extra)


def test_lists_of_different_lengths(tmp_path):
    table = pa.table({"pt": [[5.0], [4.0, 3.0]], "eta": [[0.1], [0.2]]})
    pq.write_table(table, tmp_path / "jets.parquet")
    with pytest.raises(ValueError, match="jet 1 has 2 of 'pt', but 1 of 'eta'"):
        JetFiles(tmp_path, tmp_path / "jets.parquet", {"pt": "pt", "eta": "eta"}, coordinates=())


@pytest.mark.parametrize(
    ("kind", "extra", "message"),
    [
        ("npz", {"columns": {"pt": "X"}, "coordinates": ()}, "'X' does not fit"),
        ("npz", {"columns": {"pt": ("X", 9)}, "coordinates": ()}, "columns 0 to 3"),
        ("npz", {"columns": {"pt": ("X", "pt")}, "coordinates": ()}, "'X' has no fields, but 'pt'"),
        ("npz", {"columns": {"heat": ("X", 0)}, "coordinates": ()}, "give key= .* or mask="),
        ("npz", {"columns": {"pt": "y"}, "coordinates": ()}, "'y' does not fit"),
        ("npz", {"label": "jet_pt"}, "'jet_pt' holds 5.* in jet 0, expected a class"),
        ("npz", {"label": "X"}, "expected one number a jet"),
        ("npz", {"jets": {"event": "jet_pt"}}, "other than whole numbers"),
        ("npz", {"columns": {"pt": 3}}, "or .name, number or field., but got 3"),
        ("npz", {"columns": {"jet_pt": "X"}}, "jet_pt: what belongs to a whole jet"),
        ("npz", {"columns": {}}, "but got none"),
        ("npz", {"key": "heat"}, "key column 'heat': choose from pt, eta, phi, mass"),
        ("npz", {"level": "parton"}, "'parton': choose from gen, reco"),
        ("npz", {"split": "training"}, "'training': choose from"),
        ("npz", {"features": ["charge"]}, "'charge': choose from"),
        ("npz-fields", {"columns": {"pt": "parts"}, "mask": None, "coordinates": ()},
         "records of pt, .* give .'parts', one of them."),
        ("npz-fields", {"columns": {"pt": ("parts", "heat")}, "coordinates": ()}, "fields pt, eta"),
        ("parquet", {"columns": {**THEIRS, "eta": "jet_eta"}}, "does not fit .*'part_pt': lists"),
        ("parquet", {"columns": {"pt": ("part_pt", 0)}, "coordinates": ()}, "'part_pt' has no col"),
        ("parquet", {"label": "part_pt"}, "holds lists, expected one number a jet"),
        ("root", {"tree": "jets"}, "no tree 'jets', its trees are events"),
    ],
)  # fmt: skip
def test_maps_that_do_not_fit(tmp_path, jets, kind, extra, message):
    make(tmp_path, kind, jets)
    with pytest.raises(ValueError, match=message):
        make_kind(tmp_path, kind, **extra)


def test_several_trees(tmp_path):
    with uproot.recreate(tmp_path / "two.root") as file:
        for name in ("a", "b"):
            file[name] = {"pt": ak.Array([[1.0], [2.0, 3.0]])}
    with pytest.raises(ValueError, match=r"two.root has the trees a, b, expected one: .*tree="):
        JetFiles(tmp_path, tmp_path / "two.root", {"pt": "pt"}, coordinates=())
    one = JetFiles(tmp_path, tmp_path / "two.root", {"pt": "pt"}, coordinates=(), tree="b")
    assert [d.num_nodes for d in one] == [1, 2]


def test_files_of_another_kind(tmp_path):
    path = tmp_path / "jets.csv"
    path.write_text("pt,eta\n1,2\n")
    with pytest.raises(ValueError, match=r"a text file .* expected a parquet, HDF5, ROOT, npz"):
        JetFiles(tmp_path, path, {"pt": "pt"})
    with pytest.raises(FileNotFoundError, match=r"no file none\*\.npz, neither here nor in"):
        JetFiles(tmp_path, "none*.npz", {"pt": "pt"})
    with pytest.raises(ValueError, match="at least one file"):
        JetFiles(tmp_path, [], {"pt": "pt"})
