"""`load_run`: the folder of a run as plain data, without a network or a trainer.

The weights of a run are read by :func:`pyg_jets.training.load_tagger` and
:func:`pyg_jets.training.load_generator`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import content_hash, load_yaml, read_json
from pyg_jets.io import read_parquet
from pyg_jets.io.parquet import open_parquet, parquet_errors
from pyg_jets.jets import JetArray
from pyg_jets.metrics.inputs import jet_weights, scores_and_labels, several_classes
from pyg_jets.runs.names import (
    CONFIG,
    GENERATED,
    HISTORY,
    METRICS,
    PREDICTIONS,
    PROVENANCE,
    SAMPLES,
)

__all__ = ["FILES", "Predictions", "Run", "is_finished", "load_run", "load_runs", "metric_value"]

#: The files of a run folder, and what a page lacks without each.
FILES = {
    CONFIG: "the configuration",
    METRICS: "the spread over variants",
    HISTORY: "the training curves",
    PROVENANCE: "the provenance",
    PREDICTIONS: "the test scores",
    SAMPLES: "the pictures of jets",
}
_KEYS = ("jet_id", "label")


@dataclass(frozen=True)
class Predictions:
    """Scores of the test jets, ordered by jet id, and observables of the same jets.

    Args:
        ids: ``[J]``.
        labels: The class of each jet, of two 1 for signal, ``[J]``.
        scores: Logits of the signal, ``[J]``; of more than two classes one of each, ``[J, C]``.
        observables: ``{name: [J]}``.
        weights: How much each jet counts, ``[J]``; ``None`` if all count the same.
        events: The event of each jet, ``[J]`` integers; ``None`` if they are not known.
    """

    ids: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    observables: Mapping[str, np.ndarray]
    weights: np.ndarray | None = None
    events: np.ndarray | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes that the scores tell apart."""
        return 2 if self.scores.ndim == 1 else self.scores.shape[1]


@dataclass(frozen=True)
class Run:
    """The contents of a run folder; what the folder lacks is empty here and named in ``lacks``.

    Args:
        folder: The folder.
        config: The configuration as plain values.
        metrics: The metrics of the test, and those of the best validation.
        history: Losses and metrics of the training by name, ``[epochs]``, NaN where there is none.
        provenance: Versions, seed, machine, sizes.
        predictions: Scores of the test jets; ``None`` if the run is unfinished.
        samples: Test jets before and after the detector.
    """

    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, np.ndarray] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    predictions: Predictions | None = None
    samples: JetArray | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def title(self) -> str:
        """What the run calls itself, else the folder's name."""
        return str(self.provenance.get("title") or self.name)

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the run, such as the setting that it stands for in a comparison.

        Version 0.1 had one label, ``arm``.
        """
        labels = _mapping(self.provenance.get("labels"))
        if arm := self.provenance.get("arm"):
            labels = {"arm": arm, **labels}
        return {str(name): str(text) for name, text in labels.items()}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; of two, the background's comes first."""
        names, n = self.provenance.get("classes"), self.n_classes
        if isinstance(names, list) and len(names) == n:
            return tuple(map(str, names))
        return ("background", "signal") if n == 2 else tuple(f"class {i}" for i in range(n))

    @property
    def n_classes(self) -> int:
        """Number of classes that the predictions tell apart; 2 without any."""
        return self.predictions.n_classes if self.predictions else 2

    @property
    def lacks(self) -> tuple[str, ...]:
        """The files that are not there, each with what a page lacks without it."""
        return tuple(
            f"{name} ({use})" for name, use in FILES.items() if not (self.folder / name).is_file()
        )

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What shaped the data set: its arguments from the configuration, then its own record."""
        data = self.config.get("data") or {}
        dataset = data.get("dataset") if isinstance(data, Mapping) else None
        arguments = dataset.get("init_args") if isinstance(dataset, Mapping) else None
        return {**_mapping(arguments), **_mapping(self.provenance.get("content"))}

    @cached_property
    def test_set(self) -> str:
        """A hash that two runs share if they were tested on the same jets and classes.

        Weighted jets are no test set of the same jets without weights.
        """
        if self.predictions is None:
            return ""
        ids, labels = self.predictions.ids, self.predictions.labels
        observables = self.predictions.observables
        kinematics = [observables[name] for name in ("pt", "mass") if name in observables]
        jets: list[Any] = [values.tolist() for values in (ids, labels, *kinematics)]
        jets += ["weighted"] if self.predictions.weights is not None else []
        fallback = None if kinematics else self.provenance.get("data_hash")
        return content_hash(jets, fallback, self.n_classes)


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def is_finished(folder: str | Path) -> bool:
    """Whether a run folder holds the metrics of a test, which are written last.

    Examples:
        >>> is_finished("no/such/folder")
        False
    """
    return (Path(folder) / METRICS).is_file()


def metric_value(run: Run | str | Path, name: str) -> float | None:
    """The value of a metric of a run: that of the test, else the last one of the training.

    Args:
        run: The run, or its folder, which may be unfinished or damaged.
        name: The metric, such as ``"test/auc"`` or ``"val/loss"``.

    Returns:
        The number; ``None`` if the run has none, or none that is finite.
    """
    run = run if isinstance(run, Run) else _read_if_whole(Path(run), METRICS)
    value = run.metrics.get(name)
    if value is None:
        history = run.history or _read_if_whole(run.folder, HISTORY).history
        finite = [v for v in history.get(name, ()) if math.isfinite(v)]
        value = finite[-1] if finite else None
    return None if value is None or not math.isfinite(value) else float(value)


def _read_if_whole(folder: Path, name: str) -> Run:
    try:
        return load_run(folder, only=(name,))
    except InputError:
        return Run(folder)


def load_runs(folders: Iterable[str | Path]) -> list[Run]:
    """Read run folders in the order given, each once.

    Raises:
        ValueError: If there is none, or none of them is finished; see :func:`load_run` too.
    """
    unique = {Path(folder).resolve(): Path(folder) for folder in folders}
    runs = [load_run(folder) for folder in unique.values()]
    if not any(run.predictions for run in runs):
        what = ", ".join(str(run.folder) for run in runs) or "no folder"
        raise InputError(
            f"Expected at least one finished run, with a {PREDICTIONS} (or, of "
            f"generators, a {GENERATED}), but got {what}: "
            "train and test a run first."
        )
    return runs


def load_run(folder: str | Path, only: Collection[str] | None = None) -> Run:
    """Read one run folder; files that are missing are left out.

    Args:
        folder: The folder.
        only: The files to read. Default: all of :data:`FILES`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is no run folder, or one of its files is broken.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(f"There is no run folder {folder}: give the folder of a run.")
    present = {name for name in FILES if (folder / name).is_file()}
    if not present:
        raise InputError(
            f"{folder} is no run folder: it holds none of {', '.join(FILES)}. "
            "Give the folder of one run, not the one above."
        )
    readers = {
        "config": (CONFIG, _read_yaml),
        "metrics": (METRICS, _read_object),
        "history": (HISTORY, _read_history),
        "provenance": (PROVENANCE, _read_object),
        "predictions": (PREDICTIONS, _read_predictions),
        "samples": (SAMPLES, _read_samples),
    }
    chosen = present if only is None else present & set(only)
    parts: dict[str, Any] = {
        part: read(folder / name) for part, (name, read) in readers.items() if name in chosen
    }
    return Run(folder, **parts)


