"""Generation metrics against brute force, scipy, energyflow's counts and closed forms."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from pyg_jets.metrics.energy_mover import coverage, energy_movers_distance
from pyg_jets.metrics.generation import (
    JetSample,
    efp_features,
    feature_distance,
    fpd,
    kpd,
    w1efp,
    w1m,
    w1p,
)
from pyg_jets.substructure.energy_flow import energy_flow_polynomials, prime_multigraphs


def jets(n=200, seed=0, width=0.1):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 12, n)
    ptr = np.concatenate(([0], counts.cumsum()))
    x = np.stack([rng.exponential(0.1, ptr[-1]), *rng.normal(0, width, (2, ptr[-1]))], 1)
    return JetSample(x, ptr)


def test_features_are_products_over_the_real_maximum():
    made, real = efp_features(jets(seed=1), jets(), 2)
    assert made.shape == (200, 5)
    np.testing.assert_allclose(real.max(0), 1)
    sample = jets()
    one = energy_flow_polynomials(sample.x, sample.ptr, prime_multigraphs(1))[:, 0]
    square = one**2 / (one**2).max()
    assert any(np.allclose(real[:, i], square) for i in range(5))


def test_w1_distances_are_scipys():
    one, other = jets(300, 1), jets(300, 2, 0.13)
    rng = np.random.default_rng(4)
    masses, particles = [], []
    for _ in range(5):
        a, b = rng.choice(300, 500), rng.choice(300, 500)
        masses.append(wasserstein_distance(one.mass[a], other.mass[b]))
        pairs = [
            np.concatenate([s.x[s.ptr[i] : s.ptr[i + 1]] for i in rows])
            for s, rows in ((one, a), (other, b))
        ]
        particles.append(np.mean([wasserstein_distance(*c) for c in zip(*(p.T for p in pairs),
                                                                        strict=True)]))  # fmt: skip
    found = w1m(one, other, batch=500, seed=4)
    assert found == pytest.approx((np.mean(masses), np.std(masses)))
    found = w1p(one, other, batch=500, seed=4)
    assert found == pytest.approx((np.mean(particles), np.std(particles)))


def test_worse_jets_are_farther():
    real = jets(400)
    for metric in (w1m, w1p, w1efp):
        values = [metric(jets(400, 9, width), real, batch=400).value for width in (0.1, 0.15, 0.3)]
        assert values == sorted(values)
    features = [efp_features(jets(2000, 9, width), jets(2000)) for width in (0.1, 0.15, 0.3)]
    values = [fpd(*f, min_samples=500, max_samples=2000, batches=3).value for f in features]
    assert values == sorted(values)
    values = [kpd(*f, batch=500, batches=4).value for f in features]
    assert values == sorted(values)
    reach = [coverage(jets(400, 9, width), real, 30, 2) for width in (0.1, 0.3)]
    assert reach[0][1].value < reach[1][1].value


def test_frechet_distance_of_gaussians_is_the_closed_form():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, (40000, 2)), rng.normal(0, 1, (40000, 2)) * [2, 1] + [1, 0]
    found = fpd(one, other, min_samples=4000, max_samples=40000, batches=5)
    assert found.value == pytest.approx(1 + (2 - 1) ** 2, abs=0.08)
    same = fpd(one, rng.normal(0, 1, (40000, 2)), min_samples=4000, max_samples=40000, batches=5)
    assert abs(same.value) < 0.003  # what a finite sample adds is taken off


def test_kernel_distance_is_unbiased():
    rng = np.random.default_rng(0)
    found = kpd(rng.normal(size=(8000, 3)), rng.normal(size=(8000, 3)), batch=1000)
    assert abs(found.value) < 4 * found.error + 1e-3


def test_energy_mover_by_hand():
    assert energy_movers_distance([[1, 0, 0]], [[1, 0.3, 0.4]]) == pytest.approx(0.5)
    assert energy_movers_distance([[1, 0, 0]], [[1, 0.3, 0.4]], radius=2) == pytest.approx(0.25)
    assert energy_movers_distance([[1, 0, 0]], [[3, 0, 0]]) == pytest.approx(2)
    assert energy_movers_distance([[1, 0, 3.1]], [[1, 0, -3.1]]) == pytest.approx(2 * np.pi - 6.2)
    assert energy_movers_distance([], [[1, 0, 0], [2, 1, 1]]) == 3
    assert energy_movers_distance([], []) == 0


def test_a_sample_covers_itself():
    real = jets(60)
    cov, mmd = coverage(real, real, batch=60, batches=2)
    assert 0.3 < cov.value <= 1
    assert mmd.value < 0.1


def test_feature_distance():
    rng = np.random.default_rng(0)
    real = rng.normal(size=50000)
    assert feature_distance(3 * real + 6, 3 * real) == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: JetSample(np.zeros((3, 2)), [0, 3]), r"x \[N, 3\]"),
        (lambda: JetSample(np.zeros((3, 3)), [0, 2]), "rises from 0 to the 3 particles"),
        (lambda: JetSample(np.zeros((0, 3)), [0]), "0 jets"),
        (lambda: JetSample([[1, 0, 0], [np.nan, 0, 0]], [0, 1, 2]), "Jet 1 has a particle"),
        (lambda: w1m(jets(), jets(), batch=0), "batch of at least 1"),
        (lambda: coverage(jets(), jets(), batches=1), "batches of at least 2"),
        (lambda: feature_distance([], [1.0]), "finite generated values"),
        (lambda: feature_distance([1.0], [2.0, 2.0]), "all of them are 2"),
        (lambda: fpd(np.zeros((5, 2)), np.zeros((5, 3))), r"features \[J, K\]"),
        (lambda: fpd(np.zeros((5, 2)), np.zeros((5, 2))), "min_samples < max_samples"),
        (lambda: kpd(np.full((5, 2), np.nan), np.zeros((5, 2))), "finite features"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call()
