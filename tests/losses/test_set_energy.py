"""Energy scores of sets: sums by hand, exact expectations, and toys with known answers."""

import copy
import io
import itertools
import math
import pickle

import pytest
import torch

from pyg_jets.losses import (
    SetEmbedding,
    SetEnergyLoss,
    chamfer_energy_score,
    set_energy_score,
    survival_change,
    survival_term,
)

SIZES = (3, 0, 1, 9)


def counted(n):
    return torch.tensor([0, *itertools.accumulate(n)])


def jets(sizes=SIZES, n_kinds=3, seed=0, dtype=torch.float32):
    """(ln pT, η, φ), kinds and a pointer."""
    generator = torch.Generator().manual_seed(seed)
    n = sum(sizes)
    u = torch.randn(n, 3, generator=generator, dtype=dtype) * torch.tensor([0.8, 0.2, 0.2]).to(
        dtype
    )
    return u, torch.randint(n_kinds, (n,), generator=generator), counted(sizes)


def fitted(n_kinds=3, smear=0.1, loss=0.2, dtype=torch.float32):
    """An embedding with scales of a smearing and of a loss of particles."""
    embedding = SetEmbedding(n_kinds).to(dtype)
    u, kind, _ = jets((8,) * 400, n_kinds, seed=3, dtype=dtype)
    generator = torch.Generator().manual_seed(4)
    draws = []
    for _ in range(2):
        keep = torch.rand(len(u), generator=generator) >= loss
        noise = torch.randn(u.shape, generator=generator, dtype=dtype)
        counts = torch.stack([part.sum() for part in keep.split(8)])
        draws.append(((u + smear * noise)[keep], kind[keep], counted(counts.tolist())))
    embedding.fit_scale(*draws)
    return embedding


# Embedding


def test_features_by_hand():
    embedding = SetEmbedding(2, cosines=3, pt_cosines=2)
    u, kind = torch.tensor([[math.log(2.0), 0.1, -0.3]]), torch.tensor([1])
    phase = u @ embedding.frequency + embedding.phase
    pt_phase = u[:, 1:] @ embedding.pt_frequency + embedding.pt_phase
    want = torch.cat(
        (
            torch.tensor([[0.0, 1.0]]),
            phase.cos() * embedding.sign[1],
            torch.tensor([[0.0, 2.0, 0.2, -0.6, 0.2]]),
            2 * pt_phase.cos(),
        ),
        1,
    )
    torch.testing.assert_close(embedding.features(u, kind), want * embedding.scale)
    halved = embedding.features(u, kind, torch.tensor([2.0])) / embedding.scale
    torch.testing.assert_close(halved[0, 5:], want[0, 5:] / 2)
    assert embedding.width == embedding.scale.numel() == 12
    assert set(embedding.sign.flatten().tolist()) <= {-1.0, 1.0}


def test_it_is_linear_in_sets_and_independent_of_order_and_batch():
    embedding = fitted()
    u, kind, ptr = jets()
    phi, order = embedding(u, kind, ptr), torch.tensor([2, 0, 1, 3, *range(12, 3, -1)])
    torch.testing.assert_close(embedding(u[order], kind[order], ptr), phi, rtol=1e-4, atol=1e-4)
    assert (phi[1] == 0).all()
    torch.testing.assert_close(embedding(u[3:4], kind[3:4], torch.tensor([0, 1])), phi[2:3])
    both = embedding(u, kind, torch.tensor([0, len(u)]))
    torch.testing.assert_close(both[0], phi.sum(0), rtol=1e-4, atol=1e-3)
    alive = torch.arange(len(u)) % 2
    kept = embedding(u[alive == 1], kind[alive == 1], torch.tensor([0, 1, 1, 2, 6]))
    torch.testing.assert_close(embedding(u, kind, ptr, alive.float()), kept, rtol=1e-4, atol=1e-3)


def test_masked_is_ragged():
    embedding = fitted()
    u, kind, ptr = jets()
    mask = torch.arange(12) < ptr.diff().unsqueeze(1)
    padded, kinds = torch.full((4, 12, 3), torch.nan), torch.full((4, 12), 99)
    padded[mask], kinds[mask] = u, kind
    jet_pt = torch.rand(4) + 1
    got = embedding.masked(padded, kinds, mask, jet_pt)
    assert torch.equal(got, embedding(u, kind, ptr, jet_pt=jet_pt))
    with pytest.raises(ValueError, match=r"u \[J, P, D\] and its mask"):
        embedding.masked(padded, kinds, mask[:3])
    with pytest.raises(ValueError, match=r"Expected kind \[4, 12\]"):
        embedding.masked(padded, kinds[:, :5], mask)


