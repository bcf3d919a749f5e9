"""Aspen Open Jets: real jets of the CMS detector."""

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
from pyg_jets.datasets.splits import jet_keys
from pyg_jets.errors import InputError
from pyg_jets.io.cards import card_files
from pyg_jets.io.hdf5 import dataset_of, open_hdf5
from pyg_jets.io.padded import unpad

__all__ = ["AspenOpenJets"]

_PARTICLES = ("px", "py", "pz", "e", "d0", "d0err", "dz", "dzerr",
              "charge", "pdgid", "puppiweight")  # fmt: skip
_ENERGY = _PARTICLES.index("e")
_KINEMATICS = ("pt", "eta", "phi", "softdrop_mass")
_TAGGING = ("tau1", "tau2", "tau3", "tau4")  # after the number of constituents


@dataclass(frozen=True)
class AspenOpenJetsReader(Reader):
    """Reads the files."""

    def given(self, path: Path) -> Given:
        with open_hdf5(path) as file:
            _arrays(file)
        return Given(_PARTICLES, (*_KINEMATICS, *_TAGGING, "event"))

    def chunks(
        self, part: Part, names: Sequence[str], start: int, size: int, drop: bool
    ) -> Iterator[Chunk]:
        take = [_PARTICLES.index(name) for name in names]
        with open_hdf5(part.path) as file:
            for first, stop, rows in rows_in_step(_arrays(file), start, size):
                particles, ptr = unpad(rows["PFCands"], take, key=_ENERGY)
                jets = dict(zip(_KINEMATICS, rows["jet_kinematics"].T, strict=True))
                jets |= dict(zip(_TAGGING, rows["jet_tagging"][:, 1:5].T, strict=True))
                jets["event"] = event_numbers(rows["event_info"])
                yield Chunk(
                    make_jets(part.path, particles, names, ptr, first, jets=jets, drop=drop), stop
                )


def _arrays(file: Any) -> dict[str, Any]:
    return {
        "PFCands": dataset_of(file, "PFCands", (None, None, len(_PARTICLES)), "f"),
        "jet_kinematics": dataset_of(file, "jet_kinematics", (None, len(_KINEMATICS)), "f"),
        "jet_tagging": dataset_of(file, "jet_tagging", (None, 13), "f"),
        "event_info": dataset_of(file, "event_info", (None, 3), "iu"),
    }


def event_numbers(info: np.ndarray) -> np.ndarray:
    """A number for each event that holds run, luminosity block and event, ``[N]`` int64, never < 0.

    Args:
        info: Run, luminosity block and event of each jet, ``[N, 3]`` integers.

    Examples:
        >>> same, again, other = event_numbers(np.array([[1, 2, 3], [1, 2, 3], [2, 1, 3]]))
        >>> same == again, same == other
        (np.True_, np.False_)
    """
    words = np.ascontiguousarray(info, np.int64).view(np.float32)  # bits to be hashed, no numbers
    keys = jet_keys(words, np.arange(len(info) + 1), range(words.shape[1]))
    return keys & np.iinfo(np.int64).max


class AspenOpenJets(FileDataset):
    """Real AK8 jets that CMS recorded in 2016, up to 150 particle-flow candidates each, unlabelled.

    Source: Aspen Open Jets, 180 million jets above 300 GeV of the JetHT data, arXiv 2412.10504.
    Features that the set can give: whatever follows from px, py, pz, E (GeV), and ``d0, d0err, dz,
    dzerr`` (impact parameters), ``charge``, ``pdgid``, ``pdgid_onehot``, ``puppiweight``. The jet's
    pT, η and φ are the published ones; its mass is that of the summed candidates. A NaN among the
    impact parameters of candidates without a track matters only where those columns are asked for.
    Jets of one event have one number ``event`` and never part in a split.

    Args:
        root: The folder; ``raw/`` holds ``RunG_batch0.h5`` …, 2.4 GB each.
        split: ``"train"``, ``"val"``, ``"test"``, by a hash of the event, or ``None`` for all jets.
        files: Names of files in ``raw/``, fetched if missing. Default: all ``*.h5`` that are there,
            and where there is none, all 80 of the publisher (207 GB).
        **options: What :class:`~pyg_jets.datasets.from_files.FileDataset` takes: ``features``,
            ``coordinates``, ``max_particles``, ``min_pt``, ``order``, ``pt``, ``split_fractions``,
            ``workers``, ``transform`` ….

    Examples:
        >>> dataset = AspenOpenJets("data/aspen", files=["RunG_batch0.h5"])  # doctest: +SKIP
    """

    card = "aspen_open_jets"

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        files: Sequence[str | Path] | None = None,
        **options: Any,
    ):
        files = [files] if isinstance(files, str | Path) else files
        self.files = (
            None if files is None else check_names(map(str, files), map(str, files), "file")
        )
        if self.files == ():
            raise InputError("Expected at least one file, but got none: leave files= out for all.")
        super().__init__(root, split, **options)

    def reader(self) -> Reader:
        """Reads the files."""
        return AspenOpenJetsReader()

    def parts(self) -> list[Part]:
        """The files, numbered as the publisher lists them; others come after."""
        published = [file.name for file in card_files(self.card)]
        raw = Path(self.raw_dir)
        names = self.files or sorted(path.name for path in raw.glob("*.h5")) or published
        numbers = {name: i for i, name in enumerate(published)}
        paths = [raw / name for name in names]
        return [Part(path, numbers.setdefault(path.name, len(numbers))) for path in paths]

    def shaping(self) -> dict[str, Any]:
        """The names of the files, also of those that were found."""
        return {"files": [part.path.name for part in self.parts()]}
