"""The top-tagging reference set: top against QCD jets after Delphes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_jets.datasets.from_files import FileDataset
from pyg_jets.datasets.reading import Chunk, Given, Part, Reader, checked_labels, make_jets
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.errors import InputError
from pyg_jets.io.padded import unpad
from pyg_jets.io.pandas_table import PandasTable

__all__ = ["TopTagging"]

_N_PARTICLES = 200
_COLUMNS = {"px": "PX", "py": "PY", "pz": "PZ", "e": "E"}
_PUBLISHED = ("e", "px", "py", "pz")
_LABEL = "is_signal_new"
_TRUTH = ("truthE", "truthPX", "truthPY", "truthPZ")
#: The published order of the columns, for files whose own names cannot be read.
_ORDER = (
    *(f"{name}_{i}" for i in range(_N_PARTICLES) for name in map(_COLUMNS.get, _PUBLISHED)),
    *_TRUTH,
    "ttv",
    _LABEL,
)


@dataclass(frozen=True)
class TopTaggingReader(Reader):
    """Reads the pandas tables."""

    key = tuple(_COLUMNS)

    def given(self, path: Path) -> Given:
        return Given(tuple(_COLUMNS))

    def chunks(
        self, part: Part, names: Sequence[str], start: int, size: int, drop: bool
    ) -> Iterator[Chunk]:
        padded = [f"{_COLUMNS[n]}_{i}" for i in range(_N_PARTICLES) for n in _PUBLISHED]
        take = [_PUBLISHED.index(name) for name in names]
        with PandasTable(part.path, "table", _ORDER) as table:
            _check_numbers(table, (*padded, _LABEL))
            for first in range(start, table.num_rows, size):
                stop = min(first + size, table.num_rows)
                rows = table.rows(first, stop)
                values = table.take(rows, padded).reshape(len(rows), _N_PARTICLES, 4)
                particles, ptr = unpad(values, take, key=0)
                labels = table.take(rows, [_LABEL])[:, 0]
                labels = checked_labels(part.path, labels, 2, first)
                jets = make_jets(part.path, particles, names, ptr, first, labels, drop=drop)
                yield Chunk(jets, stop)


def _check_numbers(table: PandasTable, names: Sequence[str]) -> None:
    for name in names:
        dtype = table.dtype[table.block_of(name)[0]].base
        if dtype.kind not in "fiu":
            raise InputError(
                f"{table.path}: column {name} holds {dtype}, expected numbers: the file is none of "
                "the top-tagging set; delete it and fetch it again."
            )


class TopTagging(FileDataset):
    """Top (1) against QCD (0) jets of 550–650 GeV after Delphes, up to 200 constituents each.

    Source: the top-tagging reference set, Zenodo 2603256, arXiv 1902.09914. Features that the set
    can give: whatever follows from px, py, pz, E; there is no charge and no particle id.

    Args:
        root: The folder; ``raw/`` holds ``train.h5``, ``val.h5``, ``test.h5``, fetched if missing.
        split: ``"train"`` (1.2 million jets), ``"val"``, ``"test"`` (400,000 each), or ``None``.
        **options: What :class:`~pyg_jets.datasets.from_files.FileDataset` takes: ``features``,
            ``coordinates``, ``max_particles``, ``min_pt``, ``order``, ``pt``, ``mass``,
            ``splits``, ``transform`` ….

    Examples:
        >>> dataset = TopTagging("data/top_tagging", split="train")  # doctest: +SKIP
    """

    card = "top_tagging"
    classes = ("qcd", "top")
    published_splits = SPLITS

    def __init__(self, root: str | Path, split: str | None = None, **options: Any):
        super().__init__(root, split, **options)

    def reader(self) -> Reader:
        """Reads the pandas tables."""
        return TopTaggingReader()

    def parts(self) -> list[Part]:
        """One file a split."""
        wanted = SPLITS if self.split is None or self.by_hash else (self.split,)
        return [
            Part(Path(self.raw_dir) / f"{name}.h5", SPLITS.index(name), SPLITS.index(name))
            for name in wanted
        ]
