"""Eight rotated variants of 10,000 jets, each seen anew by the ``cms-like`` detector.

The limit: a jet of 66 particles is read once and written eight times, 24 bytes a particle, 0.45 µs
a variant and 31 GB/s; the arithmetic decides.
"""

from __future__ import annotations

import math

import torch

from pyg_jets.detector import Detector
from tests.benchmarks.bench_smear import tiled
from tests.benchmarks.harness import Row, alternate, copy_bandwidth

__all__ = ["run"]

VARIANTS = 8


def run() -> list[Row]:
    """Microseconds a variant."""
    jets = tiled()
    x, ptr, ids = (torch.tensor(a) for a in (jets.particles, jets.ptr, jets.ids))
    angles = (torch.arange(VARIANTS) * (2 * math.pi / VARIANTS)).expand(len(jets), -1)
    rows = []
    for name in Detector.presets():
        detector = Detector.preset(name)

        def simulate(detector: Detector = detector) -> torch.Tensor:
            return detector.simulate_tensors(x, ptr, ids, angles, seed=1)[0]

        seconds, _ = alternate(simulate, lambda: None, 5)
        moved = x.nbytes + simulate().nbytes
        share = moved / seconds / copy_bandwidth()
        what = f"{VARIANTS} variants of {len(jets):,} jets, `{name}`"
        note = f"{share:.1%} of copy bandwidth"
        rows.append(
            Row(what, seconds / len(jets) / VARIANTS * 1e6, unit="µs/jet-variant", note=note)
        )
    return rows
