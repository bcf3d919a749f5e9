"""Pile-up: how many collisions, how much pT, and the same particles for any slicing."""

import math
import pickle

import numpy as np
import pytest
import torch
from scipy import stats
from torch_geometric.data import Batch

from pyg_jets import JetArray, kinematics
from pyg_jets.columns import CANONICAL
from pyg_jets.detector import Detector, Pileup
from pyg_jets.transforms import Detect, Resimulate
from tests.conftest import at_epoch, random_jets
from tests.detector.test_laws import same

CMS = Detector.preset("cms-like")


def flat_pool(n_events: int = 300, seed: int = 0, reach: float = 3.0) -> JetArray:
    """Events whose massless particles are flat in rapidity up to ``reach`` and in azimuth."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 120, n_events)
    n = int(counts.sum())
    pdgid = rng.choice([211.0, -211.0, 22.0], n)
    x = np.zeros((n, 6))
    x[:, 0] = rng.exponential(0.6, n) + 0.1
    x[:, 1], x[:, 2] = rng.uniform(-reach, reach, n), rng.uniform(-np.pi, np.pi, n)
    x[:, 4], x[:, 5] = np.where(pdgid == 22, 0, np.sign(pdgid)), pdgid
    return JetArray(x, CANONICAL, np.concatenate(([0], counts.cumsum())))


def single(n_jets: int, eta_max: float = 2.0) -> JetArray:
    """Jets of one particle of 500 GeV."""
    rng = np.random.default_rng(1)
    x = np.zeros((n_jets, 6))
    x[:, 0], x[:, 5] = 500, 22
    x[:, 1] = rng.uniform(-eta_max, eta_max, n_jets)
    x[:, 2] = rng.uniform(-np.pi, np.pi, n_jets)
    return JetArray(x, CANONICAL, np.arange(n_jets + 1), ids=rng.integers(0, 1 << 50, n_jets))


POOL = flat_pool()


@pytest.mark.parametrize("radius", [0.4, 0.8])
def test_the_density_of_pt_is_that_of_the_pool_times_mu(radius):
    mu, jets = 30.0, single(3000)
    both = Pileup(POOL, mu, radius).overlay(jets, seed=1)
    added = kinematics.jet_sum(both.column("pt").astype(np.float64), both.ptr) - 500
    density = POOL.column("pt").sum() / len(POOL) / (2 * math.pi * 6.0)
    error = added.std() / math.sqrt(len(jets))
    assert abs(added.mean() - mu * density * math.pi * radius**2) < 4 * error
    assert error < 0.02 * added.mean()


def test_the_number_of_collisions_is_poisson_and_each_is_turned():
    # one particle an event, near enough to every jet at η = 0
    pool = JetArray(np.array([[1.0, 0, 0, 0, 0, 22]]), CANONICAL, [0, 1])
    for mu in (0.7, 40.0):
        both = Pileup(pool, mu, radius=3.2).overlay(single(20_000, 1e-6), seed=5)
        n, added = both.counts - 1, both.column("pt") == 1
        turn = both.column("phi")[added].astype(np.float64) / (2 * np.pi) + 0.5
        assert stats.kstest(turn[:50_000], "uniform").pvalue > 1e-3
        values, seen = np.unique(n, return_counts=True)
        expected = stats.poisson.pmf(values, mu) * len(n)
        enough = expected > 10
        assert (((seen - expected) ** 2 / expected)[enough]).sum() / enough.sum() < 2
        assert n.mean() == pytest.approx(mu, abs=4 * math.sqrt(mu / len(n)))
        assert n.var() == pytest.approx(mu, rel=0.05)


def test_what_is_added_is_near_the_axis_and_flat_in_azimuth():
    jets = single(2000)
    both = Pileup(POOL, 20.0).overlay(jets, seed=2)
    own = np.zeros(len(both.particles), bool)
    own[both.ptr[:-1]] = True
    assert np.array_equal(both.particles[own], jets.particles)
    jet = np.repeat(np.arange(len(jets)), both.counts - 1)
    x = both.particles[~own].astype(np.float64)
    dphi = kinematics.delta_phi(x[:, 2], jets.column("phi")[jet].astype(np.float64))
    dy = x[:, 1] - jets.column("eta")[jet]
    assert np.hypot(dy, dphi).max() < 0.8 + 1e-5
    angle = np.arctan2(dphi, dy) / (2 * np.pi) + 0.5
    assert stats.kstest(angle, "uniform").pvalue > 1e-3
    assert stats.kstest((dphi**2 + dy**2) / 0.64, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("kernels", ["1", "0"])
def test_slices_order_and_threads_change_nothing(kernels, monkeypatch):
    monkeypatch.setenv("PYG_JETS_KERNELS", kernels)
    jets, pileup = random_jets(300), Pileup(POOL, 25.0)
    both = pileup.overlay(jets, seed=1, threads=1)
    assert both.counts.mean() > jets.counts.mean() + 20
    assert both.equals(pileup.overlay(jets, seed=1, threads=2))
    assert both[7:30].equals(pileup.overlay(jets[7:30], seed=1))
    order = np.random.default_rng(0).permutation(len(jets))
    assert both[order].equals(pileup.overlay(jets[order], seed=1))
    assert not both.equals(pileup.overlay(jets, seed=2))
    assert not both.equals(pileup.overlay(jets, seed=1, epoch=1))
    assert both.equals(pickle.loads(pickle.dumps(pileup)).overlay(jets, seed=1))


def test_kernel_and_torch_agree(monkeypatch):
    jets = random_jets(60, seed=3)
    for mu in (0.0, 3.0, 60.0):
        fast = Pileup(POOL, mu).overlay(jets, seed=4)
        monkeypatch.setenv("PYG_JETS_KERNELS", "0")
        assert fast.equals(Pileup(POOL, mu).overlay(jets, seed=4))
        monkeypatch.delenv("PYG_JETS_KERNELS")
    assert fast.counts.sum() > 2 * jets.counts.sum()


def test_the_detector_measures_it_with_the_jet():
    jets, pileup = random_jets(40), Pileup(POOL, 40.0)
    seen = CMS.simulate(jets, seed=3, angles=4, pileup=pileup)
    assert same(seen[8:20], CMS.simulate(jets[2:5], seed=3, angles=4, pileup=pileup))
    assert seen.equals(CMS.simulate(pileup.overlay(jets, seed=3), seed=3, angles=4))
    assert CMS.simulate(jets, 3, pileup=Pileup(POOL, 0.0)).equals(CMS.simulate(jets, 3))
    # the tracks of the jet itself are those that it has without
    before, after = (
        {tuple(row) for row in s.particles[s.column("charge") != 0].tolist()}
        for s in (CMS.simulate(jets, seed=3), CMS.simulate(jets, seed=3, pileup=pileup))
    )
    assert before < after


def test_transforms_lay_it_over_the_batch():
    jets, pileup = random_jets(12, seed=2), Pileup(POOL, 15.0)
    batch = Batch.from_data_list(list(jets.to_pyg()))
    seen = CMS.simulate(jets, seed=3, angles=2, pileup=pileup)
    view = Resimulate("cms-like", angles=2, seed=3, pileup=pileup)
    assert np.array_equal(view(batch).x.numpy(), seen.particles)
    assert np.array_equal(view.for_evaluation()(batch).x.numpy(), seen[::2].particles)
    assert repr(view) == f"Resimulate(cms-like, angles=2, seed=3, pileup={pileup!r})"
    fresh = Resimulate("cms-like", angles="random", variants=1, pileup=pileup)
    counts = [at_epoch(epoch, fresh, batch).ptr.diff() for epoch in (0, 1)]
    assert not torch.equal(*counts)
    pairs = Detect("cms-like", ["pt"], seed=3, fixed=True, pileup=pileup)
    found, bare = pairs(batch), Detect("cms-like", ["pt"], seed=3, fixed=True)(batch)
    assert torch.equal(found.x, bare.x)
    assert np.array_equal(found.x_target[:, 0].numpy(), seen[::2].column("pt"))
    assert repr(pairs) == f"Detect(cms-like, pt, seed=3, pileup={pileup!r})"


def test_empty_jets_stay_empty_and_events_may_be_empty():
    jets = random_jets(5)  # the first is empty
    pool = JetArray(np.array([[1.0, 0, 0, 0, 0, 22]]), CANONICAL, [0, 0, 1, 1])
    for some in (jets, jets[:1], jets[:0]):
        both = Pileup(pool, 50.0).overlay(some)
        assert len(both) == len(some)
        assert both.counts[: min(1, len(some))].sum() == 0


BAD = [
    (lambda p: Pileup(p, -1.0), "mu, the mean .* 0 or more, but got -1.0"),
    (lambda p: Pileup(p, math.nan), "finite"),
    (lambda p: Pileup(p, math.inf), "finite"),
    (lambda p: Pileup(p, "many"), "but got 'many'"),
    (lambda p: Pileup(p, 3.0, radius=0.0), "radius above 0"),
    (lambda p: Pileup(p, 3.0, radius="R"), "radius above 0, but got 'R'"),
    (lambda p: Pileup(p[:0], 3.0), "pool of minimum-bias events with particles.*generate_pool"),
    (lambda p: Pileup(p.select(("pt", "eta", "phi")), 3.0), "mass, charge, pdgid is missing"),
    (
        lambda p: Detector.preset("toy-rect").simulate(p, pileup=Pileup(p, 3.0)),
        "jets on a plane",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call(POOL)
