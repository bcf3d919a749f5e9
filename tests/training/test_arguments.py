"""Command lines of W&B's agent through `flatten_arguments` and a parser, back to what was meant."""

import json
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from pyg_jets.training.arguments import flatten_arguments


class Layer:
    def __init__(self, width: int = 1, norm: str | None = "batch", scale: float = 1.0):
        self.width = width


class Wide(Layer):
    def __init__(self, width: int = 9, names: list[str | None] | None = None, bias: bool = True):
        self.width = width


class Model:
    def __init__(
        self,
        layer: Layer,
        title: str = "",
        sizes: list[int] | None = None,
        rate: float = 0.1,
        deep: dict[str, Any] | None = None,
    ):
        self.layer = layer


def parser() -> ArgumentParser:
    made = ArgumentParser(parser_mode="yaml", exit_on_error=False)
    made.add_argument("--config", action="config")
    made.add_class_arguments(Model, "model")
    made.add_argument("--seed", type=int | None, default=1)
    made.add_argument("--epochs", type=int, default=1)
    return made


def parsed(words) -> dict:
    return parser().parse_args(flatten_arguments(words)).as_dict()


def agent(args: dict, macro: str = "args") -> list[str]:
    return create_sweep_command_args({"args": {k: {"value": v} for k, v in args.items()}})[macro]


WIDE = f"{__name__}.Wide"
LAYER = f"{__name__}.Layer"
TREES = (
    {"layer": {"class_path": WIDE, "init_args": {"width": 3, "names": None, "bias": False}}},
    {"layer": {"init_args": {"names": ["a b", "1e-3", None, "null", "it's", 'q"', "ü", "a\\b"]},
               "class_path": WIDE}},
    {"layer": {"class_path": LAYER, "init_args": {"norm": None, "scale": 1e-05}}},
    {"layer": {"class_path": LAYER, "init_args": {"norm": "two words", "scale": 1e22}}},
    {"title": "1e-3", "rate": 1e22, "sizes": [1, 2]},
    {"title": "{not: closed", "rate": 3.0, "sizes": []},
    {"title": "None", "sizes": None},
    {"title": "", "rate": 1e-3},
)  # fmt: skip


def expected(tree: dict) -> dict:
    """What the parser makes of the tree, given whole in a file."""
    start = {"layer": {"class_path": LAYER}} | tree
    return parser().parse_object({"model": start}).as_dict()


@pytest.mark.parametrize("tree", TREES, ids=str)
@pytest.mark.parametrize("macro", ["args", "args_no_equals", "args_json"])
def test_trees_come_back(tree, macro):
    words = [] if "layer" in tree else [f"--model.layer={LAYER}"]
    if macro == "args_json":
        words += [f"--model={json.dumps(tree)}"]
    else:
        words += agent({"model": tree}, macro)
    assert parsed(words) == expected(tree)


def test_class_path_comes_first():
    tree = {"init_args": {"a": 1}, "class_path": "x.Y", "z": {"init_args": {"b": 2}}}
    assert flatten_arguments(agent({"net": tree})) == [
        "--net.class_path=x.Y",
        "--net.init_args.a=1",
        "--net.z.init_args.b=2",
    ]


def test_a_tree_overlays_what_a_configuration_says(tmp_path):
    config = tmp_path / "base.yaml"
    layer = {"class_path": LAYER, "init_args": {"width": 5, "norm": "layer"}}
    config.write_text(yaml.safe_dump({"model": {"layer": layer, "title": "base"}}))
    args = {"config": str(config), "model": {"layer": {"init_args": {"width": 7}}}, "seed": None}
    found = parsed(agent(args))
    assert found["model"]["layer"]["init_args"] == {"width": 7, "norm": "layer", "scale": 1.0}
    assert (found["model"]["title"], found["seed"]) == ("base", None)


@pytest.mark.parametrize("macro", ["args", "args_no_equals"])
def test_lists_of_configurations(tmp_path, macro):
    files = []
    for i, epochs in enumerate((3, 4)):
        files.append(str(tmp_path / f"it's {i}.yaml"))
        with open(files[-1], "w") as stream:
            tree = {"epochs": epochs, "seed": 5 + i, "model": {"layer": LAYER}}
            yaml.safe_dump(tree, stream)
    words = agent({"seed": 2, "config": files, "epochs": 9}, macro)
    flat = flatten_arguments(words)
    assert [w for w in flat if w.startswith("--config")] == [f"--config={f}" for f in files]
    assert flat.index(f"--config={files[0]}") == (1 if macro == "args" else 2)
    found = parsed(words)
    assert (found["epochs"], found["seed"]) == (9, 6)


@pytest.mark.parametrize(
    ("words", "flat"),
    [
        (["--config=None"], []),
        (["--config", "None", "--a=1"], ["--a=1"]),
        (["--config=[]"], []),
        (["--config=[None, 'a.yaml']"], ["--config=a.yaml"]),
        (['--config=["a.yaml", "b.yaml"]'], ["--config=a.yaml", "--config=b.yaml"]),
        (["--a=None"], ["--a=null"]),
        (["--a", "None"], ["--a=null"]),
        (["--a=[None, True, 'x']"], ['--a=[null, true, "x"]']),
        (["--a=[{'b': None}]"], ['--a=[{"b": null}]']),
        (["--a={'b': {}}"], ["--a.b={}"]),
        (["--a={'b': {'c d': None}}"], ['--a.b={"c d": null}']),
        (["--a", "{'b': 1}", "x"], ["--a.b=1", "x"]),
        (['--a={"b": true, "c.d": [1.5, "x"]}'], ["--a.b=true", '--a.c.d=[1.5, "x"]']),
        (["--a={'b': {'c': {'d': None}}, 'e': 2}"], ["--a.b.c.d=null", "--a.e=2"]),
    ],
)
def test_words(words, flat):
    assert flatten_arguments(words) == flat


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fit", "--config", "a.yaml", "--config=b.yaml", "--a=[x,y]"],
        ["--data.features.names=[a,b]", "--a=[1, 2]", "--a=['x', 'y']"],
        ["--a={b: 1}", "--a={b", "--a={1, 2}", "--a={}", "--a={1: 2}", "--a=(1, None)"],
        ["--a+=[{'b': None}]", "None", "{'a': 1}", "-a={'b': 1}", "--"],
        ["--a", "x", "--b", "[c,d]", "--flag", "--c={'d':", "--e='{}'"],
        ["--title=a={'b': 1}", "--title=None of them", "--a=true", "--a=1e-3", "--a="],
        [r"--a=['\d', x]", "--a=[" * 200],
    ],
)
def test_all_else_stays(words):
    assert flatten_arguments(words) == words
