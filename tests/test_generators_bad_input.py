"""What bad input gets from every generator: an error that names what came, and the jet."""

import pytest
import torch
from torch_geometric.data import Data

from pyg_jets.errors import InputError
from pyg_jets.losses import VAELoss, energy_distance
from pyg_jets.nn import ConditionalGraphVAE, ConvVAE, GraphVAE, JetVAE
from pyg_jets.ops import counts_to_ptr
from pyg_jets.training import Generator
from pyg_jets.training.task import check_state

SMALL = {"latent": 3, "max_particles": 20, "rank": 5, "hidden": (8,), "encoder_hidden": 6,
         "components": 1, "n_classes": 3}  # fmt: skip
NETWORKS = {"GraphVAE": GraphVAE, "JetVAE": JetVAE}


def jets(n=40, seed=0, least=3, most=12):
    """Jets of the classes 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    ptr = counts_to_ptr(torch.randint(least, most + 1, (n,), generator=generator))
    x = 0.2 * torch.randn(int(ptr[-1]), 3, generator=generator)
    x[:, 0] = torch.rand(len(x), generator=generator) * 20 + 0.5
    return Data(x=x, ptr=ptr, y=torch.arange(n) % 2)


JETS = jets()
#: A jet with a particle that is not finite, and its number.
BAD_JET = 4
BAD = JETS.x.clone()
BAD[int(JETS.ptr[BAD_JET]) + 1, 1] = float("nan")


def build(name, **options):
    torch.manual_seed(0)
    return NETWORKS[name](**SMALL | options)


def batch(**changes):
    return Data(**{"x": JETS.x, "ptr": JETS.ptr, "y": JETS.y} | changes)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    model = build(request.param)
    model.fit_statistics([JETS])
    model.fit_prior([JETS])
    return model.eval()


def classes(number, n=5):
    return torch.full((n,), number)


NAMED = f"Jet {BAD_JET} of the (input|target|training batch) has a particle that is not finite"
ROWS = {
    "nan to encode": (lambda m: m.encode(BAD, JETS.ptr), NAMED),
    "nan to forward": (lambda m: m(BAD, JETS.ptr), NAMED),
    "nan in the target": (lambda m: m(JETS.x, JETS.ptr, BAD, JETS.ptr), NAMED),
    "nan to reconstruct": (lambda m: m.reconstruct(BAD, JETS.ptr), NAMED),
    "nan to interpolate": (
        lambda m: m.interpolate((JETS.x, JETS.ptr), (BAD, JETS.ptr)), NAMED),
    "nan in statistics": (lambda m: m.fit_statistics([batch(x=BAD)]), NAMED),
    "nan to the prior": (lambda m: m.fit_prior([batch(x=BAD)]), NAMED),
    "a pointer too short": (lambda m: m.encode(JETS.x, JETS.ptr[:-1]), "from 0 to N"),
    "a target of other jets": (
        lambda m: m(JETS.x, JETS.ptr, jets(30).x, jets(30).ptr), "has 40 and the target 30"),
    "a target without pointer": (lambda m: m(JETS.x, JETS.ptr, JETS.x), "but got target alone"),
    "a pointer without target": (
        lambda m: m(JETS.x, JETS.ptr, None, JETS.ptr), "but got target_ptr alone"),
    "too few columns": (lambda m: m.encode(JETS.x[:, :2], JETS.ptr), r"\[N, 3\]"),
    "too many columns": (lambda m: m(JETS.x.repeat(1, 2), JETS.ptr), r"\[N, 3\]"),
    "a jet too large to make": (
        lambda m: m.reconstruct(JETS.x, torch.tensor([0, 3, len(JETS.x)])), "max_particles"),
    "a jet too large to learn": (
        lambda m: m.fit_statistics([jets(4, 0, 30, 40)]), "expected at most max_particles=20"),
    "no batch": (lambda m: m.fit_statistics([]), "no particles"),
    "no particles": (
        lambda m: m.fit_statistics([batch(x=torch.zeros(0, 3), ptr=torch.zeros(41).long())]),
        "no particles"),
    "no variance": (
        lambda m: m.fit_statistics([batch(x=torch.ones_like(JETS.x))]), "expected a spread"),
    "no batch for the prior": (lambda m: m.fit_prior([]), "got no batch"),
    "no class for the prior": (
        lambda m: m.fit_prior([Data(x=JETS.x, ptr=JETS.ptr)]), "class of each of 40 jets"),
    "a class that is none": (
        lambda m: m.fit_prior([batch(y=JETS.y + 2)]), r"classes from 0 to 2, but got \[2, 3\]"),
    "negative weights": (
        lambda m: m.fit_prior([batch(weight=-torch.ones(40))]), "Jet 0 has a weight"),
    "weights of zero": (lambda m: m.fit_prior([batch(weight=torch.zeros(40))]), "all jets are 0"),
    "a number of jets below zero": (lambda m: m.sample(-1, classes(0)), "jets of 0 or more"),
    "an untrained class": (lambda m: m.sample(5, classes(2)), r"class 2 was trained.* \[0, 1\]"),
    "an unknown class": (lambda m: m.sample(5, classes(7)), r"from 0 to 2, but got \[7\]"),
    "a class that is no whole number": (lambda m: m.sample(5, classes(0.5)), "whole numbers"),
    "a class that is no tensor": (lambda m: m.sample(5, 1), "got int"),
    "jets for a class": (lambda m: m.sample(5, (JETS.x, JETS.ptr)), "got tuple"),
    "no class": (lambda m: m.sample(5), "each of 5 jets, but got none"),
    "too few classes": (lambda m: m.sample(5, classes(0, 4)), "each of 5 jets, but got 4"),
    "more particles than seen": (
        lambda m: m.sample(5, classes(0), classes(19)), "from 3 to 12 particles, as training"),
    "fewer particles than seen": (
        lambda m: m.sample(5, classes(0), classes(1)), "from 3 to 12 particles, as training"),
    "particles of other jets": (lambda m: m.sample(5, classes(0), classes(5, 4)), r"n \[5\]"),
    "half a particle": (lambda m: m.sample(5, classes(0), classes(5.5)), "n as whole numbers"),
    "one step": (
        lambda m: m.interpolate((JETS.x, JETS.ptr), (JETS.x, JETS.ptr), 1), "at least 2 steps"),
    "ends of other jets": (
        lambda m: m.interpolate((JETS.x, JETS.ptr), (jets(9).x, jets(9).ptr)), "40 and 9 jets"),
    "a latent of another width": (
        lambda m: m.decode(torch.zeros(2, 4), torch.tensor([0, 3, 6]), None,
                           torch.ones(2, m.n_globals)), r"z \[2, 3\]"),
    "latents of other jets": (
        lambda m: m.decode(torch.zeros(3, 3), torch.tensor([0, 3, 6]), None,
                           torch.ones(2, m.n_globals)), r"z \[2, 3\].*got \[3, 3\]"),
    "globals of other jets": (
        lambda m: m.decode(torch.zeros(2, 3), torch.tensor([0, 3, 6]), None,
                           torch.ones(3, m.n_globals)), r"jet_globals \[2, "),
    "a latent that is not finite": (
        lambda m: m.decode(torch.tensor([[0.0] * 3, [float("nan")] * 3]), torch.tensor([0, 3, 6]),
                           None, torch.ones(2, m.n_globals)), "Jet 1 has z"),
    "the density of a latent that is not finite": (
        lambda m: m.log_prior(torch.tensor([[float("nan")] * 3]), classes(0, 1),
                              torch.ones(1, m.n_globals)), "Jet 0 has a z that is not finite"),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_bad_input(network, row):
    call, said = ROWS[row]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(InputError, match=said):
        call(network)
    for name, value in network.state_dict().items():  # what is refused changes nothing
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("name", NETWORKS)
def test_a_prior_that_was_not_fitted_says_how(name):
    model = build(name)
    model.fit_statistics([JETS])
    for call in (
        lambda: model.sample(5, classes(0)),
        lambda: model.log_prior(torch.zeros(5, 3), classes(0), torch.ones(5, model.n_globals)),
    ):
        with pytest.raises(InputError, match=r"fit_prior\(batches\).*RefitPrior"):
            call()


@pytest.mark.parametrize("name", NETWORKS)
def test_fewer_jets_than_components(name):
    model = build(name, components=21)
    model.fit_statistics([JETS])
    with pytest.raises(InputError, match=r"jets of class 0 as .* components \(21\), but got 20"):
        model.fit_prior([JETS])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_checkpoint_of_another_configuration(name):
    task, other = Generator(build(name)), Generator(build(name, latent=4))
    with pytest.raises(InputError, match=r"of another configuration: network\.\S+ is \["):
        check_state(task, other.state_dict())
    with pytest.raises(InputError, match="of another configuration"):
        task.on_load_checkpoint({"state_dict": other.state_dict()})


@pytest.mark.parametrize("name", NETWORKS)
def test_empty_jets_and_batches_are_jets(name):
    model = build(name)
    model.fit_statistics([JETS])
    empty, no_jet = torch.zeros(4, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    for ptr in (empty, no_jet):
        x = torch.zeros(0, 3)
        mean, log_var = model.encode(x, ptr)
        assert mean.shape == log_var.shape == (len(ptr) - 1, 3)
        assert bool(mean.isfinite().all())
        assert model.reconstruct(x, ptr)[0].shape == (0, 3)
    # one set of a jet is empty, the other is not: sizes 0 and 12, 12 and 0, 1 and 20
    x, ptr = JETS.x[:13], torch.tensor([0, 0, 12, 13])
    target, target_ptr = JETS.x[:32], torch.tensor([0, 12, 12, 32])
    model.train()
    loss = VAELoss(matching=1.0, sliced=1.0, pt=1.0, mass=1.0)
    total = loss(model(x, ptr, target, target_ptr))
    assert bool(total.isfinite())
    total.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: VAELoss(chamfer=-1.0), "coefficient chamfer of at least 0"),
        (lambda: VAELoss(sigma=0.0), "sigma above 0"),
        (lambda: VAELoss(warmup=2.0), "warmup as a share"),
        (lambda: VAELoss(warmup=0.1).total({}, 0), r"set_length\(epochs\)"),
        (lambda: energy_distance(torch.ones(3, 2), torch.ones(3, 1)), r"\[A, D\]"),
        (
            lambda: energy_distance(torch.ones(3, 1), torch.ones(3, 1), torch.ones(2)),
            "3 weights, one a jet, but got 2",
        ),
    ],
)
def test_losses(call, said):
    with pytest.raises(InputError, match=said):
        call()


LIST = {
    "nan to encode": (lambda m: m.encode(BAD, JETS.ptr), NAMED),
    "nan in the target": (lambda m: m(JETS.x, JETS.ptr, BAD, JETS.ptr), NAMED),
    "nan in statistics": (lambda m: m.fit_statistics([batch(x=BAD)]), NAMED),
    "nan in multiplicities": (lambda m: m.fit_multiplicity([batch(x=BAD)]), NAMED),
    "nan in GEN": (lambda m: m.sample(40, (BAD, JETS.ptr)), NAMED),
    "a pointer too short": (lambda m: m.encode(JETS.x, JETS.ptr[:-1]), "from 0 to N"),
    "a target of other jets": (
        lambda m: m(JETS.x, JETS.ptr, jets(30).x, jets(30).ptr), "has 40 and the target 30"),
    "a target without pointer": (lambda m: m(JETS.x, JETS.ptr, JETS.x), "but got target alone"),
    "too many columns": (lambda m: m.encode(JETS.x.repeat(1, 2), JETS.ptr), r"\[N, 3\]"),
    "no batch": (lambda m: m.fit_statistics([]), "no particles"),
    "no variance": (
        lambda m: m.fit_statistics([batch(x=torch.ones_like(JETS.x))]), "expected a spread"),
    "no jets for multiplicities": (lambda m: m.fit_multiplicity([]), "There are no jets"),
    "a number of jets below zero": (lambda m: m.sample(-1), "0 or more"),
    "a multiplicity": (lambda m: m.sample(5, n=classes(5)), "cannot choose n"),
    "a condition that is no jets": (lambda m: m.sample(5, 3), "but got int"),
    "no GEN jet": (
        lambda m: m.sample(5, (torch.zeros(0, 3), torch.zeros(1).long())), "but got no jet"),
    "a latent of another width": (lambda m: m.decode(torch.zeros(2, 4)), r"z \[J, 3\]"),
}  # fmt: skip


@pytest.mark.parametrize("row", LIST)
def test_bad_input_of_the_list(row):
    torch.manual_seed(0)
    model = ConvVAE(16, latent=3).eval()
    model.fit_statistics([JETS])
    call, said = LIST[row]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError, match=said):
        call(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def pairs(x=JETS.x, target=JETS.x, ptr=JETS.ptr):
    return Data(x=x, ptr=ptr, x_target=target, x_target_ptr=ptr)


RESPONSE = {
    "nan in GEN": (lambda m: m(BAD, JETS.ptr, JETS.x, JETS.ptr), f"Jet {BAD_JET} of the input"),
    "nan in RECO": (lambda m: m(JETS.x, JETS.ptr, BAD, JETS.ptr), f"Jet {BAD_JET} of the target"),
    "nan to sample": (lambda m: m.sample(40, (BAD, JETS.ptr)), f"Jet {BAD_JET} of the input"),
    "nan in statistics": (lambda m: m.fit_statistics([pairs(BAD)]), f"Jet {BAD_JET} of the train"),
    "nan in statistics of RECO": (
        lambda m: m.fit_statistics([pairs(target=BAD)]), f"Jet {BAD_JET} of the RECO"),
    "no batch": (lambda m: m.fit_statistics([]), "got no batch"),
    "no variance": (lambda m: m.fit_statistics([pairs(torch.ones_like(BAD))]), "no variance"),
    "too few columns": (lambda m: m(JETS.x[:, :2], JETS.ptr), r"\[N, 3\]"),
    "RECO of other jets": (
        lambda m: m(JETS.x, JETS.ptr, jets(30).x, jets(30).ptr), "has 40 and the target 30"),
    "RECO without pointer": (lambda m: m(JETS.x, JETS.ptr, JETS.x), "but got target alone"),
    "no GEN": (lambda m: m.sample(5), "got none"),
    "GEN that is no jets": (lambda m: m.sample(5, 3), "and int"),
    "a number of jets below zero": (lambda m: m.sample(-1, (JETS.x, JETS.ptr)), "0 jets or more"),
    "a multiplicity": (lambda m: m.sample(5, (JETS.x, JETS.ptr), classes(5)), "no multiplicity"),
}  # fmt: skip


@pytest.mark.parametrize("row", RESPONSE)
def test_bad_input_of_the_response(row):
    torch.manual_seed(0)
    model = ConditionalGraphVAE(latent=2, hidden=8).eval()
    model.fit_statistics([pairs()])
    call, said = RESPONSE[row]
    with pytest.raises(InputError, match=said):
        call(model)
    assert all(bool(value.double().isfinite().all()) for value in model.state_dict().values())
