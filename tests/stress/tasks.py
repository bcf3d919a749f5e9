"""What is killed: a generation, a conversion, a training and a scan, each of seconds."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np

from tests.stress.kills import Task, contents, files

_JETS, _SEED = 60, 4


def _generate(folder: Path, again: bool) -> None:
    from pyg_jets.events import PythiaOptions
    from pyg_jets.events.folder import generate_folder

    options = PythiaOptions(seed=_SEED, events_per_chunk=30)
    generate_folder(["w"], _JETS, folder / "jets", options, workers=1, progress=False)


GENERATE = Task(
    "generate",
    run=_generate,
    made=lambda folder: contents(folder, "jets/**/[!.]*"),
    kept=lambda folder: files(folder, "jets/chunks/*.parquet"),
)

_PLACES = {"pt": ("X", 0), "eta": ("X", 1), "phi": ("X", 2)}


def _raw_files(folder: Path) -> None:
    """Three files of jets, whose times are the same in every folder."""
    (folder / "raw").mkdir(parents=True)
    rng = np.random.default_rng(5)
    for number in range(3):
        x = rng.uniform(0.1, 1, (3000, 12, 3)).astype(np.float32)
        x[rng.uniform(size=x.shape[:2]) < 0.4] = 0
        path = folder / "raw" / f"jets{number}.npz"
        np.savez(path, X=x, y=np.arange(3000) % 2)
        os.utime(path, (1e9, 1e9))


def _convert(folder: Path, again: bool, workers: int = 1) -> None:
    from pyg_jets.datasets import JetFiles, conversion
    from pyg_jets.io import flat_writer

    conversion._CHUNK = 50  # as many chunks as in hours of conversion, each noted in the journal
    flat_writer._JOURNAL_INTERVAL = 0.0
    names = sorted((folder / "raw").glob("*.npz"))
    JetFiles(folder, names, _PLACES, label="y", classes=("qcd", "top"), workers=workers)


def _convert_in_parallel(folder: Path, again: bool) -> None:
    # A worker of a cluster: Dask's own workers are threads then, and start at once.
    multiprocessing.current_process()._config["daemon"] = True  # type: ignore[attr-defined]
    _convert(folder, again, workers=2)


CONVERT = Task(
    "convert",
    run=_convert,
    made=lambda folder: contents(folder, "processed/*/**/*"),
    kept=lambda folder: files(folder, "raw/*") | files(folder, "processed/[!.]*/*"),
    prepare=_raw_files,
    variant=_convert_in_parallel,
)


def _toys(folder: Path) -> None:
    from pyg_jets.datasets import ToyJets

    folder.mkdir(parents=True)
    ToyJets(folder / "data", n_jets=200)


def _training(folder: Path) -> dict[str, Any]:
    """The configuration of a training of a second or two, of which every epoch re-simulates."""
    resimulate = {"detector": "toy-uniform", "angles": 2}
    return {
        "model.network": {"class_path": "pyg_jets.nn.PFN",
                          "init_args": {"phi": [8], "f": [8], "dropout": 0.1}},
        "data.dataset": {"class_path": "pyg_jets.datasets.ToyJets",
                         "init_args": {"root": str(folder / "data"), "n_jets": 200}},
        "data.train_transform": {"class_path": "pyg_jets.transforms.Resimulate",
                                 "init_args": resimulate},
        "data.features": {"names": ["eta", "phi", "pt"], "axis": "origin"},
        "data.batch_size": 20,
        "samples": 20,
        "trainer": {"max_epochs": 6, "accelerator": "cpu", "logger": False,
                    "enable_progress_bar": False},
    }  # fmt: skip


def _write_config(folder: Path) -> None:
    import yaml

    _toys(folder)
    tree: dict[str, Any] = {}
    for name, value in _training(folder).items():
        group, _, key = name.rpartition(".")
        (tree.setdefault(group, {}) if group else tree)[key] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))


def _fit(folder: Path, again: bool) -> None:
    from pyg_jets.training import cli

    cli.main(["fit", f"--config={folder / 'config.yaml'}", f"--run={folder / 'run'}", "--resume"])


def _made_by_fit(folder: Path) -> dict[str, Any]:
    from pyg_jets.runs import load_run

    return _result(load_run(folder / "run"))


def _result(run: Any) -> dict[str, Any]:
    """What a training came to, without its times."""
    scores = zip(run.predictions.ids, run.predictions.scores, strict=True)
    history = {
        f"{name} of row {row}": float(value)
        for name, values in run.history.items()
        for row, value in enumerate(values)
    }
    metrics = {name: float(value) for name, value in run.metrics.items()}
    return {"metrics": metrics, "history": history, "scores": {str(i): float(v) for i, v in scores}}


FIT = Task("fit", run=_fit, made=_made_by_fit, kept=lambda folder: {}, prepare=_write_config)

_POINTS = (10, 20, 30)


def _write_sweep(folder: Path) -> None:
    import yaml

    _toys(folder)
    fixed = _training(folder)
    fixed["trainer"]["max_epochs"] = 2
    tree = {
        "method": "grid",
        "program": "pyg-jets",
        "metric": {"name": "test/auc", "goal": "maximize"},
        "command": ["${env}", "pyg-jets", "fit", "${args}"],
        "parameters": {name: {"value": value} for name, value in fixed.items()}
        | {"data.batch_size": {"values": list(_POINTS)}},
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


def _scan_with_processes(folder: Path, again: bool) -> None:
    from pyg_jets.scan import run_scan

    counts = run_scan(folder / "sweep.yaml", folder / "scan", workers=1)
    if counts != {"finished": len(_POINTS), "failed": 0}:
        raise RuntimeError(f"the scan came to {counts}")


def _scan(folder: Path, again: bool) -> None:
    multiprocessing.current_process()._config["daemon"] = True  # type: ignore[attr-defined]
    _scan_with_processes(folder, again)


def _made_by_scan(folder: Path) -> dict[str, Any]:
    """The result of each point by its parameter: names of points hold the path of the data."""
    from pyg_jets.runs import load_run

    results: dict[str, Any] = {}
    for path in sorted(folder.glob("scan/points/*/point.json")):
        name = f"batches of {json.loads(path.read_text())['parameters']['data.batch_size']}"
        results[name + " again" * (name in results)] = _result(load_run(path.parent))
    return results


SCAN = Task(
    "scan",
    run=_scan,
    made=_made_by_scan,
    kept=lambda folder: files(folder, "scan/points/*/metrics.json"),
    prepare=_write_sweep,
    every=10,  # real workers take ten seconds to start
    variant=_scan_with_processes,
)

TASKS = {task.name: task for task in (GENERATE, CONVERT, FIT, SCAN)}
