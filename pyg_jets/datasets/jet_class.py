"""JetClass: ten kinds of jets with tracks and particle kinds, in ROOT files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets.columns import KINDS
from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, make_jets
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import locked, read_json
from pyg_jets.io.archive import unpack
from pyg_jets.io.cards import card_files
from pyg_jets.io.download import fetch, require_client
from pyg_jets.io.root import FlatBranches, open_tree

__all__ = ["JetClass"]

_CLASSES = ("QCD", "Hbb", "Hcc", "Hgg", "H4q", "Hqql", "Zqq", "Wqq", "Tbqq", "Tbl")
_LABELS = tuple(f"label_{name}" for name in _CLASSES)
_COLUMNS = {
    "px": "part_px", "py": "part_py", "pz": "part_pz", "e": "part_energy",
    "charge": "part_charge", "d0": "part_d0val", "d0err": "part_d0err",
    "dz": "part_dzval", "dzerr": "part_dzerr", **{name: f"part_{name}" for name in KINDS},
}  # fmt: skip
_MOMENTUM = ("px", "py", "pz", "e")
_JETS = {
    "pt": "jet_pt", "eta": "jet_eta", "phi": "jet_phi", "e": "jet_energy",
    "softdrop_mass": "jet_sdmass", **{f"tau{n}": f"jet_tau{n}" for n in (1, 2, 3, 4)},
}  # fmt: skip
_COUNT = "jet_nparticles"
_AT_ONCE = 8
#: The names of the published files begin with one of these processes.
_PROCESSES = (
    "HToBB", "HToCC", "HToGG", "HToWW2Q1L", "HToWW4Q", "TTBar", "TTBarLep", "WToQQ", "ZToQQ",
    "ZJetsToNuNu",
)  # fmt: skip


@dataclass(frozen=True)
class JetClassReader(Reader):
    """Reads the ROOT files."""

    split_columns = _MOMENTUM

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("uproot",)

    def file_columns(self, path: Path) -> FileColumns:
        with open_tree(path, "tree") as tree:
            names = (n for n, branch in _COLUMNS.items() if n in _MOMENTUM or tree.has(branch))
            return FileColumns(tuple(names), tuple(_JETS))

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        branches = [_COLUMNS[name] for name in names]
        with open_tree(raw_file.path, "tree") as tree:
            flat = (*_JETS.values(), _COUNT, *_LABELS)
            # One read serves several chunks, since each has a fixed cost.
            for array in tree.chunks((*branches, *flat), _AT_ONCE * size, start):
                block = FlatBranches(raw_file.path, array)
                counts, values = block.table(branches)
                declared = block.numbers(_COUNT)
                if not np.array_equal(declared, counts):
                    j = int(np.flatnonzero(declared != counts)[0])
                    raise InputError(
                        f"{raw_file.path}: jet {start + j} has {counts[j]} particles, but {_COUNT} "
                        f"says {declared[j]:g}: the file is broken; delete it and fetch it again."
                    )
                ptr, labels = np.concatenate(([0], np.cumsum(counts))), _labels(block, start)
                of_jets = {name: block.numbers(branch) for name, branch in _JETS.items()}
                for a in range(0, len(block), size):
                    b = min(a + size, len(block))
                    jets = make_jets(
                        raw_file.path,
                        values[ptr[a] : ptr[b]],
                        names,
                        ptr[a : b + 1] - ptr[a],
                        start + a,
                        labels[a:b],
                        {name: value[a:b] for name, value in of_jets.items()},
                        drop_bad,
                    )
                    yield Chunk(jets, start + b)
                start += len(block)


def _labels(block: FlatBranches, start: int) -> np.ndarray:
    flags = np.stack([block.numbers(name) for name in _LABELS], -1)
    wrong = ((flags != 0) & (flags != 1)).any(-1) | ((flags == 1).sum(-1) != 1)
    if wrong.any():
        j = int(np.flatnonzero(wrong)[0])
        raised = [f"{n} = {f:g}" for n, f in zip(_LABELS, flags[j] + 0, strict=True) if f]
        raise InputError(
            f"{block.path}: jet {start + j} has the labels {', '.join(raised) or 'none'}, expected "
            f"one of {len(_LABELS)} to be 1: the file is broken; delete it and fetch it again."
        )
    return flags.argmax(-1)


class JetClass(FileDataset):
    """Jets of ten kinds, R = 0.8 and 500–1000 GeV, after Delphes, with tracks and particle kinds.

    Source: Zenodo 6619768, arXiv 2202.03772. Features that the set can give: whatever follows from
    px, py, pz, E; ``charge``; ``ischargedhadron``, ``isneutralhadron``, ``isphoton``,
    ``iselectron``, ``ismuon`` (all five: ``pdgid_onehot``); the impact parameters ``d0``,
    ``d0err``, ``dz``, ``dzerr`` as published. Relative coordinates are taken from the jet axis in
    the file. ``etarel`` is the plain difference: the published ``part_deta`` is that times the sign
    of the jet's η. There is no particle id.

    ``raw/`` may hold ``.root`` files, at any depth, in folders whose names begin with the split
    (``train_100M/``, ``val_5M/``, ``test_20M/``, as the archives unpack). If there are any, these
    are used, however few, and nothing is downloaded. Published archives in ``raw/`` are unpacked,
    even if it is only one of the ten of ``"train"``. If there is nothing of the split, all its
    archives are downloaded. If the files have changed since the last conversion, they are converted
    again.

    Args:
        root: The folder.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all existing files; those in no
            folder of a split then count as ``"train"``.
        files: Names of files, or patterns such as ``["HToBB_*.root"]``; a pattern with a slash is
            matched with the path below ``raw/``. Default: all.
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
        >>> dataset = JetClass(
        ...     "data/jet_class", split="val", features=["ptrel", "etarel", "phirel", "charge"]
        ... )  # doctest: +SKIP
    """

    card = "jet_class"
    classes = _CLASSES
    published_splits = SPLITS

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        files: Sequence[str] | str | None = None,
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
        self.files = [files] if isinstance(files, str) else files and list(files)
        super().__init__(
            root, split, features=features, coordinates=coordinates, jet_columns=jet_columns,
            max_particles=max_particles,
            min_pt=min_pt, order=order, pt=pt, mass=mass, splits=splits,
            split_fractions=split_fractions, bad_jets=bad_jets, workers=workers,
            transform=transform, pre_transform=pre_transform, pre_filter=pre_filter,
            force_reload=force_reload,
        )  # fmt: skip

    def reader(self) -> Reader:
        """Reads the ROOT files."""
        return JetClassReader()

    def content_arguments(self) -> dict[str, Any]:
        """The names in ``files``; whether the files have changed is checked separately."""
        return {"files": self.files}

    def _is_processed(self) -> bool:
        if not super()._is_processed():
            return False
        # Files that were added or exchanged are converted; files that were deleted are not missed.
        files = [[file.path.name, file.path.stat().st_size] for file in self.raw_files()]
        converted = [entry[:2] for entry in read_json(self.processed_paths[0])["files"]]
        return not files or files == converted

    @property
    def _folder_split(self) -> str | None:
        """The split whose folders are read, ``None`` for all."""
        return None if self.by_hash else self.split

    def raw_files(self) -> list[RawFile]:
        """The ``.root`` files of the split in ``raw/``."""
        wanted = (p for p in root_files(Path(self.raw_dir)) if self._is_named(p))
        paths = [p for p in wanted if self._folder_split in (None, split_of(p, self.raw_dir))]
        splits = (SPLITS.index(split_of(path, self.raw_dir) or "train") for path in paths)
        numbers = file_numbers(paths, self.raw_dir)
        return [RawFile(*file) for file in zip(paths, numbers, splits, strict=True)]

    def _is_named(self, path: Path) -> bool:
        place = path.relative_to(self.raw_dir).as_posix()
        return self.files is None or any(
            fnmatch(place if "/" in pattern else path.name, pattern) for pattern in self.files
        )

    def _download(self) -> None:
        if self._marker.exists():
            self.fetch()
        elif self._users_file() is None:
            self._unpack([path for path in self._archives() if path.exists()])
        super()._download()

    @property
    def _marker(self) -> Path:
        """A file that exists from the beginning of a download to the end of the unpacking."""
        return Path(self.raw_dir) / f".fetching-{self._folder_split or 'all'}"

    def _archives(self) -> list[Path]:
        return [
            Path(self.raw_dir) / f.name for f in card_files(self.card, split=self._folder_split)
        ]

    def _users_file(self) -> Path | None:
        """A ``.root`` file of the split, or of no split, that was not unpacked from an archive."""
        unpacked = {path.stem for path in self._archives()}
        for path in root_files(Path(self.raw_dir)):
            split = split_of(path, self.raw_dir)
            counts = self._folder_split is None or split in (None, self._folder_split)
            if counts and path.relative_to(self.raw_dir).parts[0] not in unpacked:
                return path
        return None

    def fetch(self) -> None:
        """Download and unpack the archives of the split.

        Raises:
            MissingFileError: If ``raw/`` has files, but none that ``split`` and ``files`` name.
        """
        raw = Path(self.raw_dir)
        existing = root_files(raw)
        split = self._folder_split or "train, val or test"
        of_user = self._users_file() or (self.files and existing)
        if of_user and not self._marker.exists():
            names = ", ".join(path.name for path in existing[:3])
            raise MissingFileError(
                f"{raw} holds {len(existing)} .root files ({names}), but none of the split {split} "
                f"that matches {', '.join(self.files or '*')}: put the files into train_100M, "
                "val_5M or test_20M there, name others, or use splits='hash'."
            )
        archives = card_files(self.card, split=self._folder_split)
        require_client(archives)
        raw.mkdir(parents=True, exist_ok=True)
        self._marker.touch()
        self._unpack(fetch(archives, raw))
        self._marker.unlink()

    def _unpack(self, archives: Sequence[Path]) -> None:
        new = [path for path in archives if not path.with_name(path.stem).exists()]
        if not new:
            return
        # All appear at once, since a few of many would be taken for a complete, smaller set.
        with locked(Path(self.raw_dir) / "archives"):
            new = [path for path in new if not path.with_name(path.stem).exists()]
            hidden = [unpack(path, path.with_name(f".{path.stem}"), (".root",)) for path in new]
            for folder in hidden:
                os.replace(folder, folder.with_name(folder.name[1:]))


def root_files(raw: Path) -> list[Path]:
    """All ``.root`` files below a folder, sorted, without those in hidden folders."""
    files = (p for p in raw.rglob("*.root") if p.is_file())
    return sorted(p for p in files if not any(n[0] == "." for n in p.relative_to(raw).parts))


def split_of(path: Path, raw: str | Path) -> str | None:
    """The split in the name of the innermost folder that has one, or ``None``."""
    for folder in reversed(path.relative_to(raw).parts[:-1]):
        match = re.search(rf"(?:^|_)({'|'.join(SPLITS)})(?:_|\d|$)", folder.lower())
        if match:
            return match[1]
    return None


def file_numbers(paths: Sequence[Path], raw: str | Path) -> list[int]:
    """A number for each file, from its name alone for those of the publisher."""
    numbers: list[int] = []
    for i, path in enumerate(paths):
        name, _, count = path.stem.rpartition("_")
        number = 1_000_000 + i
        if name in _PROCESSES and count.isdigit() and int(count) < 1000:
            split = SPLITS.index(split_of(path, raw) or "train")
            number = (split * len(_PROCESSES) + _PROCESSES.index(name)) * 1000 + int(count)
        numbers.append(number if number not in numbers else 1_000_000 + i)
    return numbers