def test_scales_are_those_of_two_draws():
    embedding = SetEmbedding(2, cosines=4, pt_cosines=0)
    sizes, generator = (5,) * 300, torch.Generator().manual_seed(0)
    u, kind, ptr = jets(sizes, n_kinds=1)  # nobody is of kind 1
    assert not embedding.fitted
    draws = [(u + 0.1 * torch.randn(u.shape, generator=generator), kind, ptr) for _ in range(2)]
    raw = [embedding(*draw) / embedding.scale for draw in draws]
    embedding.fit_scale(*draws)
    assert embedding.fitted
    spread = (raw[0] - raw[1]).std(0) / 2**0.5
    counts = embedding.scale[:2]  # a count that never changes has spread 1
    torch.testing.assert_close(counts, torch.full((2,), 0.5**0.5))
    torch.testing.assert_close(embedding.scale[2:6], 1 / spread[2:6])
    pt = embedding.scale[6:8]
    torch.testing.assert_close(pt, (0.5**0.5 / spread[6]).expand(2))
    change = [embedding(*draw) @ embedding.totals for draw in draws]
    spread = dict(zip(embedding.total_names, (change[0] - change[1]).std(0) / 2**0.5, strict=True))
    for name in ("pt_0", "pt_eta", "pt_phi", "pt_r2", "pt"):
        assert float(spread[name]) == pytest.approx(1, rel=1e-3)
    assert float(spread["n"]) == pytest.approx(0, abs=1e-4)
    total = (embedding(*draws[0]) @ embedding.totals)[:, embedding.total_names.index("n")]
    torch.testing.assert_close(total, torch.full_like(total, 5.0))


def test_state_copies_pickles_and_prints():
    embedding = fitted()
    u, kind, ptr = jets()
    want = embedding(u, kind, ptr)
    other, file = SetEmbedding(3, seed=9), io.BytesIO()
    assert not torch.equal(other(u, kind, ptr), want)
    torch.save(embedding.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for module in (other, copy.deepcopy(embedding), pickle.loads(pickle.dumps(embedding))):
        assert torch.equal(module(u, kind, ptr), want)
        assert module.fitted
    assert repr(embedding) == "SetEmbedding(n_kinds=3, cosines=128, pt_cosines=32, seed=5)"
    assert not list(embedding.parameters())


# Score


def test_the_score_by_hand():
    a, b, y = (torch.tensor([v, [0.0, 0.0]]) for v in ([3.0, 0.0], [0.0, 4.0], [0.0, 0.0]))
    torch.testing.assert_close(set_energy_score(a, b, y), torch.tensor([1.0, 0.0]))
    totals = torch.tensor([[1.0], [-1.0]])  # of a 3, of b -4: |3| + |4| - |7|
    assert set_energy_score(a, b, y, totals, 0.5).tolist() == [1.0, 0.0]
    assert set_energy_score(a, -b, y, totals, 0.5).tolist() == [1 + 0.25 * (3 + 4 - 1), 0.0]


def test_the_gradient_is_finite_where_sets_agree():
    a = torch.randn(5, 4, dtype=torch.float64).requires_grad_()
    b, y = (torch.randn(5, 4, dtype=torch.float64) for _ in range(2))
    torch.autograd.gradcheck(lambda a: set_energy_score(a, b, y), a)
    same = torch.ones(2, 3).requires_grad_()
    set_energy_score(same, torch.ones(2, 3), torch.ones(2, 3)).sum().backward()
    assert (same.grad == 0).all()


def test_a_module_is_the_function():
    embedding = fitted()
    sets = [jets(seed=s) for s in range(3)]
    jet_pt, weight = torch.rand(4) + 1, torch.rand(4)
    a, b, y = (embedding(*one, jet_pt=jet_pt) for one in sets)
    want = set_energy_score(a, b, y, embedding.totals)
    torch.testing.assert_close(SetEnergyLoss(embedding, reduction="none")(*sets, jet_pt), want)
    mean = SetEnergyLoss(embedding)(*sets, jet_pt, weight)
    torch.testing.assert_close(mean, want @ weight / weight.sum())


@pytest.mark.parametrize("with_totals", [False, True])
def test_the_change_by_survival_is_that_of_the_score(with_totals):
    embedding = fitted(dtype=torch.float64)
    totals = embedding.totals if with_totals else None
    u, kind, ptr = jets(dtype=torch.float64)
    alive = torch.arange(len(u)) % 3 > 0
    b, y = (embedding(*jets(seed=s, dtype=torch.float64)) for s in (1, 2))
    features = embedding.features(u, kind)

    def score(alive):
        a = embedding(u, kind, ptr, alive.double())
        return set_energy_score(a, b, y, totals, 0.3).sum(), a

    got = survival_change(features, ptr, alive, score(alive)[1], b, y, totals, 0.3)
    for i in range(len(u)):
        here, gone = alive.clone(), alive.clone()
        here[i], gone[i] = True, False
        want = score(here)[0] - score(gone)[0]
        torch.testing.assert_close(got[i], want, rtol=1e-8, atol=1e-8)


def test_the_gradient_by_survival_is_unbiased():
    """All outcomes of two draws of four particles: expectations without statistics."""
    embedding = fitted(dtype=torch.float64)
    u, kind, _ = jets((4,), dtype=torch.float64)
    y = embedding(*jets((3,), seed=7, dtype=torch.float64))
    bits = torch.tensor(list(itertools.product((0, 1), repeat=4)), dtype=torch.float64)
    first, second = bits.repeat_interleave(16, 0), bits.repeat(16, 1)  # 256 pairs of outcomes
    logit = torch.tensor([1.5, -0.7, 0.2, 0.9], dtype=torch.float64, requires_grad=True)
    p = logit.sigmoid()

    def chance(outcome):
        return (outcome * p + (1 - outcome) * (1 - p)).prod(1)

    features, ptr = embedding.features(u, kind), torch.arange(257) * 4
    a, b, target = first @ features, second @ features, y.expand(256, -1)
    expected = (chance(first) * chance(second) * set_energy_score(a, b, target)).sum()
    (want,) = torch.autograd.grad(expected, logit, retain_graph=True)

    all_features, probability = features.repeat(256, 1), p.repeat(256)
    term = survival_term(all_features, ptr, first.flatten() > 0, probability, a, b, target)
    term = term + survival_term(all_features, ptr, second.flatten() > 0, probability, b, a, target)
    weight = (chance(first) * chance(second)).detach()
    (got,) = torch.autograd.grad((weight * term).sum(), logit)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)
    assert (want != 0).all()


