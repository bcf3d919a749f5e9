"""What `JetArray` accepts: shapes and values of its parts, or a sentence that says what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyg_jets.errors import InputError

__all__ = [
    "are_fine",
    "as_array",
    "as_pointer",
    "check_values",
    "describe_row",
    "frozen",
    "per_jet",
    "wrong_particles",
]

_NOT_NEGATIVE = ("pt", "ptrel", "energy", "e")


def as_array(value: Any, dtype: Any, what: str) -> np.ndarray:
    try:
        return np.ascontiguousarray(value, dtype=dtype)
    except (TypeError, ValueError):
        raise InputError(
            f"Expected {what} as an array of numbers, but got {type(value).__name__} that is none."
        ) from None


def as_pointer(value: Any, particles: np.ndarray, n_columns: int) -> np.ndarray:
    if particles.ndim != 2 or particles.shape[1] != n_columns:
        raise InputError(
            f"Expected particles of shape [N, {n_columns}] for {n_columns} columns, "
            f"but got {list(particles.shape)}."
        )
    ptr = np.asarray(value)
    if ptr.ndim != 1 or len(ptr) == 0 or ptr.dtype.kind not in "iu":
        raise InputError(
            f"Expected ptr as a 1-d integer array of number of jets + 1, but got {ptr.dtype} "
            f"of shape {list(ptr.shape)}."
        )
    ptr = np.ascontiguousarray(ptr, dtype=np.int64)
    if ptr[0] != 0 or ptr[-1] != len(particles) or (np.diff(ptr) < 0).any():
        raise InputError(
            f"Expected ptr to rise from 0 to the number of particles ({len(particles)}), but it "
            f"goes from {ptr[0]} to {ptr[-1]}{' and falls' * bool((np.diff(ptr) < 0).any())}."
        )
    return ptr


def per_jet(value: Any, n_jets: int, name: str, dtype: Any = None) -> np.ndarray:
    array = np.asarray(value)
    if array.shape != (n_jets,):
        raise InputError(
            f"Expected one value of {name} for each of the {n_jets} jets, "
            f"but got shape {list(array.shape)}."
        )
    if dtype is np.int64 and array.size and not np.array_equal(array, array.astype(np.int64)):
        raise InputError(f"Expected whole numbers for {name}, but got {array.dtype}.")
    return np.ascontiguousarray(array, dtype=dtype or array.dtype)


def frozen(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def are_fine(particles: np.ndarray, columns: Sequence[str]) -> bool:
    """Whether no particle is wrong, found in one pass; ``False`` may also mean: perhaps not."""
    with np.errstate(invalid="ignore", over="ignore"):
        if not np.isfinite(particles.sum()):
            return False
    energies = [i for i, name in enumerate(columns) if name in _NOT_NEGATIVE]
    return all(particles[:, i].min(initial=0) >= 0 for i in energies)


def wrong_particles(particles: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    """Which particles have a NaN, an infinite or a negative energy, ``[N]`` bool."""
    wrong = ~np.isfinite(particles).all(axis=1)
    for i, name in enumerate(columns):
        if name in _NOT_NEGATIVE:
            wrong |= particles[:, i] < 0
    return wrong


def describe_row(columns: Sequence[str], row: np.ndarray) -> str:
    """A particle as text."""
    return ", ".join(f"{name} = {value:g}" for name, value in zip(columns, row, strict=True))


def check_values(jets: Any) -> None:
    """Refuse a NaN, an infinite or a negative energy, naming the jet and the particle."""
    if are_fine(jets.particles, jets.columns):
        return
    wrong = wrong_particles(jets.particles, jets.columns)
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    jet = int(np.searchsorted(jets.ptr, row, side="right")) - 1
    raise InputError(
        f"Jet {jet} (id {jets.ids[jet]}), particle {row - jets.ptr[jet]}, has a NaN, "
        "an infinite or a negative energy "
        f"({describe_row(jets.columns, jets.particles[row])}): drop or mend it beforehand."
    )
