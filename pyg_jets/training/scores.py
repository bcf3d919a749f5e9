"""Scores of jets by a trained tagger: of a user's own files, or of any data set."""

from __future__ import annotations

import importlib
import inspect
import io
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import ArgumentError, ArgumentParser
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data import Batch
from tqdm import tqdm

from pyg_jets.datasets import JetDataset, JetFiles
from pyg_jets.datasets.conversion import expand_features
from pyg_jets.datasets.file_dataset import matching_files
from pyg_jets.errors import FolderInUseError, InputError
from pyg_jets.files import config_names, is_config_text, read_config, require, write_aside
from pyg_jets.io import open_table
from pyg_jets.io.parquet import write_columns
from pyg_jets.loader import JetLoader
from pyg_jets.runs import CONFIG, PREDICTED, PROVENANCE, Run, load_run
from pyg_jets.training.class_paths import (
    find_own_modules,
    modules_of_values,
    only_plain_loads,
    refuse_foreign_code,
)
from pyg_jets.training.data import JetDataModule, choose_jet_features, pipeline
from pyg_jets.training.graphs import as_graphs
from pyg_jets.training.load import load_tagger
from pyg_jets.training.parser import parser_sentence
from pyg_jets.training.tagger import Tagger
from pyg_jets.transforms import BatchTransform, Compose

__all__ = ["check_output", "predict", "prediction_scores", "score_table", "write_scores"]

#: Jet columns that are written with the scores, where the jets have them.
_OBSERVABLES = ("pt", "eta", "phi", "mass")
#: Arguments of `JetFiles` that say which jets are taken, not how a file is read.
_NOT_READING = (
    "root", "files", "split", "weight", "unlabelled", "pt", "mass", "splits", "split_fractions",
    "workers", "transform", "pre_transform", "pre_filter", "force_reload",
)  # fmt: skip
#: Jet columns that relative features refer to: a file must have those that the run had.
_AXIS = ("pt", "eta", "phi", "mass", "e", "rapidity")
#: The number of a jet's file and its row in it are the upper and the lower half of its id.
_ROW_BITS = 32


