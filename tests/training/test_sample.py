"""Which jets a run learns from, and variants that are made once."""

import numpy as np
import pytest
import torch

from pyg_jets.datasets import ToyJets
from pyg_jets.training import JetDataModule, TrainingSample
from pyg_jets.transforms import Features, Resimulate


def module(folder, **options):
    features = Features(["eta", "phi", "pt"], fixed=False, axis="origin")
    transform = options.pop("transform", Resimulate("toy-rect", angles=4))
    toys = ToyJets(folder, n_jets=200, seed=3)
    return JetDataModule(toys, features, transform, batch_size=16, **options)


def test_replicas_are_disjoint_and_fixed():
    blocks = [TrainingSample(jets=30, replica=r).choose(100)[0] for r in range(3)]
    assert len(np.unique(np.concatenate(blocks))) == 90
    np.testing.assert_array_equal(blocks[1], TrainingSample(jets=30, replica=1).choose(100)[0])


def test_resamples_draw_from_one_replica():
    base = set(TrainingSample(jets=50, replica=1).choose(200)[0].tolist())
    draws = [TrainingSample(jets=50, replica=1, resample=k).choose(200)[0] for k in range(2)]
    for draw in draws:
        assert len(draw) == 50
        assert set(draw.tolist()) < base
    assert sorted(draws[0].tolist()) != sorted(draws[1].tolist())


def test_folds_part_the_sample():
    base = TrainingSample(jets=48).choose(100)[0]
    parts = [TrainingSample(jets=48, folds=5, fold=k).choose(100) for k in range(5)]
    vals = np.concatenate([val for _, val in parts])
    assert sorted(vals.tolist()) == sorted(base.tolist())
    for train, val in parts:
        assert sorted([*train, *val]) == sorted(base.tolist())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"jets": 0}, "jets of at least 1"),
        ({"jets": 5, "replica": -1}, "replica of at least 0"),
        ({"replica": 1}, "give jets"),
        ({"folds": 1}, "folds of at least 2"),
        ({"folds": 3, "fold": 3}, "fold from 0 to 2, but got 3"),
        ({"jets": 60, "fold": 2}, "Fold 2 of how many"),
        ({"jets": 3, "folds": 5, "fold": 4}, "each of 5 folds, but there are 3"),
        ({"jets": 60, "replica": 1}, "needs 120 training jets, but there are 100"),
    ],
)
def test_bad_samples(given, message):
    with pytest.raises(ValueError, match=message):
        TrainingSample(**given).choose(100)


def test_the_module_trains_on_the_sample_only(tmp_path):
    data = module(tmp_path, sample=TrainingSample(jets=20, replica=2))
    every = module(tmp_path)
    seen = torch.cat([batch.jet_id for batch in data.train_dataloader()]).unique()
    assert len(seen) == 20
    assert set(seen.tolist()) < set(every.splits["train"].jet_id.tolist())
    assert torch.equal(data.splits["test"].jet_id, every.splits["test"].jet_id)
    folded = module(tmp_path, sample=TrainingSample(jets=20, folds=4, fold=1))
    assert (len(folded.splits["train"]), len(folded.splits["val"])) == (15, 5)


@pytest.mark.parametrize("rotate", ["before", "after"])
def test_remembered_batches_are_those_made_anew(tmp_path, rotate):
    transform = Resimulate("toy-rect", angles=4, rotate=rotate)
    sample = TrainingSample(jets=40, resample=1)  # some jets come twice
    loaders = []
    for cached in (True, False):
        torch.manual_seed(0)
        data = module(tmp_path, transform=transform, cache_variants=cached, sample=sample)
        loader = data.train_dataloader()
        torch.manual_seed(1)
        loaders.append([list(loader), list(loader)])
    for mine, other in zip(*loaders, strict=True):
        for a, b in zip(mine, other, strict=True):
            assert set(a.keys()) == set(b.keys())
            for name, value in b.to_dict().items():
                assert torch.equal(a[name], value), name
            assert len(a.to_data_list()) == len(b.to_data_list())


def test_what_is_remembered_is_counted_as_the_detector_sees_it(tmp_path, monkeypatch):
    transform = Resimulate("toy-rect", angles=4, rotate="after")
    data = module(tmp_path, transform=transform)
    every = module(tmp_path, transform=transform, cache_variants=False).train_dataloader()
    n_bytes = 4 * (3 + 2) * sum(len(batch.x) for batch in every)
    for limit, worth in ((1.3 * n_bytes, True), (0.7 * n_bytes, False)):
        monkeypatch.setattr("pyg_jets.training.data._CACHE_BYTES", limit)
        before = torch.get_rng_state()
        assert data._is_cached(data.splits["train"], transform) is worth
        assert torch.equal(torch.get_rng_state(), before)


def test_random_angles_are_made_anew_every_epoch(tmp_path):
    transform = Resimulate("toy-rect", angles="random", variants=2)
    loader = module(tmp_path, transform=transform).train_dataloader()
    first, second = (torch.cat([b.angle for b in loader]) for _ in range(2))
    assert len(first.unique()) == len(first)
    assert not set(first.tolist()) & set(second.tolist())


def test_spread_is_over_rotations_before_the_detector(tmp_path):
    transform = Resimulate("toy-rect", angles=4, rotate="after")
    data = module(tmp_path, transform=transform, spread_jets=7)
    _, rotated = data.test_dataloader()
    batch = next(iter(rotated))
    assert data.eval_transform.rotate == "after"
    assert data.spread_transform.rotate == "before"
    assert len(rotated.dataset) == 7
    assert batch.num_graphs == 7 * 8
