"""`LabelColumns`: classes of jets from numbers, text or flags, as users' files hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError

__all__ = ["ClassValues", "LabelColumns", "LabelSurvey", "flag_names", "values_of_classes"]

#: Without ``classes=``, a column of more different values than this holds no classes.
_MOST_CLASSES = 100
_LISTED = 10  # values in a message

Value = int | str
#: The value or the values of a class in the file.
ClassValues = Value | Sequence[Value]


@dataclass(frozen=True)
class LabelColumns:
    """How the values of one column, or of a flag a class, become labels 0 … C - 1.

    Args:
        classes: Names of the classes, in the order of their labels; empty until a
            :class:`LabelSurvey` has seen the files.
        values: The values of each class in the file. Empty for flags, for numbers that are labels
            already, and until a survey has seen the files.
        drop: Whether jets without a label are dropped, instead of being refused.

    Examples:
        >>> labels = LabelColumns(("other", "top"), values=((1, 21), (6,)))
        >>> labels.encode(np.array([6, 21, 1, 5]))
        array([ 1,  0,  0, -1])
        >>> LabelColumns(("QCD", "Tbqq")).encode(np.array([[0, 1], [1, 0], [1, 1]]))
        array([ 1,  0, -1])
    """

    classes: tuple[str, ...] = ()
    values: tuple[tuple[Value, ...], ...] = ()
    drop: bool = False

    def encode(self, column: np.ndarray) -> np.ndarray:
        """The label of each jet ``[J]`` int64, -1 for one without a label.

        Args:
            column: The values ``[J]``, or the flags ``[J, C]``.
        """
        if column.ndim == 2:
            flags = column != 0
            return np.where(flags.sum(1) == 1, flags.argmax(1), -1)
        values, missing = _plain_values(column)
        labels = np.full(len(values), -1, np.int64)
        is_text = values.dtype.kind == "U"
        if self.values or is_text:
            for label, held in enumerate(self.values or [(name,) for name in self.classes]):
                alike: list[Any] = [str(v) for v in held] if is_text else _numbers(held)
                labels[np.isin(values, alike)] = label
        else:
            is_label = (values >= 0) & (values < len(self.classes))
            labels[is_label] = values[is_label]
        labels[missing] = -1
        return labels


def values_of_classes(classes: Sequence[Any] | Mapping[str, Any], drop: bool) -> LabelColumns:
    """Classes as a user gives them: names in the order of their labels, or names with values.

    Args:
        classes: Names; or numbers, which are values in the file; or ``{name: value or values}``.
        drop: Whether jets without a label are dropped.

    Raises:
        InputError: For a class that is named twice, or a value of two classes.

    Examples:
        >>> values_of_classes({"light": [1, 2, 3], "b": 5}, False).values
        ((1, 2, 3), (5,))
        >>> values_of_classes(["-1", "1"], False).values
        ((-1,), (1,))
        >>> values_of_classes(["qcd", "top"], False).values
        ()
    """
    names = tuple(str(name) for name in classes)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"Expected each class once in classes=, but got {', '.join(twice)} twice.")
    values: list[tuple[Value, ...]] = []
    if isinstance(classes, Mapping):
        for name, value in classes.items():
            several = value if isinstance(value, list | tuple) else [value]
            if not several or not all(isinstance(v, int | str) for v in several):
                raise InputError(
                    f"Expected classes= as names with numbers or text of the file, such as "
                    f"{{'qcd': 0, 'top': 6}}, but got {value!r} for {name!r}."
                )
            values.append(tuple(int(v) if isinstance(v, int) else v for v in several))
    elif names and all(re.fullmatch(r"-?\d+", name) for name in names):
        values = [(int(name),) for name in names]
    every = [value for of_class in values for value in of_class]
    if len(set(every)) < len(every):
        raise InputError(f"Expected each value in one class, but got {classes}.")
    return LabelColumns(names, tuple(values), drop)


def flag_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Names of classes by those of their flags, without what all of these begin with.

    Args:
        columns: Names of the columns of the flags.

    Examples:
        >>> flag_names(["label_Tbqq", "label_Tbl"])
        ('Tbqq', 'Tbl')
        >>> flag_names(["top", "two_prong"])
        ('top', 'two_prong')
    """
    beginnings = zip(*(re.split(r"(?<=[_./: ])", name)[:-1] for name in columns), strict=False)
    shared = takewhile(lambda parts: len(set(parts)) == 1, beginnings)
    length = sum(len(parts[0]) for parts in shared)
    return tuple(name[length:] for name in columns)


