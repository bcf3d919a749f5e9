"""The points of a grid, at random and by Optuna: order, caps, seeds, resuming, learning."""

import itertools
import json
import math
import statistics
import warnings

import pytest
import yaml

from pyg_jets.scan import Proposals, read_sweep
from pyg_jets.scan.distributions import identity
from pyg_jets.scan.proposals import Bayes, draw


@pytest.fixture
def sweep(tmp_path):
    def make(method, parameters, **more):
        path = tmp_path / "sweep.yaml"
        metric = {"metric": {"name": "loss", "goal": "minimize"}}
        tree = {"method": method, "parameters": parameters, **metric, **more}
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        return read_sweep(path)

    return make


def asked(proposals, most=1000):
    return list(
        itertools.takewhile(lambda p: p is not None, (proposals.ask() for _ in range(most)))
    )


SPACE = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0},
    "width": {"min": 4, "max": 64},
    "dropout": {"distribution": "q_uniform", "min": 0, "max": 0.5, "q": 0.1},
    "net": {"values": [{"class_path": "A"}, [1, 2], None, "x"]},
    "noise": {"distribution": "normal"},
    "share": {"distribution": "beta", "a": 2, "b": 2},
    "kind": {"values": ["a", "b"], "probabilities": [0.25, 0.75]},
    "fixed": {"value": {"a": 1}},
}


def test_grid_varies_the_first_parameter_slowest(sweep):
    space = {"b": {"values": [2, 1, 2]}, "a": {"min": 0, "max": 2}, "c": {"value": [3]}}
    proposals = Proposals(sweep("grid", space))
    assert proposals.total == 6
    assert asked(proposals) == [
        {"b": b, "a": a, "c": [3]} for b, a in itertools.product((2, 1), (0, 1, 2))
    ]


def test_grid_hands_out_every_point_whatever_the_history(sweep):
    space = {"a": {"values": [1, 2, 3]}}
    assert len(asked(Proposals(sweep("grid", space), history=[({"a": 1}, 0.5)]))) == 3
    assert asked(Proposals(sweep("grid", space), count=2)) == [{"a": 1}, {"a": 2}]
    assert asked(Proposals(sweep("grid", space, run_cap=1), count=2)) == [{"a": 1}]


@pytest.mark.parametrize("spec", [{"min": 0.0, "max": 1.0}, {"min": 0, "max": 10**9}])
def test_grid_refuses_what_cannot_be_listed(sweep, spec):
    made = sweep("grid", {"a": {"values": [1]}, "b.c": spec})
    with pytest.raises(ValueError, match=r"can be listed.*parameters\.b\.c: give values, or q"):
        Proposals(made)


def test_grid_of_steps(sweep):
    made = sweep("grid", {"a": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.25}})
    assert [p["a"] for p in asked(Proposals(made))] == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_searches_without_an_end_are_refused(sweep, method):
    with pytest.raises(ValueError, match=f"method: {method} never ends.*run_cap.*--count"):
        Proposals(sweep(method, SPACE))


@pytest.mark.parametrize("count", [0, -1, True])
def test_refuses_a_count(sweep, count):
    with pytest.raises(ValueError, match="count as a whole number above 0"):
        Proposals(sweep("random", SPACE), count=count)


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_caps(sweep, method):
    assert Proposals(sweep(method, SPACE, run_cap=5), count=9).total == 5
    proposals = Proposals(sweep(method, SPACE, run_cap=5), count=3)
    assert len(asked(proposals)) == proposals.total == 3


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_points_are_whole_and_plain(sweep, method):
    points = asked(Proposals(sweep(method, SPACE, run_cap=25)))
    assert len({identity(p) for p in points}) == 25
    for point in points:
        assert list(point) == list(SPACE)
        assert json.loads(json.dumps(point)) == point
        assert point["fixed"] == {"a": 1}
        assert type(point["width"]) is int
        assert 1e-4 <= point["lr"] <= 1
        assert 0 <= point["share"] <= 1


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_seeds(sweep, method):
    made = sweep(method, SPACE, run_cap=8)
    assert asked(Proposals(made, seed=1)) == asked(Proposals(made, seed=1))
    assert asked(Proposals(made, seed=1)) != asked(Proposals(made, seed=2))