@only_plain_loads()
def predict(
    run: Run | str | Path,
    data: str | Path | Sequence[str | Path] | Dataset,
    out: str | Path | None = None,
    batch_size: int = 1024,
    overwrite: bool = False,
    detector: bool = True,
) -> Path:
    """Score jets by the tagger of a run, and write a row for each of them, in their order.

    The jets go through what the run's validation jets went through: its detector, if it has one,
    and its features. They need no labels. A row has ``jet_id``, ``label`` if there are labels,
    ``score`` (the logit of two classes, or ``score_CLASS``), ``probability_CLASS``, and pT, η, φ,
    mass, event and weight where the jets have them. For files it also has ``file`` and ``row``: the
    number of the file, and of the jet in it, from 0.

    Args:
        run: The run, or its folder.
        data: Files of jets (parquet, HDF5, ROOT, npz), read by the arguments with which the run
            read its own files and without its cuts on jets; or a configuration of a data set, or
            a data set, all of whose jets are scored.
        out: The file of the scores, ``.parquet`` or ``.root``. Default: ``predicted.parquet`` in
            the run's folder.
        batch_size: Jets in a batch.
        overwrite: Whether a file that is there is replaced.
        detector: Whether the jets go through the detector with which the run was trained, if it
            was; measured jets have been through one.

    Returns:
        The file of the scores.

    Raises:
        InputError: If the run has no tagger, or the jets cannot be read as the run read its own.
        MissingFileError: If a file is missing.
        FolderInUseError: If the file of the scores is there.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    path = check_output(folder / PREDICTED if out is None else Path(out), overwrite)
    tagger = load_tagger(folder)
    run = load_run(folder, only=(CONFIG, PROVENANCE))
    values: list[Any] = list(data) if isinstance(data, list | tuple) else [data]
    of_files = not isinstance(data, Dataset) and not _is_config(values)
    with tempfile.TemporaryDirectory(prefix="pyg-jets-") if of_files else nullcontext() as scratch:
        if of_files:
            jets = _jets_of_files(run, values, scratch)
        else:
            jets = as_graphs(data) if isinstance(data, Dataset) else _configured(values)
        table = _scores(run, tagger, jets, batch_size, detector)
    if of_files:
        ids = table["jet_id"]
        places = {"file": ids >> _ROW_BITS, "row": ids & ((1 << _ROW_BITS) - 1)}
        table = {"jet_id": ids, **places, **table}
    write_scores(table, path)
    return path


def check_output(path: Path, overwrite: bool) -> Path:
    """The file of the scores, if it may be written.

    Raises:
        InputError: If it is neither parquet nor ROOT.
        FolderInUseError: If it is there.
    """
    if path.suffix not in (".parquet", ".root"):
        raise InputError(f"Expected out as a file .parquet or .root, but got {path}.")
    if path.suffix == ".root":
        require("uproot", "data")
    if path.exists() and not overwrite:
        raise FolderInUseError(f"{path} is there: give another --out, or --overwrite=true.")
    return path


def score_table(
    jet_id: Any,
    logits: Tensor,
    classes: Sequence[str],
    label: Any = None,
    observables: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """The columns of a file of scores, ``{name: [J]}``.

    Args:
        jet_id: ``[J]``.
        logits: ``[J, 1]`` of two classes, or ``[J, C]``.
        classes: Names of the classes.
        label: ``[J]``, or ``None`` without labels.
        observables: Further columns.

    Examples:
        >>> table = score_table([5], torch.zeros(1, 1), ("qcd", "top"))
        >>> {name: column.tolist() for name, column in table.items()}
        {'jet_id': [5], 'score': [0.0], 'probability_qcd': [0.5], 'probability_top': [0.5]}
    """
    logits = logits.float().cpu()
    single = logits.size(-1) == 1
    n_classes = 2 if single else logits.size(-1)
    if len(classes) != n_classes:
        numbered = tuple(f"class{i}" for i in range(n_classes))
        classes = ("background", "signal") if n_classes == 2 else numbered
    if single:
        signal = logits.double().sigmoid()
        probabilities = torch.cat((1 - signal, signal), -1).float()
        scores = {"score": logits[:, 0]}
    else:
        probabilities = logits.softmax(-1)
        scores = {f"score_{name}": logits[:, i] for i, name in enumerate(classes)}
    scores |= {f"probability_{name}": probabilities[:, i] for i, name in enumerate(classes)}
    table = {"jet_id": np.asarray(jet_id, np.int64).reshape(-1)}
    if label is not None:
        table["label"] = np.asarray(label).reshape(-1)
    return {**table, **{n: v.numpy() for n, v in scores.items()}, **(observables or {})}


def prediction_scores(outputs: list[dict[str, Any]], data: JetDataModule) -> dict[str, np.ndarray]:
    """The scores of all processes in the order of the data set; of the first process only."""
    parts = outputs
    group = torch.distributed
    if group.is_available() and group.is_initialized():
        every: list[Any] = [None] * group.get_world_size()
        group.all_gather_object(every, outputs)
        parts = [part for rank in every for part in rank]
        if group.get_rank() > 0:
            return {}
    jets = data.splits["test"]
    place = {int(jet_id): i for i, jet_id in enumerate(jets.jet_id.flatten())}
    ids = torch.cat([part["jet_id"].flatten().cpu() for part in parts])
    logits = torch.cat([part["score"].cpu() for part in parts])
    order = torch.tensor([place[int(jet_id)] for jet_id in ids]).argsort()
    return score_table(ids[order], logits[order], data.classes, jets.y, _observables_of(jets))


def write_scores(table: Mapping[str, np.ndarray], path: Path) -> None:
    """Write columns ``{name: [J]}`` to a parquet file, or to the tree ``scores`` of a ROOT file."""
    columns = {name: np.ascontiguousarray(value) for name, value in table.items()}
    if path.suffix != ".root":
        write_columns(columns, path)
        return
    uproot = require("uproot", "data")
    with write_aside(path) as part, uproot.recreate(part) as file:
        file.mktree("scores", {name: value.dtype for name, value in columns.items()})
        if len(next(iter(columns.values()))):
            file["scores"].extend(columns)


def _observables_of(jets: Any) -> dict[str, np.ndarray]:
    """pT, η, φ and mass of jets as they were cut, event and weight, where they have them."""
    if not isinstance(jets, JetDataset):
        return {}
    columns = jets.observables(getattr(jets, "level", "gen"))
    own = (name for name in ("event", "weight") if name in jets._data)
    return {
        **{name: columns[name] for name in _OBSERVABLES if name in columns},
        **{name: getattr(jets, name).flatten().numpy() for name in own},
    }


def _scores(
    run: Run, tagger: Tagger, jets: Any, batch_size: int, detector: bool
) -> dict[str, np.ndarray]:
    """The table of the scores of jets; of none, a table without rows."""
    classes = tuple(map(str, run.provenance.get("classes") or ()))
    if jets is None:
        out_channels = tagger.of_batch(_one_jet(tagger)).size(-1)
        return score_table([], torch.zeros(0, out_channels), classes)
    if "data" not in run.config:
        raise InputError(
            f"{run.folder / CONFIG} does not say what the jets went through, as the run was made "
            "from Python: call the tagger yourself, or train by pyg-jets fit."
        )
    settings = _data_settings(run)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*name what it shall read", UserWarning)
        train, evaluate, features = pipeline(
            jets, settings.features, settings.train_transform, settings.eval_transform
        )
    maker: Any = train if train is not None and train.makes_features else features
    trained_on = run.provenance.get("features")
    if trained_on is not None and list(maker.names) != list(trained_on):
        raise InputError(
            f"The tagger of {run.folder} reads {', '.join(trained_on)}, but of {jets} it would get "
            f"{', '.join(maker.names)}: make the data set with the same features=."
        )
    if evaluate is not None and evaluate.detector is not None and not detector:
        evaluate = None
    steps: list[BatchTransform] = [] if evaluate is None else [evaluate]
    if (observables := choose_jet_features(settings.jet_features, jets)) is not None:
        steps.append(observables)
    if evaluate is None or not evaluate.makes_features:
        steps.append(features)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tagger = tagger.to(device)
    logits: list[Tensor] = []
    ids: list[Tensor] = []
    labels: list[Tensor] = []
    n_jets = 0
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "JetLoader leaves", UserWarning)
        loader = JetLoader(jets, batch_size, batch_transform=Compose(steps))
        for batch in tqdm(loader, desc="scores", unit="batch", disable=None):
            logits.append(_logits(tagger, batch.to(device)))
            place = torch.arange(n_jets, n_jets + batch.num_graphs)
            ids.append(batch.get("jet_id", place).flatten().cpu())
            n_jets += batch.num_graphs
            if "y" in batch:
                labels.append(batch.y.flatten().cpu())
    label = torch.cat(labels).numpy() if labels else None
    return score_table(torch.cat(ids), torch.cat(logits), classes, label, _observables_of(jets))


def _logits(tagger: Tagger, batch: Batch) -> Tensor:
    return tagger.of_batch(batch).cpu()


def _one_jet(tagger: Tagger) -> Batch:
    """One jet of one particle, to see how many logits there are."""
    jet = Batch(x=torch.zeros(1, len(tagger.shift)), ptr=torch.tensor([0, 1]))
    jet.pos = torch.zeros(1, 2)
    if tagger.jet_shift is not None:
        jet.jet_features = torch.zeros(1, len(tagger.jet_shift))
    return jet


def _data_settings(run: Run) -> Any:
    """The arguments of the run's data module but the data set, with transforms that are built."""
    given = {n: v for n, v in (run.config.get("data") or {}).items() if n != "dataset"}
    refuse_foreign_code()
    find_own_modules(modules_of_values(given))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(JetDataModule, "data", instantiate=False, skip={"dataset"})
    try:
        with redirect_stderr(io.StringIO()):
            return parser.instantiate(parser.parse_object({"data": given})).data
    except (ArgumentError, ValueError, TypeError, ImportError) as error:
        raise InputError(
            f"The data of {run.folder / CONFIG} cannot be built: {parser_sentence(str(error), ())}"
        ) from None


