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
#: Options that change what a model is, and what they add to what it prints.
VARIANTS = {
    PFN: ({"norm": True, "init": "torch"}, "norm=True, init='torch'"),
    EFN: ({"norm": True, "scale": 6.0}, "norm=True, scale=6.0"),
}
#: Models whose output does not depend on the order of a jet's particles.
INVARIANT = (PFN, EFN, ParticleNet, ParticleNetLite)
COUNTS = (3, 0, 1, 7)


class Case:
    """A model with its small arguments, alone or with the options of ``VARIANTS``."""

    def __init__(self, cls, n_jet=0, varied=False):
        self.cls, self.n_jet, self.varied = cls, n_jet, varied
        self.invariant = cls in INVARIANT
        self.__name__ = cls.__name__ + "+" * varied + f"-{n_jet}" * bool(n_jet)

    def make(self, in_channels=4, out_channels=1, **kwargs):
        torch.manual_seed(0)
        options = {"jet_channels": self.n_jet} if self.n_jet else {}
        options |= {
            **SMALL[self.cls][0],
            **(VARIANTS[self.cls][0] if self.varied else {}),
            **kwargs,
        }
        return self.cls(in_channels=in_channels, out_channels=out_channels, **options)

    def printed(self, in_channels, out_channels, jet_channels=None):
        parts = [SMALL[self.cls][1].format(in_channels, out_channels)[:-1]]
        parts += [VARIANTS[self.cls][1]] if self.varied else []
        parts += [f"jet_channels={jet_channels or self.n_jet}"] if self.n_jet else []
        return ", ".join(parts) + ")"

    def jets(self, counts=COUNTS, seed=1):
        """What the model is called with."""
        x, ptr, pos = jets(counts, seed)
        if not self.n_jet:
            return x, ptr, pos
        generator = torch.Generator().manual_seed(seed)
        return x, ptr, pos, torch.randn(len(counts), self.n_jet, generator=generator)


CASES = [
    *map(Case, MODELS),
    *(Case(cls, varied=True) for cls in VARIANTS),
    *(Case(cls, n_jet=3, varied=cls in VARIANTS) for cls in MODELS),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)


def make(cls, in_channels=4, out_channels=1, **kwargs):
    return Case(cls).make(in_channels, out_channels, **kwargs)


def jets(counts=COUNTS, seed=1):
    generator = torch.Generator().manual_seed(seed)
    ptr = torch.tensor([0, *torch.tensor(counts).cumsum(0)])
    x = torch.randn(int(ptr[-1]), 4, generator=generator)
    return x, ptr, x[:, 1:3].detach().clone()


def test_every_model_is_tested_and_exported():
    assert set(SMALL) == set(MODELS)
    assert {cls.__name__ for cls in MODELS} <= set(jets_nn.__all__)


@every_case
@pytest.mark.parametrize("classes", [1, 5])
def test_shape_and_gradients(case, classes):
    model, (x, *others) = case.make(out_channels=classes), case.jets()
    inputs = [x.requires_grad_(), *(jet.requires_grad_() for jet in others[2:])]
    out = model(x, *others)
    assert out.shape == (len(COUNTS), classes)
    assert out.dtype == torch.float32
    out.square().sum().backward()
    assert all(value.grad.abs().sum() > 0 for value in inputs)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@every_case
@pytest.mark.parametrize("counts", [(0,), (1,), (0, 0, 0), (40,)])
def test_empty_and_tiny_jets(case, counts):
    model = case.make()
    out = model(*case.jets(counts))
    assert out.shape == (len(counts), 1)
    assert out.isfinite().all()
    if case.varied and len(counts) == 1:  # no variance: the running statistics count in training
        torch.testing.assert_close(out, model.eval()(*case.jets(counts)))


@every_case
def test_batch_independence(case):
    model, (x, ptr, pos, *jet) = case.make(), case.jets()
    model(*case.jets((4, 5, 6)))  # the statistics of norms are others than those at first
    model.eval()
    together = model(x, ptr, pos, *jet)
    for j, n in enumerate(COUNTS):
        rows = slice(ptr[j], ptr[j + 1])
        own = [values[j : j + 1] for values in jet]
        alone = model(x[rows], torch.tensor([0, n]), pos[rows], *own)
        torch.testing.assert_close(together[j : j + 1], alone, **TOLERANCE)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.invariant], ids=lambda case: case.__name__
)
def test_permutation_invariance(case):
    model, (x, ptr, pos, *jet) = case.make(), case.jets()
    mixed, places = (torch.cat([v[a:b].flip(0) for a, b in pairwise(ptr)]) for v in (x, pos))
    mixed_first = model(mixed, ptr, places, *jet)
    torch.testing.assert_close(model(x, ptr, pos, *jet), mixed_first, **TOLERANCE)


