"""Transforms: contract, features against vector, variants against the detector."""

import copy
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
import vector
from torch_geometric.data import Batch

from pyg_jets.columns import CANONICAL
from pyg_jets.detector import Detector
from pyg_jets.transforms import (
    FEATURES,
    TAGGER_FEATURES,
    BatchTransform,
    Compose,
    Detect,
    Features,
    FlatWeights,
    KNNGraph,
    LeadingParticles,
    RadiusGraph,
    Resimulate,
)
from pyg_jets.transforms.base import as_batch_transform
from tests.conftest import at_epoch, random_jets

TRANSFORMS = [
    Features(),
    Features(FEATURES, fixed=False),
    Resimulate("cms-like", angles=3),
    Resimulate("toy-rect", angles="random", variants=2),
    Resimulate("cms-like", angles=2, rotate="after"),
    Resimulate("jet-rect", angles=2, image=True),
    Compose([Resimulate("cms-like", angles=2), Features()]),
    LeadingParticles(5),
]
ids = pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)


def batched(jets):
    return Batch.from_data_list(list(jets.to_pyg()))


@pytest.fixture
def batch(jets):
    return batched(jets)


@ids
def test_leaves_its_input_alone(transform, batch):
    before = copy.deepcopy(batch)
    transform(batch)
    for name, value in before.to_dict().items():
        assert torch.equal(batch[name], value)


@ids
def test_pickles(transform, batch):
    again = pickle.loads(pickle.dumps(transform))
    assert repr(again) == repr(transform)
    assert torch.equal(again(batch).x, transform(batch).x)


