"""Jets from a tree of a ROOT file whose entries are jets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.io.jagged import Block
from pyg_jets.io.root import TreeReader, open_tree
from pyg_jets.jets import JetArray

__all__ = ["read_root"]

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
        jets: The same for columns of one number a jet.
        label: The branch that holds the class, or the class of all these jets.
        start: The first entry.
        stop: The entry after the last. Default: all.

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
    particles, of_jets = _named(columns), _named(jets)
    if not particles:
        raise InputError("Expected at least one particle column, but got none: name its branch.")
    flat = [*of_jets.values(), *((label,) if isinstance(label, str) else ())]
    with open_tree(path, tree) as reader:
        block = _entries(reader, [*particles.values(), *flat], start, stop)
    if block is None:
        return _none(particles, of_jets, label)
    counts, values = block.table(list(particles.values()))
    labels = None
    if label is not None:
        labels = block.numbers(label) if isinstance(label, str) else np.full(len(block), label)
    of_jet = {name: block.numbers(branch) for name, branch in of_jets.items()}
    try:
        return JetArray(
            values,
            tuple(particles),
            np.concatenate(([0], np.cumsum(counts))),
            labels,
            of_jet,
            np.arange(start, start + len(block)),
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _named(names: Names) -> dict[str, str]:
    if isinstance(names, str):
        names = (names,)
    return dict(names) if isinstance(names, Mapping) else {name: name for name in names}


def _entries(
    reader: TreeReader, names: Sequence[str], start: int, stop: int | None
) -> Block | None:
    n = reader.num_entries
    stop = n if stop is None else stop
    if not 0 <= start <= stop:
        raise InputError(f"Expected 0 <= start <= stop, but got start={start}, stop={stop}.")
    found = {name: reader.find(name) for name in names}
    if start >= min(stop, n):
        return None
    return Block(reader.path, next(reader.chunks(found, min(stop, n) - start, start)))


def _none(
    particles: Mapping[str, str], of_jets: Mapping[str, str], label: str | int | None
) -> JetArray:
    return JetArray(
        np.empty((0, len(particles)), np.float32),
        tuple(particles),
        np.zeros(1, np.int64),
        None if label is None else np.empty(0, np.int64),
        {name: np.empty(0, np.float32) for name in of_jets},
    )
