"""Pairs of jets before and after the detector."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.detector import Detector
from pyg_jets.transforms import Detect
from tests.conftest import at_epoch


def sample(n=12, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 40, n)
    ptr = np.concatenate(([0], counts.cumsum()))
    x = np.zeros((ptr[-1], 6), np.float32)
    x[:, 0] = rng.exponential(10, ptr[-1]) + 1
    centre = np.repeat(rng.uniform(-1, 1, (n, 2)) * [1.5, 3.1], counts, axis=0)
    x[:, 1:3] = centre + rng.normal(0, 0.1, (ptr[-1], 2))
    x[:, 4], x[:, 5] = rng.integers(-1, 2, ptr[-1]), 211
    x[x[:, 4] == 0, 5] = 22
    return JetArray(x, CANONICAL, ptr, ids=np.arange(n) + 100, labels=np.arange(n) % 2)


def batch(jets):
    return Batch.from_data_list(list(jets.to_pyg()))


def test_the_target_is_what_the_detector_sees_about_the_axis_of_before():
    jets = sample()
    found = Detect("cms-like", ["pt", "etarel", "phirel"], seed=3)(batch(jets))
    seen = Detector.preset("cms-like").simulate(jets, seed=3)
    axis = jets.momentum
    assert np.array_equal(found.x_target_ptr.numpy(), seen.ptr)
    np.testing.assert_allclose(found.axis.numpy()[:, 1], axis["eta"], rtol=1e-5)
    for points, ptr, table in (
        (found.x, found.ptr, jets),
        (found.x_target, found.x_target_ptr, seen),
    ):
        jet = np.repeat(np.arange(len(jets)), np.diff(ptr.numpy()))
        np.testing.assert_allclose(points[:, 0].numpy(), table.column("pt"), rtol=1e-6)
        away = table.column("eta") - axis["eta"][jet]
        np.testing.assert_allclose(points[:, 1].numpy(), away, atol=1e-5)
        around = np.angle(np.exp(1j * (table.column("phi") - axis["phi"][jet])))
        np.testing.assert_allclose(points[:, 2].numpy(), around, atol=1e-5)
    assert found.y.tolist() == jets.labels.tolist()
    assert found.jet_id.flatten().tolist() == jets.ids.tolist()


def test_a_batch_comes_apart_again():
    found = Detect("cms-like")(batch(sample()))
    parts = found.to_data_list()
    assert [len(p.x_target) for p in parts] == found.x_target_ptr.diff().tolist()
    assert torch.equal(torch.cat([p.x_target for p in parts]), found.x_target)
    assert torch.equal(found.x_target_batch.bincount(minlength=12), found.x_target_ptr.diff())


def test_epochs_differ_unless_they_are_fixed():
    jets = batch(sample())
    first, second = (at_epoch(e, Detect("cms-like"), jets).x_target for e in (0, 1))
    assert first.shape != second.shape or not torch.equal(first, second)
    fixed = Detect("cms-like", fixed=True)
    assert torch.equal(at_epoch(0, fixed, jets).x_target, at_epoch(1, fixed, jets).x_target)


def test_the_hardest_are_kept():
    jets = batch(sample())
    whole = Detect("cms-like", ["pt", "eta"])(jets)
    cut = Detect("cms-like", ["pt", "eta"], max_target=5, max_particles=3)(jets)
    for name, most in (("x", 3), ("x_target", 5)):
        ptr = "ptr" if name == "x" else "x_target_ptr"
        for j in range(12):
            every = whole[name][whole[ptr][j] : whole[ptr][j + 1]]
            kept = cut[name][cut[ptr][j] : cut[ptr][j + 1]]
            assert kept[:, 0].tolist() == every[:, 0].sort(descending=True).values[:most].tolist()
    assert torch.equal(cut.axis, whole.axis)


def test_a_jet_that_is_not_seen_has_an_empty_target():
    jets = sample(2)
    table = jets.particles.copy()
    table[: jets.ptr[1], 0] = 1e-4
    found = Detect("cms-like")(batch(JetArray(table, CANONICAL, jets.ptr, ids=jets.ids)))
    assert found.x_target_ptr[1] == 0
    assert found.x_target_ptr[2] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"names": ["d0"]}, "column"),
        ({"max_target": 0}, "max_target of at least 1"),
        ({"detector": "none"}, "detector|preset"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(ValueError, match=said):
        Detect(**options)


def test_other_columns_are_refused():
    jets = batch(sample())
    jets.x = jets.x[:, :3]
    with pytest.raises(ValueError, match="canonical columns of before the detector"):
        Detect()(jets)


def test_a_common_scale_is_that_of_a_jet_and_of_an_epoch():
    jets, names = sample(), ["pt", "etarel", "phirel"]
    plain = Detect("cms-like", names, seed=3)(batch(jets))
    scaled = Detect("cms-like", names, seed=3, common_scale=0.1)(batch(jets))
    factor = scaled.common_scale.repeat_interleave(plain.x_target_ptr.diff())
    torch.testing.assert_close(scaled.x_target[:, 0], plain.x_target[:, 0] * factor)
    torch.testing.assert_close(scaled.x, plain.x)
    few = Detect("cms-like", names, seed=3, common_scale=0.1)(batch(jets[5:7]))
    torch.testing.assert_close(few.common_scale, scaled.common_scale[5:7])
    assert len(scaled.common_scale.unique()) == len(jets)
    with pytest.raises(ValueError, match="common_scale from 0 to below 1"):
        Detect("cms-like", names, common_scale=1.0)
