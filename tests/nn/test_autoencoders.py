"""Autoencoders of jets: what is made is physical, in any order, of any size; bad input is named."""

import numpy as np
import pytest
import torch

from pyg_jets.losses import VAELoss
from pyg_jets.nn import AUTOENCODERS, ConditionalGraphVAE, GraphVAE, JetVAE
from pyg_jets.nn.layers.particle_scale import COORDINATES, ParticleScale


def jets(counts=(3, 0, 12, 40), seed=0):
    rng = np.random.default_rng(seed)
    ptr = np.concatenate(([0], np.cumsum(counts)))
    x = rng.normal(0, 0.2, (ptr[-1], 3))
    x[:, 0] = rng.exponential(10, ptr[-1]) + 0.2
    return torch.tensor(x, dtype=torch.float32), torch.tensor(ptr)


class Pairs(dict):
    """A batch as far as networks look at it."""

    __getattr__ = dict.__getitem__


def learned(kind, **options):
    x, ptr = jets()
    if issubclass(kind, GraphVAE):
        options = {"latent": 4, "hidden": (16,), "encoder_hidden": 8, "components": 1} | options
    model = kind(**options)
    model.fit_statistics([Pairs(x=x, ptr=ptr, x_target=x, x_target_ptr=ptr)])
    return model


@pytest.mark.parametrize("kind", [k for k in AUTOENCODERS if k is not ConditionalGraphVAE])
def test_what_is_made_is_physical_and_losses_have_gradients(kind):
    x, ptr = jets()
    model = learned(kind)
    terms = VAELoss(chamfer=0.1, pt=1e-3, mass=1e-3).terms(model(x, ptr, x, ptr))
    VAELoss().total(terms).backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(g.isfinite().all()) for g in gradients)
    out_of_noise = issubclass(kind, GraphVAE)
    if out_of_noise:
        model.fit_prior([Pairs(x=x, ptr=ptr)])
    made, made_ptr = model.eval().sample(4, None if out_of_noise else (x, ptr))
    assert made_ptr[0] == 0
    assert made_ptr[-1] == len(made)
    assert len(made_ptr) == 5
    assert bool((made[:, 0] > 0).all())
    assert bool(made.isfinite().all())


@pytest.mark.parametrize("kind", [GraphVAE, JetVAE])
def test_the_order_of_particles_does_not_matter(kind):
    x, ptr = jets((5, 30))
    model = learned(kind).eval()
    turned = torch.cat((x[:5].flip(0), x[5:].flip(0)))
    for one, other in zip(model.encode(x, ptr), model.encode(turned, ptr), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [k for k in AUTOENCODERS if k is not ConditionalGraphVAE])
@pytest.mark.parametrize("what", ["nan", "jets"])
def test_bad_input_is_named(kind, what):
    x, ptr = jets()
    model = learned(kind)
    if what == "nan":
        x = x.clone()
        x[4, 1] = torch.nan
        with pytest.raises(ValueError, match="Jet 2 of the input"):
            model.encode(x, ptr)
    else:
        with pytest.raises(ValueError, match="the input has 4 and the target 3"):
            model(x, ptr, x[:15], ptr[:4])


@pytest.mark.parametrize("coordinates", COORDINATES)
def test_scales_come_back(coordinates):
    x, _ = jets((50,))
    scale = ParticleScale(coordinates)
    scale.fit_statistics([x])
    u = scale(x)
    assert u.std(0, unbiased=False) == pytest.approx(torch.ones(3), rel=1e-4)
    torch.testing.assert_close(scale.particles(u), x, rtol=1e-4, atol=1e-4)


def test_a_column_without_spread_is_named():
    x, _ = jets((50,))
    x[:, 1] = 0.5
    with pytest.raises(ValueError, match="Column 1 of the particles as ptetaphi"):
        ParticleScale("ptetaphi").fit_statistics([x])


@pytest.mark.parametrize("kind", [k for k in AUTOENCODERS if k is not ConditionalGraphVAE])
@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (0, 1, 0, 3)], ids=str)
def test_targets_may_be_empty(kind, counts):
    (x, ptr), (target, target_ptr) = jets(), jets(counts)
    model = learned(kind)
    loss = VAELoss(pt=1e-3, mass=1e-3)(model(x, ptr, target, target_ptr))
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(bool(g.isfinite().all()) for g in (loss.detach(), *gradients))
