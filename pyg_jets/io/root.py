"""ROOT files through uproot: trees in chunks, branches as flat arrays, and jets.

Branch names are matched without case, since productions of one experiment differ in it.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError, MissingExtraError
from pyg_jets.files import require
from pyg_jets.io.file_type import check_file, refusal
from pyg_jets.jets import JetArray

__all__ = ["FlatBranches", "TreeReader", "open_tree", "read_root"]

_WHOLE = "a whole ROOT file"
_CLASSES = ("TTree", "RNTuple", "TNtuple", "TChain")
_LISTED = 20  # names in a message
_LISTS = "lists of numbers"

Names = Mapping[str, str] | Sequence[str]


def read_root(
    path: str | Path,
    tree: str,
    columns: Names,
    jets: Names = (),
    label: str | int | None = None,
    start: int = 0,
    stop: int | None = None,
) -> JetArray:
    """Read a tree of one entry a jet, with a list a particle column, into a `JetArray`.

    Args:
        path: The file.
        tree: The name of the tree.
        columns: Our names of the particle columns (GeV and radians, see
            :mod:`pyg_jets.columns`) with those of their branches, as ``{"pt": "part_pt"}``, or a
            list where they are the same. Case does not matter in branches.
        jets: The same for columns of one number a jet. Default: none.
        label: The branch that holds the class, or the class of all these jets. Default: no labels.
        start: The first entry.
        stop: The entry after the last. Default: all.

    Returns:
        The jets; their ids are entry numbers.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no whole ROOT file, has no such tree or branch, or holds a NaN.

    Examples:
        >>> import tempfile, pathlib, uproot
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "jets.root"
        >>> with uproot.recreate(path) as file:
        ...     _ = file.mktree("tree", {"part_pt": "var * float32", "jet_pt": "float32"})
        ...     file["tree"].extend({"part_pt": [[5.0, 3.0], []], "jet_pt": [8.0, 0.0]})
        >>> jets = read_root(path, "tree", {"pt": "part_pt"}, {"gen_pt": "jet_pt"})
        >>> jets, jets.counts.tolist()
        (JetArray(2 jets, 2 particles, columns=(pt), jets=(gen_pt)), [2, 0])
    """
    particle_branches, jet_branches = _as_mapping(columns), _as_mapping(jets)
    if not particle_branches:
        raise InputError("Expected at least one particle column, but got none: name its branch.")
    with open_tree(path, tree) as reader:
        n = reader.num_entries
        stop = n if stop is None else stop
        if not 0 <= start <= stop:
            raise InputError(f"Expected 0 <= start <= stop, but got start={start}, stop={stop}.")
        names = [*particle_branches.values(), *jet_branches.values()]
        names += [label] if isinstance(label, str) else []
        branches = {name: reader.find(name) for name in names}
        size = min(stop, n) - start
        array = next(reader.chunks(branches, size, start)) if size > 0 else None
    if array is None:
        return JetArray(
            np.empty((0, len(particle_branches)), np.float32),
            tuple(particle_branches),
            np.zeros(1, np.int64),
            None if label is None else np.empty(0, np.int64),
            {name: np.empty(0, np.float32) for name in jet_branches},
        )
    flat = FlatBranches(path, array)
    counts, values = flat.table(list(particle_branches.values()))
    labels = flat.numbers(label) if isinstance(label, str) else label
    try:
        return JetArray(
            values,
            tuple(particle_branches),
            np.concatenate(([0], np.cumsum(counts))),
            None if labels is None else np.broadcast_to(labels, len(flat)),
            {name: flat.numbers(branch) for name, branch in jet_branches.items()},
            np.arange(start, start + len(flat)),
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _as_mapping(names: Names) -> dict[str, str]:
    if isinstance(names, str):
        names = (names,)
    return dict(names) if isinstance(names, Mapping) else {name: name for name in names}


@contextmanager
def open_tree(path: str | Path, tree: str | None) -> Iterator[TreeReader]:
    """Give a reader of one ``TTree`` or ``RNTuple`` of a ROOT file.

    Args:
        path: The file.
        tree: Name of the tree, with its folder if it has one, as ``"deep/Events"``, and its cycle
            if not the last is wanted, as ``"Events;2"``. Case matters only where names differ in
            nothing else. ``None`` for the only one that there is.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, cut short, no ROOT file, or has no such tree.

    Examples:
        >>> import tempfile, pathlib, uproot
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "jets.root"
        >>> with uproot.recreate(path) as file:
        ...     _ = file.mktree("tree", {"jet_pt": "float32"})
        ...     file["tree"].extend({"jet_pt": [500.0, 510.0, 520.0]})
        >>> with open_tree(path, "Tree") as reader:
        ...     [chunk["Jet_pt"].to_list() for chunk in reader.chunks(["Jet_pt"], 2)]
        [[500.0, 510.0], [520.0]]
    """
    path = check_file(path, "a ROOT file", (b"root",))
    _check_length(path)
    uproot = require("uproot", "data")
    with _uproot_errors(path, "its head"):
        file = uproot.open(path)
    with file:
        with _uproot_errors(path, "its list of keys"):
            classes = file.classnames(recursive=True)
        trees = [key for key, name in classes.items() if any(c in name for c in _CLASSES)]
        key = _find_tree(path, trees, tree)
        with _uproot_errors(path, f"tree {key!r}"):
            opened = file[key]
            name = tree or str(opened.name)
        yield TreeReader(path, name, opened)


def _check_length(path: Path) -> None:
    # The head says where the file ends. uproot does not compare, and reads what is left of it.
    with path.open("rb") as file:
        head = file.read(20)
    wide = int.from_bytes(head[4:8], "big") >= 1_000_000  # 64-bit addresses, above 2 GB
    end = int.from_bytes(head[12 : 20 if wide else 16], "big")
    size = path.stat().st_size
    if len(head) < 20 or size < end:
        raise refusal(path, f"cut short ({size:,} of {end:,} bytes)", _WHOLE)


@contextmanager
def _uproot_errors(path: Path, where: str) -> Iterator[None]:
    # On damaged bytes uproot raises nearly anything: its own errors, struct.error, IndexError, …
    try:
        yield
    except ImportError as error:  # of what unpacks the file; damaged bytes may ask for it too
        raise MissingExtraError(
            f"{path} is packed in a way that needs another package: {' '.join(str(error).split())}."
        ) from None
    except Exception as error:
        reason = " ".join(str(error).split()) or "the data ends early"
        state = f"not readable in {where} ({type(error).__name__}: {reason[:200]})"
        raise refusal(path, state, _WHOLE) from None


def _find_tree(path: Path, trees: Sequence[str], tree: str | None) -> str:
    """The key ``name;cycle`` of a tree, that of the last cycle unless another is asked for."""
    names = sorted({key.partition(";")[0] for key in trees})
    if tree is None:
        if len(names) != 1:
            raise InputError(
                f"{path} has the trees {_list(names)}, expected one: say which of them with tree=."
            )
        tree = names[0]
    wanted, _, cycle = tree.strip("/").partition(";")
    same_case = [key for key in trees if key.partition(";")[0] == wanted]
    any_case = [key for key in trees if key.partition(";")[0].lower() == wanted.lower()]
    keys = [key for key in same_case or any_case if cycle in ("", key.partition(";")[2])]
    if not keys:
        raise InputError(
            f"{path} has no tree {tree!r}, its trees are {_list(trees)}: give the name of one."
        )
    different = sorted({key.partition(";")[0] for key in keys})
    if len(different) > 1:
        raise InputError(
            f"{path} has several trees like {tree!r} ({_list(different)}), expected one: give "
            "the exact name."
        )
    return max(keys, key=lambda key: int(key.partition(";")[2] or 0))


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + ", …" * (len(names) > _LISTED) or "none"


class TreeReader:
    """Branches of one tree, by names whose case need not be that of the file.

    Args:
        path: The file, for messages.
        name: The name of the tree, for messages.
        tree: The tree of uproot.
    """

    def __init__(self, path: Path, name: str, tree: Any) -> None:
        self.path, self.name, self._tree = path, name, tree
        with _uproot_errors(path, f"tree {name!r}"):
            # uproot finds the inner fields of RNTuples in a time quadratic in their number.
            is_tree = hasattr(tree, "branches")
            self._names = tuple(tree.keys() if is_tree else tree.keys(recursive=False))
            self._entries = int(tree.num_entries)
        self._lower_case: dict[str, list[str]] = {}
        for branch in self._names:
            self._lower_case.setdefault(branch.lower(), []).append(branch)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all branches as they stand in the file."""
        return self._names

    @property
    def num_entries(self) -> int:
        """Number of entries."""
        return self._entries

    def has(self, name: str) -> bool:
        """Whether there is a branch of this name, in any case."""
        return name.lower() in self._lower_case

    def find(self, name: str) -> str:
        """The name of a branch as it stands in the file.

        Args:
            name: The name in any case.

        Raises:
            ValueError: If there is none, or if several differ from ``name`` only in case.
        """
        branches = self._lower_case.get(name.lower(), [])
        if name in branches:
            return name
        if len(branches) == 1:
            return branches[0]
        where = f"{self.path}: tree {self.name!r}"
        if branches:
            raise InputError(
                f"{where} has several branches like {name!r} ({', '.join(branches)}), expected "
                "one: give the exact name."
            )
        close = difflib.get_close_matches(name.lower(), self._lower_case, n=5, cutoff=0.5)
        closest = [branch for lower in close for branch in self._lower_case[lower]]
        choices = f"the closest are {_list(closest)}" if close else f"it has {_list(self._names)}"
        raise InputError(
            f"{where} has no branch {name!r}, {choices}: give a file of this layout, or the name "
            "that it has there."
        )

    def chunks(
        self, names: Iterable[str], size: int, start: int = 0, optional: Iterable[str] = ()
    ) -> Iterator[Any]:
        """Read branches in ranges of entries.

        Args:
            names: The branches; the fields of each chunk carry these names.
            size: Entries of a chunk; the last may have fewer.
            start: The entry to begin with.
            optional: Further branches, taken where the file has them.

        Yields:
            Awkward arrays of records, for :class:`FlatBranches`.

        Raises:
            ValueError: If a branch is missing or damaged.
        """
        names = [*names, *(name for name in optional if self.has(name))]
        branch_of = {name: self.find(name) for name in names}
        branches = list(dict.fromkeys(branch_of.values()))
        ak = require("awkward", "data")
        with _uproot_errors(self.path, f"tree {self.name!r}"):
            steps = self._tree.iterate(branches, step_size=size, entry_start=start)
        while True:
            with _uproot_errors(self.path, f"tree {self.name!r} (branches {_list(branches)})"):
                chunk = next(steps, None)
            if chunk is None:
                return
            fields = {name: chunk[branch] for name, branch in branch_of.items()}
            yield ak.zip(fields, depth_limit=1)


