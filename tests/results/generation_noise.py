"""Jets and digits out of noise: what runs beside the scan made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.metrics.features import feature_distances, jet_features
from pyg_jets.metrics.generation import JetSample as Checked
from pyg_jets.metrics.generation import efp_features, fpd, w1m, w1p
from pyg_jets.runs import load_run
from tests.results.generation_data import FOLDER, Jets, kept, ragged, stages
from tests.results.generation_measures import MOST, Sample

__all__ = ["DIGITS", "PROCESSES", "noise"]

PROCESSES = ("gluon", "top")
DIGITS = {"digits": "digits of 100 pixels", "digits-8": "the digit 8, of 25 pixels"}


def _whole(name: str) -> Path | None:
    """The generated jets of a finished run."""
    folder = FOLDER / name
    done = all((folder / f).is_file() for f in ("generated.parquet", "provenance.json"))
    if not done:
        print(f"left out: {folder} is no finished run", flush=True)
    return folder / "generated.parquet" if done else None


def noise(few: int | None) -> dict[str, Any]:
    """Tables of jets and digits to draw, of the runs that there are."""
    tables = {}
    for name in PROCESSES:
        if path := _whole(name):
            date = str(load_run(path.parent).provenance["date"]).translate({58: None})
            tables[name] = kept(f"noise-{name}-{date}", lambda path=path: _measured(path, few), few)
    shown = {name: path for name in DIGITS if (path := _whole(name))}
    return {"tables": tables, "digits": {name: _digits(path) for name, path in shown.items()}}


def _measured(path: Path, few: int | None) -> dict[str, Any]:
    """The first half of the target and of what was made, each beside the second half of it."""
    found = {name: jets[:few] for name, jets in stages(path).items()}
    half = len(found["target"]) // 2
    real, known = ragged(found["target"][half : 2 * half]), ragged(found["target"][:half])
    made = ragged(found["made"][:half])
    one = _relative(real)
    lines = {}
    for name, jets in {"truth floor": known, "GraphVAE": made}.items():
        batch, ours = min(MOST, half), _relative(jets)
        features = efp_features(ours, one)
        lines[name] = {
            "emd": feature_distances(tuple(jets), tuple(real)),
            "w1m": w1m(ours, one, batch),
            "w1p": w1p(ours, one, batch),
            "fpd": fpd(*features, min_samples=min(20_000, half // 2)),
        }
    return {"n": half, "empty": int((made.ptr.diff() == 0).sum()), "lines": lines}


def _relative(jets: Jets) -> Sample:
    """With pT over that of each jet itself."""
    pt = jet_features(*jets)["pt"]
    return Sample(jets.scaled(np.where(pt > 0, pt, 1)))


def _digits(path: Path, n: int = 8) -> dict[str, list[np.ndarray]]:
    """The pixels (x, y, intensity) of the first digits of each stage."""
    take: Callable[[Checked], list[np.ndarray]] = lambda jets: [  # noqa: E731
        jets.particles(np.array([i])) for i in range(n)
    ]
    found = stages(path)
    return {
        name: take(Checked(*ragged(found[name])))
        for name in ("target", "reconstructed", "made")
        if name in found
    }
