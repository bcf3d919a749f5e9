"""What the tests know of a public layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets import JetArray

__all__ = ["Layout", "padded", "per_jet"]

#: Ways in which a file can be whole but wrong. Each key of ``Layout.wrong`` is one of these.
WRONG = {
    "columns": "a column or array of the layout is missing",
    "dtype": "a column holds text or another kind than numbers",
    "nan": "a NaN among the particles' momenta",
    "negative": "a particle of negative pT or energy",
    "count": "more particles, rows or columns than declared",
    "label": "a label out of range, or of no class or of two",
    "second": "the second file has other columns than the first",
}


@dataclass(frozen=True)
class Layout:
    """A data set, how to write its files, and how to read them without the package.

    Args:
        kind: The class.
        write: Writes all raw files of ``jets`` below ``root``, names, dtypes, padding and groups as
            published. Labels are taken modulo the number of classes.
        expected: Reads the raw files by hand (h5py, uproot, numpy) and returns, for each jet in
            the order of the data set, the array ``[n, F]`` of its default features.
        labels: Reads the labels by hand in the same order; ``None`` where there are none.
        options: Arguments that ``kind(root, ...)`` needs besides.
        wrong: For each of :data:`WRONG` that can be: how to make the written files so, and what
            part of the error's message says it.
        exempt: For each that cannot be: why.
        has_empty_jets: Whether jets in the files may have no particles, as those of others do.
    """

    kind: type
    write: Callable[[Path, JetArray], None]
    expected: Callable[[Path], list[np.ndarray]]
    labels: Callable[[Path], np.ndarray] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    wrong: Mapping[str, tuple[Callable[[Path], None], str]] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)
    has_empty_jets: bool = True

    def files(self, root: Path) -> list[Path]:
        """The raw files that were written."""
        return sorted(p for p in root.rglob("*") if p.is_file() and "processed" not in p.parts)


def per_jet(values: np.ndarray, jets: JetArray) -> list[np.ndarray]:
    """One array a jet."""
    return np.split(values, jets.ptr[1:-1])


def padded(jets: JetArray, columns: Mapping[str, np.ndarray], length: int, dtype: Any = float):
    """Columns ``{name: [N]}`` zero-padded to ``[J, length, K]``; what is too much is cut."""
    out = np.zeros((len(jets), length, len(columns)), dtype)
    for i, values in enumerate(columns.values()):
        for j, one in enumerate(per_jet(values, jets)):
            out[j, : min(length, len(one)), i] = one[:length]
    return out
