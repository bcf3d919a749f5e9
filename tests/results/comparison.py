"""Write ``docs/results/tagging.md``: ``python -m tests.results.comparison``, after its two scans.

Whatever takes long is kept in ``runs/comparison``: a stopped command goes on where it was.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from pyg_jets import metrics
from pyg_jets.cli import main as pyg_jets
from pyg_jets.runs import Run, load_run
from tests.results import comparison_page as page
from tests.results.comparison_costs import costs
from tests.results.comparison_data import FOLDER, kept, module, runs
from tests.results.comparison_weaver import losses, training

SEEDS = (1, 2, 3)
TASKS = (("qcd", "top"), ("gluon", "quark"))


def kinematics(processes: tuple[str, str]) -> dict[str, float]:
    """AUC of a network that reads nothing but pT and |η|, with weights and without."""
    data, found = module(processes), {}
    train, test = (data.splits[name] for name in ("train", "test"))
    seen = [np.abs(np.stack([jets.observables("reco")[n] for n in ("pt", "eta")], 1))
            for jets in (train, test)]  # fmt: skip
    scaler = StandardScaler().fit(seen[0])
    weights = [data.weights.of(jets.jet, jets.y).numpy() for jets in (train, test)]
    for name, (fitted, tested) in {"weighted": weights, "plain": [None, None]}.items():
        network = MLPClassifier((32, 32), early_stopping=True, random_state=0)
        network.fit(scaler.transform(seen[0]), train.y.numpy(), sample_weight=fitted)
        score = network.predict_proba(scaler.transform(seen[1]))[:, 1]
        found[name] = metrics.auc(score, test.y.numpy(), tested)
    return found


#: What differs in the jets of the two showers.
SHOWERS = {
    "simple": {"shower": "simple", "n_jets": 50000, "split_fractions": [0.478, 0.042, 0.48]},
    "vincia": {"shower": "vincia", "n_jets": 5000, "split_fractions": [0.45, 0.1, 0.45]},
}


def tested(run: Run, name: str, shower: str) -> Run:
    """A trained network, tested on the jets of a shower: its own, or another."""
    if run.facts["shower"] == shower:
        return run
    folder = FOLDER / "crossed" / f"{name}-{run.title}-{shower}"
    if not (folder / "metrics.json").exists():
        print(f"testing {run.title} ({name}) on {shower}", flush=True)
        words = ["test", f"--config={run.folder}/config.yaml", f"--run={folder}"]
        words += [f"--data.dataset.init_args.{k}={v}" for k, v in SHOWERS[shower].items()]
        words += ["--data.sample=null"]  # all that the other shower has for training
        words += [f"--ckpt_path={run.folder}/checkpoints/best.ckpt", "--overwrite=true"]
        if pyg_jets(words) != 0:
            raise RuntimeError(f"{run.folder} could not be tested.")
    return load_run(folder)


def systematics() -> list[dict[str, Any]]:
    """Networks trained on one shower and tested on both, top against QCD jets."""
    lines = []
    for scan in ("comparison", "comparison_showers"):
        for run in runs(scan):
            if run.classes[1] == "top":
                name = f"{run.facts['shower']}-{run.provenance['n_train']}"
                seen = {shower: tested(run, name, shower) for shower in SHOWERS}
                lines.append({"run": run, "trained": run.facts["shower"], "tested": seen})
    return lines


def main() -> None:
    """Measure what is not yet measured, and write the page."""
    parts = sys.argv[1:]
    measured = {
        "costs": lambda: kept("costs", costs),
        "losses": lambda: kept("losses", losses),
        "trainings": lambda: [kept(f"training-{s}", lambda s=s: training(s)) for s in SEEDS],
        "kinematics": lambda: [
            kept(f"kinematics-{t[1]}", lambda t=t: kinematics(t)) for t in TASKS
        ],
        "systematics": systematics,
    }
    found = {name: make() for name, make in measured.items() if not parts or name in parts}
    if not parts:
        page.write(Path("docs/results/tagging.md"), runs("comparison"), **found)


if __name__ == "__main__":
    main()
