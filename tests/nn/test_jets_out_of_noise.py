"""Jets out of noise: frames, globals, the matched four-momentum, and the stage on samples."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_jets.errors import InputError
from pyg_jets.losses import EnergyDistanceLoss, TwoStageLoss, VAELoss
from pyg_jets.nn import ComparisonFeatures, JetVAE
from pyg_jets.nn.layers.canonical_frame import canonical_frame, random_frames, to_frame
from pyg_jets.nn.layers.jet_globals import jet_globals
from pyg_jets.nn.models.jet_vae import match_globals
from pyg_jets.nn.protocol import GeneratorModel, PriorModel, StagedModel
from pyg_jets.ops import segment_sum

SMALL = {"latent": 4, "hidden": (16,), "rank": 6, "encoder_hidden": 8, "max_particles": 20,
         "components": 2, "samples": 30, "features": ComparisonFeatures(3, 4, 5, 6)}  # fmt: skip

#: Untrained networks make wide jets, of which two rounds of matching leave about a per cent.
ALMOST = {"rtol": 2e-2, "atol": 1e-3}


def jets(n_jets=60, seed=0, least=2, y=None):
    """Jets with a soft spectrum about the axis, of 2 to 12 particles."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(least, 13, n_jets)
    ptr = torch.tensor(np.concatenate(([0], np.cumsum(counts))))
    x = rng.normal(0, 0.1, (int(ptr[-1]), 3))
    x[:, 0] = 20 * rng.exponential(1, len(x)) + 0.5
    return Batch(x=torch.tensor(x, dtype=torch.float32), ptr=ptr, y=y)


def learned(batch=None, **options):
    torch.manual_seed(0)
    batch = jets() if batch is None else batch
    model = JetVAE(**(SMALL | options))
    model.fit_statistics([batch])
    model.fit_prior([batch])
    return model.eval()


def test_it_is_a_generator_with_a_prior_and_two_stages():
    model = learned()
    assert isinstance(model, GeneratorModel)
    assert isinstance(model, PriorModel)
    assert isinstance(model, StagedModel)


def test_latents_do_not_depend_on_order_orientation_or_the_other_jets():
    batch, model = jets(), learned()
    x, ptr = batch.x, batch.ptr
    mean, log_var = model.encode(x, ptr)
    order = torch.cat(
        [torch.arange(int(b) - 1, int(a) - 1, -1) for a, b in itertools.pairwise(ptr)]
    )
    turned = to_frame(x, ptr, random_frames(60, torch.Generator().manual_seed(1)))
    for other in (x[order], turned):
        again = model.encode(other, ptr)
        torch.testing.assert_close(again[0], mean, atol=2e-3, rtol=1e-3)
        torch.testing.assert_close(again[1], log_var, atol=2e-3, rtol=1e-3)
    alone, _ = model.encode(x[: ptr[1]], ptr[:2])
    torch.testing.assert_close(alone, mean[:1], atol=1e-4, rtol=1e-4)


def test_sampled_jets_have_the_globals_that_were_drawn():
    model = learned()
    generator = torch.Generator().manual_seed(2)
    x, ptr = model.sample(200, generator=generator)
    _, drawn = model.mixture.sample(200, generator=torch.Generator().manual_seed(2))
    got = model.jet_globals(x, ptr)
    assert torch.equal(got[:, 2], drawn[:, 2])
    torch.testing.assert_close(got[:, 0], drawn[:, 0], **ALMOST)
    before, _ = model.sample(200, generator=torch.Generator().manual_seed(2), match=False)
    raw = model.jet_globals(before, ptr)
    assert ((raw[:, 0] / drawn[:, 0] - 1).abs() > 0.02).float().mean() > 0.5
    off = [(mass / drawn[:, 1]).log().abs().mean() for mass in (got[:, 1], raw[:, 1])]
    assert off[0] < 0.5 * off[1]  # a jet is widened 4 times in each of two rounds at most
    again, _ = model.sample(200, generator=torch.Generator().manual_seed(2))
    assert torch.equal(again, x)