@ids
def test_jets_do_not_see_each_other(transform, jets):
    together = transform(batched(jets)).to_data_list()
    per_jet = len(together) // len(jets)
    for j in (0, 1, 7):
        alone = transform(batched(jets[j])).to_data_list()
        for mine, other in zip(alone, together[j * per_jet : (j + 1) * per_jet], strict=True):
            # SIMD lanes and scalar tails of torch's cos differ in the last bit
            torch.testing.assert_close(mine.x, other.x, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(mine.pos, other.pos, rtol=1e-5, atol=1e-6)


@ids
def test_one_graph_is_a_batch_of_one(transform, jets):
    data = jets.to_pyg()[4]
    assert torch.equal(transform(data).x, transform(Batch.from_data_list([data])).x)


@ids
def test_only_empty_jets(transform):
    out = transform(batched(random_jets(counts=np.array([0, 0]))))
    assert out.x.shape[0] == 0
    assert torch.isfinite(out.pos).all()


FACTS = ("needs_epoch", "pairs", "variants", "makes_features", "input_columns")


@pytest.mark.parametrize(
    ("transform", "facts"),
    [
        (Features(), (False, False, 1, True, CANONICAL)),
        (Features(["d0"], columns=["d0"]), (False, False, 1, True, ("d0",))),
        (Resimulate(angles=3), (False, False, 3, False, CANONICAL)),
        (Resimulate(angles="random", variants=2), (True, False, 2, False, CANONICAL)),
        (Resimulate(angles="random").with_angles(4), (False, False, 4, False, CANONICAL)),
        (Detect(), (True, True, 1, True, CANONICAL)),
        (Detect(fixed=True), (False, True, 1, True, CANONICAL)),
        (FlatWeights(), (False, False, 1, False, None)),
        (LeadingParticles(5), (False, False, 1, False, CANONICAL)),
        (KNNGraph(), (False, False, 1, False, None)),
        (RadiusGraph(0.4), (False, False, 1, False, None)),
        (Compose([Resimulate(angles="random"), Features()]), (True, False, 8, True, CANONICAL)),
        (Compose([FlatWeights(), Detect()]), (True, True, 1, True, None)),
        (Compose([]), (False, False, 1, False, None)),
        (as_batch_transform(copy.copy), (False, False, 1, False, None)),
    ],
    ids=lambda value: (
        repr(value).partition(" at 0x")[0] if isinstance(value, BatchTransform) else ""
    ),
)
def test_facts(transform, facts):
    assert isinstance(transform, BatchTransform)
    assert tuple(getattr(transform, name) for name in FACTS) == facts


def test_facts_hold_for_what_comes_out(jets):
    for transform in (*TRANSFORMS, Detect()):
        out = transform(batched(jets))
        assert out.num_graphs == transform.variants * len(jets)
        assert ("x_target" in out) == transform.pairs


def test_evaluation_and_detector():
    random = Resimulate("jet-rect", angles="random", seed=3)
    for transform in (random, Resimulate("jet-rect", angles=6, seed=3)):
        assert repr(transform.for_evaluation()) == repr(Resimulate("jet-rect", 1, seed=3))
    pairs = Detect()
    assert pairs.for_evaluation() is pairs
    assert (pairs.with_angles(4), Features().for_evaluation()) == (None, None)
    assert Compose([Features(), random]).detector is random.detector
    assert Features().detector is None


def test_compose_sets_the_epoch(jets):
    random = Resimulate(angles="random", variants=2)
    later = at_epoch(5, Compose([random, Features()]), batched(jets))
    assert torch.equal(later.angle, at_epoch(5, random, batched(jets)).angle)
    assert not torch.equal(later.angle, at_epoch(0, random, batched(jets)).angle)


def test_features_agree_with_vector(jets):
    out = Features(FEATURES, fixed=False)(batched(jets)).to_data_list()
    for jet, data in zip(jets.to_awkward(), out, strict=True):
        if not len(jet.constituents):
            continue
        parts = {n: jet.constituents[n].to_numpy().astype(float) for n in CANONICAL[:4]}
        p, axis = vector.array(parts), vector.array(parts).sum()
        expected = {
            "rapidity": p.rapidity, "px": p.px, "py": p.py, "pz": p.pz, "e": p.E,
            "logpt": np.log(p.pt), "loge": np.log(p.E), "ptrel": p.pt / axis.pt,
            "erel": p.E / axis.E, "logptrel": np.log(p.pt / axis.pt),
            "logerel": np.log(p.E / axis.E), "etarel": p.eta - axis.eta,
            "phirel": p.deltaphi(axis), "deltar": p.deltaR(axis),
        }  # fmt: skip
        for name, value in expected.items():
            mine = data.x[:, FEATURES.index(name)].numpy()
            np.testing.assert_allclose(mine, value, rtol=3e-5, atol=3e-5, err_msg=name)


def moved(jets, pt=1.0, eta=0.0, phi=0.0, width=1.0):
    """The jets, massless, with another pT, place or width."""
    particles = jets.particles.copy()
    axis = {n: np.repeat(jets.momentum[n], jets.counts) for n in ("eta", "phi")}
    offset = jets.relative_positions() * width
    particles[:, 0] *= pt
    particles[:, 1] = axis["eta"] + offset[:, 0] + eta
    particles[:, 2] = (axis["phi"] + offset[:, 1] + phi + math.pi) % (2 * math.pi) - math.pi
    particles[:, 3] = 0
    return replace(jets, particles=particles)


@pytest.mark.parametrize(
    ("shift", "width"),
    [({"pt": 1.25}, 1.0), ({"phi": 2.0}, 1.0), ({"eta": 0.7}, 0.02)],
    ids=["pt", "phi", "eta of narrow jets"],  # a wide jet's η is not its rapidity
)
def test_tagger_features_do_not_tell_where_the_jet_is(shift, width):
    jets = random_jets(30, seed=4)
    here = Features()(batched(moved(jets, width=width)))
    there = Features()(batched(moved(jets, width=width, **shift)))
    assert here.x.shape[1] == len(TAGGER_FEATURES)
    torch.testing.assert_close(here.x, there.x, rtol=1e-3, atol=1e-3)


def test_fixed_scaling_clips(jets):
    out = Features(["logptrel", "deltar"])(batched(jets))
    assert out.x.abs().max() <= 5


def test_leading_particles_are_the_hardest_in_order(jets, batch):
    kept = LeadingParticles(5)(batch)
    pt = CANONICAL.index("pt")
    for j in range(batch.num_graphs):
        rows = batch.x[batch.ptr[j] : batch.ptr[j + 1]]
        want = rows[np.argsort(-rows[:, pt].numpy(), kind="stable")[:5]]
        assert torch.equal(kept.x[kept.ptr[j] : kept.ptr[j + 1]], want)
    assert torch.equal(kept.jet_id, batch.jet_id)
    whole = LeadingParticles(10_000)(batch)
    assert torch.equal(whole.ptr, batch.ptr)


def test_resimulate_is_the_detector(jets):
    out = Resimulate("cms-like", angles=4, seed=9)(batched(jets))
    seen = Detector.preset("cms-like").simulate(jets, seed=9, angles=4)
    assert np.array_equal(out.x.numpy(), seen.particles)
    assert np.array_equal(out.ptr.numpy(), seen.ptr)
    assert out.variant_of.tolist() == seen.jets["variant_of"].tolist()
    np.testing.assert_allclose(out.angle.numpy(), seen.jets["angle"])
    np.testing.assert_allclose(out.pos.numpy(), seen.relative_positions(), atol=2e-5)
    assert out.y.tolist() == np.repeat(jets.labels, 4).tolist()
    assert out.jet.shape == (80, 1)
    assert out.num_graphs == 80
    assert torch.equal(out.get_example(13).x, out.to_data_list()[13].x)


def test_random_angles_are_fresh_each_epoch_and_the_same_for_the_same_jet(jets):
    transform = Resimulate("cms-like", angles="random", variants=3)
    first, again, later = (at_epoch(e, transform, batched(jets)) for e in (0, 0, 1))
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.angle, later.angle)
    shuffled = at_epoch(0, transform, batched(jets[::-1]))
    assert torch.equal(shuffled.angle.reshape(20, 3).flip(0), first.angle.reshape(20, 3))
    many = transform._angles(torch.arange(20_000), epoch=5).flatten()
    assert abs(many.mean() - math.pi) < 0.05
    assert 0 <= many.min() < many.max() < 2 * math.pi + 1e-6


