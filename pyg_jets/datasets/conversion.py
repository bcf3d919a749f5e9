"""`Conversion`: chunks of jets of raw files to the attributes that PyG stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets import kinematics
from pyg_jets.columns import JET, KINDS, PARTICLE, check_names
from pyg_jets.datasets.base import append_graphs
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, is_integer
from pyg_jets.datasets.selection import Selection
from pyg_jets.datasets.splits import assign_splits, jet_keys
from pyg_jets.errors import InputError
from pyg_jets.io.flat_writer import FlatWriter
from pyg_jets.jets import JetArray
from pyg_jets.substructure.observables import compute_observables, observable
from pyg_jets.transforms.derive import Derived, derivable, requirements

__all__ = ["Conversion", "expand_features"]

#: Jets in a chunk: so few that the columns in between stay in the cache.
_CHUNK = 2048
#: The largest block whose return raises glibc's threshold (``DEFAULT_MMAP_THRESHOLD_MAX``), bytes.
_LARGEST = 32 * 1024 * 1024 - 65536
_AXIS = ("pt", "eta", "phi", "mass")
_MOMENTA = {*_AXIS, "rapidity", "px", "py", "pz", "e", "ptrel", "etarel", "phirel"}
#: Ending of the name of a jet column of the file in whose place another one is computed.
_OF_FILE = "_file"
#: What observables are computed from: the first set that follows from the columns of a file. The
#: second leaves the azimuth of the jet open, on which no observable but ``phi`` depends.
_COMPUTED_FROM = (("px", "py", "pz", "e"), ("pt", "eta", "phirel"))


def expand_features(names: Sequence[str] | str) -> tuple[str, ...]:
    """Feature names, with ``pdgid_onehot`` as the five columns that it stands for.

    Examples:
        >>> expand_features(["pt", "pdgid_onehot"])
        ('pt', 'ischargedhadron', 'isneutralhadron', 'isphoton', 'iselectron', 'ismuon')
    """
    names = [names] if isinstance(names, str) else names
    each = (KINDS if name == "pdgid_onehot" else (name,) for name in names)
    return tuple(column for columns in each for column in columns)


@cache
def _reuse_memory() -> None:
    """Have glibc reuse the memory of the columns of one chunk for those of the next.

    glibc returns large blocks to the system, which hands them out again page by page, and that
    takes longer than the computation. Freeing one large, untouched block raises the size from which
    blocks are returned, once a process. Other allocators are not affected.
    """
    np.empty(_LARGEST, np.uint8)


@dataclass(frozen=True)
class Conversion:
    """How the jets of raw files become graphs; pickled to the processes that convert files.

    Args:
        reader: Reads the files.
        features: Columns of ``x``.
        coordinates: Columns of ``pos``; empty for no ``pos``.
        selection: Cuts and order.
        level: ``"gen"`` or ``"reco"``: the prefix of the jet columns; ``None`` for no prefix.
        axis: ``"jet"``, or ``"origin"`` for jets on a plane.
        fractions: Shares of the splits by hash, or ``None`` for the publisher's splits.
        drop_bad: Whether jets with bad values are left out.
        pre_filter: Only graphs for which it is true are stored.
        pre_transform: Applied to each graph before it is stored.
        computed: Further jet columns, without prefix, and the observable in each.
    """

    reader: Reader
    features: tuple[str, ...]
    coordinates: tuple[str, ...]
    selection: Selection
    level: str | None = "reco"
    axis: str = "jet"
    fractions: tuple[float, ...] | None = None
    drop_bad: bool = False
    pre_filter: Callable[[Data], bool] | None = None
    pre_transform: Callable[[Data], Data] | None = None
    computed: tuple[tuple[str, str], ...] = ()

    def check(self, columns: FileColumns, owner: str) -> None:
        """Refuse features, coordinates and cuts that do not follow from the columns of a file.

        Args:
            columns: The columns of the file.
            owner: The name of the data set or file, for the message.

        Raises:
            InputError: With the columns to choose from.
        """
        for particles, jets in (
            (columns.particles, columns.jets),
            (columns.target, columns.target_jets),
        ):
            if not particles:
                continue
            sources = self._sources(particles, jets)
            candidates = dict.fromkeys((*PARTICLE, *particles))
            available = [name for name in candidates if derivable(name, sources, self.axis)]
            check_names(self.features, available, f"feature of {owner}")
            check_names(self.coordinates, available, f"coordinate of {owner}")
            for name in self.selection.needs:
                if not derivable(name, sources, self.axis):
                    raise InputError(
                        f"{owner} has no {name.replace('_', ' ')} to cut at: its columns are "
                        f"{', '.join(particles)}."
                    )
            self._check_computed(particles, jets, owner)

    def _check_computed(self, particles: Sequence[str], jets: Sequence[str], owner: str) -> None:
        """Refuse computed columns that do not follow from those of the file, or hide its axis."""
        sources = self._sources(particles, jets)
        given = _computed_from(sources, self.axis)
        of_file = not {*_AXIS, "e"}.isdisjoint(jets)
        for column, name in self.computed:
            if column == name and name in self.reader.computed:
                continue
            is_axis = column in _AXIS and (
                column in jets
                or (self.axis == "jet" and derivable(f"jet_{column}", sources, self.axis))
            )
            # Without an axis in the file, these are the sum of the particles and their number.
            if (is_axis and (of_file or column != name)) or column == "multiplicity" != name:
                raise InputError(
                    f"{owner} has a jet column {column!r} of its own: leave it out of jet_columns, "
                    f"or compute it under another name, as {{'own_{column}': {name!r}}}."
                )
            if given is None or (observable(name).base == "phi" and "phirel" in given):
                raise InputError(
                    f"{owner} lacks what {name!r} is computed from, its columns are "
                    f"{', '.join((*particles, *jets))}: leave it out of jet_columns."
                )

    def replaced(self, columns: FileColumns) -> tuple[str, ...]:
        """The jet columns of a file in whose place others are computed.

        Args:
            columns: The columns of the file.
        """
        jets = dict.fromkeys((*columns.jets, *columns.target_jets))
        return tuple(name for name in jets if self._is_replaced(name))

    def _is_replaced(self, name: str) -> bool:
        """Whether a jet column of the file makes way for a computed one."""
        observable_of = dict(self.computed)
        is_same = name in self.reader.computed and observable_of.get(name) == name
        return name in observable_of and name not in _AXIS and not is_same

    def _sources(self, particles: Sequence[str], jets: Sequence[str]) -> tuple[str, ...]:
        """The columns from which others are derived; on a plane there is no jet axis."""
        return (*particles, *(() if self.axis == "origin" else (f"jet_{name}" for name in jets)))

    def columns_to_read(self, columns: FileColumns) -> tuple[str, ...]:
        """The particle columns that features, coordinates, cuts, jet axis and splits need."""
        names: dict[str, None] = {}
        for particles, jets in (
            (columns.particles, columns.jets),
            (columns.target, columns.target_jets),
        ):
            sources = self._sources(particles, jets)
            wanted = [*self.features, *self.coordinates, *self.selection.needs]
            if self.axis == "jet":
                axis = (f"jet_{name}" for name in _AXIS)
                wanted += [name for name in axis if derivable(name, sources, self.axis)]
            if self.computed:
                wanted += _computed_from(sources, self.axis) or ()
            if particles:
                needed = {*requirements(wanted, sources, self.axis), *self.reader.split_columns}
                names |= dict.fromkeys(name for name in particles if name in needed)
        return tuple(names)

    def run(
        self,
        raw_file: RawFile,
        writer: FlatWriter,
        start: int,
        place: Callable[[int], Any],
        progress: Callable[[int], Any],
    ) -> None:
        """Append the jets of a file to a table.

        Args:
            raw_file: The file.
            writer: The table.
            start: The row to begin with.
            place: Gives the place from which a conversion continues after a row.
            progress: Called with the number of rows that are converted.
        """
        _reuse_memory()
        columns = self.reader.file_columns(raw_file.path)
        self.check(columns, raw_file.path.name)
        names = self.columns_to_read(columns)
        for chunk in self.reader.chunks(raw_file, names, start, _CHUNK, self.drop_bad):
            tensors, slices = self.convert(chunk, raw_file)
            append_graphs(
                writer, tensors, slices, self.pre_filter, self.pre_transform, place(chunk.stop)
            )
            progress(chunk.stop)

    def convert(
        self, chunk: Chunk, raw_file: RawFile
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray | None]]:
        """The attributes of the graphs of a chunk, and the slices of each; ``None`` for one row."""
        jets = chunk.jets
        columns = self._derived(jets)
        jet_columns = self._jet_columns(jets, columns, self.level)
        selected = self.selection.jets(_JetCuts(jets, columns))
        ids = jets.ids + (raw_file.number << 32)
        tensors, slices = self._particles(columns, selected, "", ids)
        levels = [(columns, self.level)]
        if chunk.target is not None:
            target = self._derived(chunk.target)
            jet_columns |= self._jet_columns(chunk.target, target, "reco")
            target_tensors, target_slices = self._particles(target, selected, "_target", ids)
            tensors, slices = tensors | target_tensors, slices | target_slices
            levels.append((target, "reco"))
        computed: dict[str, np.ndarray] = {}
        for derived, level in levels:
            computed |= self._compute(derived, selected, level, jet_columns)

        def take(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {n: v if selected is None else v[selected] for n, v in values.items()}

        rows: dict[str, np.ndarray] = {}
        if raw_file.label is not None:
            rows = take({"y": np.full(len(jets), raw_file.label)})
        elif jets.labels is not None:
            rows = take({"y": jets.labels})
        jet_columns = take(jet_columns) | computed
        floats = _float_names(jet_columns)
        if floats:
            values = np.stack([jet_columns[name] for name in floats], -1)
            rows["jet"] = values.astype(np.float32)
        rows |= {n: v.astype(np.int64) for n, v in jet_columns.items() if n not in floats}
        if "weight" in jets.jets:
            rows |= take({"weight": jets.jets["weight"].astype(np.float32)})
        splits = self._splits(jets, raw_file)
        rows |= take({"jet_id": ids, "split": splits, **chunk.extra})
        tensors |= rows
        return tensors, slices | dict.fromkeys(rows)

    def _derived(self, jets: JetArray) -> Derived:
        jet_columns = {} if self.axis == "origin" else dict(jets.jets)
        # Copied here once, since most columns are used more than once.
        columns = {name: jets.column(name) for name in jets.columns}
        columns |= {n: v.astype(np.float64) for n, v in columns.items() if n in _MOMENTA}
        return Derived(columns, jets.ptr, jet_columns, self.axis)

    def _particles(
        self, columns: Derived, selected: np.ndarray | None, suffix: str, ids: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray | None]]:
        """``x`` and ``pos`` of the selected jets and particles, and their slices."""
        rows, ptr = self.selection.particles(columns, np.asarray(columns.ptr), selected, ids)
        n = int(columns.ptr[-1]) if rows is None else len(rows)
        tensors = {}
        for attribute, names in (("x", self.features), ("pos", self.coordinates)):
            if names:
                out = tensors[f"{attribute}{suffix}"] = np.empty((n, len(names)), np.float32)
                for i, name in enumerate(names):
                    out[:, i] = columns[name] if rows is None else columns[name][rows]
        return tensors, dict.fromkeys(tensors, ptr)

    def _jet_columns(
        self, jets: JetArray, columns: Derived, level: str | None
    ) -> dict[str, np.ndarray]:
        """Jet columns by their full names; those of the axis come first."""
        prefix = f"{level}_" if level else ""
        out: dict[str, np.ndarray] = {}
        for name in _AXIS:
            if name in jets.jets:
                out[f"{prefix}{name}"] = jets.jets[name]
            elif self.axis == "jet" and columns.can(f"jet_{name}"):
                out[f"{prefix}{name}"] = columns[f"jet_{name}"]
        for name, value in jets.jets.items():
            if name == "weight":
                continue  # an attribute of its own
            full = name if name in JET else f"{prefix}{name}"  # event, say, has no level
            if name not in (*_AXIS, "e"):
                out[f"{full}{_OF_FILE * self._is_replaced(name)}"] = value
        out.setdefault(f"{prefix}multiplicity", jets.counts)
        return out

    def _compute(
        self,
        columns: Derived,
        selected: np.ndarray | None,
        level: str | None,
        existing: Mapping[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """The computed columns of the selected jets, from all of their particles.

        Those that exist are what would be computed: the sum of the particles, or their number.
        """
        prefix = f"{level}_" if level else ""
        wanted = {
            f"{prefix}{column}": name
            for column, name in self.computed
            if f"{prefix}{column}" not in existing
        }
        if not wanted:
            return {}
        momenta, ptr = _momenta(columns), np.asarray(columns.ptr)
        if selected is not None:
            counts = np.diff(ptr)
            momenta = momenta[np.repeat(selected, counts)]
            ptr = np.concatenate(([0], np.cumsum(counts[selected])))
        values = compute_observables(momenta, ptr, wanted.values())
        return {column: values[name] for column, name in wanted.items()}

    def _splits(self, jets: JetArray, raw_file: RawFile) -> np.ndarray:
        if self.fractions is None:
            return np.full(len(jets), raw_file.split or 0)
        if "event" in jets.jets:
            return assign_splits(jets.jets["event"], self.fractions)
        columns = [jets.columns.index(name) for name in self.reader.split_columns]
        return assign_splits(jet_keys(jets.particles, jets.ptr, columns), self.fractions)

    def float_columns(self, columns: FileColumns) -> tuple[str, ...]:
        """Names of the columns of ``jet [1, K]``, from the conversion of a table without jets."""
        ptr = np.zeros(1, np.int64)
        converted: dict[str, np.ndarray] = {}
        levels: list[tuple[Derived, str | None]] = []
        level: str | None
        for level, particles, jets in (
            (self.level, columns.particles, columns.jets),
            ("reco", columns.target, columns.target_jets),
        ):
            if particles:
                types = {n: np.int64 if is_integer(n) else np.float32 for n in jets}
                values: dict[str, np.ndarray] = {n: np.empty(0, t) for n, t in types.items()}
                empty = JetArray(np.empty((0, len(particles))), particles, ptr, jets=values)
                levels.append((self._derived(empty), level))
                converted |= self._jet_columns(empty, levels[-1][0], level)
        for derived, level in levels:
            converted |= self._compute(derived, None, level, converted)
        return _float_names(converted)


class _JetCuts:
    """``jet_pt`` and ``jet_mass`` for cuts: those of the file, also on a plane, or derived ones."""

    def __init__(self, jets: JetArray, columns: Derived):
        self.jets, self.columns = jets, columns

    def __getitem__(self, name: str) -> np.ndarray:
        of_file = self.jets.jets.get(name.removeprefix("jet_"))
        return self.columns[name] if of_file is None else of_file


def _float_names(columns: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    return tuple(name for name, value in columns.items() if value.dtype.kind == "f")


def _computed_from(sources: Sequence[str], axis: str) -> tuple[str, ...] | None:
    """The columns that observables are computed from, or ``None`` if they do not follow."""
    return next(
        (names for names in _COMPUTED_FROM if all(derivable(n, sources, axis) for n in names)), None
    )


def _momenta(columns: Derived) -> np.ndarray:
    """``(px, py, pz, E)`` of every particle, ``[N, 4]`` float64 (GeV)."""
    cartesian, relative = _COMPUTED_FROM
    if all(columns.can(name) for name in cartesian):
        return np.stack([columns[name] for name in cartesian], -1)
    pt, eta, phi = (columns[name] for name in relative)
    return np.stack(kinematics.to_cartesian(pt, eta, phi, np.zeros_like(pt)), -1)