# What is proper, and what is not

POINTS = ((-1.0, 1.0, 1.0), (0.0,), (-1.0, -1.0, -1.0), (1.0, 1.0))
P, Q = torch.tensor([0.0, 0.0, 0.44, 0.56]), torch.tensor([0.73, 0.27, 0.0, 0.0])


def expected_score(distance, drawn, true):
    """E[d(a, y) + d(b, y) - d(a, b)] of sets 0 … 3."""
    return float(2 * drawn @ distance @ true - drawn @ distance @ drawn)


def pairs():
    """Of all pairs of sets: their points and pointers."""
    sets = [torch.tensor(points).unsqueeze(1) for points in POINTS]
    rows = list(itertools.product(range(4), repeat=2))
    left, right = ([sets[r[k]] for r in rows] for k in range(2))
    return [(torch.cat(side), counted([len(s) for s in side])) for side in (left, right)]


def test_the_chamfer_score_is_not_proper():
    (x, x_ptr), (y, y_ptr) = pairs()
    # With two equal draws the score is twice their distance from the target.
    distance = chamfer_energy_score(x, x_ptr, x, x_ptr, y, y_ptr, "none").reshape(4, 4) / 2
    assert expected_score(distance, P, P) == pytest.approx(1.97, abs=0.01)
    assert expected_score(distance, Q, P) == pytest.approx(1.70, abs=0.01)


def test_the_set_score_is_proper_there():
    embedding = fitted(n_kinds=1)
    (x, x_ptr), (y, y_ptr) = pairs()

    def phi(points, ptr):
        u = torch.cat((points * 0, points, points * 0), 1)
        return embedding(u, torch.zeros(len(u), dtype=torch.long), ptr)

    first, other = phi(x, x_ptr), phi(y, y_ptr)
    distance = set_energy_score(first, first, other).reshape(4, 4)
    own = expected_score(distance, P, P)
    assert expected_score(distance, Q, P) > 1.2 * own
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        drawn = torch.rand(4, generator=generator)
        assert expected_score(distance, drawn / drawn.sum(), P) > own


def test_a_duplicate_costs_in_the_set_score_only():
    embedding = fitted()
    u, kind, ptr = jets((4, 4))
    twice, doubled = torch.cat((u[:4], u)), torch.cat((kind[:4], kind))
    many = torch.tensor([0, 8, 12])
    a, y = embedding(twice, doubled, many), embedding(u, kind, ptr)
    assert set_energy_score(a, a, y)[0] > 1
    assert chamfer_energy_score(twice, many, twice, many, u, ptr) == 0


