"""The terms of the loss of an autoencoder, against brute force."""

import itertools

import pytest
import torch
from torch_geometric.data import Data

from pyg_jets.losses import ScheduledLoss, TwoStageLoss, VAELoss
from pyg_jets.nn import Reconstruction
from pyg_jets.ops import counts_to_ptr


def reconstruction(counts=(3, 0, 4), wanted=None, dtype=torch.float32):
    rng = torch.Generator().manual_seed(0)
    ptrs = [counts_to_ptr(torch.tensor(n)) for n in (counts, wanted or counts)]
    x, y = (torch.randn(int(p[-1]), 3, generator=rng).to(dtype) for p in ptrs)
    mean, log_var = (torch.randn(len(counts), 2, generator=rng) for _ in range(2))
    sets = x.requires_grad_(), ptrs[0], y, ptrs[1]
    return Reconstruction(*sets, *sets, mean, log_var, {})


def pairs(made):
    """The two sets of each jet."""
    for j in range(len(made.points_ptr) - 1):
        x = made.points[made.points_ptr[j] : made.points_ptr[j + 1]].detach().double()
        yield x, made.wanted[made.wanted_ptr[j] : made.wanted_ptr[j + 1]].double()


def chamfer_of(x, y, match):
    if not len(x) or not len(y):
        return 0.0
    apart = torch.cdist(x[:, :match], y[:, :match])
    first = (x - y[apart.argmin(1)]).square().sum()
    return float(first + (y - x[apart.argmin(0)]).square().sum())


def matching_of(x, y, match):
    best = min(
        itertools.permutations(range(len(y))),
        key=lambda way: float((x - y[list(way)])[:, :match].square().sum()),
    )
    return float((x - y[list(best)]).square().sum())


@pytest.mark.parametrize("match", [None, 2, 3])
def test_both_equations_of_the_paper(match):
    made = reconstruction()
    terms = VAELoss(chamfer=1, matching=1, match=match).terms(made)
    for name, by_hand in (("chamfer", chamfer_of), ("matching", matching_of)):
        want = sum(by_hand(x, y, match) for x, y in pairs(made)) / 3
        assert float(terms[name].detach()) == pytest.approx(want, rel=1e-5)
    terms["matching"].backward()
    assert bool(made.points.grad.isfinite().all())
    assert bool((made.points.grad != 0).all())


@pytest.mark.parametrize("match", [1, None])
def test_the_sliced_distance_is_that_of_sorted_projections(match, monkeypatch):
    ot = pytest.importorskip("ot")
    made, directions = reconstruction(), torch.eye(3)[:1] if match else torch.eye(3)
    monkeypatch.setattr("pyg_jets.losses.vae._DIRECTIONS", directions[:, :match])
    value = VAELoss(0, 0, 1, match=match).terms(made)["sliced"]
    want = sum(
        len(x) * float(ot.wasserstein_1d(x @ line, y @ line, p=2))
        for x, y in pairs(made)
        if len(x)
        for line in directions.double()
    )
    assert float(value.detach()) == pytest.approx(want / len(directions) / 3, rel=1e-5)


def test_the_equations_differ_in_intensities_alone():
    made = reconstruction()
    keep = torch.tensor([1.0, 1.0, 0.0])
    flat = made._replace(points=made.points * keep, wanted=made.wanted * keep)
    for terms in zip(*(VAELoss(1, 1, match=m).terms(flat).values() for m in (2, 3)), strict=True):
        torch.testing.assert_close(*terms)


def test_weights_and_units():
    made, weight = reconstruction(), torch.tensor([1.0, 5.0, 3.0])
    terms = VAELoss(0, 1).terms(made, Data(weight=weight))
    want = sum(w * matching_of(x, y, None) for w, (x, y) in zip(weight, pairs(made), strict=True))
    assert float(terms["matching"].detach()) == pytest.approx(float(want / 9), rel=1e-5)
    mean = VAELoss(0, 1, particles="mean").terms(made)["matching"]
    want = sum(matching_of(x, y, None) / max(len(x), 1) for x, y in pairs(made)) / 3
    assert float(mean.detach()) == pytest.approx(want, rel=1e-5)
    plain, with_sigma = VAELoss(0, 1, kl=0), VAELoss(0, 1, kl=0, sigma=0.5)
    ratio = with_sigma.total(terms) / plain.total(terms)
    assert float(ratio.detach()) == pytest.approx(2)


def test_particles_that_are_left_over_cost_nothing():
    made = reconstruction((4,), (2,))
    value = VAELoss(0, 1).terms(made)["matching"]
    value.backward()
    assert int((made.points.grad != 0).all(1).sum()) == 2


def test_the_warm_up_is_a_share_of_the_training():
    terms = {"kl": torch.tensor(1.0)}
    loss = TwoStageLoss(VAELoss(kl=2.0, warmup=0.1))
    assert isinstance(loss, ScheduledLoss)
    with pytest.raises(ValueError, match=r"call set_length\(epochs\) first"):
        loss.total(terms, 0)
    loss.set_length(40)
    assert [float(loss.total(terms, epoch)) for epoch in (0, 1, 4, 9)] == [0, 0.5, 2, 2]
    assert float(loss.total(terms)) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kl": -1.0}, "coefficient kl"), ({"matching": float("inf")}, "coefficient matching"),
        ({"sigma": 0.0}, "sigma above 0"), ({"warmup": 2.0}, "warmup as a share"),
        ({"particles": "most"}, "particles"),
    ],
)  # fmt: skip
def test_bad_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        VAELoss(**options)


def test_terms_of_the_network_are_named():
    made = reconstruction()._replace(terms={"multiplicity": torch.tensor(2.0)})
    loss = VAELoss(0, kl=0, terms={"multiplicity": 0.5})
    assert float(loss(made)) == 1
    with pytest.raises(ValueError, match="no term response: it has multiplicity"):
        VAELoss(terms={"response": 1.0}).terms(made)


def test_what_a_loss_is_is_printed():
    assert repr(VAELoss(0.25, 0.5, sigma=0.6, match=2, warmup=0.1)) == (
        "VAELoss(chamfer=0.25, matching=0.5, kl=1.0, sigma=0.6, warmup=0.1, match=2)"
    )
