"""The contract of every data set: PyG's interface, splits, pickling, caching, two at once."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.datasets import DATASETS, PythiaJets, ToyJets
from pyg_jets.datasets.base import _fingerprint
from pyg_jets.datasets.splits import SPLITS, assign_splits
from pyg_jets.detector import Detector
from tests.datasets.layouts.all import LAYOUTS
from tests.detector.test_pileup import flat_pool
from tests.processes import Python, python

ROOT = Path(__file__).parent.parent.parent
OF_FILES = {layout.kind for layout in LAYOUTS.values()}


def _layout(kind):
    return next(layout for layout in LAYOUTS.values() if layout.kind is kind)


SMALL = {
    **{layout.kind: layout.options for layout in LAYOUTS.values()},
    ToyJets: {"n_jets": 60, "seed": 3},
    PythiaJets: {"n_jets": 12, "pthat": (0.8, 1.6), "seed": 5, "workers": 1},
}


@pytest.fixture(scope="session")
def roots(tmp_path_factory, written):
    """A root for each data set, with its raw files where it reads any."""
    return {
        kind: written(_layout(kind)) if kind in OF_FILES else tmp_path_factory.mktemp(kind.__name__)
        for kind in DATASETS
    }


@pytest.fixture(params=DATASETS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def make(kind, roots):
    return lambda **extra: kind(roots[kind], **{**SMALL[kind], **extra})


def test_every_data_set_is_under_contract():
    assert set(SMALL) == set(DATASETS)


def test_speaks_pyg(make, kind):
    dataset = make()
    assert repr(dataset) == f"{kind.__name__}({len(dataset)})"
    data = dataset[0]
    assert data.x.dtype == torch.float32
    assert data.x.shape[1] == len(dataset.columns)
    assert data.pos.shape == (data.num_nodes, 2)
    assert data.jet_id.shape == (1,)
    assert data.jet_id.dtype == torch.int64
    assert dataset.num_classes == len(dataset.classes)
    if dataset.classes:
        assert data.y.shape == (1,)
        assert data.y.dtype == torch.int64
        assert 0 <= dataset._data.y.min() <= dataset._data.y.max() < dataset.num_classes
    ids = dataset._data.jet_id
    assert len(ids.unique()) == len(ids) == len(dataset)
    if dataset.jet_columns:
        assert data.jet.shape == (1, len(dataset.jet_columns))
    batch = next(iter(DataLoader(dataset, batch_size=8)))
    assert batch.num_graphs == 8


def _event(data):
    return int(data.event if "event" in data else data.jet_id)


def _splits(dataset):
    return getattr(dataset, "published_splits", ()) or SPLITS


def test_splits_share_no_event_and_leave_none_out(make):
    whole = make()
    parts = [make(split=split) for split in _splits(whole)]
    assert sum(map(len, parts)) == len(whole)
    events = [{_event(d) for d in part} for part in parts]
    for a in range(len(parts)):
        for b in range(a):
            assert not events[a] & events[b]
    for split, part in zip(_splits(whole), parts, strict=True):
        assert [int(d.jet_id) for d in whole.get_split(split)] == [int(d.jet_id) for d in part]


def test_columns_of_a_subset_are_those_of_its_jets(make):
    part = make().get_split("train")
    assert part.jet_id.tolist() == [int(d.jet_id) for d in part]


def test_get_split_of_another_split(make):
    with pytest.raises(ValueError, match="holds the split 'train' only"):
        make(split="train").get_split("test")


def test_pickles_as_its_path(make):
    dataset = make(split="train")[1:5]
    assert len(dataset) == 4
    raw = pickle.dumps(dataset)
    assert len(raw) < 5000
    again = pickle.loads(raw)
    assert len(again) == 4
    assert torch.equal(again[3].x, dataset[3].x)


def test_is_processed_once(make):
    path = Path(make().processed_paths[0])
    stamp = path.stat().st_mtime_ns
    make()
    assert path.stat().st_mtime_ns == stamp
    make(force_reload=True)
    assert path.stat().st_mtime_ns > stamp


def test_every_argument_makes_its_own_file(make):
    asked = [{}, {"pre_filter": _keep_even}, {"pre_transform": _Scale(2.0)},
             {"pre_transform": _Scale(3.0)}, {"split_fractions": (0.4, 0.3, 0.3)}]  # fmt: skip
    assert len({make(**extra).processed_paths[0] for extra in asked}) == len(asked)


def _keep_even(data):
    return _event(data) % 2 == 0


class _Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, data):
        data.x = data.x * self.factor
        return data


def _filter_above(limit):
    return lambda data: any(v >= limit for v in [_event(data)])


def test_functions_are_told_apart_by_what_they_do_and_hold(make):
    hashes = [make(pre_filter=_filter_above(limit)).content_hash for limit in (0, 1, 0)]
    assert hashes[0] == hashes[2] != hashes[1]


def test_functions_are_the_same_in_another_process():
    """There the same function lies at another address."""
    code = (
        "from pyg_jets.datasets.base import _fingerprint\n"
        "from tests.datasets.test_contract import _filter_above\n"
        "made = _filter_above(3)\n"
        "print(_fingerprint(made), id(made))"
    )
    there, place = python("-c", code, folder=ROOT).stdout.rsplit(maxsplit=1)
    made = _filter_above(3)
    assert id(made) != int(place)
    assert str(_fingerprint(made)) == there
    assert " at 0x" not in there


def test_pre_filter_and_pre_transform_act(make):
    assert torch.equal(make(pre_transform=_Scale(2.0))[0].x, 2 * make()[0].x)
    assert all(_keep_even(d) for d in make(pre_filter=_keep_even))
    with pytest.raises(ValueError, match="leaves no jet"):
        make(pre_filter=lambda data: False)


def test_transform_is_per_item(make):
    assert torch.equal(make(transform=_Scale(2.0))[3].x, 2 * make()[3].x)


def test_a_cut_file_is_noticed(make):
    extra = {"pre_transform": _Scale(5.0)}
    path = Path(make(**extra).processed_dir) / "x.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"is damaged \(.*\): use force_reload=True"):
        make(**extra)
    assert len(make(**extra, force_reload=True)) == len(make())


def test_bad_arguments(make):
    with pytest.raises(ValueError, match="Unknown split 'training': choose from"):
        make(split="training")
    for fractions in ((0.5, 0.5), (0.9, 0.9, 0.1), (1.2, -0.1, -0.1)):
        with pytest.raises(ValueError, match="sum to 1"):
            make(split_fractions=fractions)


def test_two_processes_at_once_end_with_one_good_copy(tmp_path):
    code = "import sys; from pyg_jets.datasets import ToyJets\n"
    code += "print(len(ToyJets(sys.argv[1], n_jets=3000, seed=8)))"
    both = [Python("-c", code, tmp_path) for _ in range(2)]
    assert [process.wait().stdout for process in both] == ["3000\n", "3000\n"]
    left = [p.name for p in (tmp_path / "processed").iterdir() if p.suffix != ".lock"]
    assert len(left) == 1


def test_splits_have_the_fractions_and_are_stable():
    events = np.arange(100_000) * 4096 + 17
    splits = assign_splits(events, (0.5, 0.15, 0.35))
    np.testing.assert_allclose(np.bincount(splits) / 1e5, (0.5, 0.15, 0.35), atol=0.01)
    assert np.array_equal(assign_splits(events[50:60], (0.5, 0.15, 0.35)), splits[50:60])


class TestPythiaJets:
    """What only generated jets have."""

    @pytest.mark.parametrize("level", ["gen", "reco"])
    def test_window_at_the_level(self, roots, level):
        dataset = PythiaJets(roots[PythiaJets], **SMALL[PythiaJets], level=level)
        pt = dataset.observables(level)["pt"]
        assert len(pt) == len(dataset) > 0
        assert ((pt >= 500) & (pt < 600)).all()
        if level == "gen":
            assert len(dataset) == 24

    def test_whole_numbers_and_others_are_the_same_jets(self, roots):
        dataset = PythiaJets(roots[PythiaJets], **SMALL[PythiaJets])
        same = PythiaJets(roots[PythiaJets], **SMALL[PythiaJets], pt=(500, 600), eta_max=2)
        assert same.raw_dir == dataset.raw_dir
        assert same.content_hash == dataset.content_hash

    def test_reco_is_the_first_variant_of_resimulate(self, roots):
        from pyg_jets.transforms import Features, Resimulate

        dataset = PythiaJets(roots[PythiaJets], **SMALL[PythiaJets])
        batch = Resimulate("cms-like", angles=8)(Batch.from_data_list(list(dataset)))
        x = Features(["px", "py"], fixed=False)(batch).x.double()
        momentum = torch.zeros(batch.num_graphs, 2, dtype=torch.float64)
        momentum.index_add_(0, batch.batch, x)
        np.testing.assert_allclose(
            momentum.norm(dim=1)[::8].numpy(), dataset.observables("reco")["pt"], rtol=1e-4
        )

    def test_pile_up_is_part_of_what_a_detector_reads(self, roots, monkeypatch):
        from pyg_jets.datasets import pythia

        made = []
        monkeypatch.setattr(pythia, "lacks_events", lambda *_: False)
        monkeypatch.setattr(pythia, "generate_pool", lambda *_, **k: made.append(k) or flat_pool())
        arguments = {**SMALL[PythiaJets], "level": "gen", "n_jets": 12}
        bare = PythiaJets(roots[PythiaJets], **arguments)
        messy = PythiaJets(roots[PythiaJets], **arguments, pileup=40)
        assert made[0]["out"] == messy.pool_dir
        assert messy.content_hash != bare.content_hash
        assert messy.raw_dir == bare.raw_dir
        assert len(messy) == len(bare)
        own, more = bare[3], messy[3]
        assert torch.equal(more.x[: len(own.x)], own.x)
        assert len(more.x) > len(own.x) + 40
        assert np.array_equal(messy.observables("gen")["pt"], bare.observables("gen")["pt"])
        seen = Detector.preset("cms-like").simulate(
            JetArray.from_pyg(Batch.from_data_list(list(messy)), CANONICAL)
        )
        np.testing.assert_allclose(seen.momentum["pt"], messy.observables("reco")["pt"], rtol=1e-5)

    @pytest.mark.parametrize(
        ("extra", "message"),
        [
            ({"pileup": -1}, "mu, the mean"),
            ({"pileup": float("inf")}, "mu, the mean"),
            ({"processes": ("qcd", "higgs")}, "'higgs': choose from"),
            ({"detector": "atlas"}, "'atlas': choose from"),
            ({"level": "parton"}, "Unknown level 'parton'"),
            ({"detector": None, "level": "reco"}, "Unknown level 'reco': choose from gen"),
            ({"pt": (600, 500)}, "600"),
            ({"n_jets": 0}, "0"),
        ],
    )
    def test_bad_arguments(self, tmp_path, extra, message):
        with pytest.raises(ValueError, match=message):
            PythiaJets(tmp_path, **{**SMALL[PythiaJets], **extra})
        assert not list(tmp_path.rglob("*.parquet"))
