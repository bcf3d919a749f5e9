"""The energy distance of two samples of jets: brute force in float64, scipy, and toys."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy import stats

from pyg_jets.errors import InputError
from pyg_jets.losses import EnergyDistanceLoss, TwoStageLoss, energy_distance


class Samples(NamedTuple):
    made: dict
    real: dict
    weight: torch.Tensor | None = None
    terms: dict = {}  # noqa: RUF012


def normal(n, width=3, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def brute_force(a, b):
    a, b = (x.double().numpy() for x in (a, b))
    apart = lambda x, y: np.linalg.norm(x[:, None] - y[None], axis=2)  # noqa: E731
    n, m = len(a), len(b)
    within = [apart(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b)]
    return 2 * apart(a, b).sum() / (n * m) - sum(within)


def test_against_brute_force_far_from_the_origin():
    a, b = normal(40) + 100, 1.3 * normal(50, seed=1) + 101
    assert float(energy_distance(a, b)) == pytest.approx(brute_force(a, b), abs=2e-4)
    double = energy_distance(a.double(), b.double())
    assert float(double) == pytest.approx(brute_force(a, b), abs=1e-9)


def test_against_scipy_in_one_dimension():
    a, b = normal(2000, 1).double(), 0.7 * normal(2000, 1, seed=1).double() + 0.5
    theirs = stats.energy_distance(a[:, 0], b[:, 0]) ** 2
    assert float(energy_distance(a, b)) == pytest.approx(
        theirs, abs=2e-3
    )  # pairs of one with itself


def test_it_vanishes_for_one_distribution_only():
    real = normal(3000)
    assert abs(float(energy_distance(normal(3000, seed=1), real))) < 0.006
    others = {
        "shifted": normal(3000, seed=1) + 0.2,
        "smeared": 1.3 * normal(3000, seed=1),
        "collapsed": 0.1 * normal(3000, seed=1),
        "bimodal": torch.cat((normal(2850, seed=1), normal(150, seed=2) + 4)),
        "correlated": normal(3000, seed=1)[:, [0, 0, 2]],
    }
    for name, made in others.items():
        assert float(energy_distance(made, real)) > 0.02, name


def test_its_gradient_leads_to_the_width_and_the_middle():
    generator = torch.Generator().manual_seed(0)
    middle, width = torch.zeros(2, requires_grad=True), torch.full((2,), 0.3, requires_grad=True)
    optimizer = torch.optim.Adam((middle, width), lr=0.05)
    want = torch.tensor([[1.0, -2.0], [0.8, 1.5]])
    for _ in range(250):
        made = middle + width * torch.randn(256, 2, generator=generator)
        real = want[0] + want[1] * torch.randn(256, 2, generator=generator)
        optimizer.zero_grad()
        energy_distance(made, real).backward()
        optimizer.step()
    assert middle.detach().numpy() == pytest.approx(want[0].numpy(), abs=0.2)
    assert width.detach().numpy() == pytest.approx(want[1].numpy(), abs=0.2)


def test_weights_count_as_copies():
    a, b = normal(30), normal(20, seed=1)
    times = torch.arange(20) % 3
    copies = b.repeat_interleave(times, 0).double()
    ours = energy_distance(a.double(), b.double(), b_weight=times)
    # pairs of a row with its own copy have no length, but count
    n, share = len(copies), times.double() / times.sum()
    own = torch.cdist(copies, copies).sum() / (n * n) / (1 - share.square().sum())
    first = energy_distance(a.double(), copies) + torch.cdist(copies, copies).sum() / (n * (n - 1))
    assert float(ours) == pytest.approx(float(first - own), abs=1e-6)  # the least length there is
    ones = energy_distance(a, b, torch.full((30,), 2.0), torch.full((20,), 3.0))
    torch.testing.assert_close(ones, energy_distance(a, b))


def test_gradients_are_finite_where_jets_coincide():
    a = torch.zeros(5, 2, requires_grad=True)
    energy_distance(a, torch.zeros(4, 2)).backward()
    assert a.grad.isfinite().all()
    for few in (0, 1):
        assert float(energy_distance(normal(few), normal(4))) == 0
    with pytest.raises(InputError, match=r"\[A, D\] and \[B, D\]"):
        energy_distance(normal(3), normal(3, 2))


def test_blocks_are_weighed_and_compared_together_and_alone():
    real = {"shape": normal(200), "mass": 100 * normal(200, 1, seed=1)}
    made = {"shape": normal(150, seed=2) + 0.5, "mass": 100 * normal(150, 1, seed=3)}
    samples = Samples(made, real)
    terms = EnergyDistanceLoss(alone=0.5).terms(samples)
    assert list(terms) == [
        "energy_distance", "energy_distance_shape", "energy_distance_mass",
    ]  # fmt: skip
    assert terms["energy_distance_shape"] > 10 * abs(terms["energy_distance_mass"])
    total = EnergyDistanceLoss(alone=0.5).total(terms)
    apart = terms["energy_distance_shape"] + terms["energy_distance_mass"]
    assert float(total) == pytest.approx(float(terms["energy_distance"] + 0.5 * apart))
    alone = EnergyDistanceLoss({"shape": 0.0})(samples)
    torch.testing.assert_close(alone, terms["energy_distance_mass"])
    with pytest.raises(InputError, match="no block colour of features: choose from shape, mass"):
        EnergyDistanceLoss({"colour": 1.0})(samples)
    with pytest.raises(InputError, match="shape of at least 0"):
        EnergyDistanceLoss({"shape": -1.0})


def test_a_block_without_variance_is_no_obstacle():
    real = {"n": torch.full((50, 1), 30.0), "mass": normal(50, 1)}
    made = {"n": torch.full((50, 1), 30.0, requires_grad=True), "mass": normal(50, 1, seed=1)}
    loss = EnergyDistanceLoss()(Samples(made, real))
    loss.backward()
    assert loss.isfinite()
    assert made["n"].grad.isfinite().all()


def test_two_stages_take_the_loss_of_what_came():
    class Reconstruction(EnergyDistanceLoss):
        def terms(self, output, batch=None, epoch=None):
            return {"chamfer": output.sum()}

        def total(self, terms, epoch=None):
            return 2 * terms["chamfer"]

    loss = TwoStageLoss(Reconstruction())
    assert float(loss(torch.ones(3))) == 6
    sample = {"mass": normal(20)}
    assert float(loss(Samples(sample, sample))) < 0
    with pytest.raises(InputError, match="Expected generation as a loss, but got Linear"):
        TwoStageLoss(generation=torch.nn.Linear(1, 1))
