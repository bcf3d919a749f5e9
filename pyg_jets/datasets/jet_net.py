"""JetNet: gluon, light-quark, top, W and Z jets for generative models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, make_jets, rows_in_step
from pyg_jets.errors import InputError
from pyg_jets.io.hdf5 import dataset_of, open_hdf5
from pyg_jets.io.padded import unpad

__all__ = ["JetNet"]

_TYPES = ("g", "q", "t", "w", "z")
_PARTICLES = ("etarel", "phirel", "ptrel")
_JETS = ("pt", "eta", "mass")
_MASK, _COUNT = 3, 3  # the columns that follow these


@dataclass(frozen=True)
class JetNetReader(Reader):
    """Reads files with one number of particles a jet.

    Args:
        num_particles: Particles of each jet, padding included.
    """

    num_particles: int

    split_columns = _PARTICLES

    def _arrays(self, file: Any) -> dict[str, Any]:
        return {
            "particle_features": dataset_of(
                file, "particle_features", (None, self.num_particles, 4), "f"
            ),
            "jet_features": dataset_of(file, "jet_features", (None, 4), "f"),
        }

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("h5py",)

    def file_columns(self, path: Path) -> FileColumns:
        with open_hdf5(path) as file:
            self._arrays(file)
        return FileColumns(_PARTICLES, (*_JETS, "multiplicity"))

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        take = [_PARTICLES.index(name) for name in names]
        path = raw_file.path
        with open_hdf5(path) as file:
            for first, stop, rows in rows_in_step(self._arrays(file), start, size):
                padded, features = rows["particle_features"], rows["jet_features"]
                _check_mask(path, padded[:, :, _MASK], first)
                x, ptr = unpad(padded, take, key=_MASK)
                _check_counts(path, np.diff(ptr), features[:, _COUNT], first)
                columns = {name: features[:, i] for i, name in enumerate(_JETS)}
                columns["multiplicity"] = features[:, _COUNT].astype(np.int64)
                jets = make_jets(path, x, names, ptr, first, jets=columns, drop_bad=drop_bad)
                yield Chunk(jets, stop)


def _check_mask(path: Path, mask: np.ndarray, start: int) -> None:
    wrong = (mask != 0) & (mask != 1)
    if wrong.any():
        j, p = np.argwhere(wrong)[0]
        raise InputError(
            f"{path}: the mask of particle {p} of jet {start + j} is {mask[j, p]:g}, expected 0 or "
            "1: the file is none of JetNet; delete it and fetch it again."
        )


def _check_counts(path: Path, counts: np.ndarray, declared: np.ndarray, start: int) -> None:
    wrong = ~((counts <= declared) & np.isfinite(declared))
    if wrong.any():
        j = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{path}: the mask of jet {start + j} counts {counts[j]} particles, but jet_features "
            f"declares {declared[j]:g}: the file is none of JetNet; delete it and fetch it again."
        )


class JetNet(FileDataset):
    """Gluon, light-quark, top, W and Z jets of about 1 TeV, relative to the jet, at particle level.

    Source: Zenodo 6975118 (30 particles) and 6975117 (150), arXiv 2106.11535. Features that the set
    can give: ``etarel, phirel, ptrel`` and what follows from them with the jet's pT, pseudorapidity
    and mass, such as ``pt`` (GeV), ``eta``, ``deltar``, ``logpt``, ``erel`` (massless particles).
    The azimuth of the jet is not published: ``phi``, ``px``, ``py``, ``mass`` are refused by name.

    The publisher made no splits, so that they go by a hash of the jet. They differ from those of
    the ``jetnet`` library, which cuts a shuffled order at 70 and 85 %.

    Args:
        root: The folder; ``raw/`` holds ``g.hdf5`` … (or ``g150.hdf5`` …), fetched if missing.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all jets.
        jet_types: Which of ``"g", "q", "t", "w", "z"``; the labels count them in this order.
        num_particles: ``30`` or ``150``, the files to read; ``max_particles`` keeps fewer.
        features: Columns of ``x``, in order, out of :data:`pyg_jets.columns.PARTICLE`;
            ``pdgid_onehot`` stands for five. Default: ``etarel, phirel, ptrel``.
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
        >>> dataset = JetNet("data/jet_net", jet_types=("q", "g"))  # doctest: +SKIP
        >>> dataset.classes  # doctest: +SKIP
        ('q', 'g')
    """

    card = "jet_net"
    classes: tuple[str, ...] = _TYPES
    default_features = _PARTICLES
    level = "gen"

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        jet_types: Sequence[str] = _TYPES,
        num_particles: int = 30,
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
        jet_types = (jet_types,) if isinstance(jet_types, str) else jet_types
        self.classes = check_names(jet_types, _TYPES, "jet type of JetNet")
        if not self.classes:
            raise InputError(
                f"Expected at least one jet type of {', '.join(_TYPES)}, but got none."
            )
        if num_particles not in (30, 150):
            raise InputError(
                f"Expected num_particles of 30 or 150, as published, but got {num_particles!r}: "
                "use max_particles= for fewer of them."
            )
        self.num_particles = int(num_particles)
        super().__init__(
            root, split, features=features, coordinates=coordinates, jet_columns=jet_columns,
            max_particles=max_particles,
            min_pt=min_pt, order=order, pt=pt, mass=mass, splits=splits,
            split_fractions=split_fractions, bad_jets=bad_jets, workers=workers,
            transform=transform, pre_transform=pre_transform, pre_filter=pre_filter,
            force_reload=force_reload,
        )  # fmt: skip

    def reader(self) -> Reader:
        """The reader of files with ``num_particles``."""
        return JetNetReader(self.num_particles)

    def raw_files(self) -> list[RawFile]:
        """One file a jet type, in the order of ``jet_types``."""
        length = "150" if self.num_particles == 150 else ""
        return [
            RawFile(Path(self.raw_dir) / f"{name}{length}.hdf5", _TYPES.index(name), label=label)
            for label, name in enumerate(self.classes)
        ]

    def content_arguments(self) -> dict[str, Any]:
        """Jet types and number of particles."""
        return {"jet_types": list(self.classes), "num_particles": self.num_particles}
