"""Jet images of the LAGAN study: their pixels as graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.reader import (
    Chunk,
    FileColumns,
    RawFile,
    Reader,
    checked_labels,
    make_jets,
    rows_in_step,
)
from pyg_jets.io.hdf5 import dataset_of, open_hdf5

__all__ = ["JetImages"]

_FILE = "jet-images_Mass60-100_pT250-300_R1.25_Pix25.hdf5"
_PIXELS = 25
_COLUMNS = ("pt", "eta", "phi")
_JETS = {"pt": "jet_pt", "eta": "jet_eta", "phi": "jet_phi", "mass": "jet_mass",
         "tau1": "tau_1", "tau2": "tau_2", "tau3": "tau_3",
         "subjet_delta_r": "jet_delta_R"}  # fmt: skip
_CENTRES = np.linspace(-1.2, 1.2, _PIXELS).astype(np.float32)
#: Columns of an image run along η, and its rows along φ from the top, as the authors turned it.
_COORDINATES = {"eta": np.tile(_CENTRES, _PIXELS), "phi": np.repeat(_CENTRES[::-1], _PIXELS)}
#: The authors' interpolation rounds: a pixel this little below zero (GeV) is empty.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class JetImagesReader(Reader):
    """Reads the file.

    Args:
        images: Whether to give the images too.
    """

    images: bool = False

    split_columns = _COLUMNS

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("h5py",)

    def file_columns(self, path: Path) -> FileColumns:
        with open_hdf5(path) as file:
            _arrays(file)
        return FileColumns(_COLUMNS, tuple(_JETS))

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        path = raw_file.path
        with open_hdf5(path) as file:
            for first, stop, rows in rows_in_step(_arrays(file), start, size):
                x, ptr = _pixels(rows["image"].reshape(stop - first, -1), names)
                labels = checked_labels(path, rows["signal"], 2, first)
                columns = {name: rows[key].astype(np.float32) for name, key in _JETS.items()}
                jets = make_jets(path, x, names, ptr, first, labels, columns, drop_bad)
                extra = {}
                if self.images:
                    extra["image"] = rows["image"][jets.ids - first].astype(np.float32)
                yield Chunk(jets, stop, extra=extra)


def _arrays(file: Any) -> dict[str, Any]:
    shape = (None, _PIXELS, _PIXELS)
    arrays = {"image": dataset_of(file, "image", shape, "f")}
    arrays["signal"] = dataset_of(file, "signal", (None,), "fiu")
    return arrays | {key: dataset_of(file, key, (None,), "f") for key in _JETS.values()}


def _pixels(images: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The pixels above zero, row by row; a NaN or a negative pixel is kept, and refused later."""
    filled = ~((images <= 0) & (images >= -_ROUNDING))
    ptr = np.concatenate(([0], np.cumsum(filled.sum(1))))
    pixels = np.flatnonzero(filled)
    x = np.empty((len(pixels), len(names)), np.float32)
    for i, name in enumerate(names):
        x[:, i] = (
            images.ravel()[pixels] if name == "pt" else _COORDINATES[name][pixels % images.shape[1]]
        )
    return x, ptr


class JetImages(FileDataset):
    """Jets of W bosons (1) and QCD (0), 250–300 GeV, as images of 25 × 25 pixels: a node a pixel.

    Source: the LAGAN study, Zenodo 269622, arXiv 1701.05927; 872,666 images of trimmed jets from
    Pythia on a grid of cells. A node is a pixel above zero: ``pt`` (GeV), and ``eta``, ``phi`` of
    its centre on [-1.25, 1.25]². Other features follow from these, with massless pixels.

    The authors centred the images on the leading subjet, rotated them by cubic interpolation until
    the second one lay below (φ < 0), and mirrored them until η > 0 held more: ``eta`` and ``phi``
    are axes of the image. Columns of the array are η, upwards; rows are φ, from the top down. The
    interpolation leaves pixels of tiny pT; the authors drop them with a cut (``min_pt=2.7e-9``).

    Args:
        root: The folder; ``raw/`` holds the file, fetched if missing (2.2 GB).
        split: ``"train"``, ``"val"``, ``"test"``, by a hash of the image, or ``None`` for all jets.
        images: Whether to store the image too, as ``image [1, 25, 25]`` of each jet.
        features: Columns of ``x``, in order, out of :data:`pyg_jets.columns.PARTICLE`;
            ``pdgid_onehot`` stands for five. Default: ``pt, eta, phi``.
        coordinates: Columns of ``pos``; ``()`` for no ``pos``.
        jet_columns: Observables that are computed from all particles of each jet and join its jet
            columns, by their names in :mod:`pyg_jets.substructure.observables`, such as
            ``["tau32", "softdrop_mass"]``, or ``{column: observable}``.
        max_particles: Keep this many particles of highest pT in each jet. Default: all.
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

    Examples:
        >>> dataset = JetImages("data/jet_images", images=True)  # doctest: +SKIP
    """

    card = "jet_images"
    classes = ("qcd", "w")
    default_features = _COLUMNS
    axis = "origin"

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        images: bool = False,
        *,
        features: Sequence[str] | None = None,
        coordinates: Sequence[str] = ("etarel", "phirel"),
        jet_columns: Sequence[str] | Mapping[str, str] | None = None,
        max_particles: int | None = None,
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
        self.images = bool(images)
        super().__init__(
            root, split, features=features, coordinates=coordinates, jet_columns=jet_columns,
            max_particles=max_particles,
            min_pt=min_pt, order=order, pt=pt, mass=mass, splits=splits,
            split_fractions=split_fractions, bad_jets=bad_jets, workers=workers,
            transform=transform, pre_transform=pre_transform, pre_filter=pre_filter,
            force_reload=force_reload,
        )  # fmt: skip

    def reader(self) -> Reader:
        """The reader of the file."""
        return JetImagesReader(self.images)

    def raw_files(self) -> list[RawFile]:
        """The one file."""
        return [RawFile(Path(self.raw_dir) / _FILE, 0)]

    def content_arguments(self) -> dict[str, Any]:
        """Whether images are stored."""
        return {"images": self.images}
