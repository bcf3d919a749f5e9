"""Points that hyperband stops early, in real scans."""

import json

import pytest

from pyg_jets.cli import main
from pyg_jets.scan import Hyperband
from pyg_jets.scan.stopping import StopEarly
from tests.scan.test_engine import data, sweep  # noqa: F401


@pytest.fixture
def early(sweep, tmp_path):  # noqa: F811
    def run(metric, goal, min_iter=2):
        import yaml

        path = sweep(
            **{"model.optimizer.init_args.lr": {"values": [0.02, 1e-12]},
               "trainer": {"value": {"max_steps": 40, "check_val_every_n_epoch": 1}}},
        )  # fmt: skip
        tree = yaml.safe_load(path.read_text())
        tree["metric"] = {"name": metric, "goal": goal}
        tree["early_terminate"] = {"type": "hyperband", "min_iter": min_iter}
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        words = ["scan", str(path), "--out", str(tmp_path / "scan"), "--workers", "1"]
        return main([*words, "--no-report"]), tmp_path / "scan" / "points"

    return run


@pytest.mark.slow
def test_a_training_that_does_not_learn_is_stopped(early):
    code, points = early("val/loss", "minimize")
    assert code == 0
    found = [json.loads(path.read_text()) for path in points.glob("*/point.json")]
    by_rate = {one["parameters"]["model.optimizer.init_args.lr"]: one for one in found}
    assert [by_rate[rate]["stopped_early"] for rate in (0.02, 1e-12)] == [False, True]
    folder = points / by_rate[1e-12]["hash"]
    assert len((folder / "metrics.csv").read_text().splitlines()) == 1 + 2  # two validations
    seen = json.loads((folder / "brackets.json").read_text())
    assert set(seen) == {"val/loss"}
    assert set(seen["val/loss"]) == {"2"}
    assert (folder / "metrics.json").exists()  # it was tested all the same


def test_a_metric_of_the_test_alone_is_refused(early, capsys):
    code, points = early("test/auc", "maximize")
    assert code == 2
    assert "early_terminate a metric that each validation logs" in capsys.readouterr().err
    assert not points.exists()


def test_others_are_compared_by_the_same_metric(tmp_path):
    for name, text in (
        ("a", '{"val/auc": {"3": 0.9}}'),
        ("b", '{"val/loss": {"3": 0.5, "9": 0.4}}'),
        ("c", '{"val/loss": {"3"'),
        ("mine", '{"val/loss": {"3": 0.1}}'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "brackets.json").write_text(text)
    stopper = StopEarly(tmp_path / "mine", "val/loss", "minimize", Hyperband(min_iter=3))
    assert stopper._others("3") == [0.5]


def test_a_point_that_goes_on_remembers_its_values(tmp_path):
    class Trainer:
        class state:
            fn = "fit"

    first, second = (StopEarly(tmp_path / "a", "val/auc", "maximize", Hyperband(3)) for _ in "ab")
    first.values, first.seen, first.stopped = [0.5, 0.7, 0.6], {"3": 0.6}, True
    checkpoint = {}
    first.on_save_checkpoint(Trainer(), None, checkpoint)
    second.on_load_checkpoint(Trainer(), None, checkpoint)
    assert (second.values, second.seen, second.stopped) == ([0.5, 0.7, 0.6], {"3": 0.6}, True)
    Trainer.state.fn = "test"  # which reads the best checkpoint
    first.on_load_checkpoint(Trainer(), None, {"stop_early": {"values": []}})
    assert first.stopped
