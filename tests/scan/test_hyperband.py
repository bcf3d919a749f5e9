"""Brackets and stops of hyperband, held against W&B's threshold in sorted values."""

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


def wandb_stops(histories, run, bands, eta, strict):
    """Whether W&B's server would stop a run to minimise, in numpy: an oracle for one moment."""
    band = max((b for b in bands if b <= len(histories[run])), default=None)
    if band is None:
        return False
    reached = np.sort([h[band - 1] for h in histories if len(h) >= band])
    own = np.array(histories[run])
    return bool((own[band - 1] if strict else own.min()) > reached[int(1 / eta * len(reached))])


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("eta", [2, 3, 4.5])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 30])
def test_stops_where_wandb_does(eta, n, strict):
    rng = np.random.default_rng(n)
    histories = [rng.normal(size=rng.integers(1, 12)).round(1).tolist() for _ in range(n)]
    made = Hyperband(min_iter=2, eta=eta, strict=strict)
    stopped = []
    for run, own in enumerate(histories):
        band = made.bracket(len(own))
        others = [h for i, h in enumerate(histories) if i != run]
        there = [] if band is None else [h[band - 1] for h in others if len(h) >= band]
        expected = wandb_stops(histories, run, made.brackets(12), eta, strict)
        stopped.append(expected)
        assert made.stops(own, there, "minimize") == expected
        assert made.stops([-v for v in own], [-v for v in there], "maximize") == expected
    assert n < 30 or len(set(stopped)) == 2


def test_the_example_of_wandb():
    """The runs a to e in the docstring of ``hyperband_stop_runs``, where only b is stopped."""
    made = Hyperband(max_iter=5, eta=2, s=2)
    assert made.brackets(5) == (1, 2)
    b, c, d = [10, 10], [10, 8, 8], [10, 7, 7]
    assert made.stops(b, [9, 8, 7, 6], "minimize")
    assert not made.stops(c, [9, 10, 7, 6], "minimize")
    assert not made.stops(d, [9, 10, 8, 6], "minimize")


def test_is_not_strict_by_default():
    # at the third values 0.7, 0.5, 0.6 the threshold is 0.6; 0.4 came before them
    first, others = [0.9, 0.4, 0.7], [0.5, 0.6]
    assert not Hyperband(min_iter=3).stops(first, others, "minimize")
    assert Hyperband(min_iter=3, strict=True).stops(first, others, "minimize")


def test_a_better_value_before_the_bracket_counts_unless_strict():
    for strict in (False, True):
        made = Hyperband(min_iter=3, strict=strict)
        assert made.stops([0.4, 0.9, 0.8], [0.5, 0.6], "minimize") is strict
        assert not made.stops([0.9, 0.8], [0.1], "minimize")  # no bracket yet


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
        Hyperband(min_iter=1).stops([1.0], [], "max")
