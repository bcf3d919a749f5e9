"""Conversion of padded files to graphs: jets a second of one core, and share of a copy's speed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from pyg_jets.datasets import QuarkGluon, TopTagging
from tests.benchmarks.harness import Row, copy_bandwidth
from tests.benchmarks.tiled import quark_gluon_file, top_tagging_file

N_JETS = 200_000
AT_LEAST = 200_000

CASES: dict[str, tuple[Any, Any, bool, dict[str, Any]]] = {
    "HDF5 table": (TopTagging, top_tagging_file, False, {"split": "train"}),
    "HDF5 table, packed (blosc)": (TopTagging, top_tagging_file, True, {"split": "train"}),
    "npz": (QuarkGluon, quark_gluon_file, False, {"n_files": 1}),
    "npz, deflated": (QuarkGluon, quark_gluon_file, True, {"n_files": 1}),
}


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


def measure(name: str, folder: Path, repeats: int = 5) -> Row:
    """Convert the same file again and again; the first time is a warm-up."""
    kind, write, packed, options = CASES[name]
    padded = 3240 if kind is TopTagging else 139 * 32 + 8
    write(folder, N_JETS, packed)
    seconds = []
    for _ in range(repeats + 1):
        shutil.rmtree(folder / "processed", ignore_errors=True)
        began = perf_counter()
        dataset = kind(folder, **options)
        seconds.append(perf_counter() - began)
    rate = N_JETS / median(seconds[1:])
    stored = sum(p.stat().st_size for p in Path(dataset.processed_dir).iterdir()) / N_JETS
    share = rate * (padded + stored) / copy_bandwidth()
    particles = (dataset._data.x.nbytes + dataset._data.pos.nbytes) / N_JETS
    shutil.rmtree(folder)
    return Row(
        f"conversion, {name}, 200,000 jets",
        rate,
        unit="jets/s per core",
        asked="200,000 jets/s / half of copy bandwidth",
        fulfilled=rate >= AT_LEAST,
        note=f"{padded:,} bytes of a padded jet read, {stored:,.0f} written: {share:.0%} of copy "
        f"bandwidth; {stored / particles:.3f}× the particles' own bytes on disk and in memory, "
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
