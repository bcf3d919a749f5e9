"""The autoregressive network: its density integrates to one, and samples follow it."""

import math
import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_jets.errors import InputError
from pyg_jets.losses import AutoregressiveLoss
from pyg_jets.nn import AutoregressiveJets
from pyg_jets.nn.layers.canonical_frame import random_frames, to_frame
from pyg_jets.nn.layers.jet_globals import jet_globals
from pyg_jets.nn.protocol import GeneratorModel

SMALL = {"hidden": 8, "components": 4, "anchors": 2, "max_particles": 20}


def jets(n_jets=60, seed=0, least=1, y=None):
    rng = np.random.default_rng(seed)
    counts = rng.integers(least, 9, n_jets)
    ptr = torch.tensor(np.concatenate(([0], np.cumsum(counts))))
    x = rng.normal(0, 0.05, (int(ptr[-1]), 3))
    x[:, 0] = 20 * rng.exponential(1, len(x)) + 0.5
    return Batch(x=torch.tensor(x, dtype=torch.float32), ptr=ptr, y=y)


def learned(batch=None, **options):
    torch.manual_seed(0)
    model = AutoregressiveJets(**(SMALL | options))
    model.fit_statistics([jets() if batch is None else batch])
    return model.eval()


def test_the_density_of_a_particle_integrates_to_one():
    """Over ln pT, η and φ, of the first particle and of the second given the first."""
    model = learned()
    of_jets = torch.tensor([[100.0, 10.0, 2.0]])
    centre = model.shift.tolist()
    steps = torch.linspace(centre[0] - 9, 5, 90)
    angles = torch.linspace(-0.6, 0.6, 61)
    grid = torch.stack(torch.meshgrid(steps, angles, angles, indexing="ij"), -1).view(-1, 3)
    volume = float((steps[1] - steps[0]) * (angles[1] - angles[0]) ** 2)

    def total(first):
        start = math.log(100.0) if first is None else math.log(first[0])
        log_pt = start - grid[:, 0].double().exp()
        inside = log_pt > math.log(2e-3)  # below the least pT there is nothing
        pt = log_pt.exp().float().unsqueeze(1)
        x = torch.cat((pt, grid[:, 1:]), 1)[inside]
        n = 1
        if first is not None:
            x = torch.stack((torch.tensor(first).expand(len(x), 3), x), 1).flatten(0, 1)
            n = 2
        ptr = torch.arange(0, len(x) + 1, n)
        log_prob = model._log_prob_ordered(x, ptr, of_jets.expand(len(ptr) - 1, 3), None)
        # d ln pT = exp(s) ds for s = ln ln(p / p')
        return float((log_prob.double() + grid[inside, 0]).exp().sum() * volume)

    first = [40.0, 0.05, -0.02]
    given = model._log_prob_ordered(
        torch.tensor([first]), torch.tensor([0, 1]), of_jets, None
    ).exp()
    with torch.no_grad():
        assert total(None) == pytest.approx(1, abs=0.03)
        assert total(first) / float(given) == pytest.approx(1, abs=0.03)


def test_samples_follow_the_density():
    """-E ln p of samples is the entropy: that of samples again, and below that of other jets."""
    batch = jets(800)
    model = learned(batch).train()
    loss, optimizer = AutoregressiveLoss(), torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        terms = loss.terms(model(batch.x, batch.ptr), batch)
        loss.total(terms).backward()
        optimizer.step()
    before = float(loss.terms(learned(batch)(batch.x, batch.ptr))["bits_per_jet"].detach())
    after = float(terms["bits_per_jet"].detach())
    assert after < before - 3
    x, ptr = model.eval().sample(2000, generator=torch.Generator().manual_seed(0))
    real, made = jet_globals(batch.x, batch.ptr), jet_globals(x, ptr)
    assert float(made[:, 2].mean()) == pytest.approx(float(real[:, 2].mean()), abs=0.2)
    assert float(made[:, 0].mean()) == pytest.approx(float(real[:, 0].mean()), rel=0.06)
    lead = [torch.stack([x[p[j] : p[j + 1], 0].max() for j in range(len(p) - 1)]) for x, p in
            ((batch.x, batch.ptr), (x, ptr))]  # fmt: skip
    assert float(lead[1].mean()) == pytest.approx(float(lead[0].mean()), rel=0.1)


