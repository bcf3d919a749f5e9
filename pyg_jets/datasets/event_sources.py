"""Readers of files of events, which hand on the particles of each event: an entry is an event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyg_jets.datasets.jet_files_reader import checked_weights
from pyg_jets.datasets.pf_nano_branches import TREE, find_candidates, numbers_of_events
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, checked_labels, make_jets
from pyg_jets.errors import InputError
from pyg_jets.events.clustering import NEUTRINOS
from pyg_jets.io.frames import NumberFrame, number_frame
from pyg_jets.io.hdf5 import open_hdf5
from pyg_jets.io.hepmc import HEPMC_COLUMNS, hepmc_packages, read_hepmc
from pyg_jets.io.padded import unpad
from pyg_jets.io.root import FlatBranches, open_tree

__all__ = ["CandidatesReader", "EventRowsReader", "HepMCReader"]

_ROW = ("pt", "eta", "phi")


@dataclass(frozen=True)
class EventRowsReader(Reader):
    """Reads HDF5 rows of (pt, eta, phi) of massless particles, zero-padded, and maybe a label.

    Args:
        n_classes: Number of classes; 0 to leave labels unread.
        n_particles: The particles for which a row has room; ``None`` for any number.
    """

    n_classes: int = 0
    n_particles: int | None = None

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("h5py",)

    def n_rows(self, path: Path) -> int:
        with open_hdf5(path) as file:
            return number_frame(file).n_rows

    def file_columns(self, path: Path) -> FileColumns:
        with open_hdf5(path) as file:
            self._check_width(number_frame(file))
        return FileColumns(_ROW)

    def _check_width(self, frame: NumberFrame) -> None:
        if self.n_particles is not None:
            expected = f"{3 * self.n_particles + 1} = {self.n_particles} × (pt, eta, phi) + label"
            fits = frame.width == 3 * self.n_particles + 1
        elif self.n_classes:
            expected, fits = "a multiple of 3, (pt, eta, phi) …, and a label", frame.width % 3 == 1
        else:
            expected = "a multiple of 3, (pt, eta, phi) …, and maybe a label"
            fits = frame.width % 3 < 2
        if not fits or frame.width < 3:
            remedy = "give EventFiles(…, classes=()) for rows without a label"
            raise InputError(
                f"{frame.path}: the rows of {frame.key!r} have {frame.width} numbers, expected "
                f"{expected}: {remedy if frame.width % 3 == 0 else 'give a file of this layout'}."
            )

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        path = raw_file.path
        with open_hdf5(path) as file:
            frame = number_frame(file)
            n = frame.width // 3
            for first in range(start, frame.n_rows, size):
                rows = frame.rows(first, min(first + size, frame.n_rows))
                padded = rows[:, : 3 * n].reshape(len(rows), n, 3)
                particles, ptr = unpad(padded, (0, 1, 2), key=(0, 1, 2))
                labels = None
                if self.n_classes:
                    labels = checked_labels(path, rows[:, -1], self.n_classes, first, "event")
                yield Chunk(
                    make_jets(path, particles, _ROW, ptr, first, labels, None, drop_bad,
                              what="event"),
                    first + len(rows),
                )  # fmt: skip


@dataclass(frozen=True)
class CandidatesReader(Reader):
    """Reads all particle-flow candidates of the events of NanoAOD, whatever jets they are in.

    Args:
        puppi: Whether to multiply momenta by PUPPI's weights, where the file has these, and to
            leave out what has weight 0.
    """

    puppi: bool = True

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("uproot",)

    def n_rows(self, path: Path) -> int:
        with open_tree(path, TREE) as tree:
            return tree.num_entries

    def file_columns(self, path: Path) -> FileColumns:
        particles, event = find_candidates(path)
        return FileColumns(tuple(particles), ("event",) if event else ())

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        path = raw_file.path
        branches, event = find_candidates(path)
        weighted = self.puppi and "puppiweight" in branches
        names = [name for name in branches if name in names or name in (*_ROW, "mass")]
        read = list(dict.fromkeys([*names, *(("puppiweight",) * weighted)]))
        with open_tree(path, TREE) as tree:
            wanted = dict.fromkeys([*(branches[name] for name in read), *event])
            # An event may have some thousand candidates.
            for array in tree.chunks(wanted, max(1, size // 8), start):
                block = FlatBranches(path, array)
                counts, table = block.table([branches[name] for name in read])
                ptr = np.concatenate(([0], np.cumsum(counts)))
                if weighted:
                    weight = table[:, read.index("puppiweight")]
                    for name in {"pt", "mass"}.intersection(read):
                        table[:, read.index(name)] *= weight
                    table, ptr = _chosen(table, ptr, weight != 0)
                columns = {"event": numbers_of_events(block, event)} if event else {}
                particles = table[:, : len(names)]
                yield Chunk(
                    make_jets(path, particles, names, ptr, start, None, columns, drop_bad,
                              what="event"),
                    start + len(array),
                )  # fmt: skip
                start += len(array)


def _chosen(table: np.ndarray, ptr: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return table[kept], np.concatenate(([0], np.cumsum(kept)))[ptr]


@dataclass(frozen=True)
class HepMCReader(Reader):
    """Reads the visible final state of HepMC3 and HepMC2 events.

    Args:
        invisible: PDG ids, whatever their sign, that no detector sees.
        weight: Name of a weight, which then belongs to the jets; ``None`` for none.
    """

    invisible: tuple[int, ...] = NEUTRINOS
    weight: str | None = None

    def packages(self, path: Path) -> tuple[str, ...]:
        return hepmc_packages(path)

    def file_columns(self, path: Path) -> FileColumns:
        next(read_hepmc(path, 1, 0, self.invisible, self.weight), None)
        return FileColumns(HEPMC_COLUMNS)

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        path = raw_file.path
        names = [name for name in HEPMC_COLUMNS if name in names or name in (*_ROW, "mass")]
        take = [HEPMC_COLUMNS.index(name) for name in names]
        for block in read_hepmc(path, size, start, self.invisible, self.weight):
            columns = {}
            if self.weight is not None:
                where = f"in {self.weight!r}"
                weights = checked_weights(path, block.weights, where, block.start, drop_bad)
                columns["weight"] = weights
            particles = block.particles[:, take].astype(np.float32)
            yield Chunk(
                make_jets(path, particles, names, block.ptr, block.start, None, columns, drop_bad,
                          what="event"),
                block.start + len(block.ptr) - 1,
            )  # fmt: skip