# Toys


def test_independent_smearing_is_learned():
    """σ of (ln pT, η, φ) from the gradient of the score."""
    torch.manual_seed(0)
    true = torch.tensor([0.3, 0.05, 0.05])
    embedding = SetEmbedding(1, cosines=96)
    sizes, kind = (6,) * 128, torch.zeros(6 * 128, dtype=torch.long)
    u, _, ptr = jets((6,) * 400, 1, seed=1)
    draws = [(u + true * torch.randn(u.shape), torch.zeros(len(u)).long(), ptr) for _ in "12"]
    embedding.fit_scale(*draws)
    log_sigma = torch.tensor([0.1, 0.1, 0.1]).log().requires_grad_()
    optimizer = torch.optim.Adam([log_sigma], 0.05, betas=(0.9, 0.99))
    history, ptr = [], counted(sizes)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.05 if step < 80 else 0.02
        u, _, _ = jets(sizes, 1, seed=100 + step)
        y = embedding(u + true * torch.randn(u.shape), kind, ptr)
        a, b = (embedding(u + log_sigma.exp() * torch.randn(u.shape), kind, ptr) for _ in range(2))
        optimizer.zero_grad()
        set_energy_score(a, b, y).mean().backward()
        optimizer.step()
        history.append(log_sigma.detach().exp().clone())
    torch.testing.assert_close(torch.stack(history[100:]).mean(0), true, rtol=0.04, atol=0)


def toy_scores(draw, values, embedding, n_jets=4000, n=6, score=None, seed=0):
    """Mean scores of responses with a parameter of several values, on the same random numbers.

    ``draw(u, value, generator)`` gives the particles and a mask.
    """
    u, kind, _ = jets((n,) * n_jets, 1, seed)
    scores = []
    for value in values:
        sets = []
        for number in range(3):
            generator = torch.Generator().manual_seed(seed + 10 + number)
            moved, keep = draw(u, values[0] if number == 2 else value, generator)
            counts = keep.reshape(n_jets, n).sum(1)
            sets.append((moved[keep], kind[keep], counted(counts.tolist())))
        if score is None:
            a, b, y = (embedding(*one) for one in sets)
            scores.append(float(set_energy_score(a, b, y, embedding.totals).mean()))
        else:
            flat = [part for one in sets for part in (one[0], one[2])]
            scores.append(float(score(*flat)))
    return scores


def smear(u, generator, scale=1.0):
    sigma = torch.tensor([0.3, 0.05, 0.05])
    return u + scale * sigma * torch.randn(u.shape, generator=generator)


def everything(u):
    return torch.ones(len(u), dtype=torch.bool)


