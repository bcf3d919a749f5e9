"""Quark and gluon jets of EnergyFlow, from Pythia or Herwig, with or without heavy quarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, checked_labels, make_jets
from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.io.cards import card_files
from pyg_jets.io.npz import NpzReader
from pyg_jets.io.padded import unpad

__all__ = ["QuarkGluon"]

_GENERATORS = ("pythia", "herwig")
_COLUMNS = ("pt", "rapidity", "phi", "pdgid")  # of a particle, as published
_FROM_ID = ("mass", "charge")  # follow from the PDG id
#: Largest range of PDG ids for which properties are looked up in a table as long as the range.
_LONGEST_TABLE = 1 << 16


@cache
def _properties(pdgid: int) -> tuple[float, float]:
    """Mass (GeV) and charge (e) of a particle, from the tables of the Particle Data Group."""
    particle = require("particle", "data")
    try:
        entry = particle.Particle.from_pdgid(pdgid)
    except (particle.ParticleNotFound, particle.InvalidParticle):
        raise InputError(f"{pdgid} is no PDG id of a known particle") from None
    return float(entry.mass or 0.0) / 1000, float(entry.charge or 0.0)


@dataclass(frozen=True)
class QuarkGluonReader(Reader):
    """Reads ``X [N, M, 4]`` and ``y [N]``; mass and charge follow from the PDG id."""

    split_columns = _COLUMNS[:3]

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("particle",)

    def file_columns(self, path: Path) -> FileColumns:
        return FileColumns((*_COLUMNS, *_FROM_ID))

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        path = raw_file.path
        take = [_COLUMNS.index("pdgid" if name in _FROM_ID else name) for name in names]
        with NpzReader(path) as file:
            _check_layout(file, path)
            for first, arrays in enumerate(file.chunks(("X", "y"), size, start)):
                first = start + first * size
                particles, ptr = unpad(arrays["X"], take, key=0)
                labels = checked_labels(path, arrays["y"], 2, first)
                particles = _add_properties(path, particles, names)
                jets = make_jets(path, particles, names, ptr, first, labels, drop_bad=drop_bad)
                yield Chunk(jets, first + len(labels))


def _check_layout(file: NpzReader, path: Path) -> None:
    shape, kind = file.shape("X"), file.dtype("X").kind
    if len(shape) != 3 or shape[2] != len(_COLUMNS) or kind not in "fiu":
        raise InputError(
            f"{path}: X has shape {shape} and dtype {file.dtype('X')}, expected numbers "
            "[N, M, 4] = (pt, rapidity, phi, pdgid): delete the file and fetch it again."
        )
    if len(file.shape("y")) != 1 or file.dtype("y").kind not in "fiu":
        raise InputError(
            f"{path}: y has shape {file.shape('y')} and dtype {file.dtype('y')}, expected one "
            "number a jet: delete the file and fetch it again."
        )


def _add_properties(path: Path, particles: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Replace the PDG ids in the columns ``mass`` and ``charge`` by the property."""
    columns = {name: i for i, name in enumerate(names) if name in _FROM_ID}
    if not columns:
        return particles
    try:
        table, row = _property_table(particles[:, next(iter(columns.values()))].astype(np.int64))
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: {error}: the file is broken, fetch it again; or ask for features that "
            "need neither mass nor charge."
        ) from None
    for name, i in columns.items():
        particles[:, i] = table[name][row]
    return particles


def _property_table(ids: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A table of mass and charge, and the row of each id: few kinds among many particles."""
    lowest = int(ids.min(initial=0))
    span = int(ids.max(initial=0)) - lowest + 1
    if span > _LONGEST_TABLE:
        kinds, row = np.unique(ids, return_inverse=True)
        properties = np.array([_properties(int(i)) for i in kinds], np.float32)
        return dict(zip(_FROM_ID, properties.T, strict=True)), row
    rows = ids - lowest
    table = {name: np.zeros(span, np.float32) for name in _FROM_ID}
    for i in np.flatnonzero(np.bincount(rows, minlength=span)):
        table["mass"][i], table["charge"][i] = _properties(int(i) + lowest)
    return table, rows


class QuarkGluon(FileDataset):
    """Light-quark (1) and gluon (0) jets of 500–550 GeV at particle level, R = 0.4.

    Source: Zenodo 3164691 (Pythia 8.226) and 3066475 (Herwig 7.1.4), arXiv 1810.05165; twenty
    files of 100,000 jets of each kind. The second column of the files is the rapidity; mass and
    charge are those of the PDG id, so every momentum can be given.

    Args:
        root: The folder; ``raw/`` holds the npz files, fetched if missing.
        split: ``"train"``, ``"val"``, ``"test"`` by a hash of the jet, or ``None``.
        generator: ``"pythia"`` or ``"herwig"``.
        heavy: Whether charm and bottom jets are among the quark jets (the files ``withbc``).
        n_files: The first so many of the published files. Default: all.
        features: Columns of ``x``, in order, out of :data:`pyg_jets.columns.PARTICLE`;
            ``pdgid_onehot`` stands for five. Default: ``pt, eta, phi, mass,
            charge, pdgid``.
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
        >>> dataset = QuarkGluon("data/quark_gluon", n_files=1)  # doctest: +SKIP
    """

    card = "quark_gluon"
    classes = ("gluon", "quark")
    default_features = ("pt", "eta", "phi", "mass", "charge", "pdgid")
    level = "gen"

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        generator: str = "pythia",
        heavy: bool = False,
        n_files: int | None = None,
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
        check_names((generator,), _GENERATORS, "generator")
        self.files = [
            file.name
            for file in card_files("quark_gluon", part=generator + "_withbc" * bool(heavy))
        ]
        if n_files is not None and not 1 <= n_files <= len(self.files):
            raise InputError(f"Expected n_files from 1 to {len(self.files)}, but got {n_files}.")
        self.generator, self.heavy = generator, bool(heavy)
        self.files = self.files[:n_files]
        super().__init__(
            root, split, features=features, coordinates=coordinates, jet_columns=jet_columns,
            max_particles=max_particles,
            min_pt=min_pt, order=order, pt=pt, mass=mass, splits=splits,
            split_fractions=split_fractions, bad_jets=bad_jets, workers=workers,
            transform=transform, pre_transform=pre_transform, pre_filter=pre_filter,
            force_reload=force_reload,
        )  # fmt: skip

    def reader(self) -> Reader:
        """Reads ``X`` and ``y``."""
        return QuarkGluonReader()

    def content_arguments(self) -> dict[str, Any]:
        """Which files are read."""
        return {"files": self.files}

    def raw_files(self) -> list[RawFile]:
        """The published files, in order."""
        return [RawFile(Path(self.raw_dir) / name, i) for i, name in enumerate(self.files)]
