"""A user's own files of events, whose jets FastJet finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.datasets.event_reader import EventReader, in_parts
from pyg_jets.datasets.event_sources import CandidatesReader, EventRowsReader, HepMCReader
from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.jet_files import (
    SIZES,
    ColumnMap,
    Files,
    as_map,
    checked_place,
    first_complete,
    labelled_files,
)
from pyg_jets.datasets.jet_files_reader import ColumnMapReader, ColumnPlace
from pyg_jets.datasets.labels import ClassValues, LabelColumns, values_of_classes
from pyg_jets.datasets.reader import RawFile, Reader
from pyg_jets.errors import InputError
from pyg_jets.events.clustering import NEUTRINOS, ClusteringOptions
from pyg_jets.files import data_path
from pyg_jets.io.file_type import check_file, describe
from pyg_jets.io.hepmc import is_hepmc
from pyg_jets.io.tables import Lists, Table, open_table

__all__ = ["LEVELS", "EventFiles", "default_level", "event_source"]

LEVELS = ("gen", "reco")
#: Our names of particle columns, with other common ones in lower case; the first three or four fix
#: the momentum.
_NAMES = {
    "mass": ("mass", "m"), "e": ("e", "energy"), "charge": ("charge", "q"),
    "pdgid": ("pdgid", "pdg_id", "pid"),
}  # fmt: skip
_MOMENTA = (("pt", "eta", "phi"), ("px", "py", "pz", "e"))


class EventFiles(FileDataset):
    """Jets of your own events: HepMC, NanoAOD, padded HDF5 rows, or any columns of particles.

    FastJet finds the jets of each event; each has all observables of generated jets. An entry of a
    file is an event:

    - **HepMC** 3 or 2, plain, gzip or zstd: the final state (status 1) without neutrinos;
    - **NanoAOD** with particle-flow candidates (``PFCands``, ``PFCand``): all candidates of an
      event, times their PUPPI weights where the file has these, as CMS clusters AK8 jets;
    - **HDF5 rows** ``pt, eta, phi, pt, eta, phi, …`` of massless particles, zero-padded, and
      maybe a label, as the LHC Olympics publish them: a frame of pandas, fixed or table, or an
      array ``[N, width]``;
    - **columns** of lists or padded arrays (parquet, ROOT, npz, HDF5) with ``px, py, pz, E`` or
      ``pt, eta, phi`` and ``mass``: they are found by name, with any common prefix, or named in
      ``columns`` as for :class:`~pyg_jets.datasets.JetFiles`.

    The label, weight and further columns of an event go to each of its jets; ``event`` numbers the
    events, whose jets share one split. Large files are converted in parts by several processes, and
    an interrupted conversion continues.

    Args:
        root: The folder for the converted files; your files stay where they are.
        files: Paths or patterns (``"run*.hepmc.gz"``), relative to the working folder or else to
            ``root/raw``; or ``{class: paths}``, to label events by their file.
        radius: Radius R of the jets.
        algorithm: ``"antikt"``, ``"kt"`` or ``"ca"`` (Cambridge/Aachen).
        min_jet_pt: Smallest pT of a jet (GeV).
        eta_max: Largest \\|η\\| of a jet.
        max_jets: Keep this many jets of highest pT in each event. Default: all.
        grooming: ``"softdrop"`` or ``"trimmed"``, with parameters such as
            ``"trimmed_r0.3_f0.05"``, to keep only the constituents that pass. Default: all.
        split: ``"train"``, ``"val"``, ``"test"``, by a hash of the event, or ``None``.
        columns: Where the particle columns are. Default: they are found by their names.
        jets: Where columns of the event are that its jets get; ``event`` for its number.
        label: Where the label of an event is in ``columns``; HDF5 rows have it at their end.
        classes: The classes in the order of their labels, see :class:`~pyg_jets.datasets.JetFiles`;
            without them the labels of HDF5 rows are not read.
        weight: Where the weight of an event is, at least 0; of HepMC the name of a weight.
        tree: The tree of ROOT files that are no NanoAOD; needed only if there are several.
        level: ``"gen"`` or ``"reco"``, with which names of jet columns begin. Default: ``"gen"``
            for HepMC, else ``"reco"``.
        puppi: Whether to multiply momenta of candidates by their PUPPI weights, if there are any.
        invisible: PDG ids, whatever their sign, of HepMC's particles that no detector sees.
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
        MissingFileError: If there is no such file.
        InputError: If a file holds no particles of events, is cut short or damaged, or for an
            option out of range.

    Examples:
        >>> import tempfile, numpy as np
        >>> root = Path(tempfile.mkdtemp())
        >>> events = {"pt": [[90, 60, 0]], "eta": [[0.1, 1.4, 0]], "phi": [[0.0, 3.0, 0]]}
        >>> np.savez(root / "events.npz", **{n: np.array(v, float) for n, v in events.items()})
        >>> dataset = EventFiles(root, root / "events.npz", radius=0.4, min_jet_pt=50)
        >>> [(data.num_nodes, int(data.event)) for data in dataset]
        [(1, 0), (1, 0)]
    """

    card = "event_files"

    def __init__(
        self,
        root: str | Path,
        files: Files | Mapping[str, Files],
        radius: float = 0.8,
        algorithm: str = "antikt",
        min_jet_pt: float = 200.0,
        eta_max: float = 2.5,
        max_jets: int | None = None,
        grooming: str | None = None,
        split: str | None = None,
        columns: ColumnMap | Sequence[str] | None = None,
        jets: ColumnMap | Sequence[str] | None = None,
        label: ColumnPlace | None = None,
        classes: Sequence[str | int] | Mapping[str, ClassValues] = (),
        weight: ColumnPlace | None = None,
        tree: str | None = None,
        level: str | None = None,
        puppi: bool = True,
        invisible: Sequence[int] = NEUTRINOS,
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
        options = ClusteringOptions(
            radius, algorithm, (min_jet_pt, inf), eta_max, max_jets, grooming
        )
        by_file = isinstance(files, Mapping)
        if by_file and (label is not None or classes):
            raise InputError("Expected classes by file or by label=, but got both: leave one out.")
        self._files = labelled_files(files, data_path(root) / "raw")
        first = self._files[0][0]
        source = event_source(
            first, columns=columns, jets=jets, label=label, classes=classes, weight=weight,
            tree=tree, puppi=puppi, invisible=invisible,
        )  # fmt: skip
        (self.level,) = check_names((level or default_level(source),), LEVELS, "level")
        self.classes = tuple(files) if isinstance(files, Mapping) else _class_names(classes)
        self._reader = EventReader(source, options)
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
        """The files in the order given, large ones in parts."""
        files = [RawFile(path, i, label=label) for i, (path, label) in enumerate(self._files)]
        rows = self._reader.source.n_rows
        return [part for file in files for part in in_parts(file, rows(file.path))]

    def content_arguments(self) -> dict[str, Any]:
        """Options and source, and name, size and time of each file."""
        return {
            "files": [
                [path.name, path.stat().st_size, path.stat().st_mtime_ns, label]
                for path, label in self._files
            ],
            "source": [type(self._reader.source).__name__, asdict(self._reader)],
            "classes": self.classes,
            "level": self.level,
        }

    def build(self, folder: Path) -> None:
        """Find the jets of all events, after a look at the labels of columns."""
        source = self._reader.source
        if isinstance(source, ColumnMapReader) and source.label:
            paths = [path for path, _ in self._files]
            source.file_columns(paths[0])  # refuses columns that are not there
            source = replace(source, labels=source.survey_labels(paths))
            self._reader = replace(self._reader, source=source)
            self.conversion = replace(self.conversion, reader=self._reader)
            self.classes = source.labels.classes
        super().build(folder)


def event_source(
    path: Path,
    *,
    columns: ColumnMap | Sequence[str] | None = None,
    jets: ColumnMap | Sequence[str] | None = None,
    label: ColumnPlace | None = None,
    classes: Sequence[str | int] | Mapping[str, ClassValues] = (),
    weight: ColumnPlace | None = None,
    tree: str | None = None,
    puppi: bool = True,
    invisible: Sequence[int] = NEUTRINOS,
) -> Reader:
    """The reader of the events of files like this one; the arguments are those of `EventFiles`.

    Args:
        path: The first file.
        columns: Where the particle columns are.
        jets: Where columns of the event are.
        label: Where the label of an event is.
        classes: The classes in the order of their labels.
        weight: Where the weight of an event is.
        tree: The tree of ROOT files.
        puppi: Whether candidates count with their PUPPI weights.
        invisible: PDG ids that no detector sees.

    Raises:
        InputError: If nothing in the file looks like particles of events.
    """
    check_file(path, "a file of events", (b"",))
    if columns is None:
        if is_hepmc(path):
            _refuse(path, "HepMC", label=label, jets=jets, classes=classes)
            name = None if weight is None else str(weight)
            return HepMCReader(tuple(int(i) for i in invisible), name)
        if describe(path) == "a ROOT file" and tree in (None, "Events") and _is_nano(path):
            _refuse(path, "NanoAOD", label=label, jets=jets, classes=classes, weight=weight)
            return CandidatesReader(bool(puppi))
        with open_table(path, tree) as table:
            found = _columns_by_name(table)
        if not found and describe(path) == "an HDF5 file":
            _refuse(path, "HDF5 rows", label=label, jets=jets, weight=weight)
            return EventRowsReader(len(_class_names(classes)))
        if not found:
            raise InputError(
                f"{path} holds {', '.join(table.names[:30]) or 'nothing'}, expected columns of "
                "particles called pt, eta, phi or px, py, pz, e, with any prefix: give columns=, "
                "as {'pt': the name of its pt, …}."
            )
        columns = found
    columns = as_map(columns) or {}
    labels = values_of_classes(classes, False) if label is not None else LabelColumns()
    return ColumnMapReader(
        columns=tuple((name, checked_place(place)) for name, place in columns.items()),
        jets=tuple((name, checked_place(place)) for name, place in (as_map(jets) or {}).items()),
        label=() if label is None else (checked_place(label),),
        labels=labels,
        weight=None if weight is None else checked_place(weight),
        padding=first_complete(SIZES, columns) or (),
        tree=tree,
        what="event",
    )


def default_level(source: Reader) -> str:
    """``"gen"`` for HepMC, which is before a detector, else ``"reco"``."""
    return "gen" if isinstance(source, HepMCReader) else "reco"


def _class_names(classes: Sequence[str | int] | Mapping[str, ClassValues]) -> tuple[str, ...]:
    return values_of_classes(classes, False).classes


def _refuse(path: Path, kind: str, **given: Any) -> None:
    """Refuse arguments that have no meaning for files of a kind."""
    useless = [f"{name}=" for name, value in given.items() if value not in (None, ())]
    if useless:
        raise InputError(
            f"{path} is read as {kind}, for which {', '.join(useless)} says nothing: leave it out, "
            "or give columns=."
        )


def _is_nano(path: Path) -> bool:
    """Whether a ROOT file has NanoAOD's tree ``Events``."""
    try:
        with open_table(path, "Events") as table:
            return {"run", "luminosityblock", "event"} <= {name.lower() for name in table.names}
    except InputError:  # no such tree; of a damaged file the next reader says so
        return False