class LabelSurvey:
    """Sees the labels of all files before any jet is converted, and names the classes.

    Args:
        labels: The classes as far as the user named them.
        column: What a message calls the column or the flags.

    Examples:
        >>> survey = LabelSurvey(LabelColumns(), "'y'")
        >>> survey.see("jets.npz", np.array([1, -1, 1]))
        >>> survey.result()
        LabelColumns(classes=('-1', '1'), values=((-1,), (1,)), drop=False)
    """

    def __init__(self, labels: LabelColumns, column: str):
        self.labels, self.column = labels, column
        self._values: set[Value] = set()
        self._kinds: set[str] = set()
        self._total = self._wrong = 0
        self._examples: dict[str, int] = {}
        self._first = ""

    def see(self, path: Path | str, column: np.ndarray, start: int = 0) -> None:
        """Look at the labels of some jets.

        Args:
            path: The file.
            column: The values ``[J]``, or the flags ``[J, C]``.
            start: The row of the first jet.

        Raises:
            InputError: For values that are neither whole numbers, text nor flags.
        """
        self._total += len(column)
        if column.ndim == 2:
            self._see_flags(path, column, start)
            return
        values, missing = _plain_values(column, f"{path}: {self.column}", start)
        if not missing.all():
            self._kinds.add("b" if column.dtype.kind == "b" else values.dtype.kind)
        if {"U"} < self._kinds:
            raise InputError(
                f"{path}: {self.column} holds text and numbers, expected one of them: mend the "
                "files."
            )
        if self.labels.classes:
            labels = self.labels.encode(column)
            for value in np.unique(values[(labels < 0) & ~missing])[:_LISTED].tolist():
                count = int((values == value).sum())
                self._examples[repr(value)] = self._examples.get(repr(value), 0) + count
        else:
            labels = np.where(missing, -1, 0)
            self._values.update(np.unique(values[~missing]).tolist())
            if len(self._values) > _MOST_CLASSES:
                raise InputError(
                    f"{path}: {self.column} holds more than {_MOST_CLASSES} different values "
                    f"({_some(sorted(self._values))}), expected classes: name another column, or "
                    "give classes=."
                )
        if missing.any():
            self._examples["none"] = self._examples.get("none", 0) + int(missing.sum())
        self._count(path, labels < 0, start)

    def _see_flags(self, path: Path | str, flags: np.ndarray, start: int) -> None:
        other = ~np.isin(flags, (0, 1))
        if other.any():
            jet, place = (int(i) for i in np.argwhere(other)[0])
            raise InputError(
                f"{path}: {self.column} holds {flags[jet, place]} in jet {start + jet}, expected "
                "flags of 0 or 1, exactly one of them 1: name other columns."
            )
        if self.labels.classes and len(self.labels.classes) != flags.shape[1]:
            raise InputError(
                f"{path}: {self.column} holds {flags.shape[1]} flags a jet, but there are "
                f"{len(self.labels.classes)} classes ({', '.join(self.labels.classes)}): give "
                "classes= a name for each flag."
            )
        if not self.labels.classes:
            self.labels = replace(self.labels, classes=tuple(map(str, range(flags.shape[1]))))
        n_set = (flags != 0).sum(1)
        for words, chosen in (("no flag", n_set == 0), ("several flags", n_set > 1)):
            if chosen.any():
                self._examples[words] = self._examples.get(words, 0) + int(chosen.sum())
        self._count(path, n_set != 1, start)

    def _count(self, path: Path | str, wrong: np.ndarray, start: int) -> None:
        if wrong.any() and not self._wrong:
            self._first = f"{path}: jet {start + int(np.flatnonzero(wrong)[0])}"
        self._wrong += int(wrong.sum())

    def result(self) -> LabelColumns:
        """The classes with their values.

        Raises:
            InputError: If jets have no label and are not to be dropped.
        """
        labels = self.labels
        if self._wrong and not labels.drop:
            held = ", ".join(f"{words}: {count}" for words, count in self._examples.items())
            expected = f"one of {', '.join(labels.classes)}" if labels.classes else "one each"
            numbers = not labels.values and labels.classes and "i" in self._kinds
            if numbers:
                expected += f", numbered from 0 to {len(labels.classes) - 1}"
            more = " or classes={name: value, …} to name the values," if numbers else ""
            raise InputError(
                f"{self._first} is the first of {self._wrong} of {self._total} jets without a "
                f"label in {self.column} ({held}), expected {expected}: use unlabelled='drop' to "
                f"leave such jets out,{more} or label=None to read all jets unlabelled."
            )
        if not labels.classes:
            if self._kinds == {"b"}:
                return replace(labels, classes=("False", "True"))
            values = sorted(self._values, key=lambda v: (isinstance(v, str), v))
            names = tuple(map(str, values))
            return replace(labels, classes=names, values=tuple((value,) for value in values))
        return labels


