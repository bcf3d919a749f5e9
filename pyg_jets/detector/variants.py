"""Rotated variants of jets: their angles, and their `JetArray`."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from pyg_jets.columns import CANONICAL
from pyg_jets.errors import InputError, InputTypeError
from pyg_jets.jets import JetArray

__all__ = ["canonical_particles", "make_variants", "parse_angles"]


def parse_angles(angles: Any, n_jets: int) -> np.ndarray:
    """Angles ``[J, V]`` float64 (rad) from the forms that callers may use.

    Args:
        angles: ``None`` for one un-rotated variant; a number V for V variants at 2πk/V; a
            sequence ``[V]`` for all jets alike; or an array ``[J, V]``.
        n_jets: Number of jets ``J``.

    Raises:
        ValueError: For another shape, fewer than one variant, NaN or infinite angles.

    Examples:
        >>> parse_angles(4, 1).round(2)
        array([[0.  , 1.57, 3.14, 4.71]])
    """
    table: np.ndarray
    if angles is None:
        return np.zeros((n_jets, 1))
    try:
        n_variants = operator.index(angles)
    except TypeError:
        try:
            table = np.asarray(angles, np.float64)
        except (TypeError, ValueError):
            raise InputError(
                "Expected angles as a number of variants or as numbers in radians, but got "
                f"{angles!r}."
            ) from None
    else:
        if n_variants < 1:
            raise InputError(f"Expected at least 1 variant, but got angles={n_variants}.")
        table = np.arange(n_variants) * (2 * math.pi / n_variants)
    if table.ndim == 1:
        table = np.broadcast_to(table, (n_jets, len(table)))
    if table.ndim != 2 or len(table) != n_jets or table.shape[1] < 1:
        raise InputError(
            f"Expected angles as a number of variants, a list of V angles, or an array of shape "
            f"[{n_jets}, V], but got shape {list(np.shape(angles))}."
        )
    if not np.isfinite(table).all():
        raise InputError("Expected finite angles in radians, but some are NaN or infinite.")
    return table


def canonical_particles(jets: JetArray) -> np.ndarray:
    """The columns that the detector needs, ``[N, 6]``.

    Raises:
        ValueError: Naming the columns that are missing.
    """
    if not isinstance(jets, JetArray):
        raise InputTypeError(f"Expected a JetArray, but got {type(jets).__name__}.")
    missing = [name for name in CANONICAL if name not in jets.columns]
    if missing:
        raise InputError(
            f"The detector needs the particle columns {', '.join(CANONICAL)}, but "
            f"{', '.join(missing)} is missing from {', '.join(jets.columns)}: add it, with zeros "
            "where it is not known."
        )
    return jets.particles if jets.columns == CANONICAL else jets.select(CANONICAL).particles


def make_variants(jets: JetArray, angles: np.ndarray, x: np.ndarray, ptr: np.ndarray) -> JetArray:
    """The variants as a `JetArray`, with ids, labels and jet columns of their jets.

    Args:
        jets: The jets.
        angles: Angles of the variants ``[J, V]`` (rad).
        x: Particles of the variants ``[M, 6]``.
        ptr: Ragged pointer ``[J * V + 1]``.
    """
    n_variants = angles.shape[1]
    repeated = {name: np.repeat(value, n_variants) for name, value in jets.jets.items()}
    repeated["variant_of"] = np.repeat(np.arange(len(jets)), n_variants)
    repeated["angle"] = angles.reshape(-1).astype(np.float32)
    labels = None if jets.labels is None else np.repeat(jets.labels, n_variants)
    return JetArray(x, CANONICAL, ptr, labels, repeated, np.repeat(jets.ids, n_variants))
