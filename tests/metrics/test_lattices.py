"""What a detector leaves exactly: brute force, and a detector against a continuous output."""

import numpy as np
import pytest

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.detector import Detector
from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.lattices import exact_share, lattice_coherence
from pyg_jets.metrics.two_sample import two_sample_auc_tree


def jets(n=40, seed=0):
    rng = np.random.default_rng(seed)
    ptr = np.append(0, np.append([0, 1, 2], rng.integers(3, 9, n - 3)).cumsum())
    return JetSample(rng.normal(1, 0.1, (ptr[-1], 3)), ptr)


def test_exact_share_is_that_of_brute_force():
    gen = jets()
    x = gen.x.copy()
    moved = np.random.default_rng(1).random(len(x)) < 0.4
    x[moved, 1:] += 3e-5
    x[~moved, 1:] += 3e-6
    shares = exact_share(JetSample(x, gen.ptr), gen)
    assert shares[0] == 0
    for j in range(1, len(gen)):
        rows = slice(gen.ptr[j], gen.ptr[j + 1])
        apart = np.linalg.norm(x[rows, None, 1:] - gen.x[None, rows, 1:], axis=-1)
        assert shares[j] == pytest.approx((apart.min(1) <= 1e-5).mean())
    assert not exact_share(gen, JetSample(np.empty((0, 3)), np.zeros(41, int))).any()


def test_coherence_is_the_mean_over_pairs():
    sample = jets()
    values = lattice_coherence(sample, 0.3, "eta")
    assert not values[:2].any()  # no pair
    for j in range(2, len(sample)):
        eta = sample.x[sample.ptr[j] : sample.ptr[j + 1], 1]
        i, k = np.nonzero(~np.eye(len(eta), dtype=bool))
        assert values[j] == pytest.approx(np.cos(2 * np.pi * (eta[i] - eta[k]) / 0.3).mean())


@pytest.mark.parametrize("shift", [0.0, 0.123])
def test_a_lattice_has_coherence_one_about_any_axis(shift):
    rng = np.random.default_rng(0)
    x = np.stack([np.ones(200), *(0.087 * rng.integers(-9, 9, (2, 200)) + shift)], 1)
    sample = JetSample(x, np.arange(0, 201, 10))
    for coordinate in ("eta", "phi"):
        np.testing.assert_allclose(lattice_coherence(sample, 0.087, coordinate), 1)
    x[:, 1:] += rng.uniform(-0.05, 0.05, (200, 2))
    assert abs(lattice_coherence(JetSample(x, sample.ptr), 0.087).mean()) < 0.3


def test_a_continuous_output_is_told_from_the_detector():
    rng = np.random.default_rng(0)
    n, each = 400, 12
    kind = np.tile([211, 22], n * each // 2)
    columns = rng.uniform(2, 30, n * each), *rng.normal(0, 0.2, (2, n * each)), 0 * kind
    x = np.stack([*columns, (kind == 211).astype(float), kind.astype(float)], 1)
    before = JetArray(x, CANONICAL, np.arange(0, n * each + 1, each))
    after = Detector.preset("cms-like").simulate(before, seed=1)

    def of_kind(array, pdgid):
        table = array.select(("pt", "eta", "phi", "pdgid")).particles
        rows = np.abs(table[:, 3]) == pdgid
        ptr = np.append(0, np.cumsum(rows))[array.ptr]
        return JetSample(table[rows, :3], ptr)

    tracks, gen_tracks, photons = of_kind(after, 211), of_kind(before, 211), of_kind(after, 22)
    share, coherence = exact_share(tracks, gen_tracks), lattice_coherence(photons, 0.0174)
    assert share[np.diff(tracks.ptr) > 0].min() == 1
    assert coherence[np.diff(photons.ptr) > 1].min() > 0.95

    def jittered(sample):
        move = rng.normal(0, 0.005, sample.x.shape) * [0, 1, 1]
        return JetSample(sample.x + move, sample.ptr)

    real = {"exact_share": share, "coherence": coherence}
    made = {
        "exact_share": exact_share(jittered(tracks), gen_tracks),
        "coherence": lattice_coherence(jittered(photons), 0.0174),
    }
    assert two_sample_auc_tree(made, real).value > 0.98
    for name in real:
        assert two_sample_auc_tree(made, real, [name]).value > 0.95


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: exact_share(jets(5), jets(6)), "6 and 5"),
        (lambda: exact_share(jets(5), jets(5), -1), "tolerance of 0 or more"),
        (lambda: lattice_coherence(jets(5), 0.0), "pitch above 0"),
        (lambda: lattice_coherence(jets(5), 0.1, "y"), "'eta' or 'phi'"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call()