def test_likelihoods_do_not_depend_on_order_orientation_or_other_jets():
    batch, model = jets(), learned()
    want = model.log_prob(batch.x, batch.ptr)
    order = torch.cat([torch.randperm(int(b - a)) + a for a, b in
                       zip(batch.ptr[:-1], batch.ptr[1:], strict=True)])  # fmt: skip
    torch.testing.assert_close(model.log_prob(batch.x[order], batch.ptr), want)
    n = int(batch.ptr[7])
    torch.testing.assert_close(model.log_prob(batch.x[:n], batch.ptr[:8]), want[:7])
    frames = random_frames(60, torch.Generator().manual_seed(0))
    turned = model.log_prob(to_frame(batch.x, batch.ptr, frames), batch.ptr)
    # pT and mass of a jet depend a little on its orientation; one particle has no side across
    assert float((turned - want).detach().abs().median()) < 0.05


def test_equal_pt_empty_jets_and_gradients():
    model = learned()
    x = torch.tensor([[5.0, 0.1, 0.0], [5.0, -0.1, 0.05], [3.0, 0.0, 0.1]])
    ptr = torch.tensor([0, 2, 2, 3])
    log_prob = model(x, ptr).log_prob
    assert log_prob.isfinite().all()
    assert float(log_prob[1]) == 0
    log_prob.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_samples_are_matched_sorted_and_seeded():
    model = learned(jets(100, least=3))
    x, ptr = model.sample(50, generator=torch.Generator().manual_seed(1))
    again, _ = model.sample(50, generator=torch.Generator().manual_seed(1))
    assert torch.equal(x, again)
    _, drawn = model.mixture.sample(50, generator=torch.Generator().manual_seed(1))
    got = jet_globals(x, ptr)
    torch.testing.assert_close(got[:, 0], drawn[:, 0], rtol=2e-2, atol=1e-3)
    assert torch.equal(got[:, 2], drawn[:, 2])
    falls = x[1:, 0] <= x[:-1, 0]
    starts = ptr[1:-1] - 1
    falls[starts] = True
    assert falls.all()


def test_classes_state_dict_pickle_repr_and_protocol():
    y = torch.arange(60) % 2
    batch = jets(y=y)
    model = learned(batch, n_classes=3)
    assert isinstance(model, GeneratorModel)
    assert model.encode(batch.x, batch.ptr)[0].shape == (60, 0)
    again = AutoregressiveJets(**SMALL, n_classes=3).eval()
    again.load_state_dict(model.state_dict())
    third = pickle.loads(pickle.dumps(model))
    want = model.log_prob(batch.x, batch.ptr, y)
    assert torch.equal(again.log_prob(batch.x, batch.ptr, y), want)
    assert torch.equal(third.log_prob(batch.x, batch.ptr, y), want)
    assert repr(learned()) == (
        "AutoregressiveJets(hidden=8, components=4, anchors=2, max_particles=20)"
    )
    with pytest.raises(InputError, match="No jet of class 2"):
        model.sample(1, torch.tensor([2]))
    with pytest.raises(InputError, match="a class of each of 60 jets"):
        model.log_prob(batch.x, batch.ptr)


def test_bits_per_jet_and_weights():
    batch, model = jets(), learned()
    nats = model.log_prob(batch.x, batch.ptr)
    torch.testing.assert_close(model.bits_per_jet(batch.x, batch.ptr), -nats / math.log(2))
    weight = torch.arange(60.0)
    terms = AutoregressiveLoss().terms(model(batch.x, batch.ptr), Batch(weight=weight))
    want = -(weight * nats).sum() / (weight * batch.ptr.diff()).sum()
    torch.testing.assert_close(terms["nats_per_particle"], want)


def test_bad_input_is_named():
    batch = jets()
    with pytest.raises(InputError, match="was not trained"):
        AutoregressiveJets(**SMALL).sample(2)
    with pytest.raises(InputError, match="anchors from 0 to below components=4"):
        AutoregressiveJets(components=4, anchors=4)
    with pytest.raises(InputError, match="8 particles, expected at most max_particles=5"):
        learned(max_particles=5)
    with pytest.raises(InputError, match=r"mixture has components \(20\), but got 9"):
        learned(jets(9))
    with pytest.raises(InputError, match="from 1 to 8 particles"):
        learned().sample(2, n=torch.tensor([5, 30]))
    wrong = batch.x.clone()
    wrong[int(batch.ptr[3])] = float("nan")
    with pytest.raises(InputError, match="Jet 3 of the input"):
        learned().log_prob(wrong, batch.ptr)
