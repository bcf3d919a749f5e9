"""The R&D set of the LHC Olympics 2020: events of dijets, some with a new particle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.datasets.event_reader import EventReader, in_parts
from pyg_jets.datasets.event_sources import EventRowsReader
from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.reader import RawFile, Reader
from pyg_jets.errors import InputError
from pyg_jets.events.clustering import ClusteringOptions

__all__ = ["LHCOlympics"]

_FILE = "events_anomalydetection.h5"
_PARTICLES = 700


class LHCOlympics(FileDataset):
    """Jets of the LHC Olympics' R&D events: a million QCD dijets, 100,000 W′ → XY, X, Y → qq.

    Source: Zenodo 4536377, arXiv 2101.08320. Each event is a row of up to 700 massless particles
    (pT, η, φ) after a fast detector, zero-padded, and a label. FastJet finds the jets, which have
    the label of their event: 0 for QCD, 1 for the signal with masses 3.5 TeV (W′), 500 GeV (X) and
    100 GeV (Y). Features that the set can give: whatever follows from massless momenta; there is no
    charge and no particle id. The file is read in parts by several processes, never as a whole.

    Args:
        root: The folder; ``raw/`` holds ``events_anomalydetection.h5``, fetched if missing.
        split: ``"train"``, ``"val"``, ``"test"``, by a hash of the event, or ``None`` for all jets.
        radius: Radius R of the jets. Default: that of the trigger jet of the set.
        algorithm: ``"antikt"``, ``"kt"`` or ``"ca"`` (Cambridge/Aachen).
        min_jet_pt: Smallest pT of a jet (GeV).
        eta_max: Largest \\|η\\| of a jet.
        max_jets: Keep this many jets of highest pT in each event. Default: all.
        grooming: ``"softdrop"`` or ``"trimmed"``, with parameters such as
            ``"trimmed_r0.3_f0.05"``, to keep only the constituents that pass. Default: all.
        files: Names of files of this layout in ``raw/``. Default: the published one.
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

    Raises:
        InputError: For rows of another width, a feature that does not follow from massless
            momenta, or an option out of range.

    Examples:
        >>> dataset = LHCOlympics("data/lhc_olympics", max_jets=2)  # doctest: +SKIP
    """

    card = "lhc_olympics"
    classes = ("qcd", "signal")

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        radius: float = 1.0,
        algorithm: str = "antikt",
        min_jet_pt: float = 200.0,
        eta_max: float = 2.5,
        max_jets: int | None = None,
        grooming: str | None = None,
        files: Sequence[str] = (_FILE,),
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
        names = [files] if isinstance(files, str) else list(files)
        self.files = check_names(map(str, names), map(str, names), "file")
        if not self.files:
            raise InputError("Expected at least one file, but got none: leave files= out.")
        options = ClusteringOptions(
            radius, algorithm, (min_jet_pt, inf), eta_max, max_jets, grooming
        )
        self._reader = EventReader(EventRowsReader(len(self.classes), _PARTICLES), options)
        super().__init__(
            root, split, features=features, coordinates=coordinates, jet_columns=jet_columns,
            max_particles=max_particles,
            min_pt=min_pt, order=order, pt=pt, mass=mass, splits=splits,
            split_fractions=split_fractions, bad_jets=bad_jets, workers=workers,
            transform=transform, pre_transform=pre_transform, pre_filter=pre_filter,
            force_reload=force_reload,
        )  # fmt: skip

    def reader(self) -> Reader:
        """The reader of the jets of the events."""
        return self._reader

    def raw_files(self) -> list[RawFile]:
        """The files, in parts once they are there."""
        files = [RawFile(Path(self.raw_dir) / name, i) for i, name in enumerate(self.files)]
        rows = self._reader.source.n_rows
        return [
            part
            for file in files
            for part in in_parts(file, rows(file.path) if file.path.exists() else None)
        ]

    def content_arguments(self) -> dict[str, Any]:
        """The files, and the options of the jets."""
        return {"files": self.files, "options": asdict(self._reader.options)}
