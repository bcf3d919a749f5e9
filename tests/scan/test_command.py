"""The words of a point, held against what W&B's own agent makes of it."""

import shlex
from pathlib import Path

import pytest
import yaml
from wandb.sdk.launch.sweeps import utils

from pyg_jets.scan import command_line, point_arguments, read_sweep

VALUES = (
    16, 0.5, 1e-5, 1e22, True, False, None, "text", "two words", "it's", "1e-3", "", "${args}",
    [1, "a", None], {"class_path": "x.Y", "init_args": {"a": None, "b": "it's"}}, "ü",
)  # fmt: skip
MACROS = ("args", "args_no_equals", "args_no_hyphens", "args_no_boolean_flags", "args_json")


def sweep_of(folder: Path, command, parameters=None, **more):
    parameters = {"a": {"values": [1]}} if parameters is None else parameters
    tree = {"method": "grid", "parameters": parameters, **more}
    path = folder / "sweep.yaml"
    tree |= {} if command is None else {"command": command}
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return read_sweep(path)


def agent_line(sweep, args: dict) -> list[str]:
    """What `wandb agent` runs: its own expansion, and the loop around it."""
    macros = utils.create_sweep_command_args({"args": {k: {"value": v} for k, v in args.items()}})
    macros |= {"env": ["/usr/bin/env"], "interpreter": ["python"], "program": [sweep.program]}
    line = []
    for chunk in utils.create_sweep_command(list(sweep.command)):
        macro = chunk.startswith("${") and chunk.endswith("}")
        line += (macros.get(chunk[2:-1]) or []) if macro else [chunk]
    return line


@pytest.mark.parametrize("macro", MACROS)
def test_line_is_that_of_the_agent(tmp_path, macro):
    point = {f"p.{i}": value for i, value in enumerate(VALUES)}
    command = ["${env}", "${interpreter}", "${program}", "fit", "--x=1", f"${{{macro}}}", "--y"]
    sweep = sweep_of(
        tmp_path, command, {name: {"value": v} for name, v in point.items()}, program="bin/pyg-jets"
    )
    expected = agent_line(sweep, point)
    assert shlex.split(command_line(sweep, point)) == expected
    assert point_arguments(sweep, point) == expected[3:]


def test_nested_parameters_are_one_flag(tmp_path):
    nested = {
        "model": {
            "parameters": {
                "width": {"values": [16]},
                "net": {"parameters": {"init_args.f": {"value": [1]}, "b": {"value": None}}},
            }
        },
        "model.depth": {"value": 2},
    }
    sweep = sweep_of(tmp_path, ["pyg-jets", "fit", "${args}"], nested)
    point = {"model.width": 16, "model.net.init_args.f": [1], "model.net.b": None, "model.depth": 2}
    assert point_arguments(sweep, point) == [
        "fit",
        "--model={'width': 16, 'net': {'init_args.f': [1], 'b': None}}",
        "--model.depth=2",
    ]


def test_words_come_in_the_files_order(tmp_path):
    parameters = {name: {"value": name} for name in ("z", "config", "a")}
    sweep = sweep_of(tmp_path, ["pyg-jets", "fit", "${args}"], parameters)
    words = point_arguments(sweep, {"a": "a", "config": "config", "z": "z"})
    assert words == ["fit", "--z=z", "--config=config", "--a=a"]


def test_environment_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("PYG_JETS_A", "x y")
    monkeypatch.delenv("PYG_JETS_B", raising=False)
    command = ["pyg-jets", "fit", "--r=${envvar:PYG_JETS_A}/${envvar:PYG_JETS_B}", "${args}"]
    sweep = sweep_of(tmp_path, command)
    assert point_arguments(sweep, {"a": 1}) == ["fit", "--r=x y/PYG_JETS_B", "--a=1"]
    assert shlex.split(command_line(sweep, {"a": 1})) == agent_line(sweep, {"a": 1})


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (["pyg-jets", "fit", "${args}"], None),
        (["${env}", "/opt/bin/pyg-jets", "fit", "${args}"], None),
        (["${env}", "${interpreter}", "-m", "pyg_jets.cli", "fit", "${args}"], None),
        (["${env}", "${interpreter}", "-u", "-m", "pyg_jets.cli", "fit", "${args}"], None),
        (["/usr/bin/python3.12", "pyg_jets/cli/__main__.py", "fit", "${args}"], None),
        (["${env}", "${interpreter}", "${program}", "fit", "${args}"], "pyg_jets/cli/__main__.py"),
        (["${env}", "${program}", "fit", "${args}"], "pyg-jets"),
        (["${env}", "pyg-jets", "${program}", "${args}"], "fit"),
    ],
)
def test_ways_to_run_pyg_jets(tmp_path, command, program):
    sweep = sweep_of(tmp_path, command, **({} if program is None else {"program": program}))
    assert point_arguments(sweep, {"a": 1}) == ["fit", "--a=1"]


@pytest.mark.parametrize(
    ("command", "more", "message"),
    [
        (None, {"program": "train.py"}, "runs pyg-jets fit.*but got /usr/bin/env python train.py"),
        (None, {"program": "pyg-jets"}, "runs pyg-jets fit.*got /usr/bin/env python pyg-jets --a"),
        (None, {}, r"Expected program, because the command has \$\{program\}"),
        (["pyg-jets", "report", "${args}"], {}, "but got pyg-jets report"),
        (["${env}", "OMP_NUM_THREADS=1", "pyg-jets", "fit", "${args}"], {}, "OMP_NUM_THREADS=1"),
        (["python", "pyg_jets/cli.py", "fit", "${args}"], {}, "but got python pyg_jets/cli.py"),
        (["torchrun", "pyg-jets", "fit", "${args}"], {}, "but got torchrun"),
        (["pyg-jets", "fit"], {}, r"Expected \$\{args\} in the command.*run the same"),
        (["pyg-jets", "fit", "${args_json_file}"], {}, r"but got \$\{args_json_file\}"),
        (["pyg-jets", "fit", "${arg}", "${args}"], {}, r"macros.*but got \$\{arg\}"),
    ],
)
def test_refuses(tmp_path, command, more, message):
    with pytest.raises(ValueError, match=rf"sweep\.yaml: .*{message}"):
        point_arguments(sweep_of(tmp_path, command, **more), {"a": 1})


@pytest.mark.parametrize("point", [{}, {"b": 1}, {"a": 1, "b": 1}])
def test_refuses_a_point_of_another_sweep(tmp_path, point):
    with pytest.raises(ValueError, match="a value for each of a, but got"):
        point_arguments(sweep_of(tmp_path, ["pyg-jets", "fit", "${args}"]), point)
