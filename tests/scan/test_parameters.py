"""Distributions against scipy's, by quantiles and by draws; what a sweep file may say of them."""

import math

import numpy as np
import pytest
from scipy import stats

from pyg_jets.scan.distributions import (
    Categorical,
    Constant,
    IntUniform,
    Quantized,
    Uniform,
    identity,
)
from pyg_jets.scan.parameters import as_number, distribution
from pyg_jets.scan.proposals import draw

REAL = {
    "uniform": ({"min": -2, "max": 3}, stats.uniform(-2, 5)),
    "log_uniform": ({"min": -7, "max": 1.5}, stats.loguniform(math.exp(-7), math.exp(1.5))),
    "log_uniform_values": ({"min": 1e-4, "max": 0.1}, stats.loguniform(1e-4, 0.1)),
    "inv_log_uniform_values": ({"min": 1e-4, "max": 0.1}, stats.loguniform(1e-4, 0.1)),
    "normal": ({"mu": 2, "sigma": 0.5}, stats.norm(2, 0.5)),
    "log_normal": ({"mu": -1, "sigma": 0.7}, stats.lognorm(0.7, scale=math.exp(-1))),
    "beta": ({"a": 2, "b": 3.5}, stats.beta(2, 3.5)),
}
UNIT = np.linspace(0.001, 0.999, 211)


def real(name):
    spec, oracle = REAL[name]
    return distribution({"distribution": name, **spec}), oracle


@pytest.mark.parametrize("name", REAL)
def test_quantiles_are_scipys(name):
    ours, oracle = real(name)
    np.testing.assert_allclose([ours.at(u) for u in UNIT], oracle.ppf(UNIT), rtol=1e-9)
    assert all(type(ours.at(u)) is float for u in (0.0, 0.5, 1.0))


