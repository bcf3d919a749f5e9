"""Metrics of responses on toys with known answers."""

import numpy as np
import pytest

from pyg_jets.metrics.bins import bin_ratios
from pyg_jets.metrics.response import (
    reliability,
    response_correlation,
    response_width_ratio,
    skill,
)

J, DRAWS = 3000, 8
SPREAD, WIDTH = 0.05, 0.1
#: Reliability of a mean over the draws of the toy.
KNOWN = SPREAD**2 / (SPREAD**2 + WIDTH**2 / DRAWS)


def toy(seed, known=1.0, width=WIDTH):
    """Draws of Gaussian responses whose means correlate by ``known`` with the detector's."""
    true = np.random.default_rng(0).normal(size=J)
    rng = np.random.default_rng(seed)
    mean = 1 + SPREAD * (known * true + np.sqrt(1 - known**2) * rng.normal(size=J))
    draws = mean + width * rng.normal(size=(DRAWS, J))
    return draws.mean(0), draws.std(0, ddof=1)


REAL, AGAIN = toy(1), toy(2)


def test_a_correlation_is_attenuated_as_it_should_be():
    assert reliability(*REAL, DRAWS) == pytest.approx(KNOWN, abs=0.02)
    result = response_correlation(toy(3)[0], REAL[0], AGAIN[0])
    assert result.ceiling.value == pytest.approx(KNOWN, abs=4 * result.ceiling.error)
    assert result.share.value == pytest.approx(1, abs=4 * result.share.error)
    assert result.correlation.value == pytest.approx(np.corrcoef(toy(3)[0], REAL[0])[0, 1])
    less = response_correlation(toy(3, 0.8)[0], REAL[0], AGAIN[0])
    assert less.share.value == pytest.approx(0.8, abs=4 * less.share.error)
    assert less.correlation.value == pytest.approx(0.8 * KNOWN, abs=4 * less.correlation.error)
    root = np.sqrt(reliability(*toy(3, 0.8), DRAWS) * reliability(*REAL, DRAWS))
    assert less.correlation.value / root == pytest.approx(0.8, abs=0.03)


def test_the_paired_error_is_that_of_repeated_toys():
    shares, told = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed + 100)
        true = rng.normal(size=400)
        real, again, made = (true + rng.normal(size=400) for _ in range(3))
        result = response_correlation(made, real, again, n=60)
        shares.append(result.share.value)
        told.append(result.share.error)
    assert np.mean(told) == pytest.approx(np.std(shares, ddof=1), rel=0.35)


def test_without_other_draws_there_is_no_ceiling():
    result = response_correlation(toy(3)[0], REAL[0])
    assert np.isnan(result.ceiling.value)
    assert np.isnan(result.share.value)
    constant = response_correlation(np.ones(J), REAL[0])
    assert constant.correlation == (0, 0)


def test_the_ratio_of_widths():
    ratio = response_width_ratio(toy(4, width=1.2 * WIDTH)[1], REAL[1])
    assert ratio.value == pytest.approx(1.2, abs=4 * ratio.error)
    assert 0 < ratio.error < 0.02


def test_skill():
    rng = np.random.default_rng(0)
    common = rng.normal(10, 5, 2000)  # jets are hard or easy for all: paired, that cancels
    identity, again = common + 8 + rng.normal(size=2000), common + rng.normal(size=2000)
    model = common + 0.4 + rng.normal(size=2000)
    value, error = skill(identity, model, again)
    assert value == pytest.approx(0.95, abs=4 * error)
    assert error < 0.01
    assert skill(identity, again, again) == (1, 0)
    assert skill(identity, identity, again) == (0, 0)
    assert skill(identity, identity + 1, again).value < 0


@pytest.mark.parametrize(
    "call",
    [
        lambda rows, w: response_correlation(toy(3)[0][rows], REAL[0][rows], AGAIN[0][rows], w, 2),
        lambda rows, w: [response_width_ratio(toy(3)[1][rows], REAL[1][rows], w, 2)],
        lambda rows, w: [skill(REAL[0][rows] + 1, toy(3)[0][rows], REAL[1][rows], w, 2)],
        lambda rows, w: [(reliability(REAL[0][rows], 0.1 * REAL[1][rows], 2, w), 0)],
    ],
)
def test_weights_are_repeats(call):
    rows = np.arange(200)
    weights = np.repeat([2.0, 0.0, 1.0], [50, 50, 100])
    repeated = np.repeat(rows, weights.astype(int))
    one, other = call(rows, weights), call(repeated, None)
    assert [v[0] for v in one] == pytest.approx([v[0] for v in other], rel=5e-3)
    order = np.random.default_rng(0).permutation(200)
    turned = call(order, weights[order])
    assert [v[0] for v in turned] == pytest.approx([v[0] for v in one])