def test_fixed_angles_keep_their_response(jets):
    transform = Resimulate("cms-like", angles=2)
    first, later = (at_epoch(e, transform, batched(jets)) for e in (0, 3))
    assert torch.equal(first.x, later.x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Features(["mass", "colour"]), "Unknown feature 'colour': choose from pt"),
        (lambda: Features([]), "at least one feature"),
        (lambda: Features(["pt", "pt"]), "named once"),
        (lambda: Features(axis="beam"), "Unknown axis 'beam'"),
        (lambda: LeadingParticles(0), "n_particles of at least 1, but got 0"),
        (lambda: LeadingParticles(5, ("eta", "phi")), "pt"),
        (lambda: Resimulate("atlas"), "'atlas': choose from"),
        (lambda: Resimulate(angles=0), "at least 1"),
        (lambda: Resimulate(angles=True), "at least 1"),
        (lambda: Resimulate(angles="random", variants=0), "at least 1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_batches(batch, jets):
    seen = Features()(batch)
    with pytest.raises(ValueError, match=r"with the 6 columns pt, eta.* apply Features once"):
        Features()(seen)
    with pytest.raises(ValueError, match=r"with the columns pt, eta.* re-simulate before"):
        Resimulate()(seen)
    with pytest.raises(ValueError, match=r"pt, eta, but it has \d+: name those of x in"):
        Features(("pt",), columns=("pt", "eta"))(batch)
    batch.track = torch.zeros(batch.num_nodes + 1)
    with pytest.raises(ValueError, match="cannot carry track"):
        Resimulate()(batch)
    with pytest.raises(TypeError, match="callable"):
        Compose([3])
    del batch.x
    with pytest.raises(ValueError, match="Expected particles x"):
        Features()(batch)