@pytest.mark.parametrize("name", REAL)
def test_draws_are_scipys(name):
    ours, oracle = real(name)
    drawn = [ours.at(draw(3, k, name)) for k in range(2000)]
    assert stats.kstest(drawn, oracle.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", REAL)
def test_where_undoes_at(name):
    ours, _ = real(name)
    np.testing.assert_allclose([ours.where(ours.at(u)) for u in UNIT], UNIT, rtol=1e-7)
    assert ours.where("text") is None
    assert ours.where(True) is None


@pytest.mark.parametrize("name", REAL)
def test_ends_of_the_unit_interval_stay_finite_and_inside(name):
    ours, _ = real(name)
    low, high = ours.support
    assert low <= ours.at(0.0) <= ours.at(1.0) <= high
    assert np.isfinite([ours.at(0.0), ours.at(1.0)]).all()


def test_inverse_log_uniform_is_uniform_in_log_of_the_inverse():
    ours = distribution({"distribution": "inv_log_uniform", "min": 1, "max": 5})
    inverse = [math.log(1 / ours.at(draw(0, k, "x"))) for k in range(2000)]
    assert stats.kstest(inverse, stats.uniform(1, 4).cdf).pvalue > 1e-3


@pytest.mark.parametrize("q", [1, 2, 0.25])
@pytest.mark.parametrize("name", ["uniform", "log_uniform_values", "normal", "log_normal", "beta"])
def test_quantized_values_come_as_often_as_their_share(name, q):
    spec, oracle = REAL[name]
    spec = {"min": 0.5, "max": 7.5} if name == "log_uniform_values" else spec
    oracle = stats.loguniform(0.5, 7.5) if name == "log_uniform_values" else oracle
    ours = distribution({"distribution": f"q_{name}", "q": q, **spec})
    drawn = [ours.at(draw(1, k, name)) for k in range(4000)]
    assert {type(value) for value in drawn} == {type(q)}
    values, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(values, np.round(values / q) * q)
    share = oracle.cdf(values + q / 2) - oracle.cdf(values - q / 2)
    np.testing.assert_allclose(counts / 4000, share, atol=0.03)
    if ours.choices is not None:
        assert set(drawn) <= set(ours.choices)


def test_quantized_steps_are_written_as_they_are_read():
    ours = distribution({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1})
    assert ours.choices == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert all(ours.at(ours.where(value)) == value for value in ours.choices)
    assert ours.where(0.25) is None
    # amid all draws that round to it; at the ends, half a step is not there
    assert [ours.where(value) for value in (0, 0.3, 1)] == pytest.approx([0.025, 0.3, 0.975])


def test_quantized_without_q_gives_whole_numbers():
    ours = distribution({"distribution": "q_uniform", "min": 2.2, "max": 4.4})
    assert [repr(value) for value in ours.choices] == ["2", "3", "4"]


def test_quantized_leaves_out_what_has_no_share():
    # 2/4 rounds to 0, but no draw above 2 does
    assert Quantized(Uniform(2, 10), 4).choices == (4, 8)


def test_whole_numbers_come_alike_and_within_their_range():
    ours = distribution({"min": -1, "max": 3})
    assert ours.choices == (-1, 0, 1, 2, 3)
    assert (ours.at(0.0), ours.at(1.0)) == (-1, 3)
    counts = np.bincount([ours.at(u) + 1 for u in (np.arange(1000) + 0.5) / 1000])
    assert counts.tolist() == [200] * 5
    assert [ours.at(ours.where(n)) for n in ours.choices] == list(ours.choices)
    assert (ours.where(4), ours.where(0.5), ours.where(True)) == (None, None, None)


def test_too_many_whole_numbers_are_not_listed():
    assert distribution({"min": 0, "max": 10**9}).choices is None


def test_categories_follow_their_probabilities():
    ours = distribution({"values": ["a", [1], None], "probabilities": [0.2, 0.0, 0.8]})
    drawn = [identity(ours.at(u)) for u in (np.arange(1000) + 0.5) / 1000]
    assert {text: drawn.count(text) for text in set(drawn)} == {'"a"': 200, "null": 800}
    assert ours.choices == ("a", None)
    assert ours.at(1.0) is None
    assert ours.where([1]) is None


def test_categories_tell_numbers_from_truth_and_drop_repeats():
    ours = Categorical((1, True, 1.0, 1, {"b": 2, "a": 1}, {"a": 1, "b": 2}))
    assert [repr(value) for value in ours.choices] == ["1", "True", "1.0", "{'b': 2, 'a': 1}"]
    assert all(identity(ours.at(ours.where(v))) == identity(v) for v in ours.choices)


def test_constants():
    ours = distribution({"value": {"lr": 1}})
    assert ours == Constant({"lr": 1})
    assert (ours.choices, ours.at(0.3), ours.where({"lr": 2})) == (({"lr": 1},), {"lr": 1}, None)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"value": None}, Constant(None)),
        ({"values": [1, "1e-3"]}, Categorical((1, "1e-3"))),
        ({"min": 1, "max": 2}, IntUniform(1, 2)),
        ({"min": 1, "max": 2.0}, Uniform(1, 2.0)),
        ({"min": "1e-3", "max": 1}, Uniform(0.001, 1)),
        ({"min": 1, "max": 2, "distribution": "uniform"}, Uniform(1, 2)),
        ({"min": 1.0, "max": "8", "distribution": "int_uniform"}, IntUniform(1, 8)),
    ],
)
def test_distribution_is_inferred_as_wandb_does(spec, expected):
    assert distribution(spec) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([1, 2], r"a mapping.*but got \[1, 2\]"),
        ({}, "but got only an empty mapping"),
        ({"min": 1}, "Expected value, values, min and max.*but got only min"),
        ({"value": 1, "values": [1]}, "of a constant parameter only value, but got values"),
        ({"values": [1], "max": 3}, "of a categorical parameter only values, but got max"),
        ({"values": []}, "at least one entry"),
        ({"values": 3}, "values as a list, but got 3"),
        ({"values": [1], "mean": 3}, "but got mean"),
        ({"min": 3, "max": 3}, "min below max, but got min=3 and max=3"),
        ({"min": 4.0, "max": 3}, "exchange them"),
        ({"min": "low", "max": 3}, "min as a number, but got 'low'"),
        ({"min": True, "max": 3}, "min as a number, but got True"),
        ({"min": 0, "max": math.inf}, "max as a finite number"),
        ({"distribution": "gauss"}, "one of constant.*but got 'gauss'"),
        ({"distribution": ["normal"]}, r"but got \['normal'\]"),
        ({"distribution": "uniform", "min": 1}, "but got no max"),
        ({"distribution": "int_uniform", "min": 1.5, "max": 3}, "whole number, but got 1.5"),
        ({"distribution": "normal", "sigma": 0}, "sigma above 0, but got sigma=0"),
        ({"distribution": "beta", "a": -1}, "a above 0"),
        ({"distribution": "q_normal", "q": 0}, "q above 0, but got q=0"),
        ({"distribution": "normal", "q": 1}, "only mu, sigma, but got q"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "min above 0"),
        ({"distribution": "log_uniform", "min": 1, "max": 1000}, "exponents of e"),
        ({"distribution": "log_uniform", "min": 2, "max": 1}, "min=2 and max=1"),
        ({"values": [1, 2], "probabilities": [1]}, r"as many probabilities as values \(2\)"),
        ({"values": [1, 2], "probabilities": [0.5, 0.4]}, "sum to 1.*sum 0.9"),
        ({"values": [1, 2], "probabilities": [1.5, -0.5]}, "not negative"),
        (
            {"distribution": "categorical", "values": [1], "probabilities": [1]},
            "only values, but got probabilities",
        ),
    ],
)
def test_refuses(spec, message):
    with pytest.raises(ValueError, match=message):
        distribution(spec)


def test_numbers_may_be_text():
    assert [as_number("q", text) for text in ("3", "1e-3", 2.5)] == [3, 0.001, 2.5]
    assert isinstance(as_number("q", "3"), int)