def test_pt_mass_and_latents_follow_a_given_multiplicity():
    batch = jets(4000)
    counts = batch.ptr.diff()
    model = learned(batch)
    real = jet_globals(batch.x, batch.ptr)
    for n in (4, 11):
        asked = torch.full((3000,), n)
        x, ptr = model.sample(3000, n=asked, generator=torch.Generator().manual_seed(0))
        assert (ptr.diff() == n).all()
        made, same = model.jet_globals(x, ptr), real[counts == n]
        assert float(made[:, 0].mean()) == pytest.approx(float(same[:, 0].mean()), rel=0.1)
    assert real[counts == 11, 0].mean() > 2 * real[counts == 4, 0].mean()


def test_matching_keeps_the_gradient_of_the_axis():
    """A jet that is shifted as a whole stays shifted, and the gradient has to know."""
    batch = jets(least=3)
    x = batch.x.clone().requires_grad_()
    made = match_globals(x, batch.ptr, jet_globals(batch.x, batch.ptr))
    (grad,) = torch.autograd.grad(made[:, 1].sum(), x)
    of_shift = segment_sum(grad[:, 1:2], batch.ptr)[:, 0]
    # up to the mass of a wide jet, which depends a little on where it lies; without it there is 0
    torch.testing.assert_close(of_shift, batch.ptr.diff().float(), rtol=5e-2, atol=1e-3)


def test_sampled_jets_are_turned_at_random():
    model = learned()
    x, ptr = model.sample(500, generator=torch.Generator().manual_seed(0))
    first = canonical_frame(x, ptr)[:, 0]
    assert first.mean(0).abs().max() < 0.15


def test_reconstructions_are_in_the_frame_of_the_jet_with_its_momentum():
    batch = jets()
    batch.x[:, 1:] *= 0.2  # pT and mass of a wide jet depend on its orientation
    model = learned(batch)
    x, ptr = model.reconstruct(batch.x, batch.ptr)
    want = jet_globals(batch.x, batch.ptr)
    torch.testing.assert_close(jet_globals(x, ptr)[:, 0], want[:, 0], **ALMOST)
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]]).expand(60, 2, 2)
    turned, _ = model.reconstruct(to_frame(batch.x, batch.ptr, quarter), batch.ptr)
    torch.testing.assert_close(turned, to_frame(x, ptr, quarter), atol=2e-2, rtol=1e-2)


def test_the_first_stage_reconstructs_and_the_second_compares():
    batch, model = jets(), learned().train()
    loss = TwoStageLoss(VAELoss(terms={"jets": 2.0}), EnergyDistanceLoss(terms={"momentum": 0.5}))
    terms = loss.terms(model(batch.x, batch.ptr), batch)
    assert "jets" in terms
    loss.total(terms).backward()
    assert all(p.grad is not None for p in model.encoder.parameters())
    model.zero_grad()
    before = copy.deepcopy(model.mixture.state_dict())
    model.begin_generation()
    output = model(batch.x, batch.ptr)
    terms = loss.terms(output, batch)
    assert list(terms) == ["energy_distance", "momentum"]
    assert list(output.real) == ["spectrum", "shape", "globals", "waves", "moduli", "axes"]
    loss.total(terms).backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad.isfinite().all() for p in model.decoder.parameters())
    model.fit_prior([jets(seed=5)])  # the encoder is fixed, and so is the prior
    assert all(torch.equal(v, before[k]) for k, v in model.mixture.state_dict().items())
    assert "kl" in loss.terms(model.eval()(batch.x, batch.ptr), batch)


def test_recent_jets_are_compared_with_as_many_samples():
    model = learned(samples=100).train()
    model.begin_generation()
    sizes = []
    for seed in range(4):
        batch = jets(40, seed)
        output = model(batch.x, batch.ptr, weight=torch.ones(40))
        sizes.append((len(output.made["shape"]), len(output.real["shape"]), len(output.weight)))
    assert sizes == [(40, 40, 40), (80, 80, 80), (120, 120, 120), (120, 120, 120)]


