"""Hostile data, run folders, sweep files and checkpoints are refused, and nothing of them runs.

Each hostile thing would make a file, the marker, if its code ran.
"""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torch_geometric.datasets
import yaml

from pyg_jets import load_run
from pyg_jets.cli import main
from pyg_jets.datasets import JetFiles, ToyJets
from pyg_jets.errors import InputError
from pyg_jets.files import load_yaml, read_config, write_json
from pyg_jets.io.archive import unpack
from pyg_jets.io.flat import open_flat
from pyg_jets.io.flat_writer import FlatWriter
from pyg_jets.io.hdf5 import dataset_of, open_hdf5
from pyg_jets.nn import PFN
from pyg_jets.runs import BEST_CHECKPOINT, CONFIG
from pyg_jets.scan.command import point_arguments
from pyg_jets.scan.sweep import read_sweep
from pyg_jets.studies.study import Study
from pyg_jets.training import cli as training
from pyg_jets.training import predict
from pyg_jets.training.class_paths import _UNPICKLING

ROOT = Path(__file__).parent.parent


@pytest.fixture
def marker(tmp_path):
    """A file that is not there, and still is not when the test ends."""
    path = tmp_path / "marker"
    yield path
    assert not path.exists()


class Touch:
    """Pickles as a call that makes the marker."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


# Class paths

#: What would run, load or fetch code, or reach something that does; by another name, or wrapped.
HOSTILE = ("os.system", "subprocess.Popen", "builtins.exec", "torch.hub.load", "functools.partial")
MORE = (
    "posix.system", "subprocess.run", "builtins.eval", "runpy.run_path", "pickle.load",
    "torch.load", "torch.os.system", "lightning.pytorch.trainer.trainer.os.system",
    "torch.utils.cpp_extension.load", "multiprocessing.Process", "code.InteractiveConsole",
)  # fmt: skip
#: Where a configuration of a training names classes and functions.
PLACES = (
    "model.network", "model.loss", "model.optimizer", "model.scheduler", "data.dataset",
    "data.dataset.init_args.transform", "data.dataset.init_args.pre_filter", "data.features",
    "data.train_transform", "data.weights", "trainer.callbacks", "trainer.plugins",
    "trainer.logger", "trainer.strategy", "trainer.profiler",
)  # fmt: skip


def tree(place, value):
    """A configuration with a value at a dotted place."""
    found = {"data": {"dataset": {"class_path": "pyg_jets.datasets.ToyJets",
                                  "init_args": {"root": "toys", "n_jets": 10}}},
             "model": {"network": {"class_path": "pyg_jets.nn.PFN"}}}  # fmt: skip
    *way, last = place.split(".")
    at = found
    for name in way:
        at = at.setdefault(name, {})
    at[last] = value
    return found


@pytest.fixture(scope="module")
def parser():
    """The parser of ``pyg-jets fit``, made once."""
    arguments = ["fit", f"--config={yaml.safe_dump(tree('trainer.max_epochs', 1))}"]
    return training._cli(arguments, training._Parsed).parser


def refuse_or_keep_plain(parser, place, value):
    """Parse and instantiate; what is taken where any value is stays a plain value."""
    try:
        parsed = parser.parse_args(["fit", f"--config={yaml.safe_dump(tree(place, value))}"])
        parser.instantiate(parsed)
    except InputError:
        return
    assert not callable(parsed.fit[place]), value


@pytest.mark.parametrize("place", PLACES)
def test_class_paths_are_taken_only_where_they_fit(parser, marker, monkeypatch, place):
    monkeypatch.chdir(marker.parent)
    for path in HOSTILE:
        spec = {"class_path": path, "init_args": {"args": ["touch", str(marker)]}}
        refuse_or_keep_plain(parser, place, path)
        refuse_or_keep_plain(parser, place, [spec] if place == "trainer.callbacks" else spec)


def test_they_are_refused_by_any_name(parser, marker, monkeypatch):
    monkeypatch.chdir(marker.parent)
    for path in MORE:
        for place in ("model.network", "data.dataset.init_args.pre_filter"):
            refuse_or_keep_plain(parser, place, path)
    for spec in ({"class_path": "subprocess.Popen"}, ["subprocess.Popen"],
                 {"class_path": "subprocess.Popen",
                  "dict_kwargs": {"args": ["touch", str(marker)]}}):  # fmt: skip
        refuse_or_keep_plain(parser, "model.network", spec)


@pytest.mark.parametrize("name", ["ZINC", "Planetoid", "CornellTemporalHyperGraphDataset"])
def test_data_sets_of_pyg_that_unpickle_raw_files(parser, name):
    text = yaml.safe_dump(tree("data.dataset", {"class_path": f"torch_geometric.datasets.{name}"}))
    with pytest.raises(InputError, match="a configuration may not name"):
        parser.parse_args(["fit", f"--config={text}"])


def test_every_data_set_of_pyg_that_unpickles_is_among_them():
    words = (
        r"(pickle|pkl)\.load|allow_pickle=True|read_pickle|weights_only=False|read_planetoid_data"
    )
    unpickles = re.compile(words + r"|(?<![\w.])eval\(")
    for path in Path(torch_geometric.datasets.__file__).parent.glob("*.py"):
        if unpickles.search(path.read_text(encoding="utf-8")):
            assert path.stem in _UNPICKLING


@pytest.mark.parametrize("place", ["model.network", "model.optimizer"])
def test_the_refusal_is_a_sentence(parser, place):
    text = yaml.safe_dump(tree(place, {"class_path": "os.system"}))
    with pytest.raises(InputError, match=f"^{place}: a configuration may not name os.system, "):
        parser.parse_args(["fit", f"--config={text}"])


def test_a_wrong_argument_of_an_optimizer_is_named(parser):
    adam = {"class_path": "torch.optim.Adam", "init_args": {"lrr": 1.0}}
    text = yaml.safe_dump(tree("model.optimizer", adam))
    with pytest.raises(InputError, match=r"Adam has no argument lrr. Did you mean 'lr'\?"):
        parser.parse_args(["fit", f"--config={text}"])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("model.network", "torch.nn.Identity"),
        ("model.optimizer", "torch.optim.SGD"),
        ("data.weights", "pyg_jets.transforms.FlatWeights"),
    ],
)
def test_those_that_fit_are_taken(parser, place, value):
    text = yaml.safe_dump(tree(place, {"class_path": value}))
    assert parser.parse_args(["fit", f"--config={text}"]).fit[place].class_path == value


def test_the_folder_of_a_stranger_is_not_imported_from(tmp_path, marker, monkeypatch, capsys):
    """``pyg-jets`` in a folder that holds modules called as optional packages are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    for name in ("isal", "torch_scatter", "hdf5plugin", "requests", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(marker)!r}, 'w')\n")
    text = yaml.safe_dump(tree("trainer.max_epochs", 1))
    training.check_arguments(["fit", f"--config={text}"])
    assert main(["datasets", "list"]) == 0
    capsys.readouterr()
    assert str(tmp_path) not in sys.path
    (tmp_path / "mine.py").write_text("from torch.nn import Identity as Net\n")
    training.check_arguments(
        ["fit", f"--config={yaml.safe_dump(tree('model.network', 'mine.Net'))}"]
    )
    assert sys.path[-1] == str(tmp_path)  # what is installed comes first


