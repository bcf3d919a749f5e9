"""ConvVAE: its padding comes back, its loss is the source's in GeV², and bad input is named."""

import copy
import pickle

import numpy as np
import pytest
import torch

from pyg_jets.losses import VAELoss
from pyg_jets.nn import ConvVAE
from pyg_jets.nn.models.conv_vae import PADDINGS


def jets(counts=(3, 0, 12, 40), seed=0):
    rng = np.random.default_rng(seed)
    ptr = np.concatenate(([0], np.cumsum(counts)))
    x = rng.normal(0, 0.2, (ptr[-1], 3))
    x[:, 0] = rng.exponential(10, ptr[-1]) + 0.5
    return torch.tensor(x, dtype=torch.float32), torch.tensor(ptr)


class Pairs(dict):
    """A batch as far as the statistics look at it."""

    __getattr__ = dict.__getitem__


def pairs(x, ptr, target=None, target_ptr=None):
    target, target_ptr = (x, ptr) if target is None else (target, target_ptr)
    return Pairs(x=x, ptr=ptr, x_target=target, x_target_ptr=target_ptr)


def fitted(padding="mask", seed=0, **options):
    torch.manual_seed(seed)
    model = ConvVAE(padding=padding, **options)
    model.fit_statistics([pairs(*jets())])
    return model


def momenta(x):
    pt, eta, phi = x.double().numpy().T
    return np.stack((pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)), 1)


@pytest.mark.parametrize(
    ("length", "padding", "parameters"),
    [(30, "zero", 11_193_661), (30, "mask", 11_194_161), (50, "zero", 23_197_661)],
)
def test_sizes_are_those_of_the_source(length, padding, parameters):
    model = ConvVAE(length, padding=padding)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("counts", [(3, 0, 12, 40), (1,), (0, 0), (30,)], ids=str)
