"""Aspen Open Jets: real jets of the CMS detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, make_jets, rows_in_step
from pyg_jets.datasets.splits import event_numbers
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
    """Reads the published files."""

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("h5py",)

    def file_columns(self, path: Path) -> FileColumns:
        with open_hdf5(path) as file:
            _arrays(file)
        return FileColumns(_PARTICLES, (*_KINEMATICS, *_TAGGING, "event"))

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        take = [_PARTICLES.index(name) for name in names]
        path = raw_file.path
        with open_hdf5(path) as file:
            for first, stop, rows in rows_in_step(_arrays(file), start, size):
                x, ptr = unpad(rows["PFCands"], take, key=_ENERGY)
                columns = dict(zip(_KINEMATICS, rows["jet_kinematics"].T, strict=True))
                columns |= dict(zip(_TAGGING, rows["jet_tagging"][:, 1:5].T, strict=True))
                columns["event"] = event_numbers(rows["event_info"])
                jets = make_jets(path, x, names, ptr, first, jets=columns, drop_bad=drop_bad)
                yield Chunk(jets, stop)


def _arrays(file: Any) -> dict[str, Any]:
    return {
        "PFCands": dataset_of(file, "PFCands", (None, None, len(_PARTICLES)), "f"),
        "jet_kinematics": dataset_of(file, "jet_kinematics", (None, len(_KINEMATICS)), "f"),
        "jet_tagging": dataset_of(file, "jet_tagging", (None, 13), "f"),
        "event_info": dataset_of(file, "event_info", (None, 3), "iu"),
    }


class AspenOpenJets(FileDataset):
    """Real AK8 jets that CMS recorded in 2016, up to 150 particle-flow candidates each, unlabelled.

    Source: Aspen Open Jets, 180 million jets above 300 GeV of the JetHT data, arXiv 2412.10504.
    Features that the set can give: whatever follows from px, py, pz, E (GeV), and ``d0, d0err, dz,
    dzerr`` (impact parameters), ``charge``, ``pdgid``, ``pdgid_onehot``, ``puppiweight``. The jet's
    pT, η and φ are the published ones; its mass is that of the summed candidates. A NaN among the
    impact parameters of candidates without a track matters only where those columns are asked for.
    Jets of one event have one number ``event`` and always share one split.

    Args:
        root: The folder; ``raw/`` holds ``RunG_batch0.h5`` …, 2.4 GB each.
        split: ``"train"``, ``"val"``, ``"test"``, by a hash of the event, or ``None`` for all jets.
        files: Names of files in ``raw/``, fetched if missing. Default: all ``*.h5`` in ``raw/``, or
            all 80 of the publisher (207 GB) if there is none.
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
        >>> dataset = AspenOpenJets("data/aspen", files=["RunG_batch0.h5"])  # doctest: +SKIP
    """

    card = "aspen_open_jets"

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        files: Sequence[str | Path] | None = None,
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
        files = [files] if isinstance(files, str | Path) else files
        self.files = (
            None if files is None else check_names(map(str, files), map(str, files), "file")
        )
        if self.files == ():
            raise InputError("Expected at least one file, but got none: leave files= out for all.")
        super().__init__(
            root, split, features=features, coordinates=coordinates, jet_columns=jet_columns,
            max_particles=max_particles,
            min_pt=min_pt, order=order, pt=pt, mass=mass, splits=splits,
            split_fractions=split_fractions, bad_jets=bad_jets, workers=workers,
            transform=transform, pre_transform=pre_transform, pre_filter=pre_filter,
            force_reload=force_reload,
        )  # fmt: skip

    def reader(self) -> Reader:
        """The reader of the published files."""
        return AspenOpenJetsReader()

    def raw_files(self) -> list[RawFile]:
        """The files, numbered as the publisher lists them; others come after."""
        published = [file.name for file in card_files(self.card)]
        raw = Path(self.raw_dir)
        names = self.files or sorted(path.name for path in raw.glob("*.h5")) or published
        numbers = {name: i for i, name in enumerate(published)}
        paths = [raw / name for name in names]
        return [RawFile(path, numbers.setdefault(path.name, len(numbers))) for path in paths]

    def content_arguments(self) -> dict[str, Any]:
        """The names of the files, whether they were given or listed in ``raw/``."""
        return {"files": [file.path.name for file in self.raw_files()]}
