"""Branches of ROOT files as flat arrays, one for values and one for how many an entry has."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.io.file_type import refusal

__all__ = ["Block"]

_LISTS = "lists of numbers"


class Block:
    """Some entries of a tree, as :meth:`pyg_jets.io.root.TreeReader.chunks` gives them.

    Args:
        path: The file, for messages.
        array: The awkward record array.

    Examples:
        >>> import awkward as ak
        >>> block = Block("jets.root", ak.Array({"pt": [[5.0, 3.0], []], "y": [1, 0]}))
        >>> block.lists("pt"), block.numbers("y")
        ((array([2, 0]), array([5., 3.])), array([1, 0]))
    """

    def __init__(self, path: str | Path, array: Any):
        self.path, self._array = Path(path), array
        self._lists: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self._array)

    def numbers(self, name: str) -> np.ndarray:
        """A branch of one number an entry, ``[J]``.

        Raises:
            ValueError: If it holds anything else.
        """
        return self._plain(name, self._array[name], "numbers")

    def lists(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A branch of a list an entry: the lengths ``[J]`` int64, and all values ``[N]``.

        Raises:
            ValueError: If it holds anything but lists of numbers.
        """
        if name not in self._lists:
            ak, array = require("awkward", "data"), self._array[name]
            if array.ndim != 2:
                raise self._wrong(name, _LISTS)
            counts = ak.to_numpy(ak.num(array, axis=1)).astype(np.int64)
            self._lists[name] = counts, self._plain(name, ak.flatten(array, axis=1), _LISTS)
        return self._lists[name]

    def table(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Branches of lists of the same lengths, side by side: lengths, and ``[N, F]`` float32.

        Raises:
            ValueError: If their lengths differ, or if one holds anything but lists of numbers.
        """
        counts, first = self.lists(names[0])
        out = np.empty((len(first), len(names)), np.float32)
        for i, name in enumerate(names):
            out[:, i] = self.values(name, names[0])
        return counts, out

    def values(self, name: str, other: str) -> np.ndarray:
        """The values ``[N]`` of a branch of lists, which must be as long as those of another.

        Raises:
            ValueError: If they are not.
        """
        counts = self.lists(other)[0]
        own, values = self.lists(name)
        if not np.array_equal(own, counts):
            entry = int(np.flatnonzero(own != counts)[0])
            raise refusal(
                self.path,
                f"not consistent (a list of {own[entry]} in branch {name!r}, but of "
                f"{counts[entry]} in {other!r})",
                "lists of the same length",
                "mend it, or fetch it again",
            )
        return values

    def _plain(self, name: str, array: Any, expected: str) -> np.ndarray:
        values = None
        if array.ndim == 1:
            with contextlib.suppress(ValueError, TypeError):
                values = np.asarray(require("awkward", "data").to_numpy(array))
        if values is None or values.dtype.kind not in "biuf":
            raise self._wrong(name, expected)
        return values

    def _wrong(self, name: str, expected: str) -> ValueError:
        return InputError(
            f"{self.path}: branch {name!r} holds {self._array[name].type.content}, expected "
            f"{expected}: give a file of this layout, or the name that the branch has there."
        )
