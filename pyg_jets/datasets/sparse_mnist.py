"""Handwritten digits as point clouds of their brightest pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, checked_labels, make_jets
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.errors import InputError
from pyg_jets.io.cards import sample_path
from pyg_jets.io.idx import read_idx
from pyg_jets.io.npz import NpzReader

__all__ = ["SparseMNIST"]

_CARD = "sparse_mnist"
_SOURCES = ("sample", "full")
_COLUMNS = ("eta", "phi", "pt")
_SIDE = 28
#: Centres of the pixels from -1 to 1: y from the top of the image down, x from the left.
_CENTRES = np.linspace(-1, 1, _SIDE, dtype=np.float32)
_IMAGES, _LABELS = "images-idx3", "labels-idx1"
_NAMES = {"train": f"train-{_IMAGES}-ubyte.gz", "test": f"t10k-{_IMAGES}-ubyte.gz"}


@dataclass(frozen=True)
class SparseMNISTReader(Reader):
    """Reads images: all their pixels above zero, row by row.

    Args:
        digit: Only images of this digit, or ``None`` for all.
    """

    digit: int | None = None
    #: Of the whole image: the split of a digit depends neither on ``n_pixels`` nor on ``x``.
    split_columns = _COLUMNS

    def file_columns(self, path: Path) -> FileColumns:
        with _images_and_digits(path, 0, 1):
            return FileColumns(_COLUMNS)

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        with _images_and_digits(raw_file.path, start, size) as chunks:
            first = start
            for images, digits in chunks:
                labels = checked_labels(raw_file.path, digits, 10, first)
                ids = np.arange(first, first + len(labels))
                first += len(labels)
                if self.digit is not None:
                    chosen = labels == self.digit
                    images, labels, ids = images[chosen], labels[chosen], ids[chosen]
                particles, ptr = _pixels(images, names)
                jets = make_jets(raw_file.path, particles, names, ptr, start, labels, ids=ids)
                yield Chunk(jets, first)


def _pixels(images: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The pixels above zero as particles ``[N, F]``, and their ``ptr [J + 1]``."""
    image, row, column = np.nonzero(images)
    values = {
        "eta": _CENTRES[column],
        "phi": -_CENTRES[row],
        "pt": images[image, row, column].astype(np.float32) / np.float32(255),
    }
    ptr = np.searchsorted(image, np.arange(len(images) + 1))
    return np.stack([values[name] for name in names], -1), ptr


@contextmanager
def _images_and_digits(
    path: Path, start: int, size: int
) -> Iterator[Iterator[tuple[np.ndarray, np.ndarray]]]:
    """Images and their digits, chunk by chunk, from the sample or from the two files of MNIST."""
    if path.suffix == ".npz":
        with NpzReader(path) as sample:
            _check_side(path, sample.shape("images"))
            chunks = sample.chunks(("images", "labels"), size, start)
            yield ((chunk["images"], chunk["labels"]) for chunk in chunks)
        return
    labels_path = _labels_of(path)
    images, labels = read_idx(path, 3), read_idx(labels_path, 1)
    _check_side(path, images.shape)
    if len(images) != len(labels):
        raise InputError(
            f"{labels_path} has {len(labels):,} labels, but {path.name} has {len(images):,} "
            "images, expected one each: delete both and fetch them again."
        )
    rows = [slice(first, first + size) for first in range(start, len(images), size)]
    yield ((images[chunk], labels[chunk]) for chunk in rows)


def _check_side(path: Path, shape: tuple[int, ...]) -> None:
    if shape[1:] != (_SIDE, _SIDE):
        raise InputError(
            f"{path} has images of shape {list(shape[1:])}, expected {[_SIDE, _SIDE]}: it is none "
            "of MNIST; delete it and fetch it again."
        )


def _labels_of(images: Path) -> Path:
    """The file of the digits that belongs to a file of images."""
    return _packed_or_not(images.with_name(images.name.replace(_IMAGES, _LABELS)))


def _packed_or_not(path: Path) -> Path:
    """The file with ``.gz`` or without, whichever exists; ``path`` if none or both do."""
    other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(f"{path.name}.gz")
    return other if other.exists() and not path.exists() else path