@every_case
def test_lazy_and_saved(case):
    given = case.jets()
    wait = {"jet_channels": -1} if case.n_jet else {}
    lazy = case.make(in_channels=-1, **wait)
    first = lazy(*given)
    assert repr(lazy) == case.printed(-1, 1, -1)
    for other in (case.make(in_channels=-1, **wait), case.make()):
        other.load_state_dict(lazy.state_dict())
        assert torch.equal(other(*given), first)
    for again in (pickle.loads(pickle.dumps(lazy)), copy.deepcopy(lazy)):
        assert torch.equal(again(*given), first)
    untouched = pickle.loads(pickle.dumps(case.make(in_channels=-1, **wait)))
    untouched.load_state_dict(lazy.state_dict())
    assert torch.equal(untouched(*given), first)


@every_case
def test_reset_and_repr(case):
    model, given = case.make(out_channels=3), case.jets()
    assert repr(model) == case.printed(4, 3)
    before = model(*given)
    torch.manual_seed(7)
    model.reset_parameters()
    assert not torch.equal(model(*given), before)


@every_case
def test_dropout_only_in_training(case):
    model, given = case.make(dropout=0.5), case.jets()
    assert not torch.equal(model(*given), model(*given))
    model.eval()
    assert torch.equal(model(*given), model(*given))


@every_case
def test_observables_of_jets_are_as_many_as_expected(case):
    model, (x, ptr, pos, *jet) = case.make(), case.jets()
    if not jet:
        with pytest.raises(ValueError, match=r"Expected no observables .* make .* jet_channels=2"):
            model(x, ptr, pos, torch.zeros(len(COUNTS), 2))
        return
    jet = jet[0]
    # each is read, and of its own jet alone
    changed = jet.clone()
    changed[1, 2] += 1
    model.eval()
    differs = (model(x, ptr, pos, changed) != model(x, ptr, pos, jet)).any(1)
    assert differs.tolist() == [False, True, False, False]
    for wrong, said in ((None, "got none"), (jet[:, :2], "got 2"), (jet[:2], r"shape \[4, 3\]")):
        with pytest.raises(ValueError, match=said):
            model(x, ptr, pos, wrong)
    with pytest.raises(ValueError, match="jet_channels of at least 0, or -1"):
        case.make(jet_channels=-2)


@pytest.mark.parametrize("cls", [PFN, EFN])
def test_initial_weights_are_those_of_energyflow(cls):
    """Keras' ``he_uniform`` in hidden layers, its default in the last, and biases of zero."""
    torch.manual_seed(0)
    lazy = cls(phi=(64, 80), f=(96, 70), out_channels=5)
    lazy(torch.ones(2, 50), torch.tensor([0, 2]), torch.ones(2, 2))
    fed = 50 if cls is PFN else 2
    for layers, sizes in ((lazy.phi, (fed, 64)), (lazy.f, (80, 96, 70))):
        linears = [layer for layer in layers.layers if hasattr(layer, "weight")]
        assert [linear.weight.size(1) for linear in linears] == list(sizes)
        for linear, n in zip(linears, sizes, strict=True):
            bound = (6 / n) ** 0.5 if linear.out_channels > 5 else (6 / (n + 5)) ** 0.5
            assert linear.weight.abs().max() <= bound
            spread = bound / 3**0.5  # of a uniform distribution
            assert linear.weight.std().item() == pytest.approx(spread, rel=0.1)
            assert not linear.bias.any()
    torchs = cls(in_channels=50, phi=(64, 80), f=(96,), init="torch").f.layers[0]
    assert torchs.weight.abs().max() <= 80**-0.5
    assert torchs.bias.any()


def test_directions_of_an_efn_are_scaled():
    z, ptr, pos = torch.rand(9, 1), torch.tensor([0, 4, 9]), torch.randn(9, 2) / 10
    torch.manual_seed(0)
    scaled = EFN(phi=(8,), f=(8,), scale=6.0)
    torch.manual_seed(0)
    torch.testing.assert_close(scaled(z, ptr, pos), EFN(phi=(8,), f=(8,))(z, ptr, 6 * pos))


def test_a_trained_efn_with_a_norm_is_still_safe():
    model = EFN(phi=(8, 16), f=(8,), norm=True, scale=6.0)
    z, ptr, pos = torch.rand(9, 1), torch.tensor([0, 4, 9]), torch.randn(9, 2) / 10
    model(z, ptr, pos)
    before = model.eval()(z, ptr, pos)
    # the last particle splits into two in its direction, and a soft one is radiated
    z = torch.cat((z[:8], 0.3 * z[8:], 0.7 * z[8:], torch.zeros(1, 1)))
    pos = torch.cat((pos, pos[8:], torch.ones(1, 2)))
    torch.testing.assert_close(model(z, torch.tensor([0, 4, 11]), pos), before, **TOLERANCE)


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
        (lambda: PFN(init="zeros"), "'zeros': choose from torch, he_uniform"),
        (lambda: EFN(scale=0.0), "positive scale of directions, but got 0.0"),
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