def nan(jet):
    values = np.linspace(1, 2, 10)
    values[jet] = np.nan
    return values


OK = np.linspace(1, 2, 10)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: response_correlation(nan(4), OK), "mean_made of jet 4 is nan"),
        (lambda: response_correlation(OK, nan(2)), "mean_real of jet 2 is nan"),
        (lambda: response_correlation(OK, OK, nan(2)), "mean_again of jet 2 is nan"),
        (lambda: response_correlation(OK, OK[:9]), "the same jets, at least 3, but got 10, 9"),
        (lambda: response_correlation([], []), "got 0, 0 jets"),
        (lambda: response_correlation(OK, np.ones(10)), "mean_real that differs"),
        (lambda: response_correlation(OK, OK, n=1), "2 bootstrap samples"),
        (lambda: response_correlation(OK, OK, weights=-OK), "weights of 0 or more"),
        (lambda: response_width_ratio(-OK, OK), "width_made of jet 0 is -1.0"),
        (lambda: response_width_ratio(OK, 0 * OK), "all of them are 0"),
        (lambda: response_width_ratio([], []), "got 0, 0 jets"),
        (lambda: skill(OK, OK, OK + 1), "less has to be better"),
        (lambda: skill(OK, nan(9), OK), "model of jet 9"),
        (lambda: skill(OK, OK, OK[1:]), "got 10, 10, 9"),
        (lambda: reliability(OK, OK, 1), "at least 2 draws"),
        (lambda: reliability(np.ones(10), OK, 5), "differs between jets"),
        (lambda: bin_ratios([], OK), "generated jets, but got none"),
        (lambda: bin_ratios(OK, nan(3)), "real jet 3 is nan"),
        (lambda: bin_ratios(OK, OK), "Expected more jets: 10 generated and 10 real"),
        (lambda: bin_ratios(OK, np.ones(10)), "most of them are 1"),
        (lambda: bin_ratios(OK, OK, bins=1), "at least 2 bins"),
        (lambda: bin_ratios(OK, OK, made_weights=[1.0]), "10 weights of the generated jets"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_bins_have_the_errors_that_repeated_samples_have():
    pulls, ratios = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        result = bin_ratios(rng.normal(size=4000), rng.normal(size=6000), largest_error=0.1)
        assert result.error[:-1].max() < 0.12
        pulls += ((result.ratio - 1) / result.error).tolist()
        ratios.append(result.share_within())
    assert np.std(pulls) == pytest.approx(1, abs=0.1)
    assert 0.6 < np.mean(ratios) < 0.8  # a tenth is one error: 68 %


def test_bins_by_hand():
    real, made = (
        np.repeat([0.0, 1.0, 2.0], [400, 400, 200]),
        np.repeat([0.0, 1.0, 2.0], [200, 600, 200]),
    )
    result = bin_ratios(made, real, bins=3, largest_error=1.0, beyond=0.0)
    assert result.ratio.tolist() == pytest.approx([0.5, 1.5, 1.0])
    assert result.real.tolist() == pytest.approx([0.4, 0.4, 0.2])
    expected = 0.5 * np.sqrt(0.8 / 0.2 / 1000 + 0.6 / 0.4 / 1000)
    assert result.error[0] == pytest.approx(expected)
    assert result.share_within() == pytest.approx(1 / 3)
    assert result.share_within(0.5) == 1
    merged = bin_ratios(made, real, bins=3, largest_error=0.06, beyond=0.0)
    assert merged.real.tolist() == pytest.approx([0.4, 0.6])  # the last would have .089


def test_bins_do_not_depend_on_what_was_generated():
    rng = np.random.default_rng(0)
    real = rng.normal(size=20_000)
    one, other = (bin_ratios(rng.normal(shift, 1, 20_000), real) for shift in (0, 1))
    assert np.array_equal(one.edges, other.edges)
    assert one.share_within() > 0.95
    assert other.share_within() < 0.3


def test_bins_honour_weights():
    rng = np.random.default_rng(0)
    made, real = rng.normal(size=20_000), rng.normal(size=20_000)
    shifted = bin_ratios(made + 0.5, real)
    back = bin_ratios(made + 0.5, real, made_weights=np.exp(-0.5 * (made + 0.25)))
    assert shifted.share_within() < 0.5
    assert back.share_within() > 0.85
    twice = bin_ratios(np.append(made, made + 9), real, 200, 0.04, np.repeat([1.0, 0.0], 20_000))
    assert np.allclose(twice.ratio, bin_ratios(made, real, 200, 0.04).ratio)