#: A checkpoint that is one, for all that can be seen before the network is built.
WEIGHTS = {"state_dict": {"shift": torch.zeros(3), "scale": torch.ones(3)}}
SEQUENTIAL = {
    "class_path": "torch_geometric.nn.Sequential",
    "init_args": {"input_args": "x: open('MARKER', 'w')", "modules": [["torch.nn.ReLU", "x -> x"]]},
}
FROM_CHECKPOINT = {
    "class_path": "pyg_jets.training.Tagger.load_from_checkpoint",
    "init_args": {"checkpoint_path": "evil.ckpt", "weights_only": False},
}


@pytest.mark.parametrize("network", [SEQUENTIAL, FROM_CHECKPOINT], ids=["text", "checkpoint"])
def test_networks_that_would_run_their_arguments(tmp_path, marker, monkeypatch, network):
    """They fit the type of a network, and are refused by name."""
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Touch(marker)}, "evil.ckpt")
    spec = json.loads(json.dumps(network).replace("MARKER", str(marker)))
    with pytest.raises(InputError, match="cannot be built"):
        load_run(run_folder(tmp_path / "run", spec, WEIGHTS)).tagger()


@pytest.mark.filterwarnings("ignore:Weights only load failed:UserWarning")  # of PyG, which tries
def test_a_data_set_of_pyg_with_pickles(tmp_path, marker, monkeypatch):
    """PyG itself unpickles what was processed by others where it is more than tensors."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "MUTAG"
    for name in ("raw/MUTAG_A.txt", "raw/MUTAG_graph_indicator.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1")
    (folder / "processed").mkdir()
    torch.save((Touch(marker), {}, {}, None), folder / "processed" / "data.pt")
    spec = {"class_path": "torch_geometric.datasets.TUDataset",
            "init_args": {"root": str(tmp_path / "data"), "name": "MUTAG"}}  # fmt: skip
    text = yaml.safe_dump(tree("data.dataset", spec))
    with pytest.raises(InputError, match="more than tensors and plain values"):
        training.make_data(["fit", f"--config={text}"])
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


# Run folders and checkpoints


def run_folder(folder, network, checkpoint):
    (folder / BEST_CHECKPOINT).parent.mkdir(parents=True)
    (folder / CONFIG).write_text(network if isinstance(network, str) else
                                 yaml.safe_dump({"model": {"network": network}}))  # fmt: skip
    torch.save(checkpoint, folder / BEST_CHECKPOINT)
    return folder


@pytest.mark.parametrize("path", ["subprocess.Popen", "os.system", "torch.hub.load"])
def test_a_run_whose_configuration_names_them(tmp_path, marker, path):
    spec = {"class_path": path, "init_args": {"args": ["touch", str(marker)]}}
    run = run_folder(tmp_path / "run", spec, {"state_dict": {}})
    with pytest.raises(InputError, match="cannot be built"):
        load_run(run).tagger()


@pytest.mark.parametrize("name", ["train_transform", "features", "dataset"])
def test_a_run_that_scores_jets_names_them(tmp_path, marker, name):
    pfn = {"class_path": "pyg_jets.nn.PFN", "init_args": {"in_channels": 3, "phi": [4], "f": [4]}}
    spec = {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", str(marker)]}}
    reading = {"root": "jets", "files": "jets.npz", "columns": ["pt", "eta", "phi"]}
    own = {"class_path": "pyg_jets.datasets.JetFiles", "init_args": reading}
    config = {"model": {"network": pfn}, "data": {"dataset": own, name: spec}}
    weights = {"network." + n: v for n, v in PFN(3, phi=[4], f=[4]).state_dict().items()}
    state = {"state_dict": weights | WEIGHTS["state_dict"]}
    run = run_folder(tmp_path / "run", yaml.safe_dump(config), state)
    columns = {n: np.ones((2, 3), np.float32) for n in ("pt", "eta", "phi")}
    np.savez(tmp_path / "jets.npz", **columns)
    with pytest.raises(InputError, match=r"subprocess\.Popen|features"):
        predict(run, tmp_path / "jets.npz", tmp_path / "scores.parquet")


def test_a_run_whose_checkpoint_is_a_pickle(tmp_path, marker):
    pfn = {"class_path": "pyg_jets.nn.PFN", "init_args": {"in_channels": 3}}
    run = run_folder(tmp_path / "run", pfn, {"state_dict": Touch(marker)})
    with pytest.raises(InputError, match=r"best\.ckpt"):
        load_run(run).tagger()


def test_a_checkpoint_is_only_loaded_as_plain_values(tmp_path, marker, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "hyper_parameters": {"a": Touch(marker)}}, "evil.ckpt")
    text = yaml.safe_dump(tree("trainer", {"logger": False, "accelerator": "cpu"}))
    command = ["test", f"--config={text}", "--ckpt_path=evil.ckpt"]
    with pytest.raises(InputError):
        training.main(command)
    assert main([*command[:2], "--weights_only=false"]) == 2
    assert "weights_only as true" in capsys.readouterr().err


# YAML and JSON

TAGS = (
    "!!python/object/apply:os.system ['touch {}']",
    "!!python/object/apply:subprocess.Popen [['touch', '{}']]",
    "!!python/object/new:pathlib.Path.touch ['{}']",
    "!!python/name:os.system",
    "!!python/module:os",
)


@pytest.mark.parametrize("tag", TAGS)
def test_tags_of_yaml(tmp_path, marker, tag, capsys):
    text = f"title: {tag.format(marker)}\nmethod: grid\n"
    (tmp_path / "evil.yaml").write_text(text)
    (tmp_path / "outer.yaml").write_text("config: evil.yaml\n")
    for path in ("evil.yaml", "outer.yaml"):
        with pytest.raises(InputError, match="not YAML of plain values"):
            read_config(tmp_path / path)
        assert main(["fit", "--config", str(tmp_path / path)]) == 2
    with pytest.raises(InputError, match="not YAML of plain values"):
        read_sweep(tmp_path / "evil.yaml")
    run = run_folder(tmp_path / "run", text, {})
    with pytest.raises(InputError, match="not YAML of plain values"):
        load_run(run)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "README.md").write_text(f"---\n{text}---\n# A study\n")
    with pytest.raises(InputError, match="not YAML of plain values"):
        Study.load(tmp_path / "study")
    capsys.readouterr()


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(["a0: &a0 [1, 1]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]"
                                        for i in range(1, 30))]),
        "a: &a [*a]",
        "[" * 20_000,
    ],
    ids=["aliases", "itself", "deep"],
)  # fmt: skip
def test_yaml_that_expands_without_end(text):
    with pytest.raises(InputError):
        load_yaml(text, "evil.yaml")


# Sweep files

EVIL = "evil.py"


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (None, EVIL),
        (["${env}", "${interpreter}", "${program}", "${args}"], EVIL),
        (["${interpreter}", EVIL, "${args}"], None),
        (["sh", "-c", "touch marker", "${args}"], None),
        (["${interpreter}", "-c", "open('marker', 'w')", "${args}"], None),
        (["${interpreter}", "-m", "evil", "fit", "${args}"], None),
        (["${env}", "sh", "pyg-jets", "fit", "${args}"], None),
        (["pyg-jets", "fit;touch marker", "${args}"], None),
        (["pyg-jets", "study", "run", "evil", "${args}"], None),
    ],
)
def test_sweeps_run_nothing_but_a_training(tmp_path, marker, monkeypatch, command, program):
    monkeypatch.chdir(tmp_path)
    (tmp_path / EVIL).write_text("open('marker', 'w')\n")
    sweep = {"method": "grid", "parameters": {"title": {"values": ["a"]}}}
    sweep |= {} if command is None else {"command": command}
    sweep |= {} if program is None else {"program": program}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    with pytest.raises(InputError, match="a command that runs pyg-jets fit"):
        point_arguments(read_sweep("sweep.yaml"), {"title": "a"})
    assert main(["scan", "sweep.yaml", "--workers=1", "--no-report"]) == 2


# Files of jets


def read(path, **arguments):
    columns = {"pt": "pt", "eta": "eta", "phi": "phi"}
    return JetFiles(path.parent / "out", path, columns, **arguments)


@pytest.mark.parametrize("column", ["pt", "label"])
@pytest.mark.parametrize("compressed", [False, True])
def test_pickles_in_npz(tmp_path, marker, column, compressed):
    arrays = {name: np.ones((2, 3), np.float32) for name in ("pt", "eta", "phi")}
    arrays[column] = np.array([Touch(marker), Touch(marker)], object)
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "jets.npz", **arrays)
    with pytest.raises(InputError, match="Python objects"):
        read(tmp_path / "jets.npz", label="label" if column == "label" else None)
    np.save(tmp_path / "jets.npy", arrays[column])
    with pytest.raises(InputError, match="Python objects"):
        JetFiles(tmp_path, tmp_path / "jets.npy", {"pt": "arr_0"}, coordinates=())


def test_pickles_in_parquet(tmp_path, marker):
    """Arrow once unpickled the types of columns that say they are Python's."""
    evil = pickle.dumps(Touch(marker))
    metadata = {b"ARROW:extension:name": b"arrow.py_extension_type",
                b"ARROW:extension:metadata": evil}  # fmt: skip
    lists = pa.list_(pa.float32())
    fields = [pa.field(name, lists) for name in ("pt", "eta", "phi")]
    fields.append(pa.field("label", pa.int64(), metadata=metadata))
    columns = [[[1.0], [2.0, 3.0]]] * 3 + [[0, 1]]
    table = pa.table([pa.array(v, f.type) for v, f in zip(columns, fields, strict=True)],
                     pa.schema(fields))  # fmt: skip
    pq.write_table(table, tmp_path / "jets.parquet")
    dataset = read(tmp_path / "jets.parquet", label="label")
    assert dataset._data.y.tolist() == [0, 1]


