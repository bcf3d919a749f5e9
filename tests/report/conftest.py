"""Run folders as a training leaves them, of random jets: two-pronged signal, diffuse background."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.io import write_parquet
from pyg_jets.metrics.baselines import tree_scores
from pyg_jets.report import make_report

ARMS = (
    ("plain", "PFN, plain", 1.0),
    ("pre-aug", "PFN, pre-detector augmentation", 0.9),
    ("pre-inv", "PFN, encouraged invariance", 0.92),
)
CONFIG = {
    "model": {"network": {"class_path": "pyg_jets.nn.PFN"}},
    "data": {
        "dataset": {
            "class_path": "pyg_jets.datasets.PythiaJets",
            "init_args": {"pt": [500, 600], "radius": 0.8, "eta_max": 2.0, "detector": "cms-like"},
        }
    },
    "checkpoint": {"monitor": "val/loss"},
}


def jet_like(n_jets: int, seed: int = 0) -> JetArray:
    """Ragged jets, label 1 with two prongs, label 0 with one and a wide halo."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_jets) % 2
    counts = rng.poisson(np.where(labels == 1, 45, 60)) + 2
    ptr = np.concatenate(([0], np.cumsum(counts)))
    n, jet = int(ptr[-1]), np.repeat(np.arange(n_jets), counts)
    angle, apart = rng.uniform(0, 2 * np.pi, n_jets), np.where(labels == 1, 0.3, 0.05)
    side = rng.choice((-0.5, 0.5), n)
    core = 0.05 + 0.2 * rng.exponential(size=n) * np.where(labels == 1, 0.25, 0.6)[jet]
    centre = side[:, None] * (apart * np.array((np.cos(angle), np.sin(angle)))).T[jet]
    axis = np.stack((rng.uniform(-1.5, 1.5, n_jets), rng.uniform(-3, 3, n_jets)), -1)
    eta, phi = (axis[jet] + centre + core[:, None] * rng.normal(size=(n, 2))).T
    pt = rng.pareto(1.5, n) + 0.3
    pt *= 550 / np.bincount(jet, pt)[jet]
    pdgid = rng.choice((211.0, -211.0, 22.0, 130.0, 11.0), n, p=(0.3, 0.3, 0.28, 0.1, 0.02))
    charge = np.where(np.isin(pdgid, (22, 130)), 0, np.where(pdgid == 11, -1, np.sign(pdgid)))
    wrapped = (phi + np.pi) % (2 * np.pi) - np.pi
    columns = (pt, eta, wrapped, np.zeros(n), charge, pdgid)
    return JetArray(np.stack(columns, -1), CANONICAL, ptr, labels, ids=7 * np.arange(n_jets))


def detect(jets: JetArray, rng: np.random.Generator) -> JetArray:
    """Neutrals to the centres of cells, everything smeared, soft particles lost."""
    particles = np.array(jets.particles)
    neutral = particles[:, 4] == 0
    particles[neutral, 1:3] = (np.floor(particles[neutral, 1:3] / 0.0873) + 0.5) * 0.0873
    particles[:, 0] *= np.exp(0.08 * rng.normal(size=len(particles)))
    kept = particles[:, 0] > 0.5
    ptr = np.concatenate(([0], np.cumsum(kept)))[jets.ptr]
    return JetArray(particles[kept], jets.columns, ptr, jets.labels, jets.jets, jets.ids)


def rotated(jets: JetArray, angle: float) -> JetArray:
    """The jets, turned in (η, φ) about their axes."""
    particles = np.array(jets.particles)
    x, y = jets.relative_positions().T
    cos, sin = np.cos(angle), np.sin(angle)
    particles[:, 1] += x * cos - y * sin - x
    particles[:, 2] += x * sin + y * cos - y
    return JetArray(particles, jets.columns, jets.ptr, jets.labels, jets.jets, jets.ids)


def samples(n_jets: int = 60, seed: int = 5, rotations: int = 8) -> JetArray:
    """Jets before and after the detector, the first two at eight angles."""
    rng, jets = np.random.default_rng(seed), jet_like(n_jets, seed)
    parts = []
    for angle in np.arange(rotations) * np.pi / 4 if rotations else (0.0,):
        before = rotated(jets if angle == 0 else jets[:2], angle)
        for stage, part in enumerate((before, detect(before, rng))):
            columns = {"stage": np.full(len(part), stage, np.int64),
                       "angle": np.full(len(part), angle, np.float32)}  # fmt: skip
            parts.append(part.with_jets(**columns))
    return JetArray.concatenate(parts)


