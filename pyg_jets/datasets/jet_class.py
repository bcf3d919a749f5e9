"""JetClass: ten kinds of jets with tracks and particle kinds, in ROOT files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.columns import KINDS
from pyg_jets.datasets.from_files import FileDataset
from pyg_jets.datasets.jet_class_files import below, numbers, root_files, split_of
from pyg_jets.datasets.reading import Chunk, Given, Part, Reader, make_jets
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import locked, read_json
from pyg_jets.io.archive import unpack
from pyg_jets.io.cards import card_files
from pyg_jets.io.download import fetch
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


@dataclass(frozen=True)
class JetClassReader(Reader):
    """Reads the ROOT files."""

    key = _MOMENTUM

    def given(self, path: Path) -> Given:
        with open_tree(path, "tree") as tree:
            names = (n for n, branch in _COLUMNS.items() if n in _MOMENTUM or tree.has(branch))
            return Given(tuple(names), tuple(_JETS))

    def chunks(
        self, part: Part, names: Sequence[str], start: int, size: int, drop: bool
    ) -> Iterator[Chunk]:
        branches = [_COLUMNS[name] for name in names]
        with open_tree(part.path, "tree") as tree:
            flat = (*_JETS.values(), _COUNT, *_LABELS)
            # What a read costs beside its bytes is shared by several chunks.
            for array in tree.chunks((*branches, *flat), _AT_ONCE * size, start):
                block = FlatBranches(part.path, array)
                counts, values = block.table(branches)
                _check_counts(block, counts, start)
                ptr, labels = np.concatenate(([0], np.cumsum(counts))), _labels(block, start)
                of_jets = {name: block.numbers(branch) for name, branch in _JETS.items()}
                for a in range(0, len(block), size):
                    b = min(a + size, len(block))
                    jets = make_jets(
                        part.path,
                        values[ptr[a] : ptr[b]],
                        names,
                        ptr[a : b + 1] - ptr[a],
                        start + a,
                        labels[a:b],
                        {name: value[a:b] for name, value in of_jets.items()},
                        drop,
                    )
                    yield Chunk(jets, start + b)
                start += len(block)


def _check_counts(block: FlatBranches, counts: np.ndarray, start: int) -> None:
    said = block.numbers(_COUNT)
    if not np.array_equal(said, counts):
        j = int(np.flatnonzero(said != counts)[0])
        raise InputError(
            f"{block.path}: jet {start + j} has {counts[j]} particles, but {_COUNT} says "
            f"{said[j]:g}: the file is broken; delete it and fetch it again."
        )


def _labels(block: FlatBranches, start: int) -> np.ndarray:
    flags = np.stack([block.numbers(name) for name in _LABELS], -1)
    wrong = ((flags != 0) & (flags != 1)).any(-1) | ((flags == 1).sum(-1) != 1)
    if wrong.any():
        j = int(np.flatnonzero(wrong)[0])
        found = ", ".join(f"{n} = {f:g}" for n, f in zip(_LABELS, flags[j] + 0, strict=True) if f)
        raise InputError(
            f"{block.path}: jet {start + j} has the labels {found or 'none'}, expected one of "
            f"{len(_LABELS)} to be 1: the file is broken; delete it and fetch it again."
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
    (``train_100M/``, ``val_5M/``, ``test_20M/``, as the archives unpack): those that are there are
    used, be they a few, and nothing is fetched. Published archives that are there are unpacked, be
    it one of the ten of ``"train"``. Where there is nothing of the split, all its archives are
    fetched. When other files are there than at the last time, they are converted anew.

    Args:
        root: The folder.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all files that are there; those
            in no folder of a split then count as ``"train"``.
        files: Names of the files that are wanted, or patterns, such as ``["HToBB_*.root"]``; with a
            slash in it, a pattern is held against the path below ``raw/``. Default: all.
        **options: What :class:`~pyg_jets.datasets.from_files.FileDataset` takes: ``features``,
            ``coordinates``, ``max_particles``, ``min_pt``, ``order``, ``pt``, ``mass``,
            ``splits``, ``workers``, ``transform`` ….

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
        **options: Any,
    ):
        self.files = [files] if isinstance(files, str) else files and list(files)
        super().__init__(root, split, **options)

    def reader(self) -> Reader:
        """Reads the ROOT files."""
        return JetClassReader()

    def shaping(self) -> dict[str, Any]:
        """The names asked for; whether the files behind them are the same is looked up."""
        return {"files": self.files}

    def _is_processed(self) -> bool:
        return super()._is_processed() and self._is_current()

    def _is_current(self) -> bool:
        """Whether the files are those that were converted, or are gone."""
        there = [[part.path.name, part.path.stat().st_size] for part in self.parts()]
        return not there or there == [
            one[:2] for one in read_json(self.processed_paths[0])["files"]
        ]

    @property
    def _wanted(self) -> str | None:
        return None if self.by_hash else self.split

    def parts(self) -> list[Part]:
        """The ``.root`` files of the split that are there."""
        found = [p for p in root_files(Path(self.raw_dir)) if self._is_asked(p)]
        paths = [p for p in found if self._wanted in (None, split_of(p, self.raw_dir))]
        splits = [SPLITS.index(split_of(path, self.raw_dir) or "train") for path in paths]
        return [Part(*one) for one in zip(paths, numbers(paths, self.raw_dir), splits, strict=True)]

    def _is_asked(self, path: Path) -> bool:
        place = below(path, self.raw_dir)
        return self.files is None or any(
            fnmatch(place if "/" in pattern else path.name, pattern) for pattern in self.files
        )

    def _download(self) -> None:
        if self._note.exists():
            self.fetch()
        elif self._of_user() is None:
            self._unpack([path for path in self._known_archives() if path.exists()])
        super()._download()

    @property
    def _note(self) -> Path:
        """Is there from the begin of a download to the end of the unpacking."""
        return Path(self.raw_dir) / f".fetching-{self._wanted or 'all'}"

    def _known_archives(self) -> list[Path]:
        return [Path(self.raw_dir) / f.name for f in card_files(self.card, split=self._wanted)]

    def _of_user(self) -> Path | None:
        """A ``.root`` file of the split, or of none, that did not come out of an archive here."""
        ours = {path.stem for path in self._known_archives()}
        for path in root_files(Path(self.raw_dir)):
            split = split_of(path, self.raw_dir)
            mine = self._wanted is None or split in (None, self._wanted)
            if mine and path.relative_to(self.raw_dir).parts[0] not in ours:
                return path
        return None

    def fetch(self) -> None:
        """Fetch and unpack the archives of the split.

        Raises:
            FileNotFoundError: If the files that are there are none of those asked for.
        """
        raw = Path(self.raw_dir)
        there = root_files(raw)
        split = self._wanted or "train, val or test"
        hides = self._of_user() or (self.files and there)
        if hides and not self._note.exists():
            raise MissingFileError(
                f"{raw} holds {len(there)} .root files ({', '.join(p.name for p in there[:3])}), "
                f"but none of the split {split} that matches {', '.join(self.files or '*')}: put "
                "the files into train_100M, val_5M or test_20M there, name others, or use "
                "splits='hash'."
            )
        self._note.touch()
        self._unpack(fetch(card_files(self.card, split=self._wanted), raw))
        self._note.unlink()

    def _unpack(self, archives: Sequence[Path]) -> None:
        new = [path for path in archives if not path.with_name(path.stem).exists()]
        if not new:
            return
        # All appear at once: a few of many would pass for a small set that is whole.
        with locked(Path(self.raw_dir) / "archives"):
            new = [path for path in new if not path.with_name(path.stem).exists()]
            aside = [unpack(path, path.with_name(f".{path.stem}"), (".root",)) for path in new]
            for folder in aside:
                os.replace(folder, folder.with_name(folder.name[1:]))
