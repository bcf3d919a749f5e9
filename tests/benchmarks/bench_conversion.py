"""Conversion of padded files to graphs: jets a second of one core, beside a copy of the files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pyg_jets.datasets import QuarkGluon, TopTagging
from tests.benchmarks.harness import Row
from tests.benchmarks.tiled import quark_gluon_file, top_tagging_file

N_JETS = 200_000
AT_LEAST = 200_000

CASES: dict[str, tuple[Any, Any, bool, dict[str, Any]]] = {
    "HDF5 table": (TopTagging, top_tagging_file, False, {"split": "train"}),
    "HDF5 table, packed (blosc)": (TopTagging, top_tagging_file, True, {"split": "train"}),
    "npz": (QuarkGluon, quark_gluon_file, False, {"n_files": 1}),
    "npz, deflated": (QuarkGluon, quark_gluon_file, True, {"n_files": 1}),
}


DEFLATED = ("npz, deflated",)


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def copy_files(raw: Path, to: Path, n_bytes: int) -> None:
    """What no conversion can do without: read the raw file, and write and sync what is stored."""
    block = bytearray(1 << 22)
    with raw.open("rb", buffering=0) as file:
        while file.readinto(block):
            pass
    with to.open("wb", buffering=0) as file:
        for start in range(0, n_bytes, len(block)):
            file.write(memoryview(block)[: min(len(block), n_bytes - start)])
        os.fsync(file.fileno())


def inflate(raw: Path) -> None:
    """What numpy takes to read a packed array, and does nothing with it."""
    with np.load(raw) as arrays:
        arrays["X"]


def seconds_of(run: Callable[[], Any]) -> float:
    """Seconds of one call."""
    began = perf_counter()
    run()
    return perf_counter() - began


def measure(name: str, folder: Path, repeats: int = 9) -> Row:
    """Convert the same file again and again, and copy it in turn; the first time is a warm-up."""
    kind, write, packed, options = CASES[name]
    write(folder, N_JETS, packed)
    raw = next(p for p in (folder / "raw").iterdir() if p.suffix in (".h5", ".npz"))
    dataset = kind(folder, **options)
    stored = sum(p.stat().st_size for p in Path(dataset.processed_dir).iterdir())
    particles = dataset._data.x.nbytes + dataset._data.pos.nbytes
    ours, copying = [], []
    for _ in range(repeats):
        dataset.clear()
        ours.append(seconds_of(lambda: kind(folder, **options)))
        copying.append(seconds_of(lambda: copy_files(raw, folder / "copy", stored)))
        (folder / "copy").unlink()
    rate, share = N_JETS / min(ours), min(copying) / min(ours)
    deflated = name in DEFLATED
    peer = N_JETS / seconds_of(lambda: inflate(raw)) if deflated else None
    shutil.rmtree(folder)
    padded = (3240 if kind is TopTagging else 139 * 32 + 8) * N_JETS
    return Row(
        f"conversion, {name}, 200,000 jets",
        rate,
        peer,
        peer and rate / peer,
        unit="jets/s per core",
        asked="" if deflated else "200,000 jets/s / half the speed of a copy",
        fulfilled=None if deflated else rate >= AT_LEAST,
        note=("peer: `np.load`, which only inflates; " if deflated else "")
        + f"fastest of {repeats}; {share:.2f} of the speed at which these files are copied; "
        f"{stored / particles:.3f}× the particles' own bytes on disk and in memory, "
        f"{stored / padded:.2f}× the padded array",
    )


def run() -> list[Row]:
    """All layouts, one after the other."""
    rows = []
    with one_core():
        for name in CASES:
            folder = Path(tempfile.mkdtemp(dir="data"))
            rows.append(measure(name, folder))
    return rows