def test_the_second_stage_makes_samples_more_like_real_jets():
    batch = jets(400)
    model = learned(batch, samples=200).train()
    model.begin_generation()
    loss, rates = EnergyDistanceLoss(terms={"momentum": 0.2}), []
    optimizer = torch.optim.Adam(model.decoder.parameters(), 5e-3)
    torch.manual_seed(1)
    for _ in range(60):
        terms = loss.terms(model(batch.x, batch.ptr))
        optimizer.zero_grad()
        loss.total(terms).backward()
        optimizer.step()
        rates.append(float(terms["energy_distance"].detach()))
    assert np.mean(rates[-5:]) < 0.6 * np.mean(rates[:5])


def test_classes_have_globals_of_their_own():
    light, heavy = jets(60, 0), jets(60, 1)
    heavy.x[:, 0] *= 4
    ptr = torch.cat((light.ptr, heavy.ptr[1:] + light.ptr[-1]))
    y = torch.arange(2).repeat_interleave(60)
    batch = Batch(x=torch.cat((light.x, heavy.x)), ptr=ptr, y=y)
    model = learned(batch, n_classes=3)
    asked = torch.tensor([1, 0] * 50)
    pt = model.jet_globals(*model.sample(100, asked))[:, 0]
    assert pt[::2].mean() > 3 * pt[1::2].mean()
    with pytest.raises(InputError, match="No jet of class 2 was trained"):
        model.sample(1, torch.tensor([2]))
    model.train().begin_generation()
    output = model(batch.x, batch.ptr, y=y)
    assert output.real["globals"].shape == (120, 6)
    log_prior = model.log_prior(*model.encode(batch.x, batch.ptr)[:1], y, jet_globals(batch.x, ptr))
    assert log_prior.isfinite().all()


def test_weights_travel_to_the_comparison():
    model = learned().train()
    model.begin_generation()
    batch = jets(40)
    weight = torch.arange(40.0)
    assert torch.equal(model(batch.x, batch.ptr, weight=weight).weight, weight)


def test_jets_of_one_particle_and_state_dict_pickle_repr():
    batch = jets(40, least=1)
    model = learned(batch)
    assert all(v.isfinite().all() for v in model.encode(batch.x, batch.ptr))
    again = JetVAE(**SMALL).eval()
    again.load_state_dict(model.state_dict())
    third = pickle.loads(pickle.dumps(model))
    samples = [
        m.sample(9, generator=torch.Generator().manual_seed(0))[0] for m in (model, again, third)
    ]
    assert torch.equal(samples[0], samples[1])
    assert torch.equal(samples[0], samples[2])
    assert "ComparisonFeatures(3, projections=4, quantiles=5, waves=6" in repr(model)


def test_features_of_a_jet_alone_in_another_order_and_of_no_particles():
    features = ComparisonFeatures(3, 4, 7, 5)
    directions = features.directions(torch.Generator().manual_seed(0))
    batch = jets(3)
    x = torch.cat((batch.x, batch.x[:1]))
    ptr = torch.cat((batch.ptr, batch.ptr[-1:], batch.ptr[-1:] + 1))  # an empty jet, and one of one
    of_jets = torch.zeros(5, 2)
    blocks = features(x, x, ptr, of_jets, directions)
    n = int(ptr[1])
    alone = features(x[:n].flip(0), x[:n].flip(0), ptr[:2], of_jets[:1], directions)
    for name, block in blocks.items():
        torch.testing.assert_close(block[:1], alone[name], atol=1e-5, rtol=1e-5)
        assert block.isfinite().all(), name
    # quantiles of one particle are itself; numpy's, where there are several (Hazen's definition)
    one = (x[-1:] @ directions.projections).T.flatten()
    torch.testing.assert_close(blocks["spectrum"][4].view(7, 4), one.expand(7, 4))
    values = (x[:n] @ directions.projections).numpy()
    want = np.quantile(values, (np.arange(7) + 0.5) / 7, axis=0, method="hazen")
    assert blocks["spectrum"][0].view(7, 4).numpy() == pytest.approx(want, abs=1e-4)


