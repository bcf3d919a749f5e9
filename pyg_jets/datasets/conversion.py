"""`Conversion`: raw chunks of jets to what PyG stores, the same in every process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from pyg_jets.columns import JET, KINDS, PARTICLE, check_names
from pyg_jets.datasets.items import Hooks
from pyg_jets.datasets.reading import Chunk, Given, Part, Reader
from pyg_jets.datasets.selection import Selection
from pyg_jets.datasets.splits import assign_splits, jet_keys
from pyg_jets.errors import InputError
from pyg_jets.io.flat import FlatWriter
from pyg_jets.jets import JetArray
from pyg_jets.transforms.derive import Derived, derivable, requirements

__all__ = ["Conversion", "expand_features"]

#: Jets in a chunk: so few that the columns in between stay in the cache.
_CHUNK = 2048
#: The largest block by whose return glibc learns to keep as much (``DEFAULT_MMAP_THRESHOLD_MAX``).
_KEPT = 32 * 1024 * 1024 - 65536
_AXIS = ("pt", "eta", "phi", "mass")
_MOMENTA = {*_AXIS, "rapidity", "px", "py", "pz", "e", "ptrel", "etarel", "phirel"}


def expand_features(names: Sequence[str] | str) -> tuple[str, ...]:
    """Feature names, with ``pdgid_onehot`` as the five columns that it stands for.

    Examples:
        >>> expand_features(["pt", "pdgid_onehot"])
        ('pt', 'ischargedhadron', 'isneutralhadron', 'isphoton', 'iselectron', 'ismuon')
    """
    names = [names] if isinstance(names, str) else names
    return tuple(n for name in names for n in (KINDS if name == "pdgid_onehot" else (name,)))


@cache
def _keep_memory() -> None:
    """Have glibc keep the memory of the columns of one chunk for those of the next.

    It gives large blocks back to the system, which hands them out again page by page; that takes
    longer than what is computed in them. One large block, given back untouched, sets its limit
    higher, once a process. Other allocators do not mind.
    """
    np.empty(_KEPT, np.uint8)


@dataclass(frozen=True)
class Conversion:
    """How the jets of raw files become graphs.

    Args:
        reader: Reads the files.
        features: Columns of ``x``.
        coordinates: Columns of ``pos``; none for no ``pos``.
        selection: Cuts and order.
        level: ``"gen"`` or ``"reco"``: the prefix of the jet columns.
        axis: ``"jet"``, or ``"origin"`` for jets on a plane.
        fractions: Shares of the splits by hash, or ``None`` for the publisher's.
        drop: Whether jets with bad values are left out.
        hooks: PyG's filter and transform.
    """

    reader: Reader
    features: tuple[str, ...]
    coordinates: tuple[str, ...]
    selection: Selection
    level: str = "reco"
    axis: str = "jet"
    fractions: tuple[float, ...] | None = None
    drop: bool = False
    hooks: Hooks = field(default_factory=Hooks)

    def check(self, given: Given, what: str) -> None:
        """Refuse features, coordinates and cuts that the columns of a file cannot give.

        Args:
            given: The columns of the file.
            what: The name of the data set, for the message.

        Raises:
            ValueError: With what can be had.
        """
        for columns, jets in ((given.particles, given.jets), (given.target, given.target_jets)):
            if not columns:
                continue
            at_hand = self._at_hand(columns, jets)
            known = [n for n in dict.fromkeys((*PARTICLE, *columns))
                     if derivable(n, at_hand, self.axis)]  # fmt: skip
            check_names(self.features, known, f"feature of {what}")
            check_names(self.coordinates, known, f"coordinate of {what}")
            for name in self.selection.needs:
                if not derivable(name, at_hand, self.axis):
                    raise InputError(
                        f"{what} has no {name.replace('_', ' ')} to cut at: its columns are "
                        f"{', '.join(columns)}."
                    )

    def _at_hand(self, particles: Sequence[str], jets: Sequence[str]) -> tuple[str, ...]:
        known = () if self.axis == "origin" else tuple(f"jet_{name}" for name in jets)
        return (*particles, *known)

    def _needs(self, particles: Sequence[str], jets: Sequence[str]) -> tuple[str, ...]:
        at_hand = self._at_hand(particles, jets)
        asked = [*self.features, *self.coordinates, *self.selection.needs]
        if self.axis == "jet":
            asked += [f"jet_{n}" for n in _AXIS if derivable(f"jet_{n}", at_hand, self.axis)]
        needed = {*requirements(asked, at_hand, self.axis), *self.reader.key}
        return tuple(name for name in particles if name in needed)

    def names(self, given: Given) -> tuple[str, ...]:
        """The particle columns to read."""
        first = self._needs(given.particles, given.jets)
        second = self._needs(given.target, given.target_jets) if given.target else ()
        return tuple(dict.fromkeys((*first, *second)))

    def run(self, part: Part, writer: FlatWriter, start: int, mark: Any, tick: Any) -> None:
        """Append the jets of a file to a table.

        Args:
            part: The file.
            writer: The table.
            start: The row to begin with.
            mark: Makes the writer's place from a row.
            tick: Called with the number of rows that are done.
        """
        _keep_memory()
        given = self.reader.given(part.path)
        self.check(given, part.path.name)
        for chunk in self._chunks(part, self.names(given), start):
            tensors, slices = self.convert(chunk, part)
            self.hooks.append(writer, tensors, slices, mark(chunk.stop))
            tick(chunk.stop)

    def _chunks(self, part: Part, names: Sequence[str], start: int) -> Iterator[Chunk]:
        return self.reader.chunks(part, names, start, _CHUNK, self.drop)

    def convert(
        self, chunk: Chunk, part: Part
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray | None]]:
        """The attributes of the graphs of a chunk, and the slices of each."""
        jets = chunk.jets
        columns = self._derived(jets)
        of_jets = self._jet_columns(jets, columns, self.level)
        inside = self.selection.jets(_Jets(jets, columns))
        tensors, slices = self._particles(columns, inside, "")
        if chunk.target is not None:
            other = self._derived(chunk.target)
            of_jets |= self._jet_columns(chunk.target, other, "reco")
            more, more_slices = self._particles(other, inside, "_target")
            tensors, slices = tensors | more, slices | more_slices
        single = self._labels(jets, part) | _together(of_jets)
        single |= {"jet_id": jets.ids + (part.number << 32), "split": self._splits(jets, part)}
        single |= dict(chunk.extra)
        tensors |= {n: v if inside is None else v[inside] for n, v in single.items()}
        return tensors, slices | dict.fromkeys(single)

    def _derived(self, jets: JetArray) -> Derived:
        known = {} if self.axis == "origin" else dict(jets.jets)
        # Once here, since most columns are wanted more than once.
        columns = {name: jets.column(name) for name in jets.columns}
        columns |= {n: v.astype(np.float64) for n, v in columns.items() if n in _MOMENTA}
        return Derived(columns, jets.ptr, known, self.axis)

    def _particles(
        self, columns: Derived, inside: np.ndarray | None, suffix: str
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray | None]]:
        rows, ptr = self.selection.particles(columns, np.asarray(columns.ptr), inside)
        tensors = {f"x{suffix}": _stack(columns, self.features, rows)}
        if self.coordinates:
            tensors[f"pos{suffix}"] = _stack(columns, self.coordinates, rows)
        return tensors, dict.fromkeys(tensors, ptr)

    def _jet_columns(self, jets: JetArray, columns: Derived, level: str) -> dict[str, np.ndarray]:
        """Jet columns by their full names; those of the axis come first."""
        found: dict[str, np.ndarray] = {}
        for name in _AXIS:
            if name in jets.jets:
                found[f"{level}_{name}"] = jets.jets[name]
            elif self.axis == "jet" and columns.can(f"jet_{name}"):
                found[f"{level}_{name}"] = columns[f"jet_{name}"]
        for name, value in jets.jets.items():
            if name in JET:  # such as event, which has no level
                found[name] = value
            elif name not in (*_AXIS, "e"):
                found[f"{level}_{name}"] = value
        found.setdefault(f"{level}_multiplicity", jets.counts)
        return found

    def _labels(self, jets: JetArray, part: Part) -> dict[str, np.ndarray]:
        if part.label is not None:
            return {"y": np.full(len(jets), part.label)}
        return {} if jets.labels is None else {"y": jets.labels}

    def _splits(self, jets: JetArray, part: Part) -> np.ndarray:
        if self.fractions is None:
            return np.full(len(jets), part.split or 0)
        if "event" in jets.jets:
            return assign_splits(jets.jets["event"], self.fractions)
        key = [jets.columns.index(name) for name in self.reader.key]
        return assign_splits(jet_keys(jets.particles, jets.ptr, key), self.fractions)

    def float_columns(self, given: Given) -> tuple[str, ...]:
        """Names of the columns of ``jet [1, K]``, found from a table of no jets."""
        return _floats(self._of_none(given))

    def _of_none(self, given: Given) -> dict[str, np.ndarray]:
        ptr = np.zeros(1, np.int64)
        found: dict[str, np.ndarray] = {}
        for level, columns, jets in (
            (self.level, given.particles, given.jets),
            ("reco", given.target, given.target_jets),
        ):
            if columns:
                none: dict[str, np.ndarray] = {n: np.empty(0, _dtype(n)) for n in jets}
                empty = JetArray(np.empty((0, len(columns))), columns, ptr, jets=none)
                found |= self._jet_columns(empty, self._derived(empty), level)
        return found


class _Jets:
    """``jet_pt`` and ``jet_mass`` for cuts: the file's own, also on a plane."""

    def __init__(self, jets: JetArray, columns: Derived):
        self.jets, self.columns = jets, columns

    def __getitem__(self, name: str) -> Any:
        own = self.jets.jets.get(name.removeprefix("jet_"))
        return self.columns[name] if own is None else own


def _dtype(name: str) -> type:
    return np.int64 if name in ("event", "multiplicity") else np.float32


def _floats(columns: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    return tuple(name for name, value in columns.items() if value.dtype.kind == "f")


def _together(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Float columns as ``jet [J, K]``, integer ones under their own names."""
    floats = _floats(columns)
    rest = {n: v.astype(np.int64) for n, v in columns.items() if n not in floats}
    if not floats:
        return rest
    return {"jet": np.stack([columns[n] for n in floats], -1).astype(np.float32), **rest}


def _stack(columns: Derived, names: Sequence[str], rows: np.ndarray | None) -> np.ndarray:
    n = int(columns.ptr[-1]) if rows is None else len(rows)
    out = np.empty((n, len(names)), np.float32)
    for i, name in enumerate(names):
        value = columns[name]
        out[:, i] = value if rows is None else value[rows]
    return out