def _plain_values(
    column: np.ndarray, where: str = "", start: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Values as int64 or text ``[J]``, and which of them are missing ``[J]``.

    Missing are None, NaN and empty text.

    Raises:
        InputError: For what is neither a whole number nor text.
    """
    kind = column.dtype.kind
    if kind == "O":
        column, empty = _plain_objects(column, where, start)
        values, missing = _plain_values(column, where, start)
        return values, missing | empty
    if kind == "S":
        try:
            column = np.char.decode(column, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{where} holds bytes that are no text ({error}): mend it.") from None
        kind = "U"
    if kind == "U":
        return column, column == ""
    if kind in "biu":
        return column.astype(np.int64), np.zeros(len(column), bool)
    missing = np.isnan(column) if kind == "f" else np.zeros(len(column), bool)
    values = np.zeros(len(column), np.int64)
    if kind == "f":
        whole = np.isfinite(column) & (np.abs(column) < 2**62)
        values[whole] = column[whole].astype(np.int64)
        other = ~missing & (values != column)
    else:
        other = np.ones(len(column), bool)
    if other.any():
        j = int(np.flatnonzero(other)[0])
        raise InputError(
            f"{where} holds {column[j]} in jet {start + j}, expected a class as a whole number or "
            "as text: name another column."
        )
    return values, missing


def _plain_objects(column: np.ndarray, where: str, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Text or numbers of an array of objects, and which are None; their place holds an empty one.

    Arrow and HDF5 give text and columns with gaps as Python's own objects; nothing is unpickled.
    """
    missing = np.array([value is None or value != value for value in column], bool)
    held = [value for value, empty in zip(column.tolist(), missing, strict=True) if not empty]
    is_text = bool(held) and all(isinstance(value, str | bytes) for value in held)
    is_number = all(isinstance(value, bool | int | float | np.number | np.bool_) for value in held)
    if not is_text and not is_number:
        types = ", ".join(sorted({type(value).__name__ for value in held}))
        raise InputError(f"{where} holds {types}, expected numbers or text: name another column.")
    if not is_text:
        numbers = np.zeros(len(column), np.float64 if any(map(_is_float, held)) else np.int64)
        numbers[~missing] = held
        return numbers, missing
    texts = np.full(len(column), "", object)
    try:
        texts[~missing] = [v.decode() if isinstance(v, bytes) else v for v in held]
    except UnicodeDecodeError as error:
        raise InputError(f"{where} holds bytes that are no text ({error}): mend it.") from None
    return texts.astype(str), missing


def _numbers(values: Sequence[Value]) -> list[Any]:
    return [value for value in values if isinstance(value, int)]


def _is_float(value: Any) -> bool:
    return isinstance(value, float | np.floating)


def _some(values: Sequence[Any]) -> str:
    return ", ".join(map(repr, values[:_LISTED])) + ", …" * (len(values) > _LISTED)
