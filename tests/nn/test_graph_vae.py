"""GraphVAE and its layers: the contract of networks, the prior, and bad input."""

import itertools
import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from pyg_jets.losses import VAELoss
from pyg_jets.nn import GraphVAE
from pyg_jets.nn.layers.seed_table import SeedTable
from pyg_jets.nn.layers.set_encoder import ENCODERS, SetEncoder
from pyg_jets.nn.protocol import GeneratorModel, PriorModel
from pyg_jets.ops import counts_to_ptr, gather

COUNTS = (3, 0, 12, 1, 20)
SMALL = {"latent": 3, "max_particles": 20, "rank": 5, "hidden": (8,), "encoder_hidden": 6,
         "components": 1}  # fmt: skip


def jets(counts=COUNTS, seed=0):
    rng = np.random.default_rng(seed)
    ptr = counts_to_ptr(torch.tensor(counts))
    x = rng.normal(0, 0.2, (int(ptr[-1]), 3))
    x[:, 0] = rng.exponential(10, len(x)) + 0.2
    return torch.tensor(x, dtype=torch.float32), ptr


def network(**options):
    torch.manual_seed(0)
    model = GraphVAE(**SMALL | options)
    x, ptr = jets()
    model.fit_statistics([Data(x=x, ptr=ptr)])
    return model


def digits(n_jets=60, seed=0, n_classes=2):
    """Plain points of two classes that lie apart, 4 to 9 a jet."""
    rng = torch.Generator().manual_seed(seed)
    n = torch.randint(4, 10, (n_jets,), generator=rng)
    y = torch.arange(n_jets) % n_classes
    x = torch.randn(int(n.sum()), 3, generator=rng) + 4 * y.repeat_interleave(n).unsqueeze(1)
    return Data(x=x, ptr=counts_to_ptr(n), y=y)


