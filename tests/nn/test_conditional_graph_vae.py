"""A response that is learned from pairs: contract, known smearings and losses, and bad input."""

import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_jets.errors import InputError
from pyg_jets.losses import ResponseLoss
from pyg_jets.nn import ConditionalGraphVAE, GraphVAE
from pyg_jets.nn.layers import cell_lattice, response_inputs
from pyg_jets.nn.layers.cell_lattice import CellLattice
from pyg_jets.nn.layers.response_inputs import ResponseInputs
from pyg_jets.nn.layers.sinh_arcsinh import information, sinh_arcsinh
from pyg_jets.training import Generator

FULL = ("pt", "etarel", "phirel", "eta", "phi", "e", "charge", "ischargedhadron", "isphoton")
CELLS = {"isphoton": {"eta": 0.1, "phi": 60}}


def source(n_jets=5, most=12, seed=0):
    """GEN jets by pT, η and φ; one of them is empty and one has a single particle."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, most, n_jets)
    counts[1], counts[2] = 0, 1
    ptr = torch.tensor(np.concatenate(([0], np.cumsum(counts))))
    n = int(ptr[-1])
    x = np.stack([rng.exponential(10, n) + 0.5, *rng.normal(0, 0.2, (2, n))], 1)
    return torch.tensor(x, dtype=torch.float32), ptr


def full(n_jets=5, most=12, seed=0):
    """The same with charge and kind; the axes of jets lie within |η| < 1."""
    x, ptr = source(n_jets, most, seed)
    rng = np.random.default_rng(seed + 1)
    axis = torch.tensor(rng.uniform(-1, 1, (n_jets, 2)), dtype=torch.float32)
    eta, phi = (x[:, 1:] + axis.repeat_interleave(ptr.diff(), 0)).unbind(1)
    charged = torch.tensor(rng.random(len(x)) < 0.5).float()
    energy = torch.hypot(x[:, 0] * eta.cosh(), 0.14 * charged)
    return torch.cat((x, torch.stack((eta, phi, energy, charged, charged, 1 - charged), 1)), 1), ptr


def cells_of(x, ptr, generator):
    """A detector: 9 of 10 charged particles keep their direction; photons are summed in cells."""
    lattice = CellLattice(("isphoton",), CELLS)
    out, counts = [], []
    for first, last in zip(ptr[:-1].tolist(), ptr[1:].tolist(), strict=True):
        jet = x[first:last]
        is_photon = jet[:, 8] == 1
        tracks = jet[~is_photon].clone()
        tracks = tracks[torch.rand(len(tracks), generator=generator) < 0.9]
        tracks[:, 0] *= (0.05 * torch.randn(len(tracks), generator=generator)).exp()
        tracks[:, 5] = torch.hypot(tracks[:, 0] * tracks[:, 3].cosh(), torch.tensor(0.14))
        photons = jet[is_photon]
        d_eta, d_phi, _ = lattice(torch.zeros(len(photons), dtype=torch.int64), *photons[:, 3:5].T)
        photons = photons.clone()
        photons[:, [1, 3]] += d_eta.unsqueeze(1)
        photons[:, [2, 4]] += d_phi.unsqueeze(1)
        centres, at = (photons[:, 3:5] * 1e3).round().unique(dim=0, return_inverse=True)
        cells = torch.zeros(len(centres), x.shape[1])
        if len(photons):
            cells[at] = photons
            energy = torch.zeros(len(centres)).index_add(0, at, photons[:, 5])
            energy *= (0.2 * torch.randn(len(cells), generator=generator)).exp()
            cells[:, 5], cells[:, 0] = energy, energy / cells[:, 3].cosh()
        out.append(torch.cat((tracks, cells)))
        counts.append(len(out[-1]))
    return torch.cat(out), torch.tensor([0, *np.cumsum(counts)])


def pairs(x, ptr, y, y_ptr):
    return Batch(x=x, ptr=ptr, x_target=y, x_target_ptr=y_ptr)


def train(model, loss, make, steps, lr=0.01, links=1.0):
    """Fit to fresh pairs in each step."""
    batches = [pairs(*make(i)) for i in range(4)]
    model.fit_statistics(batches)
    loss.fit_statistics(model, batches)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * 0.5 * (1 + np.cos(np.pi * step / steps))
        epoch = 0 if step < links * steps else 99
        optimizer.zero_grad()
        loss(model(*make(10 + step)), epoch=epoch).backward()
        optimizer.step()


@pytest.fixture
def model(request):
    torch.manual_seed(1)
    return ConditionalGraphVAE(FULL, latent=2, hidden=8, cells=CELLS)


JETS = {"source": (source, ("pt", "etarel", "phirel"), None), "full": (full, FULL, CELLS)}


def built(name, **options):
    make, columns, cells = JETS[name]
    torch.manual_seed(1)
    model = ConditionalGraphVAE(columns, latent=2, hidden=8, cells=cells, **options)
    x, ptr = make()
    return model, x, ptr


@pytest.mark.parametrize("name", JETS)
def test_the_order_of_particles_does_not_matter(name):
    model, x, ptr = built(name)
    batch = torch.repeat_interleave(torch.arange(5), ptr.diff())
    order = torch.tensor(np.lexsort((np.random.default_rng(0).random(len(x)), batch.numpy())))
    torch.manual_seed(3)
    one = model(x, ptr, x, ptr)
    torch.manual_seed(3)
    other = model(x[order], ptr, x[order], ptr)
    torch.testing.assert_close(one.mean, other.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one.prior_mean, other.prior_mean, rtol=1e-4, atol=1e-5)
    for step, values in one.likelihood.items():
        torch.testing.assert_close(values, other.likelihood[step], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", JETS)
def test_a_jet_does_not_depend_on_its_batch(name):
    model, x, ptr = built(name)
    whole = model(x, ptr, x, ptr)
    for j in range(5):
        part = x[ptr[j] : ptr[j + 1]], ptr[j : j + 2] - ptr[j]
        alone = model(*part, *part)
        torch.testing.assert_close(alone.mean, whole.mean[j : j + 1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone.jet_pt, whole.jet_pt[j : j + 1])
    empty = x[:0], torch.tensor([0, 0])
    assert model.sample(1, empty)[1].tolist() == [0, 0]
    assert model.encode(*empty)[0].shape == (1, 2)


@pytest.mark.parametrize("name", JETS)
def test_every_parameter_has_a_gradient(name):
    model, x, ptr = built(name)
    loss = ResponseLoss(len(model.inputs.kinds), choices=0.1)
    if name == "full":
        model.steps.other_kind[0] = 1
    generator = torch.Generator().manual_seed(0)
    target = cells_of(x, ptr, generator) if name == "full" else (x * 1.01, ptr)
    loss(model(x, ptr, *target)).backward()
    unused = {"steps.exponent"} if name == "source" else set()
    if name == "source":
        unused |= {key for key, _ in model.named_parameters() if key.startswith("steps.fate")}
    for key, parameter in model.named_parameters():
        if key not in unused:
            assert parameter.grad is not None, key
            assert bool(parameter.grad.isfinite().all()), key
            assert bool((parameter.grad != 0).any()), key


def test_the_gradient_of_the_score_reaches_survival_alone_by_its_exact_form():
    model, x, ptr = built("source")
    loss = ResponseLoss(1, later=0.0)
    loss(model(x, ptr, x, ptr)).backward()
    heads = model.steps.heads.weight.grad
    assert bool((heads[0] != 0).any())
    assert all(p.grad is None or not bool(p.grad.any()) for p in model.of_pair.parameters())


@pytest.mark.parametrize("name", JETS)
def test_samples_are_physical_and_follow_their_generator(name):
    model, x, ptr = built(name)
    first = model.sample(5, (x, ptr), generator=torch.Generator().manual_seed(4))
    again = model.sample(5, (x, ptr), generator=torch.Generator().manual_seed(4))
    other = model.sample(5, (x, ptr), generator=torch.Generator().manual_seed(5))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    made, made_ptr = first
    assert made.shape[1] == x.shape[1]
    assert made_ptr[-1] == len(made)
    assert bool((made[:, 0] > 0).all())
    assert bool(made.isfinite().all())
    assert bool((made_ptr.diff() <= ptr.diff()).all())
    assert len(model.sample(7, (x, ptr))[1]) == 8
    if name == "full":
        torch.testing.assert_close(made[:, 7] + made[:, 8], torch.ones(len(made)))
        assert bool((made[:, 6] == made[:, 7]).all())


def test_it_is_saved_loaded_pickled_and_printed(model):
    other = ConditionalGraphVAE(FULL, latent=2, hidden=8, cells=CELLS)
    other.load_state_dict(model.state_dict())
    x, ptr = full()
    for copy in (other, pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(model.encode(x, ptr), copy.encode(x, ptr))
    assert "ResponseInputs(pt, etarel, phirel, eta, phi, e, charge," in repr(model)
    assert "CellLattice(isphoton)" in repr(model)
    with pytest.raises(RuntimeError, match="size mismatch"):
        ConditionalGraphVAE(FULL, latent=3, hidden=8).load_state_dict(model.state_dict())


def test_a_smearing_and_a_loss_are_learned_from_links():
    def make(seed):
        x, ptr = source(100, 6, seed)
        x[:, 1:] *= 3  # few of them are near another one
        generator = torch.Generator().manual_seed(seed)
        y = x + torch.tensor([0.0, 0.01, 0.01]) * torch.randn(x.shape, generator=generator)
        y[:, 0] = x[:, 0] * (0.2 * torch.randn(len(x), generator=generator)).exp()
        kept = torch.rand(len(x), generator=generator) < 0.8
        before = torch.cat((torch.zeros(1, dtype=torch.int64), kept.cumsum(0)))
        return x, ptr, y[kept], before[ptr]

    torch.manual_seed(0)
    model = ConditionalGraphVAE(latent=1, hidden=16, layers=2)
    train(model, ResponseLoss(warmup_epochs=0), make, 150)
    x, ptr, y, y_ptr = make(1000)
    output = model(x, ptr, y, y_ptr)
    draw = output.draws[0]
    away = draw.points - torch.cat((x[draw.row, :1].log(), x[draw.row, 1:]), 1)
    low, high = away.detach()[draw.seen].quantile(torch.tensor([0.16, 0.84]), 0)
    sigma = (high - low) / 2  # of the core: some are linked to a neighbour
    assert float(draw.survival.detach().mean()) == pytest.approx(0.8, abs=0.05)
    assert float(sigma[0]) == pytest.approx(0.2, rel=0.15)
    assert float(sigma[1]) == pytest.approx(0.01, rel=0.25)
    divergence = ResponseLoss().terms(output, epoch=0)["kl"]
    assert float(divergence.detach()) < 0.3


@pytest.mark.slow
def test_a_loss_of_particles_is_learned_from_the_score_alone():
    """Without links: the exact gradient through survival."""

    def make(seed):
        x, ptr = source(40, 20, seed)
        generator = torch.Generator().manual_seed(seed)
        kept = torch.rand(len(x), generator=generator) < 0.6
        before = torch.cat((torch.zeros(1, dtype=torch.int64), kept.cumsum(0)))
        return x, ptr, x[kept], before[ptr]

    torch.manual_seed(0)
    model = ConditionalGraphVAE(latent=1, hidden=8, layers=1)
    model.steps.merges.fill_(False)
    train(model, ResponseLoss(later=0.0), make, 150, links=0.0)
    draw = model(*make(1000)).draws[0]
    assert float(draw.survival.detach().mean()) == pytest.approx(0.6, abs=0.06)


def test_cells_are_met_exactly_and_what_is_in_one_is_merged():
    def make(seed):
        x, ptr = full(30, 25, seed)
        return x, ptr, *cells_of(x, ptr, torch.Generator().manual_seed(seed))

    torch.manual_seed(0)
    model = ConditionalGraphVAE(FULL, latent=1, hidden=16, layers=2, cells=CELLS)
    train(model, ResponseLoss(2, warmup_epochs=0), make, 120)
    x, ptr, y, _ = make(1000)
    made, made_ptr = model.sample(30, (x, ptr), generator=torch.Generator().manual_seed(1))
    assert model.steps.merges.tolist() == [False, True]
    photon = made[:, 8] == 1
    offset = model.steps.lattice(torch.ones(len(made), dtype=torch.int64), *made[:, 3:5].T)
    assert float(offset[0][photon].abs().max()) < 1e-4
    assert float(offset[1][photon].abs().max()) < 1e-4
    batch = torch.repeat_interleave(torch.arange(30), made_ptr.diff())
    sites = torch.cat((batch[photon].unsqueeze(1), (made[photon, 3:5] * 1e3).round().long()), 1)
    photons_before = float((x[:, 8] == 1).sum())
    assert len(sites) - len(sites.unique(dim=0)) < 0.25 * (photons_before - len(sites))
    n_true, n_made = (float((v[:, 8] == 1).sum()) for v in (y, made))
    assert n_made == pytest.approx(n_true, rel=0.05)
    tracks = made[~photon, 1]
    assert bool(torch.isin(tracks, x[:, 1]).float().mean() > 0.95)


def test_a_scale_that_all_particles_share_is_in_the_latent():
    def make(seed):
        x, ptr = source(60, 30, seed)
        generator = torch.Generator().manual_seed(seed)
        scale = (0.2 * torch.randn(60, generator=generator)).exp()
        y = x.clone()
        y[:, 0] *= scale.repeat_interleave(ptr.diff())
        y[:, 0] *= (0.1 * torch.randn(len(x), generator=generator)).exp()
        return x, ptr, y, ptr, scale

    torch.manual_seed(0)
    model = ConditionalGraphVAE(latent=1, hidden=16, layers=2)
    loss = ResponseLoss(warmup_epochs=0)
    train(model, loss, lambda seed: make(seed)[:4], 250)
    x, ptr, y, y_ptr, scale = make(1000)
    mean, _ = model.encode(x, ptr, None, y, y_ptr)
    many = ptr.diff() > 5
    r = np.corrcoef(mean[many, 0].detach(), scale[many].log())[0, 1]
    assert abs(r) > 0.9
    assert float(loss.terms(model(x, ptr, y, y_ptr), epoch=0)["kl"].detach()) > 0.5


@pytest.mark.parametrize(("skewness", "log_tail"), [(0.0, 0.0), (0.7, 0.5), (-0.5, -0.8)])
def test_the_density_of_a_smearing_is_that_of_its_draws(skewness, log_tail):
    shape = torch.tensor([skewness, log_tail], dtype=torch.float64)
    x = torch.linspace(-300, 300, 1_000_001, dtype=torch.float64)
    density = (-information(x, *shape)).exp() / (2 * np.pi) ** 0.5
    normal = torch.randn(100_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    drawn = sinh_arcsinh(normal, *shape)
    assert float(torch.trapezoid(density, x)) == pytest.approx(1, abs=1e-6)
    for edge in (-1.0, 0.0, 1.0, 3.0):
        share = torch.trapezoid(density * (x < edge), x)
        assert float(share) == pytest.approx(float((drawn < edge).double().mean()), abs=0.008)


def test_kernels_give_the_same_features_and_cells(monkeypatch):
    inputs, lattice = ResponseInputs(FULL), CellLattice(("isphoton",), CELLS)
    x, ptr = full(20, 30, 3)
    x[:3, 0] = torch.tensor([1e-5, 0.05, 900.0])
    x[3:6, 3] = torch.tensor([-3.5, 3.3, 3.0])
    gen = inputs.read(x, ptr)
    photons = torch.where(gen.kind == 1, 0, 1)
    by_kernels = inputs.features(gen, gen.kind), *lattice(photons, gen.eta, gen.phi)
    for module in (cell_lattice, response_inputs):
        monkeypatch.setattr(module, "use_inference_kernels", lambda *_: False)
    by_torch = inputs.features(gen, gen.kind), *lattice(photons, gen.eta, gen.phi)
    for ours, theirs in zip(by_kernels, by_torch, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6)


def test_tails_are_limited():
    model = ConditionalGraphVAE(latent=1, hidden=8, tails=0.0)
    torch.nn.init.constant_(model.steps.heads.bias, 3.0)
    x, ptr = source()
    gen = model.inputs.read(x, ptr)
    features = model.inputs.features(gen, gen.kind)
    with torch.no_grad():
        pairs = model.steps.pairs(gen, features, ptr, gen, ptr)
        measured = model.steps._measure(features, pairs.clusters, torch.zeros(len(x), 1))
    assert bool((measured.log_tail == 0).all())
    assert bool((measured.skewness == 2).all())


def test_another_loss_or_network_is_named(model):
    with pytest.raises(InputError, match="Expected the loss ResponseLoss with Conditional"):
        Generator(model)
    x, _ = source()
    with pytest.raises(InputError, match="Expected a Response, but got a Reconstruction"):
        ResponseLoss()(GraphVAE(latent=2)(x[:4], torch.tensor([0, 4])))


def test_bad_input_is_named(model):
    x, ptr = full()
    nan = x.clone()
    nan[int(ptr[3]), 1] = torch.nan
    with pytest.raises(ValueError, match="Jet 3 of the input"):
        model.sample(5, (nan, ptr))
    with pytest.raises(ValueError, match="Jet 3 of the target"):
        model(x, ptr, nan, ptr)
    with pytest.raises(ValueError, match="the input has 5 and the target 3"):
        model(x, ptr, x[: ptr[3]], ptr[:4])
    with pytest.raises(ValueError, match=r"x \[N, 9\] with the columns pt, .* but got \[\d+, 3\]"):
        model.encode(x[:, :3], ptr)
    with pytest.raises(ValueError, match=r"GEN jets .* got none"):
        model.sample(3)
    with pytest.raises(ValueError, match="no multiplicity"):
        model.sample(5, (x, ptr), n=torch.ones(5))


def test_kinds_that_were_not_trained_are_named(model):
    x, ptr = full()
    charged = x.clone()
    charged[:, 7], charged[:, 8] = 1.0, 0.0
    model.fit_statistics([pairs(charged, ptr, charged, ptr)])
    with pytest.raises(ValueError, match="kinds of the training, but got isphoton"):
        model.sample(5, (x, ptr))


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_feature_without_variance_is_named(column):
    model, x, ptr = built("source")
    x[:, column] = 0.5
    with pytest.raises(ValueError, match=f"differ in {model.inputs.columns[column]}"):
        model.fit_statistics([pairs(x, ptr, x, ptr)])


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="column of a response"):
        ConditionalGraphVAE(("pt", "etarel", "phirel", "flavour"))
    with pytest.raises(ValueError, match="pt, etarel, phirel first"):
        ConditionalGraphVAE(("etarel", "pt", "phirel"))
    with pytest.raises(ValueError, match="first, and eta where phi or e is"):
        ResponseInputs(("pt", "etarel", "phirel", "phi"))
    with pytest.raises(ValueError, match="tails from 0 to 1"):
        ConditionalGraphVAE(tails=2.0)
    with pytest.raises(ValueError, match="the place of a cell is absolute"):
        ConditionalGraphVAE(cells={"particle": {"eta": 0.1, "phi": 60}})
    with pytest.raises(ValueError, match=r"cells of the kinds .* but got isphoto"):
        ConditionalGraphVAE(FULL, cells={"isphoto": {"eta": 0.1, "phi": 60}})
    with pytest.raises(ValueError, match="rising edges"):
        CellLattice(("isphoton",), {"isphoton": {"eta": [0.0, 0.2, 0.1], "phi": 60}})
    with pytest.raises(ValueError, match="hidden of at least 2"):
        ConditionalGraphVAE(hidden=1)
    with pytest.raises(ValueError, match="kinds of at least 1"):
        ResponseLoss(0)
    with pytest.raises(ValueError, match="later of at least 0"):
        ResponseLoss(later=-1.0)
