"""What a sweep file varies, read by the command line's parser before anything runs."""

import pytest
import yaml

from pyg_jets.scan import read_sweep
from pyg_jets.scan.check import check_sweep

CONFIG = "broken_symmetry/base"


@pytest.fixture
def checked(tmp_path):
    def check(parameters=None, words=(), **more):
        tree = {
            "method": "grid",
            "command": ["pyg-jets", "fit", f"--config={CONFIG}", *words, "${args}"],
            "parameters": parameters or {"data.batch_size": {"value": 64}},
            **more,
        }
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        check_sweep(read_sweep(path))

    return check


def test_few_values_are_each_read(checked, monkeypatch):
    read = []
    monkeypatch.setattr(
        "pyg_jets.training.cli.check_arguments", lambda given: read.append(given[-1])
    )
    checked({"data.batch_size": {"values": list(range(1, 51))}})
    assert read == [f"--data.batch_size={n}" for n in range(1, 51)]
    read.clear()
    checked({"data.batch_size": {"values": list(range(1, 52))}})
    assert read == ["--data.batch_size=1"]


@pytest.mark.parametrize("value", ["false", "False", "no"])
def test_a_command_without_a_test_is_refused(checked, value):
    with pytest.raises(ValueError, match=r"sweep\.yaml: Expected test_after_fit as true"):
        checked(words=[f"--test_after_fit={value}"])
    with pytest.raises(ValueError, match="test_after_fit as true"):
        checked(words=["--test_after_fit", value])


def test_a_configuration_without_a_test_is_refused(checked, tmp_path):
    overlay = tmp_path / "untested.yaml"
    overlay.write_text("test_after_fit: false\n")
    with pytest.raises(ValueError, match="test_after_fit as true"):
        checked({"config": {"values": [[], str(overlay)]}})
    with pytest.raises(ValueError, match="test_after_fit as true"):
        checked(words=[f"--config={overlay}"])


def test_what_overrides_a_configuration_without_a_test_is_taken(checked, tmp_path):
    overlay = tmp_path / "untested.yaml"
    overlay.write_text("test_after_fit: false\n")
    checked(words=[f"--config={overlay}", "--test_after_fit=true"])
    with pytest.raises(ValueError, match="test_after_fit as true"):
        checked(words=["--test_after_fit=true", f"--config={overlay}"])


def test_an_early_stop_by_what_only_the_test_logs_is_refused(checked):
    early = {"type": "hyperband", "min_iter": 3}
    with pytest.raises(ValueError, match=r"early_terminate a metric.*metric\.name: test/auc"):
        checked(metric={"name": "test/auc", "goal": "maximize"}, early_terminate=early)
    checked(metric={"name": "val/auc", "goal": "maximize"}, early_terminate=early)