def test_random_goes_on_where_it_was(sweep):
    made = sweep("random", SPACE)
    whole = asked(Proposals(made, count=20))
    there = [(whole[i], 0.1) for i in (0, 1, 2, 5)]
    # through a file, as they are read back
    there = json.loads(json.dumps(there))
    rest = asked(Proposals(made, history=there, count=20))
    assert rest == [p for i, p in enumerate(whole) if i not in (0, 1, 2, 5)]


def test_random_does_not_change_with_other_parameters(sweep):
    first = asked(Proposals(sweep("random", {"lr": SPACE["lr"]}), count=5))
    more = asked(Proposals(sweep("random", {"net": SPACE["net"], "lr": SPACE["lr"]}), count=5))
    assert [p["lr"] for p in first] == [p["lr"] for p in more]


def test_draws_are_inside_and_alike():
    drawn = [draw(seed, k, "a") for seed in range(10) for k in range(1000)]
    assert 0 < min(drawn) < 1e-3
    assert 1 - 1e-3 < max(drawn) < 1
    assert statistics.mean(drawn) == pytest.approx(0.5, abs=0.01)
    assert statistics.variance(drawn) == pytest.approx(1 / 12, abs=0.003)


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_small_spaces_end_when_all_was_handed_out(sweep, method):
    made = sweep(method, {"a": {"values": [1, 2, 3]}, "b": {"values": ["x", "y"]}}, run_cap=50)
    proposals = Proposals(made)
    points = []
    while (point := proposals.ask()) is not None:
        points.append(point)
        proposals.tell(point, 0.0 if point["a"] == 1 else 1.0)
    assert proposals.total == len(points) == len({identity(p) for p in points}) == 6


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_history_counts_toward_the_cap(sweep, method):
    made = sweep(method, SPACE, run_cap=6)
    before = asked(Proposals(made, seed=1))[:4]
    history = [(before[0], 0.3), (before[1], None), (before[2], math.nan), (before[3], 0.1)]
    proposals = Proposals(made, seed=1, history=history)
    rest = asked(proposals)
    assert len(rest) == 2
    assert not {identity(p) for p in rest} & {identity(p) for p in before}
    if method == "bayes":  # none was proposed a second time, only to be thrown away
        states = [trial.state.name for trial in proposals._bayes.study.trials]
        assert states == ["COMPLETE", "FAIL", "FAIL", "COMPLETE", "RUNNING", "RUNNING"]


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_bayes_learns(sweep, goal):
    space = {
        "x": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0},
        "y": {"distribution": "normal"},
        "c": {"values": ["far", {"near": 0}, "farther"]},
    }
    metric = {"name": "loss", "goal": goal}
    sign = 1 if goal == "minimize" else -1

    def loss(point):
        away = {"far": 1.0, "farther": 2.0}
        category = point["c"] if isinstance(point["c"], str) else None
        return (math.log10(point["x"]) + 2) ** 2 + (point["y"] - 1) ** 2 + away.get(category, 0.0)

    def mean_of_last(method):
        proposals = Proposals(sweep(method, space, metric=metric), seed=3, count=60)
        losses = []
        for _ in range(60):
            point = proposals.ask()
            losses.append(loss(point))
            proposals.tell(point, sign * losses[-1])
        return statistics.mean(losses[30:])

    assert mean_of_last("bayes") < 0.5 * mean_of_last("random")


