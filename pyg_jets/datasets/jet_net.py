"""JetNet: gluon, light-quark, top, W and Z jets for generative models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.datasets.from_files import FileDataset
from pyg_jets.datasets.hdf5_rows import rows_in_step
from pyg_jets.datasets.reading import Chunk, Given, Part, Reader, make_jets
from pyg_jets.errors import InputError
from pyg_jets.io.hdf5 import dataset_of, open_hdf5
from pyg_jets.io.padded import unpad

__all__ = ["JetNet"]

_TYPES = ("g", "q", "t", "w", "z")
_PARTICLES = ("etarel", "phirel", "ptrel")
_JETS = ("pt", "eta", "mass")
_MASK, _COUNT = 3, 3  # the columns that follow those


@dataclass(frozen=True)
class JetNetReader(Reader):
    """Reads the files of one length.

    Args:
        num_particles: Particles of each jet, padding included.
    """

    num_particles: int

    key = _PARTICLES

    def _arrays(self, file: Any) -> dict[str, Any]:
        return {
            "particle_features": dataset_of(
                file, "particle_features", (None, self.num_particles, 4), "f"
            ),
            "jet_features": dataset_of(file, "jet_features", (None, 4), "f"),
        }

    def given(self, path: Path) -> Given:
        with open_hdf5(path) as file:
            self._arrays(file)
        return Given(_PARTICLES, (*_JETS, "multiplicity"))

    def chunks(
        self, part: Part, names: Sequence[str], start: int, size: int, drop: bool
    ) -> Iterator[Chunk]:
        take = [_PARTICLES.index(name) for name in names]
        with open_hdf5(part.path) as file:
            for first, stop, rows in rows_in_step(self._arrays(file), start, size):
                padded, of_jets = rows["particle_features"], rows["jet_features"]
                _check_mask(part.path, padded[:, :, _MASK], first)
                particles, ptr = unpad(padded, take, key=_MASK)
                _check_counts(part.path, np.diff(ptr), of_jets[:, _COUNT], first)
                jets = {name: of_jets[:, i] for i, name in enumerate(_JETS)}
                jets["multiplicity"] = of_jets[:, _COUNT].astype(np.int64)
                yield Chunk(
                    make_jets(part.path, particles, names, ptr, first, jets=jets, drop=drop), stop
                )


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

    The publisher made no splits: they go by a hash of the jet. Those of the ``jetnet`` library are
    others: it cuts its own shuffled order at 70 and 85 %.

    Args:
        root: The folder; ``raw/`` holds ``g.hdf5`` … (or ``g150.hdf5`` …), fetched if missing.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all jets.
        jet_types: Which of ``"g", "q", "t", "w", "z"``; the labels count them in this order.
        num_particles: ``30`` or ``150``, the files to read; ``max_particles`` keeps fewer.
        **options: What :class:`~pyg_jets.datasets.from_files.FileDataset` takes: ``features``,
            ``coordinates``, ``max_particles``, ``min_pt``, ``order``, ``pt``, ``mass``,
            ``split_fractions``, ``transform`` ….

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
        **options: Any,
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
        super().__init__(root, split, **options)

    def reader(self) -> Reader:
        """Reads the files of this length."""
        return JetNetReader(self.num_particles)

    def parts(self) -> list[Part]:
        """One file a jet type, in the order asked."""
        length = "150" if self.num_particles == 150 else ""
        return [
            Part(Path(self.raw_dir) / f"{name}{length}.hdf5", _TYPES.index(name), label=label)
            for label, name in enumerate(self.classes)
        ]

    def shaping(self) -> dict[str, Any]:
        """The types and the length."""
        return {"jet_types": list(self.classes), "num_particles": self.num_particles}