def observables(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Observables that resemble W and QCD jets, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    found = {
        "pt": rng.uniform(500, 600, n),
        "eta": rng.uniform(-2, 2, n),
        "mass": np.where(labels == 1, rng.normal(85, 12, n), rng.gamma(3, 33, n)),
        "tau21": rng.beta(np.where(labels == 1, 4, 6), np.where(labels == 1, 6, 4)),
    }
    found["softdrop_mass"] = 0.9 * found["mass"]
    found["tau32"] = rng.beta(6, 4, n)
    found = {name: value.astype(np.float32) for name, value in found.items()}
    found["multiplicity"] = rng.poisson(np.where(labels == 1, 50, 62))
    return found, labels


def history(epochs: int = 15, noise: float = 1.0) -> list[dict[str, float | str]]:
    """Rows of metrics.csv; the first validation is empty."""
    rng, rows = np.random.default_rng(int(100 * noise)), []
    for epoch in range(epochs):
        loss = 0.35 * noise + 0.35 * np.exp(-epoch / 3) + 0.004 * rng.normal()
        fit = 0.003 * max(0, epoch - 8) + 0.004 * rng.normal()
        rows.append({"epoch": epoch, "lr": 1e-3, "train/loss": loss, "val/loss": loss + fit + 0.02,
                     "val/auc": 1 - 0.6 * (loss + fit) ** 1.6})  # fmt: skip
    rows[0]["val/auc"] = ""
    return rows


def write_run(
    folder: Path, title: str = "PFN, plain", noise: float = 1.0, n: int = 1000, seed: int = 1,
    toy: bool = False, **columns,
) -> Path:  # fmt: skip
    """Write a finished run of ``n`` test jets; ``seed`` chooses the jets, ``noise`` the network."""
    folder.mkdir(parents=True)
    seen, labels = observables(n, seed)
    train, train_labels = observables(1200, seed + 100)
    rng = np.random.default_rng(int(1000 * noise))
    tree = tree_scores(train, train_labels, seen)
    score = (0.8 * tree + 0.8 * (labels - 0.5) + 1.2 * noise * rng.normal(size=n)).astype("float32")
    table = {"jet_id": 3 * np.arange(n)[::-1] + 1, "label": labels, "score": score}
    table |= {} if toy else {**seen, "tree": tree.astype(np.float32)}
    pq.write_table(pa.table(table | columns), folder / "predictions.parquet")
    write_parquet(samples(), folder / "samples.parquet")
    (folder / "config.yaml").write_text(yaml.safe_dump({} if toy else CONFIG, sort_keys=False))
    with (folder / "metrics.csv").open("w", newline="") as stream:
        rows = history(noise=noise)
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "metrics.json").write_text(json.dumps({"test/spread": 0.05 * noise}))
    (folder / "provenance.json").write_text(json.dumps(provenance(folder.name, title, n, toy)))
    return folder


CLASSES = ("qcd", "w", "top")


def write_class_run(
    folder: Path, title: str = "PFN of three", noise: float = 1.0, n: int = 900, seed: int = 1,
    n_classes: int = 3, **columns,
) -> Path:  # fmt: skip
    """Write a finished run of several classes without samples; W jets look a bit like QCD."""
    folder.mkdir(parents=True)
    labels = np.random.default_rng(seed).integers(0, n_classes, n)
    logits = noise * np.random.default_rng(int(1000 * noise)).normal(size=(n, n_classes))
    logits[np.arange(n), labels] += 1.5
    logits[labels == 1, 0] += 0.8
    table = {"jet_id": 3 * np.arange(n)[::-1] + 1, "label": labels}
    table |= {f"score_{i}": logits[:, i].astype(np.float32) for i in range(n_classes)}
    pq.write_table(pa.table(table | columns), folder / "predictions.parquet")
    rows = [{k: v for k, v in row.items() if k != "val/auc"} for row in history(noise=noise)]
    with (folder / "metrics.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    known = provenance(folder.name, title, n, toy=False) | {"classes": list(CLASSES[:n_classes])}
    (folder / "provenance.json").write_text(json.dumps(known))
    return folder


def provenance(name: str, title: str, n: int, toy: bool) -> dict:
    return {
        "name": name,
        "title": title,
        "version": "0.1.0",
        "date": "2025-01-31T12:00:00+00:00",
        "command": f"pyg-jets fit --config tagger.yaml --run runs/{name}",
        "seed": 1,
        "versions": {"python": "3.12.1", "torch": "2.13.0", "numpy": "2.4.6"},
        "machine": {"cpu": "x86_64", "cores": 2, "memory_gib": 7.8, "platform": "Linux"},
        "data_hash": "0123456789ab",
        "dataset": "ToyJets(2000)" if toy else "PythiaJets(4000)",
        "level": None if toy else "reco",
        "classes": ["background", "signal"] if toy else ["qcd", "w"],
        "n_train": 2 * n,
        "n_val": n // 2,
        "n_test": n,
        "parameters": 82_000,
        "wall_time_s": 81.5,
        "epochs": 15,
    }


@pytest.fixture(scope="session")
def arms(tmp_path_factory) -> list[Path]:
    """Three finished runs on the same jets; not to be changed."""
    root = tmp_path_factory.mktemp("runs")
    return [write_run(root / name, title, noise) for name, title, noise in ARMS]


@pytest.fixture(scope="session")
def class_arms(tmp_path_factory) -> list[Path]:
    """Two finished runs of three classes on the same jets; not to be changed."""
    root = tmp_path_factory.mktemp("class_runs")
    named = (("three", "PFN of three", 1.0), ("worse", "PFN of three, worse", 1.6))
    return [write_class_run(root / name, title, noise) for name, title, noise in named]


@pytest.fixture(scope="session")
def out(arms, tmp_path_factory) -> Path:
    """The report of these runs; not to be changed."""
    path = make_report(arms, tmp_path_factory.mktemp("out") / "report", command="pyg-jets report")
    return path.parent


@pytest.fixture(scope="session")
def mixed(class_arms, arms, tmp_path_factory) -> Path:
    """The report of runs of two and of three classes together; not to be changed."""
    out = tmp_path_factory.mktemp("mixed") / "report"
    return make_report([class_arms[0], arms[0], class_arms[1]], out).parent