def test_distances_to_hard_particles_by_brute_force():
    batch = jets(20, least=1)
    features = ComparisonFeatures(3, 1, 1, 1, axes=3)
    x, ptr = batch.x.requires_grad_(), batch.ptr
    blocks = features(x, x, ptr, torch.zeros(20, 1), features.directions())
    for j, (a, b) in enumerate(itertools.pairwise(ptr.tolist())):
        pt, *place = x[a:b].detach().double().numpy().T
        share, place = pt / pt.sum(), np.stack(place, 1)
        near, sums = np.inf, []
        axis = share.argmax()
        for _ in range(3):
            near = np.minimum(near, np.linalg.norm(place - place[axis], axis=1))
            axis, sums = (share * near).argmax(), [*sums, (share * near).sum()]
        logs = np.log(np.array(sums) + 2e-4)  # 1e-4 of it since no distance is below that
        want = 2 * np.array([logs[0], 2 * (logs[1] - logs[0]), 3 * (logs[2] - logs[1])])
        assert blocks["axes"][j].tolist() == pytest.approx(want, abs=2e-2)
    (grad,) = torch.autograd.grad(blocks["axes"].sum(), x)
    assert grad.isfinite().all()
    none = ComparisonFeatures(3, 1, 1, 1, axes=0)
    assert "axes" not in none(x, x, ptr, torch.zeros(20, 1), none.directions())
    empty = torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(3, dtype=torch.long)
    assert features(*empty, torch.zeros(2, 1), features.directions())["axes"].isfinite().all()


def test_globals_do_not_depend_on_the_orientation():
    batch, model = jets(), learned()
    turned = to_frame(batch.x, batch.ptr, random_frames(60, torch.Generator().manual_seed(1)))
    first, again = (model.jet_globals(x, batch.ptr) for x in (batch.x, turned))
    torch.testing.assert_close(again, first, rtol=1e-4, atol=1e-3)
    fixed = jet_globals(batch.x, batch.ptr)[:, 0], jet_globals(turned, batch.ptr)[:, 0]
    assert (fixed[0] / fixed[1] - 1).abs().max() > 0.005  # about one axis they do


def test_bad_input_is_named():
    model = JetVAE(**SMALL)
    batch = jets()
    with pytest.raises(InputError, match=r"fit_prior\(batches\)"):
        model.begin_generation()
    with pytest.raises(InputError, match="prior was not fitted"):
        model.sample(2)
    with pytest.raises(InputError, match="pT, mass and multiplicity of the jets"):
        model.decode(torch.zeros(1, 4), torch.tensor([0, 3]))
    with pytest.raises(InputError, match="samples of at least 2"):
        JetVAE(samples=1)
    with pytest.raises(InputError, match="12 particles, expected at most max_particles=5"):
        JetVAE(**(SMALL | {"max_particles": 5})).fit_statistics([batch])
    flat = batch.x.clone()
    flat[:, 1:] = 0
    with pytest.raises(InputError, match="Column 1 of the particles as logptasinh is 0"):
        JetVAE(**SMALL).fit_statistics([Batch(x=flat, ptr=batch.ptr)])
    with pytest.raises(InputError, match=r"as a mixture has components \(100\), but got 60"):
        learned(components=100)
    with pytest.raises(InputError, match="from 2 to 12 particles"):
        learned().sample(2, n=torch.tensor([5, 13]))
    with pytest.raises(InputError, match="projections of at least 1"):
        ComparisonFeatures(3, 0)
    with pytest.raises(InputError, match="two rising lengths"):
        ComparisonFeatures(3, scales=(0.5, 0.1))
