"""What the study measures beyond its scans: costs, kinematic bias, parton showers, weaver.

Measurements are cached by :meth:`~pyg_jets.studies.StudyRun.measure`; a stopped run continues.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_jets import metrics
from pyg_jets.report.compare import TaggerResult
from pyg_jets.runs import Run, load_run
from pyg_jets.studies.study import StudyRun
from pyg_jets.studies.tagging.costs import network_costs
from pyg_jets.studies.trained import data_module, finished_runs
from pyg_jets.training import load_tagger
from pyg_jets.training.data import own_weights

__all__ = ["NETWORKS", "SHOWERS", "TASKS", "key", "measures", "tagger_runs"]

#: Titles of the networks, in the order of the page.
NETWORKS = ("FCN", "PFN", "EFN", "ParticleNet-Lite", "ParticleNet")
#: Background and signal of each task.
TASKS = (("qcd", "top"), ("gluon", "quark"))
#: Parton showers: as a data set names them, and as the page does.
SHOWERS = {"simple": "the simple shower", "vincia": "Vincia"}
#: Seeds of the trainings beside weaver.
WEAVER_SEEDS = (1, 2, 3)


def measures(study_run: StudyRun) -> None:
    """Make the measurements that are missing.

    Args:
        study_run: The run of the study, whose scans are finished.
    """
    main, showers = study_run.sweeps
    runs = tagger_runs(study_run, main)
    for task in TASKS:
        of_task = [run for run in runs if run.classes == task]
        study_run.measure(f"kinematics-{task[1]}", kinematics_only, folder=of_task[0].folder)
    top = [run for run in runs if run.classes == TASKS[0]]
    for run in top:
        make = network_costs if study_run.quick else costs_alone
        options = {"n_steps": 2} if study_run.quick else {}
        study_run.measure(f"costs-{key(run)}", make, folder=run.folder, **options)
    trained = [*top, *tagger_runs(study_run, showers)]
    by_shower = {shower_of(run): run for run in reversed(trained)}
    for run in trained:
        for shower, other in by_shower.items():
            name = f"showers-{key(run)}-{shower_of(run)}-{run.provenance['n_train']}-on-{shower}"
            study_run.measure(name, tested_on, trained=run.folder, jets=other.folder)
    if not study_run.quick:
        if find_spec("weaver") is None:
            print("weaver is left out, as it is not installed: pip install 'pyg-jets[bench]'.")
            return
        from pyg_jets.studies.tagging.weaver import same_losses, same_training

        folder = next(run.folder for run in top if run.title == "PFN")
        study_run.measure("weaver-losses", same_losses, folder=folder)
        for seed in WEAVER_SEEDS:
            study_run.measure(f"weaver-training-{seed}", same_training, folder=folder, seed=seed)


def tagger_runs(study_run: StudyRun, sweep: str) -> list[Run]:
    """The tested runs of a scan, in the order of the page.

    Args:
        study_run: The run of the study.
        sweep: Stem of the sweep file.
    """
    tested = [run for run in finished_runs(study_run, sweep) if run.predictions is not None]
    return sorted(
        tested,
        key=lambda run: (
            TASKS.index(run.classes), list(SHOWERS).index(shower_of(run)), NETWORKS.index(run.title)
        ),
    )  # fmt: skip


def shower_of(run: Run) -> str:
    """The parton shower of the jets of a run."""
    return str(run.facts["shower"])


def key(run: Run) -> str:
    """The name of a network in names of measurements."""
    return run.title.lower()


def kinematics_only(folder: str | Path) -> dict[str, float]:
    """AUC of a small network that reads only the jet's pT and |η|, with flat weights and without.

    It shows how much of the class the kinematics give away.

    Args:
        folder: A run folder with the jets and the weights.
    """
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    data, aucs = data_module(load_run(folder)), {}
    assert data.weights is not None
    train, test = (data.splits[name] for name in ("train", "test"))
    x_train, x_test = (
        np.abs(np.stack([jets.observables("reco")[name] for name in ("pt", "eta")], 1))
        for jets in (train, test)
    )
    y_train, y_test = train.y.flatten().numpy(), test.y.flatten().numpy()
    scaler = StandardScaler().fit(x_train)
    for name, weights_of in (("weighted", data.jet_weights), ("unweighted", own_weights)):
        weights = (weights_of(jets) for jets in (train, test))
        fit_with, test_with = (None if w is None else w.numpy() for w in weights)
        network = MLPClassifier((32, 32), early_stopping=True, random_state=0)
        network.fit(scaler.transform(x_train), y_train, sample_weight=fit_with)
        score = network.predict_proba(scaler.transform(x_test))[:, 1]
        aucs[name] = metrics.auc(score, y_test, test_with)
    return {**aucs, "n": len(y_test)}


def costs_alone(folder: str | Path) -> dict[str, float]:
    """The costs of the network of a run, in a process of their own.

    Args:
        folder: The run folder.
    """
    command = [sys.executable, "-m", "pyg_jets.studies.tagging.costs", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def tested_on(trained: str | Path, jets: str | Path) -> dict[str, Any]:
    """AUC and background rejection of a trained network on the test jets of another run.

    Args:
        trained: The run folder of the network.
        jets: The run folder whose test jets are taken; the same folder for its own.

    Returns:
        ``auc``: value and error; ``rejection``: 1/ε_B at ε_S = 0.5, with its interval; ``n``: the
        number of test jets.
    """
    run = load_run(trained)
    if Path(trained) == Path(jets):
        tested = run.predictions
        assert tested is not None
        result = TaggerResult(run.title, tested.scores, tested.labels, weights=tested.weights,
                              events=tested.events)  # fmt: skip
    else:
        result = _test(run, load_run(jets))
    interval = metrics.rejection_interval(result.scores, result.labels, 0.5, result.weights)
    return {"auc": result.auc, "rejection": interval, "n": len(result.labels)}


@torch.no_grad()
def _test(run: Run, other: Run) -> TaggerResult:
    # The weights of the jets are learned from all training jets of their own shower.
    data = data_module(other, sample=None, features=run.config["data"].get("features"))
    tagger = load_tagger(run).eval()
    scores, labels, weights, events = [], [], [], []
    for batch in data.test_dataloader()[0]:
        scores.append(tagger(batch.x, batch.ptr, batch.pos).flatten())
        labels.append(batch.y.flatten())
        weights.append(batch.weight.flatten())
        events.append(batch.event.flatten())
    columns = (torch.cat(parts).double().numpy() for parts in (scores, labels, weights))
    score, label, weight = columns
    event = torch.cat(events).numpy()
    return TaggerResult(run.title, score, label, weights=weight, events=event)
