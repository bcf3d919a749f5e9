"""Trees of ROOT files through uproot, chunk by chunk, with branch names matched without case."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.io.file_type import check_file, refusal

__all__ = ["TreeReader", "open_tree"]

_WHOLE = "a whole ROOT file"
_LISTED = 20


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
    with _guard(path, "its head"):
        file = uproot.open(path)
    with file:
        found = _tree_of(path, file, tree)
        yield TreeReader(path, tree or found.name, found)


def _check_length(path: Path) -> None:
    # The head says where the file ends. uproot does not look, and reads what is left of it.
    with path.open("rb") as file:
        head = file.read(20)
    wide = int.from_bytes(head[4:8], "big") >= 1_000_000  # 64-bit addresses, above 2 GB
    end = int.from_bytes(head[12 : 20 if wide else 16], "big")
    size = path.stat().st_size
    if len(head) < 20 or size < end:
        raise refusal(path, f"cut short ({size:,} of {end:,} bytes)", _WHOLE)


@contextmanager
def _guard(path: Path, where: str) -> Iterator[None]:
    # On broken bytes uproot raises nearly anything: its own errors, struct.error, IndexError, …
    try:
        yield
    except (MemoryError, ImportError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or "the data ends early"
        found = f"not readable in {where} ({type(error).__name__}: {reason[:200]})"
        raise refusal(path, found, _WHOLE) from None


def _tree_of(path: Path, file: Any, tree: str | None) -> Any:
    with _guard(path, "its list of keys"):
        classes = file.classnames(recursive=True)
    trees = [name for name, kind in classes.items() if "TTree" in kind or "RNTuple" in kind]
    trees += [name for name, kind in classes.items() if kind in ("TNtuple", "TNtupleD", "TChain")]
    if tree is None:
        tree = _only(path, trees)
    wanted, _, cycle = tree.strip("/").partition(";")
    exact = [name for name in trees if name.partition(";")[0] == wanted]
    same = exact or [name for name in trees if name.partition(";")[0].lower() == wanted.lower()]
    same = [name for name in same if cycle in ("", name.partition(";")[2])]
    if not same:
        raise InputError(
            f"{path} has no tree {tree!r}, its trees are {_list(trees)}: give the name of one."
        )
    bare = {name.partition(";")[0] for name in same}
    if len(bare) > 1:
        raise InputError(
            f"{path} has several trees like {tree!r} ({_list(sorted(bare))}), expected one: give "
            "the exact name."
        )
    with _guard(path, f"tree {tree!r}"):
        # The last cycle is the tree as it was when the file was closed.
        return file[max(same, key=lambda name: int(name.partition(";")[2] or 0))]


def _only(path: Path, trees: Sequence[str]) -> str:
    bare = sorted({name.partition(";")[0] for name in trees})
    if len(bare) != 1:
        raise InputError(
            f"{path} has the trees {_list(bare)}, expected one: say which of them with tree=."
        )
    return bare[0]


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
        with _guard(path, f"tree {name!r}"):
            # The inner fields of RNTuples are found in a time quadratic in their number.
            is_tree = hasattr(tree, "branches")
            self._names = tuple(tree.keys() if is_tree else tree.keys(recursive=False))
            self._entries = int(tree.num_entries)
        self._exact = frozenset(self._names)
        self._folded: dict[str, list[str]] = {}
        for branch in self._names:
            self._folded.setdefault(branch.lower(), []).append(branch)

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
        return name.lower() in self._folded

    def find(self, name: str) -> str:
        """The name of a branch as it stands in the file.

        Raises:
            ValueError: If there is none, or if several differ from ``name`` only in case.
        """
        if name in self._exact:
            return name
        found = self._folded.get(name.lower(), [])
        if len(found) == 1:
            return found[0]
        where = f"{self.path}: tree {self.name!r}"
        if found:
            raise InputError(
                f"{where} has several branches like {name!r} ({', '.join(found)}), expected one: "
                "give the exact name."
            )
        close = difflib.get_close_matches(name.lower(), self._folded, n=5, cutoff=0.5)
        near = [branch for folded in close for branch in self._folded[folded]]
        found_words = f"the closest are {_list(near)}" if near else f"it has {_list(self._names)}"
        raise InputError(
            f"{where} has no branch {name!r}, {found_words}: give a file of this layout, or the "
            "name that it has there."
        )

    def chunks(
        self, names: Iterable[str], size: int, start: int = 0, optional: Iterable[str] = ()
    ) -> Iterator[Any]:
        """Read branches in ranges of entries.

        Args:
            names: The branches; the fields of what comes carry these names.
            size: Entries of a chunk; the last may have fewer.
            start: The entry to begin with.
            optional: Further branches, taken where the file has them.

        Yields:
            Awkward arrays of records.

        Raises:
            ValueError: If a branch is missing or damaged.
        """
        asked = [*names, *(name for name in optional if self.has(name))]
        found = {name: self.find(name) for name in asked}
        ak = require("awkward", "data")
        with _guard(self.path, f"tree {self.name!r}"):
            branches = list(dict.fromkeys(found.values()))
            steps = self._tree.iterate(branches, step_size=size, entry_start=start)
        while True:
            with _guard(self.path, f"tree {self.name!r} (branches {_list(branches)})"):
                part = next(steps, None)
            if part is None:
                return
            yield ak.zip({name: part[branch] for name, branch in found.items()}, depth_limit=1)
