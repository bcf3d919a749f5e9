"""What `JetArray` accepts: shapes and values of its parts, or a sentence that says what came."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["as_array", "as_pointer", "check_values", "frozen", "per_jet"]

_NOT_NEGATIVE = ("pt", "energy", "e")


def as_array(value: Any, dtype: Any, what: str) -> np.ndarray:
    try:
        return np.ascontiguousarray(value, dtype=dtype)
    except (TypeError, ValueError):
        raise ValueError(
            f"Expected {what} as an array of numbers, but got {type(value).__name__} that is none."
        ) from None


def as_pointer(value: Any, particles: np.ndarray, n_columns: int) -> np.ndarray:
    if particles.ndim != 2 or particles.shape[1] != n_columns:
        raise ValueError(
            f"Expected particles of shape [N, {n_columns}] for {n_columns} columns, "
            f"but got {list(particles.shape)}."
        )
    ptr = np.asarray(value)
    if ptr.ndim != 1 or len(ptr) == 0 or ptr.dtype.kind not in "iu":
        raise ValueError(
            f"Expected ptr as a 1-d integer array of number of jets + 1, but got {ptr.dtype} "
            f"of shape {list(ptr.shape)}."
        )
    ptr = np.ascontiguousarray(ptr, dtype=np.int64)
    if ptr[0] != 0 or ptr[-1] != len(particles) or (np.diff(ptr) < 0).any():
        raise ValueError(
            f"Expected ptr to rise from 0 to the number of particles ({len(particles)}), but it "
            f"goes from {ptr[0]} to {ptr[-1]}{' and falls' * bool((np.diff(ptr) < 0).any())}."
        )
    return ptr


def per_jet(value: Any, n_jets: int, name: str, dtype: Any = None) -> np.ndarray:
    array = np.asarray(value)
    if array.shape != (n_jets,):
        raise ValueError(
            f"Expected one value of {name} for each of the {n_jets} jets, "
            f"but got shape {list(array.shape)}."
        )
    if dtype is np.int64 and array.size and not np.array_equal(array, array.astype(np.int64)):
        raise ValueError(f"Expected whole numbers for {name}, but got {array.dtype}.")
    return np.ascontiguousarray(array, dtype=dtype or array.dtype)


def frozen(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def check_values(jets: Any) -> None:
    """Refuse a NaN, an infinite or a negative energy, naming the jet and the particle."""
    wrong = ~np.isfinite(jets.particles).all(axis=1)
    for name in set(_NOT_NEGATIVE).intersection(jets.columns):
        wrong |= jets.column(name) < 0
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    jet = int(np.searchsorted(jets.ptr, row, side="right")) - 1
    found = ", ".join(
        f"{n} = {v:g}" for n, v in zip(jets.columns, jets.particles[row], strict=True)
    )
    raise ValueError(
        f"Jet {jet} (id {jets.ids[jet]}), particle {row - jets.ptr[jet]}, has a NaN, "
        f"an infinite or a negative energy ({found}): drop or mend it beforehand."
    )