def _columns_by_name(table: Table) -> dict[str, ColumnPlace]:
    """Columns of particles by their names: with one prefix, or fields of lists of records."""
    for name in (None, *table.names):
        if name is None:
            fields: Sequence[str] = table.names
        else:
            fields = _fields(table, name)
        if found := _momenta_among(fields):
            return {n: f if name is None else (name, f) for n, f in found.items()}
    return {}


def _fields(table: Table, name: str) -> tuple[str, ...]:
    """The fields of a column of lists of records; none for other columns."""
    try:
        column = next(iter(table.chunks([name], 1)), {}).get(name)
    except InputError:  # a column of another kind
        return ()
    if isinstance(column, Lists) and isinstance(column.values, Mapping):
        return tuple(column.values)
    return ()


def _momenta_among(names: Sequence[str]) -> dict[str, str]:
    """Our names of particle columns with those of a file, if one prefix has all of a momentum."""
    lower = {name.lower(): name for name in names}
    for needed in _MOMENTA:
        last = needed[0]
        prefixes = [name.removesuffix(last) for name in lower if name.endswith(last)]
        for prefix in prefixes:
            found = {
                ours: lower[prefix + theirs]
                for ours in (*needed, *_NAMES)
                for theirs in reversed(_NAMES.get(ours, (ours,)))
                if prefix + theirs in lower
            }
            if set(needed) <= set(found):
                if needed[0] == "pt" and "mass" in found:
                    found.pop("e", None)
                return found
    return {}
