"""The hls4ml LHC jets: gluon, light-quark, W, Z and top."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, make_jets, rows_in_step
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.errors import InputError
from pyg_jets.io.archive import unpack
from pyg_jets.io.cards import card_files
from pyg_jets.io.download import fetch
from pyg_jets.io.file_type import check_file
from pyg_jets.io.hdf5 import dataset_of, names_of, open_hdf5
from pyg_jets.io.padded import unpad

__all__ = ["LHCJets"]

_LENGTHS = (30, 50, 100, 150)
_PARTICLES = {"px": "j1_px", "py": "j1_py", "pz": "j1_pz", "e": "j1_e"}
_JETS = {"pt": "j_pt", "eta": "j_eta", "mass": "j_mass",
         "tau1": "j_tau1_b1", "tau2": "j_tau2_b1", "tau3": "j_tau3_b1"}  # fmt: skip
_CLASSES = ("g", "q", "w", "z", "t")
_FLAGS = tuple(f"j_{name}" for name in _CLASSES)
_GZIP = (b"\x1f\x8b",)
#: Numbers that are reserved for the files of a split, so that those of another do not change them.
_FILES_PER_SPLIT = 1000


@dataclass(frozen=True)
class LHCJetsReader(Reader):
    """Reads files with one number of particles a jet.

    Args:
        num_particles: Particles of each jet, padding included.
    """

    num_particles: int

    split_columns = tuple(_PARTICLES)

    def _arrays(self, file: Any) -> dict[str, Any]:
        return {
            "particles": dataset_of(
                file, "jetConstituentList", (None, self.num_particles, None), "f"
            ),
            "jets": dataset_of(file, "jets", (None, None), "fiu"),
        }

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("h5py",)

    def file_columns(self, path: Path) -> FileColumns:
        with open_hdf5(path) as file:
            arrays = self._arrays(file)
            _column_index(file, arrays["particles"], "particleFeatureNames", _PARTICLES.values())
            _column_index(file, arrays["jets"], "jetFeatureNames", (*_JETS.values(), *_FLAGS))
        return FileColumns(tuple(_PARTICLES), tuple(_JETS))

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        path = raw_file.path
        with open_hdf5(path) as file:
            arrays = self._arrays(file)
            wanted = [_PARTICLES[name] for name in (*names, "e")]
            *take, energy = _column_index(file, arrays["particles"], "particleFeatureNames", wanted)
            columns = _column_index(file, arrays["jets"], "jetFeatureNames", _JETS.values())
            flags = _column_index(file, arrays["jets"], "jetFeatureNames", _FLAGS)
            for first, stop, rows in rows_in_step(arrays, start, size):
                x, ptr = unpad(rows["particles"], take, key=energy)
                labels = _labels(path, rows["jets"][:, flags], first)
                values = rows["jets"][:, columns].astype(np.float32)
                jet_columns = dict(zip(_JETS, values.T, strict=True))
                jets = make_jets(path, x, names, ptr, first, labels, jet_columns, drop_bad)
                yield Chunk(jets, stop)


def _column_index(file: Any, dataset: Any, key: str, wanted: Any) -> list[int]:
    """The columns of ``dataset`` with the wanted names; the list ``key`` may have more names."""
    columns = [name.lower() for name in names_of(file, key)][: dataset.shape[-1]]
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise InputError(
            f"{file.filename}: {key} has no {', '.join(missing)} among the names of the "
            f"{dataset.shape[-1]} columns of {dataset.name.strip('/')}, but {', '.join(columns)}: "
            "the file is none of the hls4ml jets; delete it and fetch it again."
        )
    return [columns.index(name) for name in wanted]


def _labels(path: Path, flags: np.ndarray, start: int) -> np.ndarray:
    """The class of each jet, from one flag a class ``[J, 5]``."""
    wrong = ((flags != 0) & (flags != 1)).any(1) | (flags.sum(1) != 1)
    if wrong.any():
        j = int(np.flatnonzero(wrong)[0])
        values = ", ".join(f"{n} = {v:g}" for n, v in zip(_FLAGS, flags[j], strict=True))
        raise InputError(
            f"{path}: the class flags of jet {start + j} are {values}, expected a single 1 among "
            "them: the file is none of the hls4ml jets, or is broken; delete it and fetch it again."
        )
    return flags.argmax(1)


class LHCJets(FileDataset):
    """Gluon, light-quark, W, Z and top jets of about 1 TeV, made for taggers in a trigger.

    Source: hls4ml LHC jets, Zenodo 3601436 (30 particles), 3601443 (50), 3602254 (100), 3602260
    (150), arXiv 1804.06913 and 1908.05318. Features that the set can give: whatever follows from
    px, py, pz, E (GeV); there is no charge and no particle id (the name ``j1_pdgid`` in the files
    has no column). The jet's pT, pseudorapidity and mass are the published ones and ``etarel``,
    ``ptrel``, ``erel`` refer to them; its azimuth is not published, so that ``phirel`` refers to
    that of the summed particles.

    Args:
        root: The folder; ``raw/`` holds the archives ``hls4ml_LHCjet_30p_train.tar.gz`` …, fetched
            and unpacked if missing. Not needed where their files are in ``raw/train``, ``raw/val``.
        split: ``"train"`` (620,000 jets) or ``"val"`` (260,000), or ``None`` for both. With
            ``splits="hash"`` there is also ``"test"``.
        num_particles: ``30``, ``50``, ``100`` or ``150``, the files to read.
        features: Columns of ``x``, in order, out of :data:`pyg_jets.columns.PARTICLE`;
            ``pdgid_onehot`` stands for five. Default: ``pt, eta, phi, mass``.
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
        >>> dataset = LHCJets("data/lhc_jets", split="train", num_particles=50)  # doctest: +SKIP
    """

    card = "lhc_jets"
    classes = _CLASSES
    published_splits = SPLITS[:2]

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
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
        if num_particles not in _LENGTHS:
            raise InputError(
                f"Expected num_particles of {', '.join(map(str, _LENGTHS))}, as published, but got "
                f"{num_particles!r}: use max_particles= for fewer of them."
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
        return LHCJetsReader(self.num_particles)

    def raw_files(self) -> list[RawFile]:
        """The unpacked files; a name that does not exist for a split that is not unpacked yet."""
        return [
            RawFile(path, _FILES_PER_SPLIT * split + i, split)
            for split, name in self._wanted()
            for i, path in enumerate(self._unpacked(name) or [self._folder(name) / "*.h5"])
        ]

    def content_arguments(self) -> dict[str, Any]:
        """Number of particles."""
        return {"num_particles": self.num_particles}

    def fetch(self) -> None:
        """Download the archives that are missing, and unpack them."""
        published = {file.name: file for file in card_files(self.card)}
        for _, name in self._wanted():
            if self._unpacked(name):
                continue
            archive = self._folder(name).with_name(f"{self._folder(name).name}.tar.gz")
            fetch([published[archive.name]] * (not archive.exists()), self.raw_dir)
            check_file(archive, "a tar.gz archive", _GZIP)
            unpack(archive, self._folder(name), (".h5",))
            if not self._unpacked(name):
                raise InputError(
                    f"{archive} holds no file of {self.num_particles} particles, expected "
                    f"jetImage_…_{self.num_particles}p_….h5: delete it and fetch it again."
                )

    def _wanted(self) -> list[tuple[int, str]]:
        whole = self.split is None or self.by_hash
        return [(i, n) for i, n in enumerate(self.published_splits) if whole or n == self.split]

    def _folder(self, split: str) -> Path:
        return Path(self.raw_dir) / f"hls4ml_LHCjet_{self.num_particles}p_{split}"

    def _unpacked(self, split: str) -> list[Path]:
        for folder in (self._folder(split), Path(self.raw_dir) / split):
            if files := sorted(folder.rglob(f"*_{self.num_particles}p_*.h5")):
                return files
        return []
