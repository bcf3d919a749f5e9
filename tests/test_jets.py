"""`JetArray`: validation, slicing, concatenation, awkward, PyG, parquet."""

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
import torch
import vector
from torch_geometric.data import Batch

from pyg_jets import JetArray, JetLoader
from pyg_jets.io import read_parquet, write_parquet
from tests.conftest import random_jets

ONE = {"particles": [[5.0, 0.1]], "columns": ("pt", "eta"), "ptr": [0, 1]}


def test_is_frozen(jets):
    with pytest.raises(AttributeError):
        jets.ptr = None
    for array in (jets.particles, jets.ptr, jets.ids, jets.labels, jets.jets["gen_pt"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_leaves_the_callers_array_writeable():
    mine = np.ones((2, 1), np.float32)
    JetArray(mine, ("pt",), [0, 2])
    mine[0] = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ptr": [1, 1]}, r"rise from 0 .* goes from 1 to 1"),
        ({"ptr": [0, 2]}, r"number of particles \(1\), but it goes from 0 to 2"),
        ({"ptr": [0, 1, 0, 1]}, "and falls"),
        ({"ptr": [0.0, 1.0]}, "1-d integer array"),
        ({"ptr": []}, "1-d integer array"),
        ({"ptr": [[0, 1]]}, "1-d integer array"),
        ({"particles": [[1.0]]}, r"shape \[N, 2\] .* got \[1, 1\]"),
        ({"particles": [1.0]}, r"got \[1\]"),
        ({"particles": [["a", "b"]]}, "array of numbers"),
        ({"particles": [[np.nan, 0.0]]}, r"Jet 0 \(id 0\), particle 0, has a NaN"),
        ({"particles": [[1.0, np.inf]]}, "infinite"),
        ({"particles": [[-1.0, 0.0]]}, r"negative energy \(pt = -1, eta = 0\)"),
        ({"columns": ("pt", "pt")}, "named once"),
        ({"labels": [1, 2]}, r"one value of labels for each of the 1 jets, but got shape \[2\]"),
        ({"labels": [0.5]}, "whole numbers for labels"),
        ({"ids": [[1]]}, "one value of ids"),
        ({"jets": {"pt": [1.0, 2.0]}}, "one value of pt"),
    ],
)
def test_refuses_what_does_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        JetArray(**{**ONE, **change})


def test_names_the_jet_and_the_particle_of_a_bad_value(jets):
    particles = jets.particles.copy()
    particles[jets.ptr[5] + 3, 0] = np.nan
    with pytest.raises(ValueError, match=rf"Jet 5 \(id {jets.ids[5]}\), particle 3"):
        JetArray(particles, jets.columns, jets.ptr, ids=jets.ids)


@pytest.mark.parametrize(
    "index",
    [slice(3, 9), slice(None, None, -1), [4, 4, 0], np.arange(20) % 3 == 0, slice(0, 0), 7, -1],
    ids=str,
)
def test_indexing_agrees_with_awkward(jets, index):
    mine = jets[index].to_awkward()
    theirs = jets.to_awkward()[[index] if isinstance(index, int) else index]
    assert ak.array_equal(mine, theirs)


def test_indexing_past_the_end(jets):
    with pytest.raises(IndexError, match="no jet 20 in a JetArray of 20 jets"):
        jets[20]


def test_concatenate_undoes_slicing(jets):
    assert JetArray.concatenate([jets[:7], jets[7:7], jets[7:]]).equals(jets)


def test_concatenate_refuses_other_columns(jets):
    with pytest.raises(ValueError, match="same columns"):
        JetArray.concatenate([jets, jets.select(["pt"])])
    with pytest.raises(ValueError, match="at least one"):
        JetArray.concatenate([])


def test_equals_notices_every_part(jets):
    others = [
        jets[1:],
        jets.select(jets.columns[:-1]),
        jets.with_labels(1),
        jets.with_jets(gen_pt=np.zeros(20, np.float32)),
        jets.with_jets(more=np.zeros(20)),
        JetArray(jets.particles, jets.columns, jets.ptr, jets.labels, jets.jets),
        JetArray(jets.particles, jets.columns, jets.ptr, None, jets.jets, jets.ids),
    ]
    assert jets.equals(jets[:])
    assert not any(jets.equals(other) for other in others)


def test_awkward_round_trip(jets):
    assert JetArray.from_awkward(jets.to_awkward()).equals(jets)


def test_batch_to_awkward_with_every_jet_column(jets):
    batch = Batch.from_data_list(list(jets.to_pyg()))
    again = JetArray.from_pyg(batch, jets.columns, jets.float_jet_columns)
    assert ak.array_equal(again.to_awkward()[jets.to_awkward().fields], jets.to_awkward())
    assert set(JetArray.from_pyg(batch, jets.columns).jets) < set(jets.jets)
    single = JetArray.from_pyg(batch[3], jets.columns, jets.float_jet_columns)
    assert single.equals(replace(jets[3], jets=dict(single.jets)))
    with pytest.raises(ValueError, match=r"jet of shape \[J, 9\] .* give the jet_columns"):
        JetArray.from_pyg(batch, jets.columns, list("abcdefghi"))


def test_from_awkward_names_what_is_missing(jets):
    with pytest.raises(
        ValueError, match=r"no field .particles., .*: name .* constituents=.constituents"
    ):
        JetArray.from_awkward(jets.to_awkward(), "particles")
    for flat in ([1.0, 2.0], [[1.0], [2.0]]):
        with pytest.raises(ValueError, match=r"list of records \(pt, eta, …\) a jet in .cons"):
            JetArray.from_awkward(ak.Array({"constituents": flat}))


