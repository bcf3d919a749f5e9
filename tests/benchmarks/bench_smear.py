"""Smearing pT, η and φ with three normals a particle, against vectorised numpy.

The limit: 24 bytes read and 24 written a particle, 1.6 ns at 31 GB/s on one core; but Philox alone
is 10 rounds of two 32-bit products (1.5 ns, eight lanes at a time), a normal 1.9 and the log-normal
factor 0.6 ns, so the arithmetic (about 8 of 13 ns a particle on one core) decides, not the memory.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.detector import KINDS, Detector, Response
from tests.benchmarks.harness import Row, alternate, copy_bandwidth, pythia_jets

__all__ = ["run", "tiled"]

WIDTH, ANGLE = 0.1, 0.01


def tiled(n_jets: int = 10_000) -> JetArray:
    """Pythia jets, repeated up to ``n_jets`` of different ids."""
    jets = pythia_jets().select(CANONICAL)
    many = JetArray.concatenate([jets] * -(-n_jets // len(jets)))[:n_jets]
    return JetArray(many.particles, many.columns, many.ptr)


def numpy_smear(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same in numpy: log-normal pT, Gaussian η and φ."""
    out = x.copy()
    b = math.sqrt(math.log1p(WIDTH**2))
    out[:, 0] *= np.exp(b * rng.standard_normal(len(x)) - b * b / 2)
    out[:, 1] += ANGLE * rng.standard_normal(len(x))
    phi = out[:, 2] + ANGLE * rng.standard_normal(len(x))
    out[:, 2] = (phi + math.pi) % (2 * math.pi) - math.pi
    return out


def run() -> list[Row]:
    """Nanoseconds a particle."""
    jets = tiled()
    response = Response(constant=WIDTH, sigma_eta=ANGLE, sigma_phi=ANGLE)
    detector = Detector(**dict.fromkeys(KINDS, response))
    x, ptr, ids = (torch.tensor(a) for a in (jets.particles, jets.ptr, jets.ids))
    still = torch.zeros(len(jets), 1)
    rng = np.random.default_rng(1)
    ours, peer = alternate(
        lambda: detector.simulate_tensors(x, ptr, ids, still, seed=1),
        lambda: numpy_smear(jets.particles, rng),
        9,
    )
    n = len(x)
    share = 48 * n / ours / copy_bandwidth()
    note = f"numpy `default_rng`; {n:,} particles; {share:.0%} of copy bandwidth"
    return [
        Row(
            "smearing, 3 normals a particle", ours / n * 1e9, peer / n * 1e9, peer / ours,
            4, 10, "ns/particle", note,
        )
    ]  # fmt: skip