def _is_config(values: Sequence[Any]) -> bool:
    """Whether it is the configuration of a data set, not the files of one."""
    text = str(values[0]) if len(values) == 1 else ""
    is_yaml = Path(text).suffix in (".yaml", ".yml") or is_config_text(text)
    return bool(text) and (is_yaml or (text in config_names() and not Path(text).exists()))


def _configured(values: Sequence[Any]) -> Any:
    """The data set of a configuration, which is its class path, or has it as ``data.dataset``."""
    tree: dict[str, Any] = {}
    for part in read_config(values[0]):
        dataset = (part.get("data") or {}).get("dataset") if "class_path" not in part else part
        if isinstance(dataset, dict):
            arguments = {**tree.get("init_args", {}), **(dataset.get("init_args") or {})}
            tree = {**tree, **dataset, "init_args": arguments}
    if "class_path" not in tree:
        raise InputError(
            f"{values[0]} names no data set: expected class_path and init_args, or data.dataset."
        )
    parser, parsed = _parsed({name: tree[name] for name in ("class_path", "init_args")})
    return as_graphs(parser.instantiate(parsed).dataset)


def _jets_of_files(run: Run, files: Sequence[Any], scratch: str | None) -> JetFiles | None:
    """The jets of files, read as the run read its own; ``None`` if there are none."""
    given = (run.config.get("data") or {}).get("dataset") or {}
    if "class_path" not in given:
        raise InputError(
            f"{run.folder / CONFIG} does not say how the run read its jets: give a configuration "
            "of a data set, or a data set from Python, instead of files."
        )
    kind, arguments = _class(given), dict(given.get("init_args") or {})
    paths = [path for name in files for path in matching_files(name, Path())]
    reading = {n: arguments[n] for n in inspect.signature(JetFiles).parameters if n in arguments}
    reading = {n: v for n, v in reading.items() if n not in _NOT_READING}
    requested = expand_features(arguments.get("features") or ())
    if not issubclass(kind, JetFiles):  # files of this package, of the columns that the run had
        columns = getattr(kind, "default_features", kind.columns)
        reading |= {"features": requested or columns, "level": getattr(kind, "level", "gen")}
        reading = {n: v for n, v in reading.items() if n not in ("columns", "jets", "label")}
    if reading.get("label") is not None and not reading.get("classes"):
        # those that were found in the run's files, of which these may hold others
        reading["classes"] = run.provenance.get("classes") or ()
    reading = _without_missing_columns(reading, paths[0])
    if not reading.get("columns"):
        for path in paths:
            _check_own_columns(path, kind.__name__)
    if not any(_has_jets(path, reading) for path in paths):
        return None
    try:
        jets = JetFiles(scratch or "", paths, **reading)
    except InputError:
        if reading.get("label") is None:
            raise
        # jets of no class may have any number in its place, such as -1
        jets = JetFiles(scratch or "", paths, **{**reading, "label": None, "classes": ()})
    jets.requested_features, jets.axis = requested, kind.axis
    return jets


