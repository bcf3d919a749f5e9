"""`ColumnMapReader`: reads a user's own files through a map of their columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.datasets.labels import LabelColumns, LabelSurvey
from pyg_jets.datasets.reader import (
    Chunk,
    FileColumns,
    RawFile,
    Reader,
    is_integer,
    make_jets,
)
from pyg_jets.errors import InputError
from pyg_jets.io.padded import unpad
from pyg_jets.io.tables import Lists, open_table, packages_for

__all__ = ["ColumnMapReader", "ColumnPlace", "checked_weights"]

#: A column or array of a file, or ``(its name, one column or field of it)``.
ColumnPlace = str | tuple[str, int | str]
Values = Mapping[str, np.ndarray | Lists]

#: Jets whose labels are looked at together, before any jet is converted.
_SURVEYED = 1 << 16
#: Stands for the mask among the names of particle columns, none of which is empty.
_MASK = ""
_LISTED = 5  # flags in a message


@dataclass(frozen=True)
class ColumnMapReader(Reader):
    """Reads files of any kind through a map of their columns.

    Args:
        columns: Names of particle columns, and where each is.
        jets: Names of jet columns, and where each is.
        label: Where the label is; several for a flag a class, none for jets without labels.
        labels: The classes, and the values that they have there.
        weight: Where the weight of a jet is, or ``None``.
        padding: Particle columns that are all zero where an array is padded.
        lists_are_padded: Whether lists are padded in the same way; otherwise every entry is real.
        mask: Where the column is that is zero in padding, instead of ``padding``.
        tree: The tree of ROOT files, or ``None`` for the only one.
        split_columns: Particle columns on which a split by hash depends.
        what: What a row is, ``"jet"`` or ``"event"``, for messages.
    """

    columns: tuple[tuple[str, ColumnPlace], ...]
    jets: tuple[tuple[str, ColumnPlace], ...] = ()
    label: tuple[ColumnPlace, ...] = ()
    labels: LabelColumns = field(default_factory=LabelColumns)
    weight: ColumnPlace | None = None
    padding: tuple[str, ...] = ()
    lists_are_padded: bool = False
    mask: ColumnPlace | None = None
    tree: str | None = None
    split_columns: tuple[str, ...] = ()
    what: str = "jet"

    def packages(self, path: Path) -> tuple[str, ...]:
        return packages_for(path)

    def file_columns(self, path: Path) -> FileColumns:
        with open_table(path, self.tree) as table:
            table.check(self._sources([name for name, _ in self.columns]))
        return FileColumns(tuple(n for n, _ in self.columns), tuple(n for n, _ in self.jets))

    def _particle_places(
        self, names: Sequence[str]
    ) -> tuple[dict[str, ColumnPlace], tuple[str, ...]]:
        """Where the columns and those that mark padding are, and the names of the latter."""
        places = dict(self.columns)
        if self.mask is None:
            return {name: places[name] for name in (*names, *self.padding)}, self.padding
        return {**{name: places[name] for name in names}, _MASK: self.mask}, (_MASK,)

    def _sources(self, names: Sequence[str]) -> list[str]:
        """The columns and arrays to read."""
        places = list(self._particle_places(names)[0].values())
        places += [place for _, place in self.jets]
        places += [*self.label, *([] if self.weight is None else [self.weight])]
        return list(dict.fromkeys(_source(place) for place in places))

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        first, path = start, raw_file.path
        with open_table(path, self.tree) as table:
            for values in table.chunks(self._sources(names), size, start):
                particles, ptr = self._particles(path, values, names, first)
                n_jets = len(ptr) - 1
                labels = None
                if self.label:
                    labels = self.labels.encode(self._label_column(path, values, n_jets))
                of_jets = {}
                for name, place in self.jets:
                    column = _per_jet(path, values, place, n_jets)
                    if is_integer(name):
                        of_jets[name] = _integers(path, column, name, place)
                    else:
                        of_jets[name] = column.astype(np.float32)
                if self.weight is not None:
                    weights = _per_jet(path, values, self.weight, n_jets)
                    where = f"in {_text(self.weight)}"
                    of_jets["weight"] = checked_weights(path, weights, where, first, drop_bad)
                jets = make_jets(
                    path, particles, names, ptr, first, labels, of_jets, drop_bad, what=self.what
                )
                if jets.labels is not None and (jets.labels < 0).any():
                    jets = jets[jets.labels >= 0]
                extra = {}
                if self.weight is not None:
                    extra = {"weight": jets.jets["weight"]}
                    jets = replace(jets, jets={n: jets.jets[n] for n, _ in self.jets})
                first += n_jets
                yield Chunk(jets, first, extra=extra)

    def survey_labels(self, paths: Sequence[Path]) -> LabelColumns:
        """Read the labels of all files, and return the classes with their values.

        Args:
            paths: The files.

        Raises:
            InputError: For a label that is none, or a jet without one that is not to be dropped.
        """
        name = ", ".join(map(_text, self.label[:_LISTED])) + ", …" * (len(self.label) > _LISTED)
        survey = LabelSurvey(self.labels, name)
        sources = list(dict.fromkeys(map(_source, self.label)))
        for path in paths:
            first = 0
            with open_table(path, self.tree) as table:
                for values in table.chunks(sources, _SURVEYED):
                    one = values[sources[0]]
                    n_jets = len(one.counts if isinstance(one, Lists) else one)
                    survey.see(path, self._label_column(path, values, n_jets), first)
                    first += n_jets
        return survey.result()

    def _label_column(self, path: Path, values: Values, n_jets: int) -> np.ndarray:
        """The values of the label ``[J]``, or the flags ``[J, C]``."""
        if len(self.label) > 1:
            flags = [_per_jet(path, values, place, n_jets) for place in self.label]
            return np.stack(flags, 1)
        (place,) = self.label
        value: Any = values[_source(place)]
        if not isinstance(place, str):
            value = _inside(path, value, place)
        if isinstance(value, np.ndarray) and value.dtype.kind in "OSU" and value.size == n_jets:
            return value.reshape(n_jets)
        value = _numbers_at(path, values, place)
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] > 1:
            return value
        return _per_jet(path, values, place, n_jets)

    def _particles(
        self, path: Path, values: Values, names: Sequence[str], first: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Particles ``[N, F]`` without padding, and their ``ptr [J + 1]``."""
        places, padding = self._particle_places(names)
        columns = {name: _numbers_at(path, values, place) for name, place in places.items()}
        if all(isinstance(column, Lists) for column in columns.values()):
            if not self.lists_are_padded and self.mask is None:
                padding = ()
            return _from_lists(path, columns, places, names, padding, first)
        if not padding:
            raise InputError(
                f"{path} has padded arrays, and nothing tells which rows are padding: give key= "
                "(the columns that are zero there), or mask=."
            )
        array = _common_array(values, places)
        if array is None:
            return _from_padded(path, columns, places, names, padding)
        index = {name: int(place[1]) for name, place in places.items()}
        return unpad(array, [index[n] for n in names], [index[n] for n in padding])


