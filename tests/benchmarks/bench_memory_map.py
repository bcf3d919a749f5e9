"""Two million jets: memory of the conversion, and JetLoader over the memory map."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from pyg_jets.datasets import TopTagging
from pyg_jets.loader import JetLoader
from tests.benchmarks.bench_loader import passes
from tests.benchmarks.harness import Row, alternate
from tests.benchmarks.tiled import top_tagging_file

N_JETS, FEW = 2_000_000, 200_000
BATCH = 1024

CONVERT = """
import json, sys, threading, time
from pyg_jets.datasets import TopTagging
def resident():
    lines = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024
peak, done = [resident()], False
def watch():
    while not done:
        peak.append(resident())
        time.sleep(0.01)
thread = threading.Thread(target=watch)
thread.start()
TopTagging(sys.argv[1], split="train")
done = True
thread.join()
print(json.dumps({"before": peak[0], "peak": max(peak)}))
"""

FIRST_BATCH = """
import json, sys, time
from pyg_jets.datasets import TopTagging
from pyg_jets.loader import JetLoader
began = time.perf_counter()
loader = JetLoader(TopTagging(sys.argv[1], split="train"), 1024, shuffle=True)
next(iter(loader))
print(json.dumps({"seconds": time.perf_counter() - began}))
"""


def in_new_process(code: str, root: Path) -> dict[str, float]:
    """What a script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def in_memory(dataset: Any) -> Any:
    """The same data set, its columns copied into memory."""
    from torch_geometric.data import Data, InMemoryDataset

    copied = InMemoryDataset()
    copied._data = Data(**{n: v.clone() for n, v in dataset._data.to_dict().items()})
    ptrs = {id(s): s.clone() for s in dataset.slices.values()}
    copied.slices = {name: ptrs[id(s)] for name, s in dataset.slices.items()}
    return copied


def memory(root: Path, n_jets: int) -> tuple[float, float]:
    """Megabytes of resident memory before and at the height of a conversion."""
    top_tagging_file(root, n_jets, packed=False)
    found = in_new_process(CONVERT, root)
    return found["before"], found["peak"]


def loader_row(root: Path, repeats: int = 5) -> Row:
    """Shuffled passes over the map and over memory, in turn."""
    dataset = TopTagging(root, split="train")
    mapped = JetLoader(dataset, BATCH, shuffle=True)
    there = JetLoader(in_memory(dataset), BATCH, shuffle=True)
    ours, peer = alternate(lambda: passes(mapped), lambda: passes(there), repeats)
    rates = len(dataset) / ours, len(dataset) / peer
    return Row(
        f"JetLoader over a memory map of 2,000,000 jets, batch {BATCH}, shuffled",
        *rates,
        ratio=rates[0] / rates[1],
        at_least=0.5,
        goal=1.0,
        unit="jets/s",
        note=f"peer: the same columns in memory; {torch.get_num_threads()} threads",
    )


def run() -> list[Row]:
    """Memory, speed, and the first batch of a new process."""
    folder = Path(tempfile.mkdtemp(dir="data"))
    try:
        few = memory(folder / "few", FEW)
        before, peak = memory(folder / "many", N_JETS)
        rows = [
            Row(
                "conversion of 2,000,000 jets, resident memory at its height",
                peak,
                unit="MB",
                asked="below 1,000 MB / independent of the number",
                fulfilled=peak < 1000,
                note=f"{before:.0f} MB of it before it began; 200,000 jets: {few[1]:.0f} MB",
            ),
            loader_row(folder / "many"),
        ]
        first = in_new_process(FIRST_BATCH, folder / "many")["seconds"]
        rows.append(
            Row(
                "first batch of 2,000,000 processed jets, imports aside",
                first,
                unit="s",
                asked="below 2 s",
                fulfilled=first < 2,
                note="a new process, kernels compiled before",
            )
        )
        return rows
    finally:
        shutil.rmtree(folder, ignore_errors=True)
