"""The top-tagging reference set: top against QCD jets after Delphes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_jets.datasets.from_files import FileDataset
from pyg_jets.datasets.reading import Chunk, Given, Part, Reader, checked_labels, make_jets
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.io.hdf5 import open_hdf5, pandas_table, read_rows
from pyg_jets.io.padded import unpad

__all__ = ["TopTagging"]

_N_PARTICLES = 200
_COLUMNS = ("e", "px", "py", "pz")  # of each particle, in the published order
#: The published order of the columns, by the blocks in which pandas stores them.
_BLOCKS = {
    "values_block_0": (
        *(f"{name.upper()}_{i}" for i in range(_N_PARTICLES) for name in _COLUMNS),
        *("truthE", "truthPX", "truthPY", "truthPZ"),
    ),
    "values_block_1": ("ttv", "is_signal_new"),
}


@dataclass(frozen=True)
class TopTaggingReader(Reader):
    """Reads the pandas tables."""

    key = ("px", "py", "pz", "e")

    def given(self, path: Path) -> Given:
        return Given(self.key)

    def chunks(
        self, part: Part, names: Sequence[str], start: int, size: int, drop: bool
    ) -> Iterator[Chunk]:
        take = [_COLUMNS.index(name) for name in names]
        with open_hdf5(part.path) as file:
            table = pandas_table(file, "table", _BLOCKS)
            for first in range(start, len(table), size):
                stop = min(first + size, len(table))
                rows = read_rows(table, first, stop)
                momenta = rows["values_block_0"][:, : 4 * _N_PARTICLES]
                particles, ptr = unpad(momenta.reshape(-1, _N_PARTICLES, 4), take, key=0)
                labels = checked_labels(part.path, rows["values_block_1"][:, 1], 2, first)
                jets = make_jets(part.path, particles, names, ptr, first, labels, drop=drop)
                yield Chunk(jets, stop)


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
