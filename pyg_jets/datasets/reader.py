"""`Reader`: reads raw files in chunks of jets, with the checks that every chunk passes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.io.hdf5 import read_rows
from pyg_jets.jets import JetArray
from pyg_jets.jets.checks import describe_row, invalid_particles

__all__ = [
    "Chunk",
    "FileColumns",
    "RawFile",
    "Reader",
    "checked_labels",
    "is_integer",
    "make_jets",
    "rows_in_step",
]


@dataclass(frozen=True)
class RawFile:
    """A raw file of a data set.

    Args:
        path: Where it is.
        number: Its number in the publisher's list, which goes into ``jet_id``.
        split: The publisher's split, the index into ``SPLITS``, or ``None``.
        label: The class of all its jets, or ``None`` if the file has labels or there are none.
        rows: The first row, and the row after the last, where large files are converted in parts.
    """

    path: Path
    number: int
    split: int | None = None
    label: int | None = None
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class FileColumns:
    """The columns that a file has.

    Args:
        particles: Particle columns, of those in :data:`pyg_jets.columns.PARTICLE` or the user's.
        jets: Jet columns, without the ``gen_`` or ``reco_`` that the data set adds: ``pt, eta, phi,
            mass, e`` are the axis.
        target: Particle columns of the second set of pairs; empty without pairs.
        target_jets: Jet columns of the second set.
    """

    particles: tuple[str, ...]
    jets: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    target_jets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """Consecutive jets of a raw file.

    Args:
        jets: The jets; their ids are row numbers of the file.
        stop: The row after the last one that was read.
        target: The second set of particles of the same jets, such as the detector's.
        extra: Further arrays with a row a jet, stored as they are.
    """

    jets: JetArray
    stop: int
    target: JetArray | None = None
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)


class Reader(ABC):
    """Reads raw files of one layout in chunks; small, and pickled to other processes."""

    #: Particle columns that are always read: a split by hash depends on these alone.
    split_columns: tuple[str, ...] = ()
    #: Jet columns that are the observables of these names, as they are computed from the particles.
    computed: ClassVar[tuple[str, ...]] = ()

    def packages(self, path: Path) -> tuple[str, ...]:
        """Packages of the extra ``data`` with which a file is read, which may not be there yet."""
        return ()

    def n_rows(self, path: Path) -> int | None:
        """Number of rows of a file that can be read from any of them on; else ``None``."""
        return None

    @abstractmethod
    def file_columns(self, path: Path) -> FileColumns:
        """The columns of a file."""

    @abstractmethod
    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        """The jets from row ``start`` on.

        Args:
            raw_file: The file.
            names: Particle columns to read, out of those of :meth:`file_columns`.
            start: The first row.
            size: Largest number of jets in a chunk.
            drop_bad: Leave out jets with bad values, instead of refusing the file.
        """


def make_jets(
    path: Path,
    particles: np.ndarray,
    names: Sequence[str],
    ptr: np.ndarray,
    start: int,
    labels: np.ndarray | None = None,
    jets: Mapping[str, np.ndarray] | None = None,
    drop_bad: bool = False,
    ids: np.ndarray | None = None,
    what: str = "jet",
) -> JetArray:
    """A `JetArray` of rows of a file, whose errors name the file and the row.

    Args:
        path: The file.
        particles: Particles ``[N, F]``.
        names: Their ``F`` columns.
        ptr: Ragged pointer ``[J + 1]``.
        start: The row of the first jet.
        labels: A class for each jet, or ``None``.
        jets: Jet columns ``{name: [J]}``; the float ones must be finite.
        drop_bad: Leave out jets with a NaN, an infinite or a negative value instead of refusing
            them.
        ids: The row of each jet, where not every row is a jet.
        what: What a row is, ``"jet"`` or ``"event"``, for messages.

    Raises:
        InputError: For a bad value.
    """
    ids = np.arange(start, start + len(ptr) - 1) if ids is None else ids
    columns = {name: np.asarray(value) for name, value in (jets or {}).items()}
    bad = np.zeros(len(ids), bool)
    bad_particles = invalid_particles(particles, names)
    bad[np.searchsorted(ptr, bad_particles, side="right") - 1] = True
    bad_values = {n: ~np.isfinite(v) for n, v in columns.items() if v.dtype.kind == "f"}
    for name in {"pt", "e"}.intersection(bad_values):
        bad_values[name] |= columns[name] < 0
    for flags in bad_values.values():
        bad |= flags
    if not bad.any():
        return JetArray(particles, tuple(names), ptr, labels, columns, ids)
    if not drop_bad:
        j = int(np.flatnonzero(bad)[0])
        if len(rows := bad_particles[(bad_particles >= ptr[j]) & (bad_particles < ptr[j + 1])]):
            row = int(rows[0])
            where = f"particle {row - ptr[j]}: {describe_row(names, particles[row])}"
        else:
            name = next(name for name, flags in bad_values.items() if flags[j])
            where = f"{what} {name} = {columns[name][j]:g}"
        raise InputError(
            f"{path}: {what} {ids[j]} has a NaN, an infinite or a negative energy ({where}): use "
            f"bad_jets='drop' to leave such {what}s out, or mend the file."
        )
    particles, counts = particles[np.repeat(~bad, np.diff(ptr))], np.diff(ptr)[~bad]
    return JetArray(
        particles,
        tuple(names),
        np.concatenate(([0], np.cumsum(counts))),
        None if labels is None else labels[~bad],
        {name: value[~bad] for name, value in columns.items()},
        ids[~bad],
    )


def checked_labels(
    path: Path, labels: np.ndarray, n_classes: int, start: int, what: str = "jet"
) -> np.ndarray:
    """Labels as int64, each from 0 to ``n_classes - 1``.

    Raises:
        InputError: For another label.
    """
    whole = labels.astype(np.int64) if np.isfinite(labels).all() else np.full(len(labels), -1)
    wrong = (whole != labels) | (whole < 0) | (whole >= n_classes)
    if wrong.any():
        j = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{path}: {what} {start + j} has the label {labels[j]}, but there are {n_classes} "
            "classes, numbered from 0: the file is none of this data set, or is broken; fetch it "
            "again."
        )
    return whole


def is_integer(name: str) -> bool:
    """Whether a jet column of this name holds integers, which are stored under their own name.

    Examples:
        >>> is_integer("event"), is_integer("gen_multiplicity"), is_integer("pt")
        (True, True, False)
    """
    return name == "event" or name.split("_")[-1] == "multiplicity"


def rows_in_step(
    datasets: Mapping[str, Any], start: int, size: int
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    """``first, stop`` and the rows between them, of several HDF5 datasets with a row a jet each.

    Args:
        datasets: Datasets of one file.
        start: The first row.
        size: Largest number of rows in a chunk.

    Raises:
        InputError: If they have different numbers of rows.

    Examples:
        >>> import tempfile, pathlib, h5py
        >>> with h5py.File(pathlib.Path(tempfile.mkdtemp()) / "jets.h5", "w") as file:
        ...     file["pt"] = [500.0, 510.0, 520.0]
        ...     [(i, k, rows["pt"]) for i, k, rows in rows_in_step({"pt": file["pt"]}, 1, 9)]
        [(1, 3, array([510., 520.]))]
    """
    counts = {name: dataset.shape[0] for name, dataset in datasets.items()}
    if len(set(counts.values())) > 1:
        file = next(iter(datasets.values())).file.filename
        lengths = ", ".join(f"{name!r} {count}" for name, count in counts.items())
        raise InputError(
            f"{file} has different numbers of rows ({lengths}), expected one row a jet in each: "
            "delete the file and fetch it again."
        )
    total = next(iter(counts.values()))
    for first in range(start, total, size):
        stop = min(first + size, total)
        yield first, stop, {name: read_rows(d, first, stop) for name, d in datasets.items()}