def test_a_common_shift_is_told_from_independent_ones():
    """Values: the share of the variance of ln pT that all particles of a jet have in common."""

    def draw(u, share, generator):
        own = torch.randn(len(u), generator=generator)
        common = torch.randn(len(u) // 6, generator=generator).repeat_interleave(6)
        moved = u.clone()
        moved[:, 0] += 0.3 * (share**0.5 * common + (1 - share) ** 0.5 * own)
        return moved, everything(u)

    embedding = fitted(1, smear=0.3, loss=0.0)
    for values in ([0.0, 1.0], [0.5, 0.0, 1.0], [1.0, 0.0, 0.5]):
        best, *worse = toy_scores(draw, values, embedding)
        assert all(score > 1.015 * best for score in worse), (values, best, worse)


def lost(u, probability, generator):
    """Particles are smeared, and lost with a probability."""
    keep = torch.rand(len(u), generator=generator) >= probability
    return smear(u, generator), keep


def test_a_loss_of_particles_is_seen_by_the_set_score_and_not_by_chamfer():
    values = [0.2, 0.1, 0.15, 0.25, 0.3]
    best, *worse = toy_scores(lost, values, fitted(1, smear=0.05))
    assert all(score > best for score in worse), (best, worse)
    assert min(worse[0], worse[3]) > 1.04 * best
    chamfer = toy_scores(lost, values, None, score=chamfer_energy_score)
    assert max(chamfer) < 1.005 * min(chamfer)


def test_a_probability_of_survival_is_learned_through_its_gradient():
    torch.manual_seed(0)
    embedding, sizes = fitted(1, smear=0.05), (6,) * 128
    logit = torch.zeros((), requires_grad=True)
    optimizer, history, ptr = torch.optim.Adam([logit], 0.05), [], counted(sizes)
    for step in range(150):
        u, kind, _ = jets(sizes, 1, seed=200 + step)
        p = logit.sigmoid().expand(len(u))
        y = embedding(smear(u, None), kind, ptr, (torch.rand(len(u)) < 0.8).float())
        features, alive, phi = [], [], []
        for _ in range(2):
            features.append(embedding.features(smear(u, None), kind))
            alive.append(torch.rand(len(u)) < p)
            phi.append((features[-1] * alive[-1].unsqueeze(1)).reshape(128, 6, -1).sum(1))
        loss = sum(
            survival_term(features[k], ptr, alive[k], p, phi[k], phi[1 - k], y) for k in range(2)
        )
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        history.append(float(p[0].detach()))
    assert sum(history[100:]) / 50 == pytest.approx(0.8, abs=0.02)


def test_a_bimodal_tail_is_seen():
    """Values: the probability with which a particle has only e⁻¹ of its pT."""

    def draw(u, probability, generator):
        tail = torch.rand(len(u), generator=generator) < probability
        moved = smear(u, generator, 0.2)
        moved[:, 0] -= tail.float()
        return moved, everything(u)

    best, *worse = toy_scores(draw, [0.1, 0.0, 0.05, 0.2], fitted(1, smear=0.05))
    assert all(score > best for score in worse), (best, worse)
    assert worse[0] > 1.01 * best


# Bad input


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_kinds": 0}, "n_kinds of at least 1, but got 0"),
        ({"cosines": -1}, "cosines of at least 0, but got -1"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(ValueError, match=said):
        SetEmbedding(**options)


def test_bad_sets():
    embedding = SetEmbedding(2)
    u, kind, ptr = jets(n_kinds=2)
    with pytest.raises(ValueError, match=r"kinds from 0 to 1, but got 4: SetEmbedding\(n_kinds=5"):
        embedding(u, torch.full_like(kind, 4), ptr)
    with pytest.raises(ValueError, match="kinds from 0 to 1, but got -1"):
        embedding(u, -torch.ones_like(kind), ptr)
    with pytest.raises(ValueError, match=r"u \[N, 3\] as \(ln pT, η, φ\) and kind \[N\]"):
        embedding(u[:, :2], kind, ptr)
    with pytest.raises(ValueError, match=r"jet_pt \[4\], one a jet"):
        embedding(u, kind, ptr, jet_pt=torch.ones(3))
    with pytest.raises(ValueError, match="Expected 13 weights"):
        embedding(u, kind, ptr, torch.ones(3))
    with pytest.raises(ValueError, match="ptr to rise"):
        embedding(u, kind, ptr + 1)
    u[3] = torch.nan
    with pytest.raises(ValueError, match="Jet 2, particle 0"):
        embedding(u, kind, ptr)
    with pytest.raises(ValueError, match="two draws of the same two jets or more, but got 1 and 1"):
        embedding.fit_scale(*[(u[:3], kind[:3], torch.tensor([0, 3]))] * 2)
    assert not embedding.fitted


def test_bad_embeddings():
    a = torch.ones(3, 5)
    with pytest.raises(ValueError, match=r"like those of the target, \[3, 4\], but a is \[3, 5\]"):
        set_energy_score(a, a, a[:, :4])
    wrong = a.clone()
    wrong[1, 2] = torch.nan
    with pytest.raises(ValueError, match="Jet 1 has an embedding b that is not finite"):
        set_energy_score(a, wrong, a)
    with pytest.raises(ValueError, match=r"Expected totals \[5, T\], but got \[4, 2\]"):
        set_energy_score(a, a, a, torch.ones(4, 2))
    features, ptr, alive = torch.ones(6, 5), torch.tensor([0, 2, 4, 6]), torch.ones(6)
    with pytest.raises(ValueError, match=r"features \[N, 5\] of 3 jets, but got \[6, 5\] of 2"):
        survival_change(features, ptr[:-1], alive, a, a, a)
    with pytest.raises(ValueError, match=r"alive \[6\], but got \[5\]"):
        survival_change(features, ptr, alive[1:], a, a, a)
    with pytest.raises(ValueError, match=r"probability \[6\], but got \[5\]"):
        survival_term(features, ptr, alive, alive[1:], a, a, a)
    with pytest.raises(ValueError, match="Unknown reduction"):
        SetEnergyLoss(SetEmbedding(), reduction="max")
    x, x_ptr = torch.zeros(1, 2), torch.tensor([0, 1])
    none, no_ptr = torch.zeros(0, 2), torch.tensor([0, 0])
    assert chamfer_energy_score(x, x_ptr, none, no_ptr, x, x_ptr) == 0
    assert chamfer_energy_score(none, no_ptr, none, no_ptr, x, x_ptr, unmatched=0.5) == 1