def test_bayes_learns_from_its_history(sweep):
    made = sweep("bayes", {"x": {"min": 0.0, "max": 1.0}})
    history = [({"x": i / 40}, abs(i / 40 - 0.8)) for i in range(40)]
    proposals = Proposals(made, history=history, count=50)
    assert statistics.median(p["x"] for p in asked(proposals)) == pytest.approx(0.8, abs=0.1)


def test_bayes_finds_a_point_again_in_optunas_terms(sweep):
    space = {**SPACE, "twice": {"values": ["x", "x", "y"]}}
    bayes = Bayes(sweep("bayes", space))
    for point in asked(Proposals(sweep("random", space), count=50)):
        back = bayes._point(bayes._params(point))
        for name in ("lr", "noise", "share"):
            assert back.pop(name) == pytest.approx(point.pop(name), rel=1e-9)
        assert back == point


def test_bayes_leaves_out_a_history_of_another_space(sweep):
    made = sweep("bayes", {"x": {"min": 0.0, "max": 1.0}})
    proposals = Proposals(made, history=[({"x": 7.0}, 0.1), ({"y": 0.5}, 0.1)], count=4)
    assert len(proposals._bayes.study.trials) == 0
    assert len(asked(proposals)) == 4


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_only_what_is_in_the_space_counts(sweep, method):
    history = [({"x": 1}, 0.1), ({"x": 2}, 0.2)]
    for values, left in (([1, 2], []), ([2, 3], [3]), ([3, 4], [3, 4])):
        made = sweep(method, {"x": {"values": values}}, run_cap=10)
        assert sorted(p["x"] for p in asked(Proposals(made, history=history))) == left
    narrowed = Proposals(sweep(method, {"x": {"min": 5, "max": 90}}, run_cap=3), history=history)
    assert len(asked(narrowed)) == 3


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_what_was_begun_comes_first(sweep, method):
    made = sweep(method, SPACE, run_cap=5)
    first, second = asked(Proposals(made, seed=1))[:2]
    strange = {**first, "width": 1000}
    proposals = Proposals(made, seed=2, history=[(first, 0.5)], begun=[first, strange, second])
    points = asked(proposals)
    assert points[0] == second
    assert len(points) == 4
    assert identity(strange) not in {identity(p) for p in points}
    proposals.tell(second, 0.5)


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_what_other_scans_run_counts_and_is_not_run(sweep, method):
    made = sweep(method, {"x": {"values": list(range(9))}}, run_cap=4)
    proposals = Proposals(made)
    mine = proposals.ask()
    others = [{"x": x} for x in range(9) if x != mine["x"]][:2]
    for point in [*others, {"y": 3}]:
        proposals.meet(point)
    rest = asked(proposals)
    assert len(rest) == 1
    assert rest[0] not in [mine, *others]


def test_bayes_takes_several_points_at_once_and_failures(sweep, capfd):
    made = sweep("bayes", SPACE)
    proposals = Proposals(made, count=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        running = [proposals.ask() for _ in range(8)]
        for i in range(22):
            proposals.tell(running.pop(0), [0.1 * i, None, math.inf][i % 3])
            running.append(proposals.ask())
    states = [trial.state.name for trial in proposals._bayes.study.trials]
    assert states.count("COMPLETE") == 8
    assert states.count("FAIL") == 14
    assert states.count("RUNNING") == 8
    assert capfd.readouterr() == ("", "")


def test_bayes_refuses_what_it_did_not_hand_out(sweep):
    proposals = Proposals(sweep("bayes", {"x": {"min": 0.0, "max": 1.0}}), count=3)
    point = proposals.ask()
    proposals.tell(point, 1.0)
    for stranger in ({"x": 0.5}, point):
        with pytest.raises(ValueError, match="a point that was handed out"):
            proposals.tell(stranger, 1.0)


def test_bayes_of_constants_is_one_point(sweep):
    proposals = Proposals(sweep("bayes", {"x": {"value": 3}}), count=5)
    assert asked(proposals) == [{"x": 3}]
    proposals.tell({"x": 3}, 0.5)