class SparseMNIST(FileDataset):
    """The n brightest pixels of handwritten digits, as point clouds on a plane.

    A pixel is a particle: eta = x to the right, phi = y upwards, the centres of the 28 × 28 pixels
    from -1 to 1 on both axes, and pt = brightness / 255, above 0 and at most 1. A digit with fewer
    than n pixels above zero has fewer points: nothing is padded. Points come in the order of the
    image; ``order="pt"`` puts the brightest first, of equals the upper and left ones.

    Ink is saturated: 70 % of the digits have more than 25 pixels of 253 and above. Which of equally
    bright pixels are kept is drawn at random, by the digit's id: the same in every set and on every
    machine. (By rows an eight of 25 pixels would lose its lower half.) To draw them anew in each
    epoch, keep all pixels, ``n_pixels=None``, and give the loader
    :class:`~pyg_jets.transforms.BrightestPixels`.

    Source: MNIST, Proc. IEEE 86 (1998) 2278. Features that the set can give: eta, phi, pt and what
    follows from them on a plane (``ptrel``, ``deltar`` …); classes are the digits.

    Args:
        root: The folder; ``raw/`` holds the files of the whole set, fetched if missing.
        split: ``"train"``, ``"val"``, ``"test"`` or ``None`` for all: of the sample by a hash of
            the digit's pixels, of the whole set the publisher's ``"train"`` (60,000) and
            ``"test"`` (10,000).
        n_pixels: How many pixels of each digit are kept, 25, 100, …; ``None`` for all above zero.
            It stands in for ``max_particles``.
        intensity: Whether brightness is a feature, unless ``features`` names them.
        digit: One digit, 0 … 9, or ``None`` for all. It keeps its label, so that sets of single
            digits can be joined.
        source: ``"sample"``, the 10,000 real digits that come with the package, or ``"full"``, all
            of MNIST.
        ties: Which of equally bright pixels are kept: ``"random"``, or ``"row"`` for the upper ones
            first, and in a row the left ones.
        features: Columns of ``x``, in order, out of :data:`pyg_jets.columns.PARTICLE`;
            ``pdgid_onehot`` stands for five. Default: ``eta, phi, pt``, or
            ``eta, phi`` without ``intensity``.
        coordinates: Columns of ``pos``; ``()`` for no ``pos``.
        jet_columns: Observables that are computed from all particles of each jet and join its jet
            columns, by their names in :mod:`pyg_jets.substructure.observables`, such as
            ``["tau32", "softdrop_mass"]``, or ``{column: observable}``.
        min_pt: Drop particles of lower pT (GeV).
        order: ``"pt"`` for descending pT. Default: the order of the file.
        pt: Keep jets with pT in this window ``(low, high)`` (GeV).
        mass: Keep jets with a mass in this window ``(low, high)`` (GeV).
        splits: ``"publisher"`` for the published split, ``"hash"`` for a split by a stable hash of
            the event, or of the jet without events. Default: the publisher's, if there is one.
        split_fractions: Shares of train, val and test in a split by hash.
        bad_jets: ``"raise"`` to refuse files with a NaN or a negative energy, ``"drop"`` to leave
            such jets out.
        workers: Processes that convert files. Default: the number of cores for several files of
            more than 1 GB in total, else one.
        transform: Applied to each graph when it is read.
        pre_transform: Applied to each graph before it is stored.
        pre_filter: Only graphs for which it is true are stored.
        force_reload: Process again even if the processed files exist.

    Raises:
        ValueError: For no digit, no source, no number of pixels, no treatment of ties.

    Examples:
        >>> import tempfile
        >>> SparseMNIST(tempfile.mkdtemp(), n_pixels=25, digit=3)[0]
        Data(x=[25, 3], pos=[25, 2], y=[1], gen_multiplicity=[1], jet_id=[1], split=[1])
    """

    card = _CARD
    classes = tuple("0123456789")
    axis = "origin"
    level = "gen"  # a digit is what comes before a detector

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        n_pixels: int | None = 100,
        intensity: bool = True,
        digit: int | None = None,
        source: str = "sample",
        ties: str = "random",
        *,
        features: Sequence[str] | None = None,
        coordinates: Sequence[str] = ("etarel", "phirel"),
        jet_columns: Sequence[str] | Mapping[str, str] | None = None,
        min_pt: float = 0.0,
        order: str | None = None,
        pt: tuple[float, float] | None = None,
        mass: tuple[float, float] | None = None,
        splits: str | None = None,
        split_fractions: Sequence[float] = (0.7, 0.15, 0.15),
        bad_jets: str = "raise",
        workers: int | None = None,
        transform: Callable[[Data], Data] | None = None,
        pre_transform: Callable[[Data], Data] | None = None,
        pre_filter: Callable[[Data], bool] | None = None,
        force_reload: bool = False,
    ):
        (self.source,) = check_names((source,), _SOURCES, "source of SparseMNIST")
        (self.ties,) = check_names((ties,), ("random", "row"), "ties of SparseMNIST")
        if digit is not None and (isinstance(digit, bool) or digit not in range(10)):
            raise InputError(f"Expected digit from 0 to 9, or None, but got {digit!r}.")
        if n_pixels is not None and n_pixels < 1:
            raise InputError(f"Expected n_pixels of at least 1, or None, but got {n_pixels!r}.")
        self.digit = None if digit is None else int(digit)
        self.published_splits = () if source == "sample" else tuple(_NAMES)
        if features is None:
            features = _COLUMNS if intensity else _COLUMNS[:2]
        super().__init__(
            root, split, features=features, coordinates=coordinates, jet_columns=jet_columns,
            max_particles=n_pixels,
            min_pt=min_pt, order=order, pt=pt, mass=mass, splits=splits,
            split_fractions=split_fractions, bad_jets=bad_jets, workers=workers,
            transform=transform, pre_transform=pre_transform, pre_filter=pre_filter,
            force_reload=force_reload,
        )  # fmt: skip

    def reader(self) -> Reader:
        """Reads images."""
        return SparseMNISTReader(self.digit)

    def raw_files(self) -> list[RawFile]:
        """The sample, or one file of images a split."""
        if self.source == "sample":
            return [RawFile(sample_path(_CARD), 0)]
        wanted = _NAMES if self.split is None or self.by_hash else (self.split,)
        return [
            RawFile(_packed_or_not(Path(self.raw_dir) / name), i, SPLITS.index(split))
            for i, (split, name) in enumerate(_NAMES.items())
            if split in wanted
        ]

    def required_files(self) -> list[Path]:
        """The images, and the digits beside them."""
        images = super().required_files()
        return images if self.source == "sample" else [*images, *map(_labels_of, images)]

    def content_arguments(self) -> dict[str, Any]:
        """The digit, the source and the ties."""
        return {"digit": self.digit, "source": self.source, "ties": self.ties}