def test_padding_comes_back(padding, counts):
    model = fitted(padding)
    x, ptr = jets(counts)
    cut, cut_ptr = model._hardest(x, ptr)
    again, again_ptr = model._unpadded(model._padded(cut, cut_ptr))
    assert again_ptr.diff().tolist() == [min(n, 30) for n in counts]
    torch.testing.assert_close(again, cut, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("padding", PADDINGS)
def test_what_is_read_has_mean_0_and_variance_1(padding):
    x, ptr = jets((30, 30, 30, 30))
    model = ConvVAE(padding=padding)
    model.fit_statistics([pairs(x[:60], ptr[:3]), pairs(x[60:], ptr[2:] - 60)])
    read = model._padded(x, ptr)[..., :3].flatten(0, 1)
    torch.testing.assert_close(read.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(read.std(0, unbiased=False), torch.ones(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("padding", PADDINGS)
def test_the_loss_is_the_sources_in_gev_squared(padding):
    model = fitted(padding, mask_scale=7.0)
    x, ptr = jets()
    target, target_ptr = jets((4, 2, 0, 33), seed=1)
    output = model(x, ptr, target, target_ptr)
    terms = VAELoss(chamfer=1, pt=1, mass=10, kl=5000).terms(output)

    lists = output.points.detach().double().numpy().reshape(4, 30, -1)
    chamfer = []
    for j, made in enumerate(lists):
        real = target[target_ptr[j] : target_ptr[j + 1]]
        real = momenta(real[real[:, 0].argsort(descending=True)][:30])
        rest = np.zeros((30 - len(real), 3))
        if padding == "away":
            rest += (model.shift + 10 * model.width).double().numpy()
        wanted = np.concatenate((real, rest))
        if padding == "mask":
            mask = np.concatenate((np.full(len(real), 7.0), np.zeros(len(rest))))
            wanted = np.concatenate((wanted, mask[:, None]), 1)
        square = ((made[:, None] - wanted[None]) ** 2).sum(-1)
        chamfer.append(square.min(0).sum() + square.min(1).sum())
    assert terms["chamfer"].item() == pytest.approx(np.mean(chamfer), rel=1e-4)

    jet_terms = np.zeros((4, 2))
    for j in range(4):
        sums = []
        for points, p in ((output.x.detach(), output.ptr), (output.target, output.target_ptr)):
            three = momenta(points[p[j] : p[j + 1]])
            total, energy = three.sum(0), np.linalg.norm(three, axis=1).sum()
            mass = np.sqrt(max(energy**2 - total @ total, 0))
            sums.append((np.hypot(*total[:2]), mass))
        jet_terms[j] = np.subtract(*sums)
    pt, mass = (jet_terms**2).mean(0)
    assert terms["pt"].item() == pytest.approx(pt, rel=1e-4)
    assert terms["mass"].item() == pytest.approx(mass, rel=1e-4)


@pytest.mark.parametrize("weight", [None, torch.tensor([0.0, 1, 0, 3])], ids=["equal", "weighted"])
def test_the_term_of_the_mask_counts_particles(weight):
    model = fitted("mask")
    output = model(*jets(), weight=weight)
    made = output.points.detach().numpy().reshape(4, 30, 4)[..., 3].sum(1) / model.mask_scale
    square = (made - [3, 0, 12, 30]) ** 2
    wanted = np.average(square, weights=None if weight is None else weight.numpy())
    assert output.terms["multiplicity"].item() == pytest.approx(wanted, rel=1e-5)


class Scripted(ConvVAE):
    """Makes lists whose scores are given, whatever the latent."""

    def decode(self, z):
        return self.lists[: len(z)]


@pytest.mark.parametrize("padding", PADDINGS)
def test_the_multiplicity_rule_is_the_one_that_fits(padding):
    counts = torch.tensor([5, 12, 20, 29])
    model = Scripted(padding=padding)
    model.width.fill_(10.0)
    rank = torch.arange(30).expand(4, 30)
    real = rank < counts[:, None]
    # A biased network: particles score .3, padding .2, so that the rule without a fit is wrong.
    score = torch.where(real, 0.3, 0.2) + 0.001 * torch.rand(4, 30)
    lists = torch.zeros(4, 30, 3 + (padding == "mask"))
    if padding == "mask":
        lists[..., -1] = score
    elif padding == "away":
        lists[..., :3] = 10 * (1 - score[..., None])
    else:
        lists[..., 0] = 0.01 * score  # px below the 0.1 GeV that it begins with
    model.lists = lists
    x, ptr = jets(tuple(counts.tolist()))
    before = model._unpadded(lists)[1].diff()
    assert before.tolist() != counts.tolist()
    distance = model.fit_multiplicity([pairs(x, ptr)], torch.Generator().manual_seed(0))
    assert distance == pytest.approx(0, abs=1e-12)
    assert model._unpadded(lists)[1].diff().tolist() == counts.tolist()
    assert "threshold" in model.state_dict()


def test_the_multiplicity_rule_counts_jets_by_their_weights():
    model = Scripted(padding="mask")
    model.lists = torch.zeros(2, 30, 4)
    model.lists[..., 3] = torch.linspace(1, 0.1, 30)  # n slots are above a threshold, in both jets
    x, ptr = jets((10, 20))
    for weight, wanted in (([1.0, 0.0], 10), ([0.0, 2.0], 20)):
        batch = pairs(x, ptr) | {"weight": torch.tensor(weight)}
        assert model.fit_multiplicity([Pairs(batch)]) == pytest.approx(0, abs=1e-12)
        assert model._unpadded(model.lists)[1].diff().tolist() == [wanted, wanted]
    equal = model.fit_multiplicity([pairs(x, ptr)])
    assert equal == pytest.approx(5)  # by hand: any n from 10 to 20 is 5 away on average


@pytest.mark.parametrize("padding", PADDINGS)
def test_contract(padding):
    model = fitted(padding).eval()
    x, ptr = jets()
    turned = torch.cat([part.flip(0) for part in x.split(ptr.diff().tolist())])
    mean, log_var = model.encode(x, ptr)
    for one, other in zip((mean, log_var), model.encode(turned, ptr), strict=True):
        torch.testing.assert_close(one, other)  # the order is that of pT, not of the input
    alone = model.encode(x[3:15], torch.tensor([0, 12]))[0]
    torch.testing.assert_close(alone[0], mean[2], rtol=1e-4, atol=1e-5)
    draws = [model.sample(4, (x, ptr), generator=torch.Generator().manual_seed(3)) for _ in "ab"]
    torch.testing.assert_close(*(particles for particles, _ in draws), rtol=0, atol=0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other.encode(x, ptr)[0], mean, rtol=0, atol=0)
    fresh = ConvVAE(padding=padding)
    fresh.load_state_dict(model.state_dict())
    torch.testing.assert_close(fresh.encode(x, ptr)[0], mean, rtol=0, atol=0)
    assert f"padding={padding!r}" in repr(model)


@pytest.mark.parametrize("padding", PADDINGS)
def test_every_parameter_has_a_gradient_also_under_autocast(padding):
    model = fitted(padding)
    x, ptr = jets()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(x, ptr, *jets((2, 9, 0, 31), seed=2))
        assert {output.points.dtype, output.mean.dtype, output.x.dtype} == {torch.float32}
        VAELoss(pt=1, mass=10).total(VAELoss(pt=1, mass=10).terms(output)).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())
    assert all(bool(p.grad.abs().sum() > 0) for p in model.parameters())


def test_jets_out_of_noise_and_out_of_fewer_jets():
    model = fitted("mask").eval()
    made, ptr = model.sample(5)
    assert len(ptr) == 6
    assert bool((made[:, 0] > 0).all())
    assert len(model.sample(7, jets())[1]) == 8


def test_bad_input_is_named():
    model = fitted()
    x, ptr = jets()
    with pytest.raises(ValueError, match="at least 13"):
        ConvVAE(12)
    with pytest.raises(ValueError, match=r"padding.*zero"):
        ConvVAE(padding="nothing")
    with pytest.raises(ValueError, match="mask_scale above 0 GeV, but got 0"):
        ConvVAE(mask_scale=0)
    with pytest.raises(ValueError, match=r"\(pt, eta, phi\), but got \[55, 2\]"):
        model.encode(x[:, :2], ptr)
    broken = x.clone()
    broken[4, 1] = torch.nan
    with pytest.raises(ValueError, match="Jet 2 of the input"):
        model.encode(broken, ptr)
    with pytest.raises(ValueError, match="the input has 4 and the target 3"):
        model(x, ptr, x[:15], ptr[:4])
    with pytest.raises(ValueError, match="cannot choose n"):
        model.sample(4, n=torch.tensor([3, 3, 3, 3]))
    with pytest.raises(ValueError, match="no jets to fit the number of particles"):
        model.fit_multiplicity([])
    with pytest.raises(ValueError, match="no particles"):
        model.fit_statistics([pairs(*jets((0, 0)))])
    flat = x.clone()
    flat[:, 2] = 0
    with pytest.raises(ValueError, match=r"py is 0 GeV for all particles"):
        model.fit_statistics([pairs(flat, ptr)])
