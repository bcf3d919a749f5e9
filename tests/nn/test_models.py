"""One contract for every model: shapes, gradients, invariances, saving, printing."""

import copy
import pickle
from itertools import pairwise

import pytest
import torch

from pyg_jets import nn as jets_nn
from pyg_jets.nn import EFN, FCN, MLP, MODELS, PFN, ParticleNet, ParticleNetLite

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}

#: Small arguments for each model, and what it prints with them.
SMALL = {
    PFN: (
        {"phi": (8, 16), "f": (8,)},
        "PFN(in_channels={}, phi=(8, 16), f=(8,), out_channels={}, dropout=0.0, activation='relu')",
    ),
    FCN: (
        {"max_particles": 12, "hidden": (8, 8)},
        "FCN(in_channels={}, max_particles=12, hidden=(8, 8), out_channels={}, dropout=0.0, "
        "activation='leaky_relu', order_by=None)",
    ),
    EFN: (
        {"phi": (8, 16), "f": (8,)},
        "EFN(in_channels={}, weight=0, phi=(8, 16), f=(8,), out_channels={}, dropout=0.0, "
        "activation='relu')",
    ),
    ParticleNet: (
        {"channels": ((8, 8), (16,)), "k": 3, "fc": (8,), "dropout": 0.0, "fusion": 8},
        "ParticleNet(in_channels={}, channels=((8, 8), (16,)), k=(3, 3), fc=(8,), "
        "out_channels={}, dropout=0.0, fusion=8)",
    ),
    ParticleNetLite: (
        {"channels": ((8, 8), (8,)), "dropout": 0.0},
        "ParticleNetLite(in_channels={}, channels=((8, 8), (8,)), k=(7, 7), fc=(128,), "
        "out_channels={}, dropout=0.0)",
    ),
}
#: Models whose output does not depend on the order of a jet's particles.
INVARIANT = (PFN, EFN, ParticleNet, ParticleNetLite)
every_model = pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
COUNTS = (3, 0, 1, 7)


def make(cls, in_channels=4, out_channels=1, **kwargs):
    torch.manual_seed(0)
    options = {**SMALL[cls][0], **kwargs}
    return cls(in_channels=in_channels, out_channels=out_channels, **options)


def jets(counts=COUNTS, seed=1):
    generator = torch.Generator().manual_seed(seed)
    ptr = torch.tensor([0, *torch.tensor(counts).cumsum(0)])
    x = torch.randn(int(ptr[-1]), 4, generator=generator)
    return x, ptr, x[:, 1:3].detach().clone()


def test_every_model_is_tested_and_exported():
    assert set(SMALL) == set(MODELS)
    assert {cls.__name__ for cls in MODELS} <= set(jets_nn.__all__)


@every_model
@pytest.mark.parametrize("classes", [1, 5])
def test_shape_and_gradients(cls, classes):
    model, (x, ptr, pos) = make(cls, out_channels=classes), jets()
    x.requires_grad_()
    out = model(x, ptr, pos)
    assert out.shape == (len(COUNTS), classes)
    assert out.dtype == torch.float32
    out.square().sum().backward()
    assert x.grad.abs().sum() > 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@every_model
@pytest.mark.parametrize("counts", [(0,), (1,), (0, 0, 0), (40,)])
def test_empty_and_tiny_jets(cls, counts):
    out = make(cls)(*jets(counts))
    assert out.shape == (len(counts), 1)
    assert out.isfinite().all()


@every_model
def test_batch_independence(cls):
    model, (x, ptr, pos) = make(cls).eval(), jets()
    together = model(x, ptr, pos)
    for j, n in enumerate(COUNTS):
        rows = slice(ptr[j], ptr[j + 1])
        alone = model(x[rows], torch.tensor([0, n]), pos[rows])
        torch.testing.assert_close(together[j : j + 1], alone, **TOLERANCE)


@pytest.mark.parametrize("cls", INVARIANT)
def test_permutation_invariance(cls):
    model, (x, ptr, pos) = make(cls), jets()
    mixed, places = (torch.cat([v[a:b].flip(0) for a, b in pairwise(ptr)]) for v in (x, pos))
    torch.testing.assert_close(model(x, ptr, pos), model(mixed, ptr, places), **TOLERANCE)


@every_model
def test_lazy_and_saved(cls):
    x, ptr, pos = jets()
    lazy = make(cls, in_channels=-1)
    first = lazy(x, ptr, pos)
    assert repr(lazy) == SMALL[cls][1].format(-1, 1)
    for other in (make(cls, in_channels=-1), make(cls)):
        other.load_state_dict(lazy.state_dict())
        assert torch.equal(other(x, ptr, pos), first)
    for again in (pickle.loads(pickle.dumps(lazy)), copy.deepcopy(lazy)):
        assert torch.equal(again(x, ptr, pos), first)
    untouched = pickle.loads(pickle.dumps(make(cls, in_channels=-1)))
    untouched.load_state_dict(lazy.state_dict())
    assert torch.equal(untouched(x, ptr, pos), first)


@every_model
def test_reset_and_repr(cls):
    model, (x, ptr, pos) = make(cls, out_channels=3), jets()
    assert repr(model) == SMALL[cls][1].format(4, 3)
    before = model(x, ptr, pos)
    torch.manual_seed(7)
    model.reset_parameters()
    assert not torch.equal(model(x, ptr, pos), before)


@every_model
def test_dropout_only_in_training(cls):
    model, (x, ptr, pos) = make(cls, dropout=0.5), jets()
    assert not torch.equal(model(x, ptr, pos), model(x, ptr, pos))
    model.eval()
    assert torch.equal(model(x, ptr, pos), model(x, ptr, pos))


def test_fcn_orders_and_cuts():
    x = torch.tensor([[1.0, 0.1], [3.0, 0.3], [2.0, 0.2], [5.0, 0.5]])
    ptr = torch.tensor([0, 3, 3, 4])
    given = FCN(2, max_particles=2).pad(x, ptr)
    torch.testing.assert_close(
        given, torch.tensor([[1.0, 0.1, 3.0, 0.3], [0.0] * 4, [5.0, 0.5, 0.0, 0.0]])
    )
    hardest = FCN(2, max_particles=2, order_by=0).pad(x, ptr)
    torch.testing.assert_close(
        hardest, torch.tensor([[3.0, 0.3, 2.0, 0.2], [0.0] * 4, [5.0, 0.5, 0.0, 0.0]])
    )


def test_mlp_prints_itself():
    assert repr(MLP(3, (8, 4), 2)) == "MLP(3, (8, 4), out_channels=2, activation='relu')"
    assert repr(MLP(3, (8,), dropout=0.1)) == "MLP(3, (8,), activation='relu', dropout=0.1)"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PFN(in_channels=0), "in_channels of at least 1, or -1"),
        (lambda: PFN(phi=()), "one or more layers"),
        (lambda: PFN(f=(10, 0)), "width 1 or more"),
        (lambda: PFN(out_channels=0), "width 1 or more"),
        (lambda: PFN(dropout=1.0), "dropout from 0 to below 1"),
        (lambda: PFN(activation="tanhh"), "Unknown activation 'tanhh': choose from relu"),
        (lambda: FCN(max_particles=0), "max_particles of at least 1"),
        (lambda: FCN(in_channels=3, order_by=3), "order_by as a column from 0 to 2"),
        (lambda: PFN(4)(torch.ones(3, 4), torch.tensor([0, 2])), "ptr to rise"),
        (lambda: FCN(4)(torch.ones(3, 4), torch.tensor([0, 2])), "ptr to rise"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
