"""What a sweep file varies, read by the command line's parser before anything runs."""

import pytest
import torch
import yaml

from pyg_jets.scan import read_sweep
from pyg_jets.scan.check import check_sweep
from pyg_jets.training.cli import check_arguments
from pyg_jets.training.metric_names import logged_metrics

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
    monkeypatch.setattr("pyg_jets.scan.check._check_logged", lambda *_: None)
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


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_a_metric_that_no_training_logs_is_refused(checked, method):
    with pytest.raises(ValueError, match=r"logs metric\.name: val/acu.* mean 'val/auc'"):
        checked(metric={"name": "val/acu", "goal": "maximize"}, method=method, run_cap=1)


def test_a_monitor_that_no_training_logs_is_refused(checked):
    with pytest.raises(ValueError, match=r"logs early_stopping\.monitor: val/acu"):
        checked({"early_stopping.monitor": {"values": ["val/auc", "val/acu"]}})


@pytest.mark.parametrize(
    ("config", "more", "logged", "others"),
    [
        (
            "broken_symmetry/base",
            {},
            ("val/auc", "test/rejection_0.5", "test/spread", "train/bce"),
            ("test/auc_top", "train/invariance", "val/acu"),
        ),
        ("broken_symmetry/base", {"data.train_transform": "null"}, (), ("test/spread",)),
        (
            "broken_symmetry/base",
            {"model.network.init_args.out_channels": 3},
            ("val/loss", "test/auc_top", "test/accuracy"),
            ("val/auc", "test/auc", "test/spread"),
        ),
        ("models/particle_net", {}, ("val/auc",), ()),
        ("models/fcn", {}, ("val/auc",), ()),
        ("w_gen_to_reco", {}, ("val/emd", "test/emd_mass", "val/score"), ("val/auc", "test/emd")),
        ("digits_vae", {}, ("val/emd", "test/emd_particle_pt"), ("test/emd_mass",)),
    ],
)
def test_metrics_are_those_of_network_loss_and_data(config, more, logged, others):
    words = ["fit", "--config=tagger"] * config.startswith("models") or ["fit"]
    words += [f"--config={config}", *(f"--{name}={value}" for name, value in more.items())]
    state = torch.random.get_rng_state()
    metrics = logged_metrics(check_arguments(words))
    assert metrics.complete
    assert [name for name in logged if not metrics.has(name)] == []
    assert [name for name in others if metrics.has(name)] == []
    assert torch.equal(torch.random.get_rng_state(), state)


def test_metrics_of_each_loss_that_is_varied(checked):
    """The loss of an arm has a term that the plain one lacks."""
    arms = {"config": {"values": ["broken_symmetry/arms/pre-inv", "broken_symmetry/arms/none"]}}
    with pytest.raises(ValueError, match=r"logs metric\.name: train/invariance; choose from"):
        checked(arms, metric={"name": "train/invariance"})
    checked({"config": {"value": arms["config"]["values"][0]}}, metric={"name": "train/invariance"})


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"trainer.callbacks": {"value": [{"class_path": "LearningRateMonitor"}]}}, "lr-Adam"),
        ({"model.network": {"value": {"class_path": "torch.nn.Identity"}}}, "val/of_my_own"),
    ],
    ids=["callback", "network"],
)
def test_what_is_not_known_before_is_a_warning(checked, parameters, name):
    with pytest.warns(UserWarning, match=f"whether a training logs metric.name: {name}"):
        checked(parameters, metric={"name": name})