@pytest.fixture
def secret(tmp_path):
    """A file that a stranger's file points at."""
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["pt"] = np.full((2, 3), 7.0)
    return path


@pytest.mark.parametrize("way", ["link", "soft", "external", "virtual", "group"])
def test_hdf5_that_points_at_other_files(tmp_path, secret, way):
    path = tmp_path / "jets.h5"
    with h5py.File(path, "w") as file:
        for name in ("eta", "phi"):
            file[name] = np.ones((2, 3))
        if way == "link":
            file["pt"] = h5py.ExternalLink(str(secret), "pt")
        elif way == "soft":
            file["other"] = h5py.ExternalLink(str(secret), "pt")
            file["pt"] = h5py.SoftLink("/other")
        elif way == "group":
            file["deep"] = h5py.ExternalLink(str(secret), "/")
        elif way == "external":
            file.create_dataset("pt", (2, 3), "f8", external=[(str(secret), 0, 48)])
        else:
            layout = h5py.VirtualLayout((2, 3), "f8")
            layout[:] = h5py.VirtualSource(str(secret), "pt", (2, 3))
            file.create_virtual_dataset("pt", layout)
    key = "deep/pt" if way == "group" else "pt"
    with (
        open_hdf5(path) as file,
        pytest.raises(InputError, match=r"lies in another file, .*secret"),
    ):
        dataset_of(file, key)
    with pytest.raises(InputError):
        JetFiles(tmp_path / "out", path, {"pt": key, "eta": "eta", "phi": "phi"})


