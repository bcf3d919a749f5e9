"""MNIST as graphs of superpixels: PyG's data set in flat files."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.datasets.base import JetDataset
from pyg_jets.datasets.items import Hooks
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.errors import InputError
from pyg_jets.io.archive import unpack
from pyg_jets.io.cards import card_files
from pyg_jets.io.download import fetch
from pyg_jets.io.file_type import check_file, refusal
from pyg_jets.io.flat import FlatWriter

__all__ = ["MNISTSuperpixels"]

_NAME = "MNISTSuperpixels"
_SPLITS = ("train", "test")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
#: What each graph holds: kind of its numbers, and the length of each axis, ``None`` for any.
_LAYOUT: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "x": ("f", (None, 1)),
    "edge_index": ("i", (2, None)),
    "y": ("i", (1,)),
    "pos": ("f", (None, 2)),
}
_GRAPHS = 1024  # in a chunk


class MNISTSuperpixels(JetDataset):
    """The digits of MNIST as graphs of 75 superpixels each, from the same file as PyG's class.

    Each item has what PyG's has, to the bit: ``x [75, 1]`` mean brightness, ``pos [75, 2]`` the
    centres in pixels, ``edge_index [2, E]`` the publisher's neighbours, ``y [1]`` the digit; and
    ``jet_id``, its number in the file, and ``split``. Graphs lie in flat files, memory-mapped, so
    that :class:`~pyg_jets.JetLoader` gathers whole batches.

    Source: F. Monti et al., arXiv 1611.08402, with the splits of MNIST. The graphs are taken as
    they are: there are no ``features`` to choose.

    Args:
        root: The folder; ``raw/`` holds ``MNISTSuperpixels.zip``, fetched if missing, or the
            ``MNISTSuperpixels.pt`` that PyG's class leaves there.
        split: ``"train"`` (60,000 graphs), ``"test"`` (10,000), or ``None`` for both.
        transform: See :class:`~pyg_jets.datasets.base.JetDataset`.
        pre_transform: See there.
        pre_filter: See there.
        force_reload: See there.

    Raises:
        ValueError: For another split, or a broken file.

    Examples:
        >>> dataset = MNISTSuperpixels("data/mnist_superpixels", "train")  # doctest: +SKIP
        >>> dataset[0]  # doctest: +SKIP
        Data(x=[75, 1], edge_index=[2, 1399], y=[1], pos=[75, 2], jet_id=[1], split=[1])
    """

    card = "mnist_superpixels"
    classes = tuple("0123456789")
    columns = ("pt",)
    axis = "origin"
    published_splits = _SPLITS

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        transform: Callable[[Data], Data] | None = None,
        pre_transform: Callable[[Data], Data] | None = None,
        pre_filter: Callable[[Data], bool] | None = None,
        force_reload: bool = False,
    ):
        if split is not None:
            check_names((split,), _SPLITS, "split")
        self._hooks = Hooks(pre_filter, pre_transform)
        fractions = (6 / 7, 0.0, 1 / 7)
        super().__init__(
            root, split, fractions, {}, transform, pre_transform, pre_filter, force_reload
        )

    @property
    def raw_file_names(self) -> list[str]:
        """The unpacked file, if it is there, or the published one."""
        unpacked = Path(self.raw_dir) / f"{_NAME}.pt"
        return [unpacked.name if unpacked.exists() else f"{_NAME}.zip"]

    def download(self) -> None:
        """Bring the published file."""
        fetch(card_files(self.card), self.raw_dir)

    def _download(self) -> None:
        if not self._is_processed() and not Path(self.raw_paths[0]).exists():
            Path(self.raw_dir).mkdir(parents=True, exist_ok=True)
            self.download()

    def build(self, folder: Path) -> None:
        """Write the graphs of both splits, chunk by chunk."""
        shutil.rmtree(folder, ignore_errors=True)
        path, aside = Path(self.raw_paths[0]), folder.with_name(f"{folder.name}.unpacked")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            with _graphs(path, aside) as both:
                self._write(path, both, FlatWriter(folder))
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _write(self, path: Path, both: Sequence[Sequence[Any]], writer: FlatWriter) -> None:
        first = 0
        for split, graphs in zip(_SPLITS, both, strict=True):
            for start in range(0, len(graphs), _GRAPHS):
                chunk = graphs[start : start + _GRAPHS]
                where = f"{path}: graph {{}} of {split}"
                found = [_checked(g, where.format(i)) for i, g in enumerate(chunk, start)]
                tensors, slices = _joined(found)
                tensors["jet_id"] = np.arange(first, first + len(chunk))
                tensors["split"] = np.full(len(chunk), SPLITS.index(split))
                slices |= {"jet_id": None, "split": None}
                self._hooks.append(writer, tensors, slices, across=("edge_index",))
                first += len(chunk)
        if not writer.rows:
            writer.close()
            raise InputError("pre_filter leaves no jet: give one that keeps some.")
        writer.finish({"columns": self.columns, "jet_columns": ()})


@contextmanager
def _graphs(path: Path, aside: Path) -> Iterator[Sequence[Sequence[Any]]]:
    """The graphs of train and test, mapped where the file allows; ``aside`` is room to unpack."""
    if path.suffix == ".zip":
        check_file(path, "a zip archive", _ZIP)
        unpack(path, aside, (f"{_NAME}.pt",), progress=False)
        unpacked = next(aside.rglob(f"{_NAME}.pt"))
    else:
        unpacked = check_file(path, "a file of torch.save", (*_ZIP, b"\x80"))
    with unpacked.open("rb") as file:
        mapped = file.read(4) in _ZIP
    where = path if path == unpacked else f"{path}: its {unpacked.name}"
    try:
        # Nothing but tensors and plain containers is made of what the pickle in it says.
        both = torch.load(unpacked, weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        found = f"damaged, or holds more than tensors ({reason})"
        raise refusal(where, found, "lists of graphs") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        found = f"cut short or damaged ({' '.join(str(error).split())[:200]})"
        raise refusal(where, found, "a whole file of torch.save") from None
    if not (_is_list(both) and len(both) == 2 and all(map(_is_list, both))):
        words = f"of {type(both).__name__}" + f" of {len(both)}" * _is_list(both)
        raise refusal(where, words, "a list of the graphs of train and of those of test")
    yield both


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _checked(graph: Any, where: str) -> dict[str, np.ndarray]:
    """The arrays of a graph, or a sentence that says what is wrong with it."""
    if not isinstance(graph, dict) or set(graph) != set(_LAYOUT):
        found = ", ".join(map(str, graph)) if isinstance(graph, dict) else type(graph).__name__
        raise _wrong(where, f"has {found or 'nothing'}", ", ".join(_LAYOUT))
    arrays = {name: np.asarray(graph[name]) for name in graph}
    arrays["y"] = arrays["y"].reshape(-1)
    for name, (kind, shape) in _LAYOUT.items():
        _check_array(arrays[name], name, kind, shape, where)
    n_nodes, edges, label = len(arrays["x"]), arrays["edge_index"], int(arrays["y"][0])
    if len(arrays["pos"]) != n_nodes:
        raise _wrong(where, f"has {len(arrays['pos'])} rows of pos", f"{n_nodes}, as of x")
    if edges.size and not 0 <= edges.min() <= edges.max() < n_nodes:
        found = f"has edges from {edges.min()} to {edges.max()}"
        raise _wrong(where, found, f"nodes from 0 to {n_nodes - 1}")
    if not 0 <= label < 10:
        raise _wrong(where, f"has the label {label}", "a digit from 0 to 9")
    return arrays


def _check_array(
    array: np.ndarray, name: str, kind: str, shape: Sequence[int | None], where: str
) -> None:
    fits = array.ndim == len(shape) and all(
        n in (None, m) for n, m in zip(shape, array.shape, strict=True)
    )
    if array.dtype.kind != kind or not fits:
        numbers = "floating-point numbers" if kind == "f" else "integers"
        words = ", ".join("any" if n is None else str(n) for n in shape)
        found = f"has {name} of {array.dtype} and shape {list(array.shape)}"
        raise _wrong(where, found, f"{numbers} of shape [{words}]")
    if kind == "f" and not np.isfinite(array).all():
        raise _wrong(where, f"has a NaN or an infinite {name}", "finite numbers")


def _wrong(where: str, found: str, expected: str) -> ValueError:
    return InputError(f"{where} {found}, expected {expected}: delete the file and fetch it again.")


def _joined(
    graphs: Sequence[dict[str, np.ndarray]],
) -> tuple[dict[str, Any], dict[str, np.ndarray | None]]:
    """The arrays of several graphs one after the other, and where each begins."""
    tensors = {
        name: np.concatenate([g[name] for g in graphs], -1 if name == "edge_index" else 0)
        for name in graphs[0]
    }
    nodes, edges = (
        np.concatenate(([0], np.cumsum([g[name].shape[axis] for g in graphs])))
        for name, axis in (("x", 0), ("edge_index", 1))
    )
    return tensors, {"x": nodes, "pos": nodes, "edge_index": edges, "y": None}