def _read_object(path: Path) -> dict[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise InputError(f"Expected names and values in {path}, but got {type(values).__name__}.")
    return values


def _read_yaml(path: Path) -> dict[str, Any]:
    return _mapping(load_yaml(path.read_bytes(), path))


def _read_history(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    names = reader.fieldnames or []
    if "epoch" not in names:
        raise InputError(f"Expected a column 'epoch' in {path}, but got {', '.join(names) or '-'}.")
    try:
        return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}
    except ValueError as error:
        raise InputError(f"{path} holds something that is no number ({error}).") from None


def _read_predictions(path: Path) -> Predictions:
    expected, remedy = "a whole parquet file of scores", "test the run again"
    with open_parquet(path, expected, remedy) as file, parquet_errors(path, expected, remedy):
        table = file.read()
    names = table.column_names
    several = [f"score_{i}" for i in range(sum(name.startswith("score_") for name in names))]
    keys = (*_KEYS, *(several or ["score"]))
    if lacking := [key for key in keys if key not in names]:
        raise InputError(f"{path} has no column {', '.join(lacking)}: test the run again.")
    columns = {name: table[name].to_numpy() for name in names}
    order = np.argsort(columns["jet_id"], kind="stable")
    label, *logits = [columns[key][order] for key in keys[1:]]
    try:
        labels, scores = _multiclass(label, logits) if several else _binary(label, logits[0])
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    numeric = {n: v for n, v in columns.items() if n not in keys and v.dtype.kind in "biuf"}
    observables = {name: values[order] for name, values in numeric.items()}
    weights, events = observables.pop("weight", None), observables.pop("event", None)
    ids = columns["jet_id"][order]
    try:
        weights = None if weights is None else jet_weights(weights, len(ids))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if events is not None and events.dtype.kind not in "iu":
        raise InputError(f"{path}: event is {events.dtype}, expected integers: test the run again.")
    return Predictions(ids, labels, scores, observables, weights, events)


def _binary(label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, signal = scores_and_labels(score, label)
    return signal.astype(np.int64), scores


def _multiclass(label: np.ndarray, logits: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of several logits; of two, their difference is the logit of the signal."""
    scores, labels = several_classes(np.stack(logits, -1), label)
    if len(logits) == 2:
        return _binary(labels, scores[:, 1] - scores[:, 0])
    if len(held := np.unique(labels)) < 2:
        raise InputError(f"Expected jets of several classes, but got those of {held.tolist()}.")
    return labels, scores


def _read_samples(path: Path) -> JetArray:
    jets = read_parquet(path)
    if lacking := {"stage", "angle"} - set(jets.jets):
        raise InputError(
            f"{path} has no jet column {', '.join(sorted(lacking))}: test the run again."
        )
    return jets