def _source(place: ColumnPlace) -> str:
    return place if isinstance(place, str) else place[0]


def _common_array(values: Values, places: Mapping[str, ColumnPlace]) -> np.ndarray | None:
    """The padded array ``[J, P, F]`` whose columns all places are, or ``None``."""
    sources = {_source(place) for place in places.values()}
    by_number = all(not isinstance(p, str) and isinstance(p[1], int) for p in places.values())
    array = values[sources.pop()] if len(sources) == 1 and by_number else None
    if not isinstance(array, np.ndarray) or array.ndim != 3 or array.dtype.kind != "f":
        return None
    is_inside = all(0 <= int(place[1]) < array.shape[2] for place in places.values())
    return array if is_inside else None


def _from_padded(
    path: Path,
    columns: Mapping[str, np.ndarray | Lists],
    places: Mapping[str, ColumnPlace],
    names: Sequence[str],
    padding: Sequence[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Particles of padded arrays ``[J, P]``, one a column."""
    shape = next(v.shape for v in columns.values() if not isinstance(v, Lists))
    for name, value in columns.items():
        if isinstance(value, Lists) or value.ndim != 2 or value.shape != shape:
            shapes = ", ".join(
                f"{_text(places[n])}: {'lists' if isinstance(v, Lists) else list(v.shape)}"
                for n, v in columns.items()
            )
            raise InputError(
                f"{path}: {_text(places[name])} does not fit to the others, expected arrays of "
                f"one shape [jets, particles], but got {shapes}: mend the file, or name other ones."
            )
    order = list(dict.fromkeys((*names, *padding)))
    padded = np.stack([np.asarray(columns[name]) for name in order], -1)
    return unpad(padded, [order.index(n) for n in names], [order.index(n) for n in padding])


def _from_lists(
    path: Path,
    columns: Mapping[str, Any],
    places: Mapping[str, ColumnPlace],
    names: Sequence[str],
    padding: Sequence[str],
    first: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Particles of columns of lists, without those where all of ``padding`` is zero."""
    counts = columns[names[0]].counts
    for name, column in columns.items():
        if not np.array_equal(column.counts, counts):
            j = int(np.flatnonzero(column.counts != counts)[0])
            raise InputError(
                f"{path}: jet {first + j} has {counts[j]} of {_text(places[names[0]])}, "
                f"but {column.counts[j]} of {_text(places[name])}, expected lists of one length: "
                "mend the file, or name other columns."
            )
    particles = np.stack([columns[name].values for name in names], -1).astype(np.float32)
    ptr = np.concatenate(([0], np.cumsum(counts)))
    if not padding:
        return particles, ptr
    is_real = np.any([columns[name].values != 0 for name in padding], axis=0)
    n_real = np.concatenate(([0], np.cumsum(is_real)))
    return particles[is_real], n_real[ptr]


def _numbers_at(path: Path, values: Values, place: ColumnPlace) -> np.ndarray | Lists:
    """The numbers at a place, an array or lists."""
    value: Any = values[_source(place)]
    if not isinstance(place, str):
        value = _inside(path, value, place)
    numbers = value.values if isinstance(value, Lists) else value
    if not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "biuf":
        dtype = getattr(numbers, "dtype", None)
        fields = tuple(numbers) if isinstance(numbers, Mapping) else getattr(dtype, "names", None)
        content = f"records of {', '.join(fields)}" if fields else str(dtype)
        remedy = f"give ({_source(place)!r}, one of them)" if fields else "name another column"
        raise InputError(f"{path}: {_text(place)} holds {content}, expected numbers: {remedy}.")
    return value


def _inside(path: Path, value: Any, place: tuple[str, int | str]) -> Any:
    """One column of an array, or one field of records."""
    name, at = place
    if isinstance(at, str):
        records = value.values if isinstance(value, Lists) else value
        fields = tuple(records) if isinstance(records, Mapping) else records.dtype.names or ()
        if at in fields:
            return Lists(value.counts, records[at]) if isinstance(value, Lists) else records[at]
        content = f"the fields {', '.join(fields)}" if fields else "no fields"
    elif isinstance(value, Lists) or value.ndim < 2:
        content = "no columns"
    elif -value.shape[-1] <= at < value.shape[-1]:
        return value[..., at]
    else:
        content = f"columns 0 to {value.shape[-1] - 1} (its shape is {list(value.shape)})"
    raise InputError(f"{path}: {name!r} has {content}, but {at!r} is wanted of it: name another.")


def _per_jet(path: Path, values: Values, place: ColumnPlace, n_jets: int) -> np.ndarray:
    """The number of each jet at a place, ``[J]``."""
    value = _numbers_at(path, values, place)
    if isinstance(value, np.ndarray) and value.size == n_jets:
        return value.reshape(n_jets)
    content = "lists" if isinstance(value, Lists) else f"an array of shape {list(value.shape)}"
    raise InputError(
        f"{path}: {_text(place)} holds {content}, expected one number a jet: name another column."
    )


def checked_weights(
    path: Path, column: np.ndarray, where: str, first: int, drop_bad: bool
) -> np.ndarray:
    """Weights as float32, NaN where a jet is to be dropped for its weight.

    Args:
        path: The file, for messages.
        column: The weights ``[J]``.
        where: Where they stand in the file, for messages.
        first: The row of the first.
        drop_bad: Whether to drop jets of a negative weight, instead of refusing the file.

    Raises:
        InputError: For a negative weight, or one that is not finite.
    """
    with np.errstate(over="ignore"):
        weights = column.astype(np.float32)
    wrong = ~np.isfinite(weights) | (weights < 0) | ((weights == 0) & (column != 0))
    if wrong.any() and not drop_bad:
        j = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{path}: jet {first + j} has the weight {column[j]:g} {where} (it is one of "
            f"{int(wrong.sum())} such among {len(column)} jets), expected 0 or a positive number "
            "that float32 holds: with negative weights a ROC curve turns back; write their "
            "absolute values, or use bad_jets='drop' to leave such jets out."
        )
    return np.where(wrong, np.float32(np.nan), weights)


def _integers(path: Path, column: np.ndarray, name: str, place: ColumnPlace) -> np.ndarray:
    integers = column.astype(np.int64) if np.isfinite(column).all() else np.zeros(0, np.int64)
    if not np.array_equal(integers, column):
        raise InputError(
            f"{path}: {_text(place)} stands for {name}, but holds other than whole numbers: name "
            "another column."
        )
    return integers


def _text(place: ColumnPlace) -> str:
    return repr(place) if isinstance(place, str) else f"{place[0]!r}[{place[1]!r}]"