def test_from_awkward_says_how_to_zip_columns(jets):
    """As a ROOT tree has them: a list a jet in each column."""
    particles = jets.to_awkward().constituents
    columns = ak.Array({name: particles[name] for name in ("pt", "eta", "phi")})
    with pytest.raises(ValueError, match=r"its lists pt, eta, phi are those of the partic") as said:
        JetArray.from_awkward(columns)
    remedy = str(said.value).partition("zip them: ")[2].removesuffix(".").replace(", …", "")
    zipped = eval(remedy, {"ak": ak, "array": columns})
    assert JetArray.from_awkward(zipped).equals(
        JetArray(jets.select(("pt", "eta")).particles, ("pt", "eta"), jets.ptr)
    )


def test_from_awkward_of_particles_without_jets():
    particles = ak.Array({"pt": [1.0, 2.0], "eta": [0.0, 0.1]})
    with pytest.raises(ValueError, match=r"none of them holds a list a jet; .* ak\.unflatten"):
        JetArray.from_awkward(particles)


def test_from_awkward_refuses_lists_beside_the_constituents(jets):
    array = jets.to_awkward()
    array["tracks"] = array.constituents.pt
    with pytest.raises(ValueError, match=r"one number a jet .* tracks holds lists: leave it out"):
        JetArray.from_awkward(array)


def test_parquet_round_trip(jets, tmp_path):
    for part in (jets, jets[:0], jets.select(["pt", "phi"])):
        write_parquet(part, tmp_path / "jets.parquet")
        assert read_parquet(tmp_path / "jets.parquet").equals(part)
    assert [p.name for p in tmp_path.iterdir()] == ["jets.parquet"]


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_parquet_cut_short(jets, tmp_path, keep):
    path = tmp_path / "jets.parquet"
    write_parquet(jets, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    with pytest.raises(ValueError, match=r"cut short or (no parquet|damaged)"):
        read_parquet(path)


def test_parquet_of_somebody_else(tmp_path):
    ak.to_parquet(ak.Array([{"pt": 1.0}]), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="not one of jets that pyg_jets wrote"):
        read_parquet(tmp_path / "other.parquet")
    with pytest.raises(FileNotFoundError, match="no file"):
        read_parquet(tmp_path / "missing.parquet")


def test_momentum_agrees_with_vector(jets):
    for j, jet in enumerate(jets.to_awkward()):
        parts = vector.array({n: jet.constituents[n].to_numpy().astype(float)
                              for n in ("pt", "eta", "phi", "mass")})  # fmt: skip
        total = parts.sum()
        if len(parts):
            assert np.isclose(jets.momentum["pt"][j], total.pt)
            assert np.isclose(jets.momentum["rapidity"][j], total.rapidity)
            assert np.isclose(jets.momentum["mass"][j], total.mass, atol=1e-4)
        else:
            assert jets.momentum["pt"][j] == 0


def test_relative_positions_wrap():
    jets = JetArray([[1.0, 0.0, 3.1], [1.0, 0.0, -3.1]], ("pt", "eta", "phi"), [0, 2])
    np.testing.assert_allclose(np.abs(jets.relative_positions()[:, 1]), np.pi - 3.1, rtol=1e-4)


def test_to_pyg_item_by_item(jets):
    dataset = jets.to_pyg()
    assert len(dataset) == len(jets)
    for j, data in enumerate(dataset):
        rows = slice(jets.ptr[j], jets.ptr[j + 1])
        assert np.array_equal(data.x.numpy(), jets.particles[rows])
        assert data.y.tolist() == [jets.labels[j]]
        assert data.jet_id.tolist() == [jets.ids[j]]
        assert data.jet.tolist() == [[jets.jets["gen_pt"][j]]]
        assert data.event.dtype == torch.int64
        assert data.num_nodes == jets.counts[j]


def test_from_pyg_undoes_to_pyg(jets):
    batch = Batch.from_data_list(list(jets.to_pyg()))
    back = JetArray.from_pyg(batch, jets.columns)
    assert back.equals(_without_floats(jets))


def _without_floats(jets):
    kept = {n: v for n, v in jets.jets.items() if v.dtype.kind != "f"}
    return JetArray(jets.particles, jets.columns, jets.ptr, jets.labels, kept, jets.ids)


def test_no_labels_no_y():
    jets = random_jets(5)
    bare = JetArray(jets.particles, jets.columns, jets.ptr)
    assert "y" not in bare.to_pyg()[1]


def test_a_weight_is_an_attribute_of_its_own_and_comes_back():
    columns = {"weight": np.array([0.5, 2.0, 0.0]), "gen_pt": np.ones(3, np.float32)}
    jets = JetArray(np.ones((3, 1)), ("pt",), [0, 1, 2, 3], jets=columns)
    assert jets.float_jet_columns == ("gen_pt",)
    dataset = jets.to_pyg()
    assert dataset[1].weight.tolist() == [2.0]
    assert dataset[1].jet.shape == (1, 1)
    batch = next(iter(JetLoader(dataset, 3)))
    assert batch.weight.dtype == torch.float32
    again = JetArray.from_pyg(batch, ("pt",), ("gen_pt",))
    assert again.jets["weight"].tolist() == [0.5, 2.0, 0.0]
    whole = jets.with_jets(weight=np.array([1, 2, 3]))  # of integers too
    assert whole.to_pyg()[2].weight.dtype == torch.float32


@pytest.mark.parametrize("wrong", [-0.5, np.nan, np.inf])
def test_negative_and_infinite_weights_are_refused(wrong):
    jets = JetArray(np.ones((3, 1)), ("pt",), [0, 1, 2, 3], ids=[7, 8, 9])
    with pytest.raises(ValueError, match=r"Jet 1 \(id 8\) has the weight .* absolute values"):
        jets.with_jets(weight=np.array([1.0, wrong, 1.0]))
