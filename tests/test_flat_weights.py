"""Weights that make all classes alike: against numpy, and against a classifier that reads them."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from torch_geometric.data import Batch, Data

from pyg_jets.transforms import FlatWeights

NAMES = ["mass", "reco_pt", "reco_eta"]


def jets(n=20000, seed=0):
    """Two classes that differ in pT and η, with a column that is not asked for."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    pt = 500 + 100 * rng.beta(1 + label, 2, n)
    eta = np.clip(rng.normal(0, 1 - 0.4 * label, n), -2, 2)
    columns = np.stack([rng.normal(size=n), pt, eta], 1)
    return torch.from_numpy(columns).float(), torch.from_numpy(label)


def test_each_class_is_flat_and_has_mean_one():
    jet, y = jets()
    weights = FlatWeights(bins=(5, 4)).fit_statistics([Data(jet=jet, y=y)], NAMES)
    found = weights.of(jet, y).numpy()
    edges = [np.linspace(v.min(), v.max(), n + 1) for v, n in _binned(jet)]
    for label in (0, 1):
        chosen = y.numpy() == label
        values = [v[chosen] for v, _ in _binned(jet)]
        counts, _, _ = np.histogram2d(*values, bins=edges, weights=found[chosen])
        filled = counts[counts > 0]
        np.testing.assert_allclose(filled, filled.mean(), rtol=1e-3)
        assert found[chosen].mean() == pytest.approx(1, rel=0.02)


def _binned(jet):
    return (jet[:, 1].numpy(), 5), (jet[:, 2].abs().numpy(), 4)


def test_other_jets_are_told_apart_by_nothing_but_chance():
    jet, y = jets()
    weights = FlatWeights().fit_statistics([Data(jet=jet, y=y)], NAMES)
    unseen, truth = jets(seed=1)
    seen = [c[:, 1:].abs().numpy() for c in (jet, unseen)]
    plain = GradientBoostingClassifier().fit(seen[0], y.numpy())
    assert roc_auc_score(truth, plain.decision_function(seen[1])) > 0.6
    fair = GradientBoostingClassifier().fit(seen[0], y.numpy(), weights.of(jet, y).numpy())
    worth = weights.of(unseen, truth).numpy()
    area = roc_auc_score(truth, fair.decision_function(seen[1]), sample_weight=worth)
    assert abs(area - 0.5) < 0.02


def test_a_batch_and_one_graph_get_them():
    jet, y = jets(300)
    weights = FlatWeights(bins=(2, 2)).fit_statistics([Data(jet=jet, y=y)], NAMES)
    graphs = [Data(jet=jet[i : i + 1], y=y[i : i + 1], num_nodes=0) for i in range(5)]
    batch = weights(Batch.from_data_list(graphs))
    assert torch.equal(batch.weight, weights.of(jet[:5], y[:5]))
    assert torch.equal(weights(graphs[3]).weight, batch.weight[3:4])
    assert "weight" not in graphs[3]


def test_jets_beyond_the_training_jets_belong_to_the_outermost_bins():
    jet, y = jets(300)
    weights = FlatWeights(["reco_pt"], [4]).fit_statistics([Data(jet=jet, y=y)], NAMES)
    far = jet[:2].clone()
    far[:, 1] = torch.tensor([0.0, 1e6])
    ends = torch.stack((jet[jet[:, 1].argmin()], jet[jet[:, 1].argmax()]))
    label = torch.ones(2, dtype=torch.int64)
    assert torch.equal(weights.of(far, label), weights.of(ends, label))


def test_a_bin_that_one_class_lacks_counts_for_nothing():
    jet = torch.tensor([[1.0], [1.0], [2.0], [1.0]])
    y = torch.tensor([0, 0, 0, 1])
    weights = FlatWeights(["pt"], [2]).fit_statistics([Data(jet=jet, y=y)], ["pt"])
    assert weights.of(jet, y).tolist() == [1.5, 1.5, 0.0, 1.0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda jet, y: FlatWeights(["reco_pt"], [0]), "bins of at least 1"),
        (lambda jet, y: FlatWeights(["reco_pt"], [1, 2]), "for each of the columns"),
        (
            lambda jet, y: FlatWeights(["e"], [1]).fit_statistics([Data(jet=jet, y=y)], NAMES),
            "jet column",
        ),
        (lambda jet, y: FlatWeights().of(jet, y), "call fit_statistics first"),
        (
            lambda jet, y: FlatWeights().fit_statistics([Data(jet=jet, y=y)], NAMES)(Data(jet=jet)),
            "labels y of the jets",
        ),
        (
            lambda jet, y: FlatWeights(["reco_pt"], [2]).fit_statistics(
                [Data(jet=torch.tensor([[1.0], [9.0]]), y=torch.tensor([0, 1]))], ["reco_pt"]
            ),
            "no bin of reco_pt in common",
        ),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call(*jets(100))


def test_negative_weights_of_training_jets_are_refused():
    jets = Data(jet=torch.rand(4, 1), y=torch.arange(4) % 2, weight=torch.tensor([1.0, 1, 1, -2]))
    with pytest.raises(ValueError, match="weights of 0 or more, but they go from -2 to 1"):
        FlatWeights(["pt"], [1]).fit_statistics([jets], ["pt"])
