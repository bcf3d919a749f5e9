"""Folders of scans as `pyg-jets scan` leaves them, with numbers like those of the study."""

import itertools
import json
from pathlib import Path

import numpy as np

from pyg_jets.studies import Study
from pyg_jets.studies.broken_symmetry.claims import ARMS
from pyg_jets.studies.broken_symmetry.page import layout

LAYOUT = layout(Study.load("broken_symmetry").folder)

SIZES = (480, 960, 1440, 1920, 2400)
_FOUND = {"none": 0.21, "post-aug": 0.09, "pre-aug": 0.07, "post-inv": 0.02, "pre-inv": 0.012,
          "pre-inv-continuous": 0.010}  # fmt: skip


def truth(arm: str, network: str, detector: str, n_train: int) -> float:
    """The AUC without noise: near the published one at 480 and 2400, smooth between them."""
    known = LAYOUT.reference
    like = "pre-inv" if arm == "pre-inv-continuous" else arm
    small, large = (known[detector, network, like, n].value for n in (480, 2400))
    share = np.log(n_train / 480) / np.log(5)
    return small + (large - small) * share + 0.008 * (arm == "pre-inv-continuous")


def write_point(
    scan: Path, name: str, parameters: dict, metrics: dict | None = None,
    provenance: dict | None = None, **record,
) -> Path:  # fmt: skip
    """Write a point; without metrics one that is still running, unless the record says more."""
    folder = scan / "points" / name
    folder.mkdir(parents=True)
    number = len(list((scan / "points").iterdir()))
    date = f"2025-01-31T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}+00:00"
    known = {
        "hash": name,
        "parameters": parameters,
        "status": "running" if metrics is None else "finished",
        "error": None,
        "seconds": None if metrics is None else 31.5,
        "stopped_early": False,
        "date": date,
        **record,
    }
    (folder / "point.json").write_text(json.dumps(known))
    if metrics is not None:
        facts = {"dataset": "ToyJets(51000)", "version": "0.1.0", "network_name": "PFN",
                 "versions": {"python": "3.12.1", "torch": "2.13.0"}, "n_test": 20400,
                 "machine": {"cpu": "x86_64", "cores": 2, "memory_gib": 7.8, "platform": "Linux"},
                 "sample": {"jets": None, "replica": 0, "resample": None, "folds": None,
                            "fold": 0}}  # fmt: skip
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "provenance.json").write_text(json.dumps(facts | (provenance or {})))
    return folder


def write_scan(folder: Path, **record) -> Path:
    """Write a scan without points."""
    folder.mkdir(parents=True)
    known = {
        "name": folder.name,
        "file": f"sweeps/{folder.name}.yaml",
        "method": "grid",
        "metric": {"name": "test/auc", "goal": "maximize"},
        "parameters": ["arm", "data.sample.replica"],
        "command": f"pyg-jets scan sweeps/{folder.name}.yaml",
        "version": "0.1.0",
        "date": "2025-01-31T12:00:00+00:00",
        **record,
    }
    (folder / "scan.json").write_text(json.dumps(known))
    (folder / "sweep.yaml").write_text("method: grid\nparameters:\n  arm: {values: [none]}\n")
    return folder


def write_cell(
    scan: Path, arm: str, network: str, detector: str, n_train: int, aucs, resample=None,
    replica: int | None = None,
) -> None:  # fmt: skip
    """Write a point for each AUC: fresh sets, or resamples of the set ``replica``."""
    for i, auc in enumerate(aucs):
        own = i if replica is None else replica
        sample = {"jets": n_train, "replica": own, "resample": None if resample is None else i,
                  "folds": None, "fold": 0}  # fmt: skip
        parameters = {
            "arm": arm,
            "model.network.class_path": f"pyg_jets.nn.{network}",
            "detector": detector,
            "data.sample": {k: v for k, v in sample.items() if v is not None and k != "fold"},
        }
        auc = float(auc)
        metrics = {
            "test/auc": auc,
            "test/accuracy": 0.5 + 0.75 * (auc - 0.5),
            "test/loss": 0.7 - 0.3 * (auc - 0.5),
            "test/signal_efficiency_0.5": 0.5 + 1.35 * (auc - 0.5),
            "test/spread": _FOUND[arm] * (1.2 - n_train / 6000) * (1 + 0.05 * (i % 3)),
            "val/loss": 0.65,
            "val/auc": auc + 0.002,
        }
        kind = f"{'r' if resample else ''}{own}-{i}"
        write_point(scan, f"{arm}-{network}-{detector}-{n_train}-{kind}", parameters, metrics,
                    {"arm": arm, "network_name": network, "detector": detector,
                     "n_train": n_train, "sample": sample})  # fmt: skip


def write_study(
    folder: Path, arms=ARMS, networks=("FCN", "PFN"), detectors=("toy-uniform", "toy-rect"),
    sizes=SIZES, replicas: int = 4, noise: float = 0.008, **record,
) -> Path:  # fmt: skip
    """Write a finished study."""
    rng, scan = np.random.default_rng(1), write_scan(folder, **record)
    for cell in itertools.product(arms, networks, detectors, sizes):
        write_cell(scan, *cell, truth(*cell) + noise * rng.normal(size=replicas))
    return scan


def write_search(folder: Path, points: int = 40, **record) -> Path:
    """Write a finished search over a learning rate, a width, a loss and the network's kind."""
    rng = np.random.default_rng(2)
    scan = write_scan(folder, method="random", **record)
    for i in range(points):
        rate, width = 10 ** rng.uniform(-5, -2), int(rng.choice([32, 64, 128, 256]))
        network = str(rng.choice(["pyg_jets.nn.PFN", "pyg_jets.nn.ParticleNet"]))
        auc = 0.76 - 0.02 * (np.log10(rate) + 3.2) ** 2 + 0.01 * np.log2(width / 32)
        auc += 0.01 * (network[-1] == "t") + 0.008 * rng.normal()
        parameters = {
            "model.optimizer.init_args.lr": rate,
            "model.width": width,
            "model.network.class_path": network,
            "seed_everything": 1 + i % 2,
        }
        write_point(scan, f"s{i:03}", parameters, {"test/auc": float(max(auc, 0.5))},
                    {"n_train": 2400})  # fmt: skip
    return scan
