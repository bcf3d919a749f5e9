"""`EventReader`: the jets of events, in the place of the jets of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pyg_jets.columns import GENERATED, OBSERVABLES
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader
from pyg_jets.errors import InputError
from pyg_jets.events.clustering import ClusteringOptions
from pyg_jets.events.from_particles import JETS_PER_EVENT, find_jets
from pyg_jets.jets import JetArray

__all__ = ["EventReader", "in_parts"]

#: Columns from which momenta follow, and those that follow from them.
_KINEMATIC = ("pt", "eta", "rapidity", "phi", "mass")
_MOMENTA = ("pt", "eta", "phi", "mass", "px", "py", "pz", "e")
#: Rows of a part of a large file: some ten seconds of one core.
_PART = 5_000
_MAX_ROWS = (1 << 32) // JETS_PER_EVENT  # a jet's id has 32 bits within its file


@dataclass(frozen=True)
class EventReader(Reader):
    """Reads events, and hands on the jets that FastJet finds in them.

    Args:
        source: Reads the particles of the events: one entry each.
        options: Algorithm, radius, and which jets are kept.
    """

    source: Reader
    options: ClusteringOptions

    computed = OBSERVABLES

    def packages(self, path: Path) -> tuple[str, ...]:
        return (*self.source.packages(path), "fastjet")

    def file_columns(self, path: Path) -> FileColumns:
        given = self.source.file_columns(path)
        others = [name for name in given.particles if name not in {*_KINEMATIC, *_MOMENTA}]
        ordered = [name for name in GENERATED if name in (*_KINEMATIC, *others)]
        ordered += [name for name in others if name not in GENERATED]
        of_event = [name for name in given.jets if name != "event"]
        return FileColumns(tuple(ordered), (*OBSERVABLES, "event", *of_event))

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        given = self.source.file_columns(raw_file.path).particles
        read = [name for name in given if name in names or name in _MOMENTA]
        first, last = raw_file.rows or (0, _MAX_ROWS)
        start = max(start, first)
        if start >= last:
            return
        for chunk in self.source.chunks(raw_file, read, start, size, drop_bad):
            if chunk.stop > _MAX_ROWS:
                raise InputError(
                    f"{raw_file.path} has more than {_MAX_ROWS:,} events: split the file."
                )
            events = chunk.jets[chunk.jets.ids < last] if chunk.stop > last else chunk.jets
            jets = self._jets(events, chunk, raw_file)
            yield Chunk(jets.select(names), min(chunk.stop, last))
            if chunk.stop >= last:
                return

    def _jets(self, events: JetArray, chunk: Chunk, raw_file: RawFile) -> JetArray:
        """The jets of some events of a chunk, with what belongs to the events."""
        extra = {name: value[: len(events)] for name, value in chunk.extra.items()}
        number = {"event": (raw_file.number << 24) + events.ids}
        return find_jets(replace(events, jets={**number, **events.jets, **extra}), self.options)


def in_parts(raw_file: RawFile, n_rows: int | None) -> list[RawFile]:
    """A file of events as the parts that several processes convert at a time.

    Args:
        raw_file: The file.
        n_rows: Number of its rows; ``None`` for a file that can be read from its start only.
    """
    if n_rows is None or n_rows <= _PART:
        return [raw_file]
    firsts = range(0, n_rows, _PART)
    return [replace(raw_file, rows=(first, min(first + _PART, n_rows))) for first in firsts]
