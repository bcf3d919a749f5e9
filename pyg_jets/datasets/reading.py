"""What is read of a raw file: parts, chunks of jets, and the checks that every chunk passes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.jets import JetArray
from pyg_jets.jets.checks import are_fine, describe_row, wrong_particles

__all__ = ["Chunk", "Given", "Part", "Reader", "checked_labels", "make_jets"]


@dataclass(frozen=True)
class Part:
    """A raw file.

    Args:
        path: Where it is.
        number: Its number in the publisher's list, which goes into ``jet_id``.
        split: The publisher's split, 0, 1, 2, or ``None``.
        label: The class of all its jets, or ``None`` if they have labels of their own.
    """

    path: Path
    number: int
    split: int | None = None
    label: int | None = None


@dataclass(frozen=True)
class Given:
    """The columns that a file has.

    Args:
        particles: Particle columns, of those in :data:`pyg_jets.columns.PARTICLE` or the user's.
        jets: Jet columns, without ``gen_`` or ``reco_``: ``pt, eta, phi, mass, e`` are the axis.
        target: Particle columns of the second set, where there is one.
        target_jets: Its jet columns.
    """

    particles: tuple[str, ...]
    jets: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    target_jets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """Some jets of a raw file, in its order.

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

    #: Particle columns that are always read: a split by hash depends on them alone.
    key: tuple[str, ...] = ()

    @abstractmethod
    def given(self, path: Path) -> Given:
        """The columns of a file."""

    @abstractmethod
    def chunks(
        self, part: Part, names: Sequence[str], start: int, size: int, drop: bool
    ) -> Iterator[Chunk]:
        """The jets from row ``start`` on.

        Args:
            part: The file.
            names: Particle columns to read, of those given.
            start: The first row.
            size: Jets in a chunk, at most.
            drop: Whether to leave out jets with bad values, instead of refusing the file.
        """


def make_jets(
    path: Path,
    particles: np.ndarray,
    names: Sequence[str],
    ptr: np.ndarray,
    start: int,
    labels: np.ndarray | None = None,
    jets: Mapping[str, np.ndarray] | None = None,
    drop: bool = False,
    ids: np.ndarray | None = None,
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
        drop: Leave out jets with a NaN, an infinite or a negative value instead of refusing them.
        ids: The row of each jet, where not every row is one.

    Raises:
        ValueError: For a bad value.
    """
    ids = np.arange(start, start + len(ptr) - 1) if ids is None else ids
    columns = {name: np.asarray(value) for name, value in (jets or {}).items()}
    bad = np.zeros(len(ids), bool)
    wrong = np.zeros(0, bool)
    if not are_fine(particles, names):
        wrong = wrong_particles(particles, names)
        rows = np.flatnonzero(wrong)
        bad[np.searchsorted(ptr, rows, side="right") - 1] = True
    wrong_jets = {n: ~np.isfinite(v) for n, v in columns.items() if v.dtype.kind == "f"}
    for name in {"pt", "e"}.intersection(wrong_jets):
        wrong_jets[name] |= columns[name] < 0
    for flags in wrong_jets.values():
        bad |= flags
    if not bad.any():
        return JetArray(particles, tuple(names), ptr, labels, columns, ids)
    if not drop:
        j = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{path}: jet {ids[j]} has a NaN, an infinite or a negative energy "
            f"({_what(j, particles, names, ptr, wrong, columns, wrong_jets)}): use "
            "bad_jets='drop' to leave such jets out, or mend the file."
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


def _what(
    jet: int,
    particles: np.ndarray,
    names: Sequence[str],
    ptr: np.ndarray,
    wrong: np.ndarray,
    columns: Mapping[str, np.ndarray],
    wrong_jets: Mapping[str, np.ndarray],
) -> str:
    """Where a jet is bad: its first bad particle, or its first bad column."""
    rows = np.flatnonzero(wrong[ptr[jet] : ptr[jet + 1]])
    if len(rows):
        row = int(rows[0])
        return f"particle {row}: {describe_row(names, particles[ptr[jet] + row])}"
    name = next(name for name, flags in wrong_jets.items() if flags[jet])
    return f"jet {name} = {columns[name][jet]:g}"


def checked_labels(path: Path, labels: np.ndarray, n_classes: int, start: int) -> np.ndarray:
    """Labels as int64, each from 0 to ``n_classes - 1``.

    Raises:
        ValueError: If one is not.
    """
    whole = labels.astype(np.int64) if np.isfinite(labels).all() else np.full(len(labels), -1)
    wrong = (whole != labels) | (whole < 0) | (whole >= n_classes)
    if wrong.any():
        j = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{path}: jet {start + j} has the label {labels[j]}, but there are {n_classes} "
            "classes, numbered from 0: the file is none of this data set, or is broken; fetch it "
            "again."
        )
    return whole
