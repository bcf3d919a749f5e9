"""Distances beside their floor, against scipy and known figures."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from pyg_jets.metrics.floors import feature_z_scores, over_floor, z_score_differences
from pyg_jets.metrics.generation import JetSample, feature_distance, fpd, kpd
from pyg_jets.metrics.wasserstein import SortedFeatures


def gaussian(seed, n=3500, shift=0.0):
    return {"m": np.random.default_rng(seed).normal(shift, 2, n)}


def jets(seed=0, n=400, width=0.1, weights=None):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 12, n)
    ptr = np.append(0, counts.cumsum())
    x = np.stack([rng.exponential(0.1, ptr[-1]), *rng.normal(0, width, (2, ptr[-1]))], 1)
    return JetSample(x, ptr, weights)


def test_sorted_features_are_scipys():
    rng = np.random.default_rng(0)
    columns, counts = rng.normal(size=(2, 40)).round(1), np.array([0, 10, 5, 25])
    first, second = np.array([1.0, 2.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 3.0])
    expected = [
        wasserstein_distance(c, c, np.repeat(first, counts), np.repeat(second, counts))
        for c in columns
    ]
    features = SortedFeatures(list(columns), counts)
    assert features.distance(first, second) == pytest.approx(np.mean(expected))
    assert features.distance(first, first) == 0
    assert features.distance(np.array([1.0, 0, 0, 0]), second) == 0  # only an empty jet


def test_the_floor_is_the_known_one():
    # facts of two equal Gaussian samples: .032 ± .011 at 3,500 jets, .008 ± .002 at 50,000
    scores = [feature_z_scores(gaussian(i), gaussian(50 + i))["m"] for i in range(12)]
    floors = [score.floor.value for score in scores]
    assert np.mean(floors) == pytest.approx(0.032, abs=0.004)
    assert np.mean([score.floor.error for score in scores]) == pytest.approx(0.011, abs=0.006)
    distances = [score.distance.value for score in scores]
    assert np.mean(distances) == pytest.approx(np.mean(floors), rel=0.3)
    large = feature_z_scores(gaussian(1, 50_000), gaussian(2, 50_000))["m"]
    assert large.floor.value == pytest.approx(0.008, abs=0.002)


def test_other_real_jets_and_unequal_sizes_give_the_same_floor():
    halves = feature_z_scores(gaussian(0), gaussian(1), splits=40)["m"].floor.value
    others = feature_z_scores(gaussian(0), gaussian(1), gaussian(2), splits=40)["m"].floor.value
    assert halves == pytest.approx(others, rel=0.3)
    few = feature_z_scores(gaussian(0, 400), gaussian(1), gaussian(2), splits=40)["m"].floor.value
    expected = np.sqrt((1 / 400 + 1 / 3500) / (2 / 3500))
    assert few / others == pytest.approx(expected, rel=1e-6)


def test_the_distance_is_w1_over_sigma_and_its_error_that_of_repeats():
    made, real = gaussian(0, shift=1.0), gaussian(1)
    score = feature_z_scores(made, real)["m"]
    assert score.distance.value == pytest.approx(feature_distance(made["m"], real["m"]))
    assert score.ratio.value == pytest.approx(score.distance.value / score.floor.value)
    repeats = [
        feature_z_scores(gaussian(i, shift=1.0), gaussian(100 + i), resamples=2, splits=2)["m"]
        for i in range(40)
    ]
    spread = np.std([score.distance.value for score in repeats])
    assert score.distance.error == pytest.approx(spread, rel=0.5)


def test_features_without_variance_are_left_out_and_small_ones_are_not():
    made = {"m": [1.0, 2.0, 3.0, 5.0], "one": np.ones(4), "small": [1e-7, 2e-7, 3e-7, 9e-7]}
    assert list(feature_z_scores(made, made)) == ["m", "small"]
    assert list(z_score_differences(made, made, made)) == ["m", "small"]
    assert list(feature_z_scores(made, made, features=["small"])) == ["small"]


def test_a_rival_is_compared_by_paired_errors():
    real = gaussian(0, 2000)
    noise = np.random.default_rng(5).normal(size=2000)
    made = {"m": real["m"] + 0.3 + 0.01 * noise}
    rival = {"m": real["m"] + 0.3 - 0.01 * noise}
    value, error = z_score_differences(made, rival, real, paired=True)["m"]
    assert abs(value) < 4 * error
    assert error < 0.002  # unpaired, 2,000 jets know it to .03
    assert z_score_differences(made, rival, real)["m"].error > 5 * error
    own = feature_distance(made["m"], real["m"]) - feature_distance(rival["m"], real["m"])
    assert value == pytest.approx(own)
    worse = z_score_differences({"m": real["m"] + 1}, rival, real, paired=True)["m"]
    assert worse.value == pytest.approx(0.35, abs=4 * worse.error + 0.02)


def test_weights_are_repeats():
    made, real, other = gaussian(0, 60, 1.0), gaussian(1, 60), gaussian(2, 60)
    weights = np.repeat([2.0, 0.0, 1.0], 20)
    twice = {"m": np.repeat(made["m"], weights.astype(int))}
    one = feature_z_scores(made, real, other, made_weights=weights)["m"]
    assert one.distance.value == pytest.approx(feature_z_scores(twice, real)["m"].distance.value)
    scaled = feature_z_scores(made, real, other, made_weights=3 * weights)["m"]
    for of_scaled, of_one in zip(scaled, one, strict=True):
        assert of_scaled == pytest.approx(of_one)
    one = z_score_differences(made, other, real, made_weights=weights)["m"].value
    assert one == pytest.approx(z_score_differences(twice, other, real)["m"].value)


def test_over_floor():
    real, other = jets(0), jets(1)
    result = over_floor(jets(2, width=0.15), real, other)
    assert list(result) == ["w1m", "w1p", "w1efp"]
    made = jets(2, width=0.15)
    assert result["w1m"].distance.value == pytest.approx(wasserstein_distance(made.mass, real.mass))
    columns = zip(made.x.T, real.x.T, strict=True)
    expected = np.mean([wasserstein_distance(*pair) for pair in columns])
    assert result["w1p"].distance.value == pytest.approx(expected)
    assert all(each.ratio.value > 1.5 for each in result.values())
    equal = over_floor(jets(3), real, other)
    for metric, each in equal.items():
        assert 0.3 < each.ratio.value < 3, metric
        assert 0 < each.floor.error < each.floor.value, metric
    halves = over_floor(jets(3), real)
    assert halves["w1m"].floor.value == pytest.approx(equal["w1m"].floor.value, rel=0.5)
    assert over_floor(jets(3), real, other) == equal


def test_over_floor_of_weighted_jets():
    weights = np.random.default_rng(0).integers(0, 3, 400)
    real, other = jets(0), jets(1)
    weighted = over_floor(jets(2, weights=weights), real, other, metrics=("w1p",))["w1p"]
    sample = jets(2)
    rows = np.repeat(np.arange(400), weights)
    x = sample.particles(rows)
    ptr = np.append(0, np.diff(sample.ptr)[rows].cumsum())
    repeated = over_floor(JetSample(x, ptr), real, other, metrics=("w1p",))["w1p"]
    assert weighted.distance.value == pytest.approx(repeated.distance.value)


def test_unbiased_distances_have_the_floor_of_other_real_jets():
    from pyg_jets.metrics.generation import efp_features

    made, real, other = jets(2, 900, 0.15), jets(0, 900), jets(1, 900)
    result = over_floor(made, real, other, ("kpd", "fpd"))
    assert result["kpd"].distance == kpd(*efp_features(made, real))
    assert result["fpd"].floor == fpd(*efp_features(other, real), 450)
    assert np.isnan(result["kpd"].ratio.value) == (result["kpd"].floor.value <= 0)


def test_polynomials_are_computed_once(monkeypatch):
    from pyg_jets.metrics import generation

    sample, called = jets(0, 20), []
    compute = generation.energy_flow_polynomials
    monkeypatch.setattr(
        generation, "energy_flow_polynomials", lambda *a: called.append(1) or compute(*a)
    )
    graphs = generation.multigraphs(3)
    first = sample.efps(graphs)
    np.testing.assert_array_equal(sample.efps(graphs[::-1]), first[:, ::-1])
    assert len(called) == 1


OK = gaussian(0, 50)
BAD = {"m": np.append(np.ones(9), np.nan)}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: feature_z_scores({"m": []}, OK), "generated jets, but got none"),
        (lambda: feature_z_scores(OK, {"m": []}), "real jets, but got none"),
        (lambda: feature_z_scores(BAD, OK), "m of the generated jet 9 is nan"),
        (lambda: feature_z_scores(OK, BAD), "m of the real jet 9 is nan"),
        (lambda: feature_z_scores(OK, OK, BAD), "m of the other real jet 9 is nan"),
        (lambda: feature_z_scores(OK, {"a": [1.0]}), "Unknown observable of the real jets 'm'"),
        (lambda: feature_z_scores({"m": [1.0]}, OK), "at least 4 generated jets, but got 1"),
        (lambda: feature_z_scores(OK, OK, splits=1), "2 splits"),
        (lambda: feature_z_scores(OK, OK, made_weights=-np.ones(50)), "weights of the generated"),
        (lambda: z_score_differences(OK, OK, gaussian(0, 9), paired=True), "50, 50, 9"),
        (lambda: z_score_differences(OK, BAD, OK), "m of the rival jet 9"),
        (lambda: z_score_differences(OK, OK, OK, resamples=1), "2 resamples"),
        (lambda: over_floor(jets(), jets(n=3)), "at least 4 real jets, but got 3"),
        (lambda: over_floor(jets(), jets(), metrics=("w1x",)), "Unknown metric 'w1x'"),
        (lambda: over_floor(jets(), jets(), metrics=("fpd",)), "other_real for the floor"),
        (lambda: over_floor(jets(), jets(), resamples=0), "2 resamples"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call()