@pytest.fixture(scope="module")
def trained():
    """A network with classes after some steps and a fit of the prior."""
    torch.manual_seed(0)
    model, batch = GraphVAE(**SMALL | {"coordinates": "plain", "n_classes": 3}), digits()
    model.fit_statistics([batch])
    optimizer, loss = torch.optim.Adam(model.parameters(), 0.02), VAELoss(kl=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss(model(batch.x, batch.ptr)).backward()
        optimizer.step()
    model.fit_prior([batch])
    return model.eval()


def permuted(x, ptr):
    order = torch.cat([torch.randperm(b - a) + a for a, b in itertools.pairwise(ptr)])
    return x[order]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_latent_depends_neither_on_the_order_nor_on_the_batch(encoder):
    model, (x, ptr) = network(encoder=encoder, k=2).eval(), jets()
    both = model.encode(x, ptr)
    for one, other in zip(both, model.encode(permuted(x, ptr), ptr), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    for j in range(len(COUNTS)):
        alone = model.encode(*gather(x, ptr, torch.tensor([j])))
        for one, other in zip(both, alone, strict=True):
            torch.testing.assert_close(one[j : j + 1], other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_parameter_has_a_gradient(encoder):
    model, (x, ptr) = network(encoder=encoder, k=2), jets()
    VAELoss(1, 1, kl=0.5)(model(x, ptr)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool((parameter.grad != 0).any()), name


@pytest.mark.parametrize("counts", [(0,), (1,), (0, 0), (2, 0)], ids=str)
def test_empty_jets_and_single_particles(counts):
    model, (x, ptr) = network(), jets(counts)
    made = model(x, ptr)
    assert made.ptr.tolist() == ptr.tolist()
    VAELoss(1, 1)(made).backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())


def test_a_target_of_another_size_is_made():
    model, (x, ptr), (y, y_ptr) = network(), jets(), jets((5, 2, 0, 0, 9), 1)
    made = model(x, ptr, y, y_ptr)
    assert made.points.shape == y.shape
    assert made.points_ptr.tolist() == y_ptr.tolist()


def test_what_is_saved_comes_back(trained):
    other = GraphVAE(**SMALL | {"coordinates": "plain", "n_classes": 3})
    other.load_state_dict(trained.state_dict())
    again = pickle.loads(pickle.dumps(trained))
    classes, rng = torch.arange(8) % 2, torch.Generator()
    want = trained.sample(8, classes, generator=rng.manual_seed(1))
    for model in (other.eval(), again):
        made = model.sample(8, classes, generator=rng.manual_seed(1))
        for mine, theirs in zip(made, want, strict=True):
            torch.testing.assert_close(mine, theirs)


def test_repr():
    assert repr(SetEncoder(3, 8, kind="edge_conv", hidden=4, k=3, conditions=2)) == (
        "SetEncoder(3, 8, positions=(0, 1), kind='edge_conv', hidden=4, k=3, conditions=2)"
    )
    assert repr(SeedTable(4, 3, 10, 8, (16,))) == (
        "SeedTable(4, 3, max_particles=10, rank=8, hidden=(16,))"
    )


def test_it_follows_the_protocols():
    assert isinstance(network(), GeneratorModel)
    assert isinstance(network(), PriorModel)


def test_the_table_is_that_of_the_equation():
    decoder, ptr = SeedTable(4, 3, 10, 8, (16,)), counts_to_ptr(torch.tensor([10, 0, 3]))
    c = torch.randn(3, 4)
    factor = decoder.factor(c).view(3, 3, 8).double() / 8**0.5
    want = torch.einsum("sk,jdk->jsd", decoder.table.double(), factor)
    want = want + decoder.shift(c).double().unsqueeze(1)
    want = torch.cat([want[0], want[2, :3]])
    torch.testing.assert_close(decoder(c, ptr).double(), want, rtol=1e-5, atol=1e-5)


def test_a_prior_that_was_not_fitted_says_how():
    model = network()
    for run in (lambda: model.sample(2), lambda: model.log_prior(torch.zeros(1, 3), None, None)):
        with pytest.raises(ValueError, match=r"fit_prior\(batches\).*RefitPrior"):
            run()


def test_jets_are_of_the_class_that_is_asked_for(trained):
    classes = torch.arange(40) % 2
    x, ptr = trained.sample(40, classes, generator=torch.Generator().manual_seed(0))
    n = ptr.diff()
    assert 4 <= int(n.min()) < int(n.max()) <= 9
    means = torch.stack([x[a:b].mean() for a, b in itertools.pairwise(ptr)])
    assert ((means > 2).long() == classes).all()


def test_log_prior_prefers_the_right_class(trained):
    batch = digits(seed=5)
    mean, _ = trained.encode(batch.x, batch.ptr)
    of_jet = trained.jet_globals(batch.x, batch.ptr)
    right, wrong = (trained.log_prior(mean, y, of_jet) for y in (batch.y, 1 - batch.y))
    assert right.shape == (60,)
    assert float((right > wrong).float().mean()) > 0.95


def test_what_was_not_trained_is_refused(trained):
    with pytest.raises(ValueError, match=r"No jet of class 2 was trained: ask for .* \[0, 1\]"):
        trained.sample(2, torch.tensor([0, 2]))
    with pytest.raises(ValueError, match="Expected a class of each of 2 jets, but got none"):
        trained.sample(2)
    with pytest.raises(ValueError, match="from 4 to 9 particles"):
        trained.sample(2, torch.tensor([0, 1]), n=torch.tensor([4, 10]))
    _x, ptr = trained.sample(2, torch.tensor([0, 1]), n=torch.tensor([4, 9]))
    assert ptr.tolist() == [0, 4, 13]


def test_interpolations_begin_and_end_at_reconstructions(trained):
    batch = digits(4)
    first, second = (gather(batch.x, batch.ptr, torch.tensor(rows)) for rows in ([0, 1], [2, 3]))
    x, ptr = trained.interpolate(first, second, 5)
    assert len(ptr) == 11
    for pair in range(2):
        for at, jets_of in ((0, first), (4, second)):
            mine, _ = gather(x, ptr, torch.tensor([5 * pair + at]))
            want, _ = gather(*trained.reconstruct(*jets_of), torch.tensor([pair]))
            torch.testing.assert_close(mine, want, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="at least 2 steps and as many jets on both sides"):
        trained.interpolate(first, second, 1)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (lambda m: m.encode(torch.full((2, 3), torch.nan), torch.tensor([0, 1, 2])), "Jet 0 of"),
        (lambda m: m.decode(torch.zeros(1, 3), torch.tensor([0, 21])), "Jet 0 has 21 particles"),
        (lambda m: m.fit_prior([]), "got no batch"),
        (lambda m: m.fit_statistics([Data(x=torch.rand(30, 3), ptr=torch.tensor([0, 30]))]),
         "has 30 particles, expected at most max_particles=20"),
        (lambda m: GraphVAE(**SMALL | {"encoder": "transformer"}), "encoder"),
        (lambda m: GraphVAE(**SMALL | {"components": 9}).fit_prior([Data(**dict(
            zip(("x", "ptr"), jets(), strict=True)))]), "as a mixture has components"),
        (lambda m: SetEncoder(3, 2, positions=(3,)), "positions from 0 to 2"),
        (lambda m: SetEncoder(3, 2, k=0), "k of at least 1"),
        (lambda m: SeedTable(3, rank=0), "rank of at least 1"),
    ],
)  # fmt: skip
def test_bad_input_is_named(run, said):
    with pytest.raises(ValueError, match=said):
        run(network())