def test_links_inside_of_a_file_are_followed(tmp_path):
    with h5py.File(tmp_path / "jets.h5", "w") as file:
        file["deep/pt"] = np.ones(3)
        file["pt"] = h5py.SoftLink("/deep/pt")
    with open_hdf5(tmp_path / "jets.h5") as file:
        assert dataset_of(file, "pt").shape == (3,)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_archives_that_unpack_to_a_full_disk(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("pyg_jets.io.archive._MOST_BYTES", 1000)
    path, zeros = tmp_path / f"evil.{kind}", bytes(20_000_000)
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("zeros", zeros)
    else:
        with tarfile.open(path, "w:gz") as out:
            info = tarfile.TarInfo("zeros")
            info.size = len(zeros)
            out.addfile(info, io.BytesIO(zeros))
    with pytest.raises(InputError, match=r"is not safe .it unpacks to more than 200 times"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../outside", "/outside", "deep/column"])
def test_flat_folders_that_point_outside(tmp_path, name):
    for place in (tmp_path, tmp_path / "table" / "deep"):
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / "outside.npy", np.ones(2))
    writer = FlatWriter(tmp_path / "table")
    writer.append({"y": np.zeros(2)}, {"y": None}, ())
    writer.finish({})
    meta = tmp_path / "table" / "meta.json"
    write_json(meta, {"groups": {name: None}, "joined_last": []})  # a checksum can be left out
    with pytest.raises(InputError, match="leads out of it"):
        open_flat(tmp_path / "table")


def test_a_processed_folder_with_pickles(tmp_path, marker):
    dataset = ToyJets(tmp_path, n_jets=10)
    np.save(Path(dataset.processed_dir) / "y.npy", np.array([Touch(marker)] * 10, object))
    with pytest.raises(InputError, match="force_reload"):
        ToyJets(tmp_path, n_jets=10)


# The code


#: Words without which a file has no call that is looked for.
WORDS = re.compile(r"eval\(|exec\(|system|pickle|yaml|torch\.load|shell|ckpt_path")


def calls(folder):
    """The calls of the files below a folder: where, name and keywords of each."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if WORDS.search(text) else ():
            if isinstance(node, ast.Call):
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                yield f"{path}:{node.lineno}", ast.unparse(node.func), keywords


def test_nothing_of_ours_unpickles_or_evaluates():
    forbidden = ("eval", "exec", "os.system", "pickle.load", "pickle.loads", "yaml.unsafe_load",
                 "yaml.full_load")  # fmt: skip
    for where, name, keywords in calls("pyg_jets"):
        assert name not in forbidden, where
        assert keywords.get("shell", "False") == "False", where
        assert name != "yaml.load" or where.rpartition(":")[0].endswith("io/cards.py"), where


@pytest.mark.parametrize("folder", ["pyg_jets", "tests"])
def test_all_loads_are_of_plain_values(folder):
    for where, name, keywords in calls(folder):
        assert keywords.get("allow_pickle", "False") == "False", where
        restores = name.endswith((".fit", ".test", ".validate", ".predict"))
        if name == "torch.load" or (restores and "ckpt_path" in keywords):
            assert keywords.get("weights_only") == "True", where
