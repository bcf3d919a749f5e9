"""The checks of `JetArray`: shapes and values of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyg_jets.errors import InputError

__all__ = [
    "as_array",
    "as_pointer",
    "check_values",
    "describe_row",
    "frozen",
    "invalid_particles",
    "per_jet",
]

_NOT_NEGATIVE = ("pt", "ptrel", "energy", "e")


def as_array(value: Any, dtype: Any, what: str) -> np.ndarray:
    """``value`` as a contiguous array of ``dtype``."""
    try:
        return np.ascontiguousarray(value, dtype=dtype)
    except (TypeError, ValueError):
        raise InputError(
            f"Expected {what} as an array of numbers, but got {type(value).__name__} that is none."
        ) from None


def as_pointer(value: Any, particles: np.ndarray, n_columns: int) -> np.ndarray:
    """``value`` as the ragged pointer ``[J + 1]`` of ``particles [N, n_columns]``."""
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
    """``value`` as an array of one value a jet, ``[J]``."""
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
    """A read-only view; the caller's array stays writeable."""
    view = array.view()
    view.flags.writeable = False
    return view


def invalid_particles(particles: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    """Rows of the particles with a NaN, an infinite value or a negative energy, in order.

    Args:
        particles: One row a particle, ``[N, F]``.
        columns: The names of the columns.

    Examples:
        >>> invalid_particles(np.array([[5.0, 0.1], [-1.0, 0.2], [3.0, np.nan]]), ("pt", "eta"))
        array([1, 2])
    """
    energies = [i for i, name in enumerate(columns) if name in _NOT_NEGATIVE]
    with np.errstate(invalid="ignore", over="ignore"):
        all_finite = np.isfinite(particles.sum())  # in one pass; an overflow is looked at again
    if all_finite and all(particles[:, i].min(initial=0) >= 0 for i in energies):
        return np.empty(0, np.int64)
    invalid = ~np.isfinite(particles).all(axis=1)
    for i in energies:
        invalid |= particles[:, i] < 0
    return np.flatnonzero(invalid)


def describe_row(columns: Sequence[str], row: np.ndarray) -> str:
    """A particle as text, as ``pt = 5, eta = 0.1``."""
    return ", ".join(f"{name} = {value:g}" for name, value in zip(columns, row, strict=True))


def check_values(jets: Any) -> None:
    """Refuse a NaN, an infinite or a negative energy or weight, naming the jet and the particle."""
    _check_weights(jets)
    rows = invalid_particles(jets.particles, jets.columns)
    if len(rows) == 0:
        return
    row = int(rows[0])
    jet = int(np.searchsorted(jets.ptr, row, side="right")) - 1
    raise InputError(
        f"Jet {jet} (id {jets.ids[jet]}), particle {row - jets.ptr[jet]}, has a NaN, "
        "an infinite or a negative energy "
        f"({describe_row(jets.columns, jets.particles[row])}): drop or mend it beforehand."
    )


def _check_weights(jets: Any) -> None:
    if (weight := jets.jets.get("weight")) is None:
        return
    if weight.dtype.kind not in "iuf":
        raise InputError(f"Expected weight as a number a jet, but got {weight.dtype}.")
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if wrong.size:
        first = int(wrong[0])
        raise InputError(
            f"Jet {first} (id {jets.ids[first]}) has the weight {weight[first]:g} (it is one of "
            f"{wrong.size} such), expected 0 or a positive number: leave these jets out, or give "
            "the absolute values, as no ROC curve is defined of negative weights."
        )
