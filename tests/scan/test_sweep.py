"""Sweep files: what is read, and what is refused with the file's name and the key."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pyg_jets.scan import Hyperband, Metric, read_sweep
from pyg_jets.scan.distributions import Categorical, Constant, LogUniform

FILE = """
program: pyg-jets
project: symmetry
method: bayes
metric: {name: val/auc, goal: maximize, target: 0.9}
run_cap: 30
early_terminate: {type: hyperband, min_iter: 2, eta: 2}
command: ["${env}", pyg-jets, fit, "${args}"]
parameters:
  model.optimizer.init_args.lr: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}
  seed_everything: {values: [1, 1e-3, on, null, [a, 2]]}
  model:
    parameters:
      network:
        parameters:
          class_path: {value: pyg_jets.nn.PFN}
          init_args.dropout: {values: [0.1, 0.2]}
"""


def write(folder: Path, **changes) -> Path:
    """A small file that is well, with some keys at its top changed, or left out if None."""
    tree = {"method": "grid", "parameters": {"a": {"values": [1, 2]}}, **changes}
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in tree.items() if v is not None}))
    return path


def test_a_whole_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(FILE)
    sweep = read_sweep(path)
    assert (sweep.path, sweep.name, sweep.method) == (path, "study", "bayes")
    assert (sweep.program, sweep.run_cap) == ("pyg-jets", 30)
    assert sweep.metric == Metric("val/auc", "maximize")
    assert sweep.command == ("${env}", "pyg-jets", "fit", "${args}")
    assert sweep.early_terminate == Hyperband(min_iter=2, eta=2)
    assert list(sweep.parameters.items()) == [
        ("model.optimizer.init_args.lr", LogUniform(1e-4, 1e-2)),
        ("seed_everything", Categorical((1, "1e-3", True, None, ["a", 2]))),
        ("model.network.class_path", Constant("pyg_jets.nn.PFN")),
        ("model.network.init_args.dropout", Categorical((0.1, 0.2))),
    ]
    assert sweep.raw == yaml.safe_load(FILE)


def test_what_is_left_out(tmp_path):
    sweep = read_sweep(str(write(tmp_path)))
    assert sweep.command == ("${env}", "${interpreter}", "${program}", "${args}")
    assert (sweep.metric, sweep.run_cap, sweep.early_terminate) == (None, None, None)
    assert read_sweep(write(tmp_path, metric={"name": "loss"})).metric == Metric("loss", "minimize")
    assert read_sweep(write(tmp_path, name="mine")).name == "mine"


def test_default_command_is_that_of_the_agent(tmp_path):
    from wandb.wandb_agent import Agent

    assert read_sweep(write(tmp_path)).command == tuple(Agent.DEFAULT_SWEEP_COMMAND)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.yaml is not there"):
        read_sweep(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["a: [", "", "- 1", "text", "\x00"])
def test_refuses_what_is_no_mapping(tmp_path, text):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(
        ValueError, match=r"sweep\.yaml: (it is not YAML|Expected the file as a mapping)"
    ):
        read_sweep(path)


LOSS = {"name": "val/loss", "goal": "minimize"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": None}, "method as one of grid, random, bayes, but got None"),
        ({"method": "custom"}, "but got 'custom'"),
        ({"parameters": None}, "parameters as a mapping of at least one.*but got None"),
        ({"parameters": {}}, "but got {}"),
        ({"parameters": ["a"]}, r"but got \['a'\]"),
        ({"parameters": {True: {"value": 1}}}, "quoted.*but got True"),
        ({"parameters": {"a b": {"value": 1}}}, "but got 'a b'"),
        ({"parameters": {"a.b": 3}}, r"parameters\.a\.b: Expected a mapping.*got 3"),
        (
            {"parameters": {"a": {"parameters": {"b": {"min": 1}}}}},
            r"parameters\.a\.b: Expected value, values",
        ),
        ({"parameters": {"a": {"parameters": {}}}}, r"parameters\.a\.parameters as a mapping"),
        (
            {"parameters": {"a": {"parameters": {"b": {"value": 1}}, "value": 1}}},
            r"parameters\.a only parameters, but got value",
        ),
        (
            {"parameters": {"a.b": {"value": 1}, "a": {"parameters": {"b": {"value": 1}}}}},
            r"parameters\.a\.b once, but got it twice",
        ),
        ({"metric": {"goal": "minimize"}}, "metric.name as a name.*got None"),
        ({"metric": {"name": "loss", "goal": "max"}}, "metric.goal as minimize or maximize"),
        ({"metric": "loss"}, "metric as a mapping.*'loss'"),
        ({"metric": {"name": "loss", "gaol": 1}}, "in metric only name.*got gaol"),
        ({"method": "bayes"}, "a metric for method: bayes, but got none: add metric"),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 3}},
            "a metric for early_terminate",
        ),
        ({"run_cap": 0}, "run_cap as a whole number above 0, but got 0"),
        ({"run_cap": 1.5}, "run_cap as a whole number above 0, but got 1.5"),
        ({"run_cap": "many"}, "run_cap as a number, but got 'many'"),
        ({"metric": LOSS, "early_terminate": {"min_iter": 3}}, "type as hyperband.*got None"),
        ({"metric": LOSS, "early_terminate": {"type": "envelope"}}, "got 'envelope'"),
        (
            {"metric": LOSS, "early_terminate": {"type": "hyperband", "max_iter": 9}},
            "early_terminate: Expected either min_iter or max_iter and s",
        ),
        (
            {"metric": LOSS, "early_terminate": {"type": "hyperband", "min_iter": "x"}},
            "early_terminate: Expected min_iter as a number",
        ),
        (
            {"metric": LOSS, "early_terminate": {"type": "hyperband", "bands": 3}},
            "in early_terminate only type.*got bands",
        ),
        ({"command": "pyg-jets fit"}, "command as a list of words"),
        ({"command": []}, "command as a list of words"),
        ({"program": 3}, "program as text, but got 3"),
        ({"metods": "grid"}, "in the file only method.*got metods: leave it out"),
    ],
)
def test_refuses(tmp_path, changes, message):
    with pytest.raises(ValueError, match=rf"sweep\.yaml: .*{message}"):
        read_sweep(write(tmp_path, **changes))


def test_numbers_that_yaml_reads_as_text(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(
        "method: random\nrun_cap: '7'\nparameters:\n  a: {min: 1e-3, max: 1e3}\n"
        "metric: {name: loss}\nearly_terminate: {type: hyperband, min_iter: '3', eta: '2'}\n"
    )
    sweep = read_sweep(path)
    assert repr(sweep.parameters["a"]) == "Uniform(min=0.001, max=1000.0)"
    assert sweep.run_cap == 7
    assert sweep.early_terminate == Hyperband(min_iter=3, eta=2)


def test_an_early_stop_is_strict_only_if_the_file_says_so(tmp_path):
    for given, strict in (({}, False), ({"strict": True}, True)):
        early = {"type": "hyperband", "min_iter": 3, **given}
        made = read_sweep(write(tmp_path, metric=LOSS, early_terminate=early))
        assert made.early_terminate.strict is strict


def test_import_is_light():
    code = "import pyg_jets.scan, sys; print({'lightning', 'wandb', 'optuna'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