def _parsed(dataset: Mapping[str, Any]) -> tuple[ArgumentParser, Any]:
    """A configuration of a data set, if it names one, and the parser that builds it."""
    refuse_foreign_code()
    find_own_modules(modules_of_values(dict(dataset)))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--dataset", type=Dataset)
    try:
        with redirect_stderr(io.StringIO()):
            return parser, parser.parse_object({"dataset": dict(dataset)})
    except (ArgumentError, ValueError, TypeError, ImportError) as error:
        raise InputError(
            f"{dataset.get('class_path')} cannot be built: {parser_sentence(str(error), ())}"
        ) from None


def _class(dataset: Mapping[str, Any]) -> Any:
    """The class of a configuration of a data set."""
    module, _, name = _parsed(dataset)[1].dataset.class_path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _without_missing_columns(reading: dict[str, Any], path: Path) -> dict[str, Any]:
    """The arguments without the label, and without jet columns but those of the axis, if absent."""
    with open_table(path, reading.get("tree")) as table:
        names = set(table.names)

    reading = dict(reading)
    label, jets = reading.get("label"), reading.get("jets")
    if label is not None and not _sources(label, names) <= names:
        reading |= {"label": None, "classes": ()}
    if jets:
        places = jets.items() if isinstance(jets, Mapping) else [(name, name) for name in jets]
        kept = {n: place for n, place in places if n in _AXIS or _sources(place, names) <= names}
        reading["jets"] = kept
    return reading


def _sources(place: Any, names: set[str]) -> set[str]:
    """The columns of a file that a place, several of them, or a map of them refer to."""
    if isinstance(place, str):
        return {place}
    places = list(place.values()) if isinstance(place, Mapping) else list(place)
    is_pair = len(places) == 2 and isinstance(places[0], str) and places[1] not in names
    if is_pair and not isinstance(place, Mapping):  # an array, and its column or its field
        return {places[0]}
    return set().union(*(_sources(each, names) for each in places))


def _check_own_columns(path: Path, kind: str) -> None:
    """Refuse a file of other columns where the run does not say which of them are which."""
    with open_table(path) as table:
        if not any(name.startswith("particles.") for name in table.names):
            raise InputError(
                f"Expected {path} as a file of pyg-jets generate, since the run was trained on "
                f"{kind}, but it has the columns {', '.join(sorted(table.names)[:5])}, …: give "
                "--data a YAML file with class_path: JetFiles and its init_args, which say what "
                "the columns are."
            )


def _has_jets(path: Path, reading: Mapping[str, Any]) -> bool:
    """Whether a file has a row."""
    with open_table(path, reading.get("tree")) as table:
        own = [name for name in table.names if name.startswith("particles.")]
        names = sorted(_sources(reading.get("columns") or own, set(table.names)))
        return next(iter(table.chunks(names[:1], 1)), None) is not None
