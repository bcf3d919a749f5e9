"""What every benchmark shares: timing in turn, memory, the table's row, real jets, bandwidth."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from pyg_jets import JetArray
from pyg_jets.io import read_parquet, write_parquet

__all__ = ["Row", "alternate", "batch_of", "copy_bandwidth", "memory", "pythia_jets"]

MEMORY = """
import importlib, json, sys, threading, time
module, large, small = json.loads(sys.argv[1])
one_step = importlib.import_module(module).one_step
def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(l.split()[1]) for l in lines if l.startswith("RssAnon")) / 1024
one_step(*small)()  # what is loaded once is no part of a step
run = one_step(*large)
before, peak, done = resident(), [], False
def watch():
    while not done:
        peak.append(resident())
        time.sleep(0.001)
thread = threading.Thread(target=watch)
thread.start()
run()
done = True
thread.join()
print(json.dumps(max(peak) - before))
"""


@dataclass(frozen=True)
class Row:
    """One line of the table; figures that do not apply are ``None``."""

    what: str
    ours: float | None
    peer: float | None = None
    ratio: float | None = None
    at_least: float | None = None
    goal: float | None = None
    unit: str = ""
    note: str = ""
    #: In words, where no ratio says it: what is asked, and whether it is so.
    asked: str = ""
    fulfilled: bool | None = None

    @property
    def met(self) -> bool | None:
        """Whether it is as asked, or ``None`` where nothing is asked."""
        if self.fulfilled is not None:
            return self.fulfilled
        return None if self.ratio is None or self.at_least is None else self.ratio >= self.at_least


def alternate(
    ours: Callable[[], object], peer: Callable[[], object], repeats: int = 7
) -> tuple[float, float]:
    """Median seconds of both, run in turn in this process after one warm-up of each."""
    ours(), peer()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, taken in zip((ours, peer), seconds, strict=True):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
    return median(seconds[0]), median(seconds[1])


def memory(module: str, large: Sequence[object], small: Sequence[object]) -> float:
    """Megabytes of anonymous memory that a step takes at its height, in a process of its own.

    Args:
        module: Has ``one_step``, which prepares a step and returns it.
        large: Its arguments.
        small: Those of another step, made before, for what is loaded once.
    """
    words = [sys.executable, "-c", MEMORY, json.dumps([module, large, small])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


@cache
def copy_bandwidth(megabytes: int = 256, repeats: int = 7) -> float:
    """Bytes a second that one core reads and writes in a large copy (both counted)."""
    source = np.ones(megabytes << 17)
    target = np.empty_like(source)

    def copy() -> None:
        np.copyto(target, source)

    seconds, _ = alternate(copy, copy, repeats)
    return 2 * source.nbytes / seconds


@cache
def pythia_jets(n_jets: int = 3000, signal: str = "w") -> JetArray:
    """Half signal, half QCD jets of 500–600 GeV, generated once, kept in ``data/benchmarks``."""
    from pyg_jets.events import PythiaOptions, pythia

    name = f"jets-{n_jets}" + f"-{signal}" * (signal != "w")
    path = Path("data/benchmarks") / f"{name}.parquet"
    if not path.exists():
        parts = []
        for label, process in enumerate(("qcd", signal)):
            options = PythiaOptions(pthat=(0.8, 1.6), seed=11)  # without weights
            jets = pythia.generate(process, n_jets // 2, options, workers=2)
            inside = (jets.jets["gen_pt"] > 500) & (jets.jets["gen_pt"] < 600)
            parts.append(jets[inside].with_labels(label))
        write_parquet(JetArray.concatenate(parts), path)
    return read_parquet(path)


def batch_of(n_jets: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Top and QCD jets: (η, φ) and momenta relative to the axis, or random features of them.

    Returns:
        ``x [N, width]``, whose first two columns are positions, ``ptr``, and labels ``[J]``.
    """
    jets = pythia_jets(signal="top")
    generator = torch.Generator().manual_seed(0)
    batch = jets[torch.randperm(len(jets), generator=generator)[:n_jets].numpy()]
    columns = torch.tensor(batch.particles)
    position = torch.from_numpy(batch.relative_positions("jet")).float()
    features = torch.cat((position, columns[:, :1].log(), columns[:, 3:]), 1)
    spread = torch.randn(features.size(1), max(width, 2), generator=generator)
    x = features @ spread
    x[:, :2] = position
    return x[:, :width].contiguous(), torch.tensor(batch.ptr), torch.tensor(batch.labels)
