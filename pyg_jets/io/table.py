"""`Table`: named columns of a file, one row a jet, whatever kind of file it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyg_jets.errors import InputError

__all__ = ["Lists", "Table"]

_LISTED = 30


class Lists(NamedTuple):
    """A column of a list a row: the lengths ``[J]``, and all values one after the other.

    Where the lists are of records, ``values`` has an array for each field.
    """

    counts: np.ndarray
    values: np.ndarray | Mapping[str, np.ndarray]


class Table(ABC):
    """Columns of a file; :func:`pyg_jets.io.tables.open_table` makes one."""

    def __init__(self, path: Path, names: Iterable[str]):
        self.path, self.names = path, tuple(names)

    def check(self, wanted: Sequence[str]) -> None:
        """Refuse names that the file does not have.

        Raises:
            ValueError: With those that it has.
        """
        missing = [name for name in wanted if name not in self.names]
        if missing:
            held = ", ".join(self.names[:_LISTED]) + ", …" * (len(self.names) > _LISTED)
            raise InputError(
                f"{self.path} has no {' and no '.join(map(repr, missing))}, it holds "
                f"{held or 'nothing'}: give the name that it has there."
            )

    @abstractmethod
    def chunks(
        self, names: Sequence[str], size: int, start: int = 0
    ) -> Iterator[dict[str, np.ndarray | Lists]]:
        """Some columns from row ``start`` on, at most ``size`` rows at once.

        Raises:
            ValueError: If a column is missing, damaged, or of another length than the others.
        """
