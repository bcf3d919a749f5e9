"""What the networks of the comparison cost, each measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median
from threading import Thread
from typing import Any

import torch

from pyg_jets.losses import ClassificationLoss
from pyg_jets.runs import load_run
from pyg_jets.training import Tagger
from tests.results.comparison_data import module, network_of, runs, some

__all__ = ["costs"]

STEPS, EVAL_BATCH = 9, 256


def costs() -> dict[str, dict[str, float]]:
    """Of each network on top and QCD jets: seconds an epoch, µs a jet, megabytes."""
    found = {}
    for run in runs("comparison"):
        if run.classes[1] == "top":
            words = [sys.executable, "-m", "tests.results.comparison_costs", str(run.folder)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            found[run.title] = json.loads(done.stdout.splitlines()[-1])
    return found


def _resident() -> float:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measure(folder: str) -> dict[str, float]:
    """The costs of the network of one run."""
    run = load_run(folder)
    given = run.config["data"]
    data = module(("qcd", "top"), given.get("features"))
    jets = some(data, "train", 1500)
    tagger = Tagger(network_of(run))
    tagger._resize(data.n_features)
    optimizer = torch.optim.Adam(tagger.parameters(), fused=True)
    loss_of, size = ClassificationLoss(), int(given["batch_size"])

    def step(number: int) -> None:
        rows = torch.arange(number * size, (number + 1) * size) % len(jets.y)
        batch = jets.take(rows)
        optimizer.zero_grad()
        loss_of(tagger(batch.x, batch.ptr, batch.pos), batch).backward()
        optimizer.step()

    def infer(n_jets: int = EVAL_BATCH) -> None:
        batch = jets.take(torch.arange(n_jets))
        tagger.eval()
        with torch.no_grad():
            tagger(batch.x, batch.ptr, batch.pos)

    infer(4)  # what is loaded once is no part of a step
    tagger.train()
    before, peak, done = _resident(), [0.0], False

    def watch() -> None:
        while not done:
            peak.append(_resident())
            time.sleep(0.001)

    thread = Thread(target=watch)
    thread.start()
    step(0)
    done = True
    thread.join()
    seconds = median([_timed(lambda i=i: step(i)) for i in range(1, STEPS + 1)])
    per_batch = median([_timed(infer) for _ in range(STEPS)])
    n_train = int(run.provenance["n_train"])
    return {
        "epoch_s": seconds * n_train / size,
        "us_per_jet": 1e6 * per_batch / EVAL_BATCH,
        "peak_mb": max(peak) - before,
        "batch": size,
    }


def _timed(run: Any) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