class FlatBranches:
    """Branches of some entries of a tree as flat arrays: all values, and how many an entry has.

    Args:
        path: The file, for messages.
        array: The awkward record array that :meth:`TreeReader.chunks` gives.

    Examples:
        >>> import awkward as ak
        >>> flat = FlatBranches("jets.root", ak.Array({"pt": [[5.0, 3.0], []], "y": [1, 0]}))
        >>> flat.lists("pt"), flat.numbers("y")
        ((array([2, 0]), array([5., 3.])), array([1, 0]))
    """

    def __init__(self, path: str | Path, array: Any):
        self.path, self._array = Path(path), array
        self._lists: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self._array)

    def numbers(self, name: str) -> np.ndarray:
        """A branch of one number an entry, ``[J]``.

        Args:
            name: The branch.

        Raises:
            ValueError: If it holds anything else.
        """
        return self._to_numpy(name, self._array[name], "numbers")

    def lists(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A branch of a list an entry: the lengths ``[J]`` int64, and all values ``[N]``.

        Args:
            name: The branch.

        Raises:
            ValueError: If it holds anything but lists of numbers.
        """
        if name not in self._lists:
            ak, array = require("awkward", "data"), self._array[name]
            if array.ndim != 2:
                raise self._wrong_type(name, _LISTS)
            counts = ak.to_numpy(ak.num(array, axis=1)).astype(np.int64)
            self._lists[name] = counts, self._to_numpy(name, ak.flatten(array, axis=1), _LISTS)
        return self._lists[name]

    def values(self, name: str, other: str) -> np.ndarray:
        """The values ``[N]`` of a branch of lists, which must be as long as those of another.

        Args:
            name: The branch.
            other: The branch to compare the lengths with.

        Raises:
            ValueError: If the lengths differ.
        """
        expected, _ = self.lists(other)
        counts, values = self.lists(name)
        if not np.array_equal(counts, expected):
            entry = int(np.flatnonzero(counts != expected)[0])
            state = (
                f"not consistent (a list of {counts[entry]} in branch {name!r}, but of "
                f"{expected[entry]} in {other!r})"
            )
            raise refusal(self.path, state, "lists of the same length")
        return values

    def table(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Branches of lists of the same lengths, side by side: lengths, and ``[N, F]`` float32.

        Args:
            names: The ``F`` branches.

        Raises:
            ValueError: If their lengths differ, or if one holds anything but lists of numbers.
        """
        counts, first = self.lists(names[0])
        out = np.empty((len(first), len(names)), np.float32)
        for i, name in enumerate(names):
            out[:, i] = self.values(name, names[0])
        return counts, out

    def _to_numpy(self, name: str, array: Any, expected: str) -> np.ndarray:
        values = None
        if array.ndim == 1:
            with contextlib.suppress(ValueError, TypeError):
                values = np.asarray(require("awkward", "data").to_numpy(array))
        if values is None or values.dtype.kind not in "biuf":
            raise self._wrong_type(name, expected)
        return values

    def _wrong_type(self, name: str, expected: str) -> InputError:
        return InputError(
            f"{self.path}: branch {name!r} holds {self._array[name].type.content}, expected "
            f"{expected}: give a file of this layout, or the name that the branch has there."
        )
