"""What reads a user's own files: a map from our names to theirs, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.datasets.reading import Chunk, Given, Part, Reader, checked_labels, make_jets
from pyg_jets.errors import InputError
from pyg_jets.io.padded import unpad
from pyg_jets.io.tables import Lists, open_table

__all__ = ["UserReader", "Where"]

#: A column or array of a file, or one column or field of it.
Where = str | tuple[str, int | str]
Values = Mapping[str, np.ndarray | Lists]

_INTEGERS = ("event", "multiplicity")


@dataclass(frozen=True)
class UserReader(Reader):
    """Reads own files.

    Args:
        columns: Our names of particle columns, and where each is.
        jets: The same of jet columns.
        label: Where the label is, or ``None``.
        n_classes: How many there are.
        padding: Particle columns that are all zero where an array is padded.
        always: Whether these tell padding in lists too, which have none otherwise.
        mask: What is zero where there is padding, instead of them.
        tree: The tree of ROOT files.
        key: What a split by hash depends on.
    """

    columns: tuple[tuple[str, Where], ...]
    jets: tuple[tuple[str, Where], ...] = ()
    label: Where | None = None
    n_classes: int = 0
    padding: tuple[str, ...] = ()
    always: bool = False
    mask: Where | None = None
    tree: str | None = None
    key: tuple[str, ...] = ()

    def given(self, path: Path) -> Given:
        with open_table(path, self.tree) as table:
            table.check(self._sources([name for name, _ in self.columns]))
        return Given(tuple(n for n, _ in self.columns), tuple(n for n, _ in self.jets))

    def _sources(self, names: Sequence[str]) -> list[str]:
        where = dict(self.columns)
        tell = self.padding if self.mask is None else ()
        asked = [where[name] for name in (*names, *tell)]
        asked += [place for _, place in self.jets]
        asked += [place for place in (self.label, self.mask) if place is not None]
        return list(dict.fromkeys(_source(place) for place in asked))

    def chunks(
        self, part: Part, names: Sequence[str], start: int, size: int, drop: bool
    ) -> Iterator[Chunk]:
        first, path = start, part.path
        with open_table(path, self.tree) as table:
            for values in table.chunks(self._sources(names), size, start):
                particles, ptr = self._particles(path, values, names, first)
                n_jets = len(ptr) - 1
                labels = None
                if self.label is not None:
                    labels = _per_jet(path, values, self.label, n_jets)
                    labels = checked_labels(path, labels, self.n_classes, first)
                of_jets = {n: _jet_column(path, values, n, w, n_jets) for n, w in self.jets}
                jets = make_jets(path, particles, names, ptr, first, labels, of_jets, drop)
                first += n_jets
                yield Chunk(jets, first)

    def _particles(
        self, path: Path, values: Values, names: Sequence[str], first: int
    ) -> tuple[np.ndarray, np.ndarray]:
        where = dict(self.columns)
        tell = self.padding if self.mask is None else ("",)
        places = {name: where[name] for name in (*names, *tell) if name}
        if self.mask is not None:
            places[""] = self.mask
        found = {name: _pick(path, values, place) for name, place in places.items()}
        if all(isinstance(value, Lists) for value in found.values()):
            tell = tell if self.always or self.mask is not None else ()
            return _from_lists(path, found, places, names, tell, first)
        if not tell:
            raise InputError(
                f"{path} has padded arrays, and nothing tells which rows are padding: give key= "
                "(the columns that are zero there), or mask=."
            )
        whole = _whole(values, places)
        if whole is not None:
            take = {name: _column(place) for name, place in places.items()}
            return unpad(whole, [take[n] for n in names], [take[n] for n in tell])
        return _from_padded(path, found, places, names, tell)


def _source(place: Where) -> str:
    return place if isinstance(place, str) else place[0]


def _column(place: Where) -> int:
    return int(place[1])


def _whole(values: Values, places: Mapping[str, Where]) -> np.ndarray | None:
    """The padded array ``[J, P, F]`` of which all places are columns, if there is one."""
    sources = {_source(place) for place in places.values()}
    numbers = all(not isinstance(p, str) and isinstance(p[1], int) for p in places.values())
    array = values[sources.pop()] if len(sources) == 1 and numbers else None
    if not isinstance(array, np.ndarray) or array.ndim != 3 or array.dtype.kind != "f":
        return None
    inside = all(0 <= _column(place) < array.shape[2] for place in places.values())
    return array if inside else None


def _from_padded(
    path: Path,
    found: Mapping[str, np.ndarray | Lists],
    places: Mapping[str, Where],
    names: Sequence[str],
    tell: Sequence[str],
) -> tuple[np.ndarray, np.ndarray]:
    shape = next(v.shape for v in found.values() if not isinstance(v, Lists))
    for name, value in found.items():
        if isinstance(value, Lists) or value.ndim != 2 or value.shape != shape:
            shapes = ", ".join(
                f"{_words(places[n])}: {'lists' if isinstance(v, Lists) else list(v.shape)}"
                for n, v in found.items()
            )
            raise InputError(
                f"{path}: {_words(places[name])} does not fit to the others, expected arrays of "
                f"one shape [jets, particles], but got {shapes}: mend the file, or name other ones."
            )
    columns = list(dict.fromkeys((*names, *tell)))
    at = {name: i for i, name in enumerate(columns)}
    padded = np.stack([np.asarray(found[name]) for name in columns], -1)
    return unpad(padded, [at[n] for n in names], [at[n] for n in tell])


def _from_lists(
    path: Path,
    found: Mapping[str, Any],
    places: Mapping[str, Where],
    names: Sequence[str],
    tell: Sequence[str],
    first: int,
) -> tuple[np.ndarray, np.ndarray]:
    counts = found[names[0]].counts
    for name, value in found.items():
        if not np.array_equal(value.counts, counts):
            j = int(np.flatnonzero(value.counts != counts)[0])
            raise InputError(
                f"{path}: jet {first + j} has {counts[j]} of {_words(places[names[0]])}, "
                f"but {value.counts[j]} of {_words(places[name])}, expected lists of one length: "
                "mend the file, or name other columns."
            )
    particles = np.stack([found[name].values for name in names], -1).astype(np.float32)
    ptr = np.concatenate(([0], np.cumsum(counts)))
    if not tell:
        return particles, ptr
    real = np.any([found[name].values != 0 for name in tell], axis=0)
    kept = np.concatenate(([0], np.cumsum(real)))
    return particles[real], kept[ptr]


def _pick(path: Path, values: Values, place: Where) -> np.ndarray | Lists:
    """The numbers at a place."""
    value: Any = values[_source(place)]
    if not isinstance(place, str):
        value = _inside(path, value, place)
    numbers = value.values if isinstance(value, Lists) else value
    if not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "biuf":
        dtype = getattr(numbers, "dtype", None)
        fields = tuple(numbers) if isinstance(numbers, Mapping) else getattr(dtype, "names", None)
        found = f"records of {', '.join(fields)}" if fields else str(dtype)
        remedy = f"give ({_source(place)!r}, one of them)" if fields else "name another column"
        raise InputError(f"{path}: {_words(place)} holds {found}, expected numbers: {remedy}.")
    return value


def _inside(path: Path, value: Any, place: tuple[str, int | str]) -> Any:
    name, at = place
    if isinstance(at, str):
        held = value.values if isinstance(value, Lists) else value
        fields = tuple(held) if isinstance(held, Mapping) else held.dtype.names or ()
        if at in fields:
            return Lists(value.counts, held[at]) if isinstance(value, Lists) else held[at]
        found = f"the fields {', '.join(fields)}" if fields else "no fields"
    elif isinstance(value, Lists) or value.ndim < 2:
        found = "no columns"
    elif -value.shape[-1] <= at < value.shape[-1]:
        return value[..., at]
    else:
        found = f"columns 0 to {value.shape[-1] - 1} (its shape is {list(value.shape)})"
    raise InputError(f"{path}: {name!r} has {found}, but {at!r} is wanted of it: name another.")


def _per_jet(path: Path, values: Values, place: Where, n_jets: int) -> np.ndarray:
    value = _pick(path, values, place)
    if isinstance(value, np.ndarray) and value.size == n_jets:
        return value.reshape(n_jets)
    found = "lists" if isinstance(value, Lists) else f"an array of shape {list(value.shape)}"
    raise InputError(
        f"{path}: {_words(place)} holds {found}, expected one number a jet: name another column."
    )


def _jet_column(path: Path, values: Values, name: str, place: Where, n_jets: int) -> np.ndarray:
    value = _per_jet(path, values, place, n_jets)
    if name not in _INTEGERS:
        return value.astype(np.float32)
    whole = value.astype(np.int64) if np.isfinite(value).all() else np.zeros(0, np.int64)
    if not np.array_equal(whole, value):
        raise InputError(
            f"{path}: {_words(place)} stands for {name}, but holds other than whole numbers: name "
            "another column."
        )
    return whole


def _words(place: Where) -> str:
    return repr(place) if isinstance(place, str) else f"{place[0]!r}[{place[1]!r}]"
