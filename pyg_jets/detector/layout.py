"""Rows of particles into columns and back, as kernels over flat buffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyg_jets.detector.elementary import fast

__all__ = ["move", "spread", "unspread"]

_U = np.uint64


@fast
def spread(
    rows: Any, first: Any, n: Any, pt: Any, eta: Any, phi: Any, mass: Any, charge: Any,
    pdgid: Any, at: Any,
) -> None:  # fmt: skip
    """Rows of six, as one flat array, into columns from ``at`` on."""
    begin = _U(at)
    # unsigned indices: numba then has no negative ones to look for, and LLVM vectorises
    for i in range(_U(n)):
        j = (_U(first) + i) * _U(6)
        pt[begin + i] = rows[j]
        eta[begin + i] = rows[j + _U(1)]
        phi[begin + i] = rows[j + _U(2)]
        mass[begin + i] = rows[j + _U(3)]
        charge[begin + i] = rows[j + _U(4)]
        pdgid[begin + i] = rows[j + _U(5)]


@fast
def unspread(
    pt: Any, eta: Any, phi: Any, mass: Any, charge: Any, pdgid: Any, n: Any, rows: Any, first: Any
) -> None:
    """Columns into rows of six, as one flat array, from row ``first`` on."""
    for i in range(_U(n)):
        j = (_U(first) + i) * _U(6)
        rows[j] = pt[i]
        rows[j + _U(1)] = eta[i]
        rows[j + _U(2)] = phi[i]
        rows[j + _U(3)] = mass[i]
        rows[j + _U(4)] = charge[i]
        rows[j + _U(5)] = pdgid[i]


@fast
def move(rows: Any, target: int, source: int, count: int) -> None:
    """Move ``count`` rows down from ``source`` to ``target``."""
    flat = rows.reshape(-1)
    width = rows.shape[1]
    for i in range(count * width):
        flat[target * width + i] = flat[source * width + i]
