"""Brackets and stops of hyperband, held against W&B's threshold in sorted values."""

import math

import numpy as np
import pytest

from pyg_jets.scan import Hyperband


@pytest.mark.parametrize(
    ("made", "up_to", "expected"),
    [
        ({"min_iter": 3}, 26, (3, 9)),
        ({"min_iter": 3}, 27, (3, 9, 27)),
        ({"min_iter": 1, "eta": 1.5}, 6, (1, 2, 3, 5)),
        ({"min_iter": 5}, 4, ()),
        ({"max_iter": 27, "s": 2}, 27, (3, 9)),
        ({"max_iter": 27, "s": 9}, 27, (1, 3, 9)),
        ({"max_iter": 50, "s": 2, "eta": 2}, 50, (12, 25)),
        ({"max_iter": 27, "s": 2}, 5, (3,)),
    ],
)
def test_brackets(made, up_to, expected):
    assert Hyperband(**made).brackets(up_to) == expected


@pytest.mark.parametrize("eta", [2, 3, 4.5])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 30])
def test_stops_where_wandb_does(eta, n):
    values = np.random.default_rng(n).normal(size=n).round(1).tolist()
    threshold = sorted(values)[int(n / eta)]
    for i, value in enumerate(values):
        others = values[:i] + values[i + 1 :]
        assert Hyperband(min_iter=1, eta=eta).stops(value, others, "minimize") == (
            value > threshold
        )
        mirrored = [-other for other in others]
        assert Hyperband(min_iter=1, eta=eta).stops(-value, mirrored, "maximize") == (
            value > threshold
        )


@pytest.mark.parametrize(("n", "kept"), [(1, 1), (2, 1), (6, 2), (9, 3), (11, 3)])
def test_strict_keeps_the_best_share_and_never_none(n, kept):
    ranks = range(n)
    strict = Hyperband(min_iter=1, strict=True)
    goes_on = [r for r in ranks if not strict.stops(r, [o for o in ranks if o != r], "minimize")]
    assert goes_on == list(range(kept))


def test_what_is_no_number_stops_and_is_better_than_nothing():
    assert Hyperband(min_iter=1).stops(math.nan, [], "minimize")
    assert not Hyperband(min_iter=1).stops(1.0, [math.nan] * 5, "minimize")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({}, "either min_iter or max_iter and s.*give min_iter"),
        ({"max_iter": 9}, "max_iter=9 and s=None"),
        ({"min_iter": 1, "max_iter": 9, "s": 1}, "but got both"),
        ({"min_iter": 0}, "min_iter as a whole number above 0, but got 0"),
        ({"min_iter": 1.5}, "but got 1.5"),
        ({"max_iter": 9, "s": True}, "s as a whole number above 0, but got True"),
        ({"min_iter": 1, "eta": 1}, "eta as a number above 1, but got eta=1"),
        ({"min_iter": 1, "strict": "yes"}, "strict as true or false"),
        ({"max_iter": 2, "s": 1}, "max_iter of at least eta"),
    ],
)
def test_refuses(made, message):
    with pytest.raises(ValueError, match=message):
        Hyperband(**made)


def test_refuses_another_goal():
    with pytest.raises(ValueError, match="minimize or maximize, but got 'max'"):
        Hyperband(min_iter=1).stops(1.0, [], "max")
