"""Time and memory of the network of a run: ``python -m pyg_jets.studies.tagging.costs FOLDER``.

Memory is that of a process in which nothing else was done before.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from threading import Event, Thread

import torch
import torch.nn.functional as F
from torch_geometric.data import Batch

from pyg_jets.runs import load_run
from pyg_jets.studies.trained import data_module
from pyg_jets.training import load_tagger

__all__ = ["network_costs"]

#: Number of jets in a batch of inference.
EVAL_BATCH = 256


def network_costs(folder: str | Path, n_steps: int = 9) -> dict[str, float]:
    """Seconds of an epoch, µs a jet of inference, and megabytes of a training step.

    Args:
        folder: The run folder of the network.
        n_steps: Number of steps of which the median is taken.

    Returns:
        ``epoch_s``: seconds of an epoch's training steps, without the loader; ``us_per_jet``: µs a
        jet of the network in batches of 256; ``peak_mb``: the highest anonymous memory during the
        first training step, above that before it (MB; Linux only, else 0).
    """
    run = load_run(folder)
    data, tagger = data_module(run), load_tagger(run)
    loader = data.loader(data.splits["train"], data.eval_transform, shuffle=True)
    batches = list(islice(cycle(loader), n_steps + 1))
    jets = next(iter(data.loader(data.splits["test"][:EVAL_BATCH], data.eval_transform)))
    optimizer = torch.optim.Adam(tagger.parameters(), fused=True)

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        logits = tagger(batch.x, batch.ptr, batch.pos).flatten()
        F.binary_cross_entropy_with_logits(logits, batch.y.flatten().to(logits.dtype)).backward()
        optimizer.step()

    @torch.no_grad()
    def infer() -> None:
        tagger(jets.x, jets.ptr, jets.pos)

    tagger.eval()
    infer()  # loads and compiles what is used for the first time
    tagger.train()
    peak_mb = _peak_memory(partial(step, batches[0]))
    step_s = median(_seconds(partial(step, batch)) for batch in batches[1:])
    tagger.eval()
    batch_s = median(_seconds(infer) for _ in range(n_steps))
    return {
        "epoch_s": step_s * len(data.splits["train"]) / data.batch_size,
        "us_per_jet": 1e6 * batch_s / jets.num_graphs,
        "peak_mb": peak_mb,
    }


def _seconds(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _peak_memory(call: Callable[[], None]) -> float:
    """Megabytes of anonymous memory at the height of a call, above those before it."""
    status = Path("/proc/self/status")

    def resident() -> float:
        lines = status.read_text().splitlines() if status.is_file() else []
        return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

    before, done = resident(), Event()
    samples = [before]

    def watch() -> None:
        while not done.wait(0.001):
            samples.append(resident())

    thread = Thread(target=watch)
    thread.start()
    call()
    done.set()
    thread.join()
    return max(samples) - before


if __name__ == "__main__":
    print(json.dumps(network_costs(sys.argv[1])))
