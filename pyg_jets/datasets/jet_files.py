"""A user's own files of jets, through a map of their columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.datasets.file_dataset import FileDataset, matching_files
from pyg_jets.datasets.jet_files_reader import ColumnMapReader, ColumnPlace
from pyg_jets.datasets.labels import ClassValues, LabelColumns, flag_names, values_of_classes
from pyg_jets.datasets.reader import RawFile, Reader
from pyg_jets.errors import InputError
from pyg_jets.files import data_path
from pyg_jets.io.tables import open_table

__all__ = [
    "SIZES",
    "ColumnMap",
    "Files",
    "JetFiles",
    "as_map",
    "checked_place",
    "first_complete",
    "labelled_files",
]

_LEVELS = ("gen", "reco")
#: Columns that tell one jet from another for splits by hash: the first set that a file has.
_MOMENTA = (
    ("pt", "eta", "phi"),
    ("pt", "rapidity", "phi"),
    ("px", "py", "pz"),
    ("ptrel", "etarel", "phirel"),
    ("pt", "etarel", "phirel"),
)
#: Columns that are all zero in padding: the first set that a file has.
SIZES = (("pt",), ("e",), ("ptrel",), ("px", "py", "pz"))
#: Names of the columns in files of `write_parquet`.
_PARTICLES, _JETS, _LABEL, _WEIGHT = "particles.", "jets.", "label", "weight"

Files = str | Path | Sequence[str | Path]
ColumnMap = Mapping[str, ColumnPlace]
#: One column, or a flag a class.
Label = ColumnPlace | Sequence[ColumnPlace] | Mapping[str, ColumnPlace]


class JetFiles(FileDataset):
    """Your own jets, from parquet, HDF5, ROOT, npz or npy files, one row or entry a jet.

    A map says where each column is, by our names (:mod:`pyg_jets.columns`; GeV and radians) or
    names of your own:

    - ``{"pt": "part_pt"}``: a column of lists (parquet, ROOT), or a padded array ``[J, P]``;
    - ``{"pt": ("X", 0)}``: the first column of a padded array ``[J, P, F]``;
    - ``{"pt": ("parts", "pt")}``: a field of a structured array, or of lists of records.

    Names that are the same in the file may be a list, ``["pt", "eta", "phi"]``.

    Labels are numbers, text or flags:

    - ``label="flavour"``: a column of whole numbers, booleans or text. Each value is a class, in
      sorted order, or as ``classes`` says;
    - ``label=["label_QCD", "label_Tbqq"]``, or ``{"QCD": "label_QCD", "top": "label_Tbqq"}``: a
      flag a class, exactly one of them 1. Without names, classes are called as their flags, without
      what all of these begin with. An array ``[J, C]`` of flags is one column, ``label="Y"``;
    - ``label=None``: no labels. Files without the column, such as those to be scored, need it.

    A row of an array is padding if the columns ``key``, or ``mask``, are zero there; every entry of
    a list is a particle, unless ``key`` or ``mask`` is given. Files of
    :func:`pyg_jets.io.write_parquet` need no map. A file that has changed is converted again.

    Args:
        root: The folder for the converted files; your files stay where they are.
        files: Paths or patterns (``"run*.parquet"``), relative to the working folder or else to
            ``root/raw``; or ``{class: paths}``, to label jets by their file.
        columns: Where the particle columns are.
        jets: Where jet columns are: ``pt, eta, phi, mass, e`` are the axis for relative
            coordinates; ``event`` keeps the jets of an event in one split; others are stored. They
            keep the names given here.
        label: Where the labels are: a column, or a flag a class, see above. Default: no labels.
        key: Particle columns that are all zero in padding. Default: ``pt``, or else ``e``,
            ``ptrel``, or ``px, py, pz``.
        split: ``"train"``, ``"val"``, ``"test"``, by a hash of the event or jet, or ``None``.
        tree: The tree of ROOT files; needed only if there are several.
        mask: Where a column is that is zero in padding, instead of ``key``.
        classes: The classes in the order of their labels: text or numbers of the file; names, whose
            numbers in the file then are 0, 1, …; or names with the value or values of each,
            ``{"light": [1, 2, 3], "b": 5}``. Default: those of the files, sorted.
        level: ``"reco"`` or ``"gen"`` to have names of jet columns begin with it, as those of other
            data sets do. Default: the names stay as they are.
        weight: Where the weight of each jet is, at least 0, which enters losses and metrics.
        unlabelled: ``"raise"`` to refuse jets without a label, ``"drop"`` to leave them out.
        features: Columns of ``x``, in order, out of :data:`pyg_jets.columns.PARTICLE` and
            ``columns``; ``pdgid_onehot`` stands for five. Default: those of ``columns``.
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
        InputError: If a column does not exist, or has another shape than the others.

    Examples:
        >>> import tempfile, numpy as np
        >>> root = Path(tempfile.mkdtemp())
        >>> X = np.array([[[9, 0.1, 0.2], [5, 0, 0]], [[7, 0.3, 0.1], [0, 0, 0]]])
        >>> np.savez(root / "jets.npz", X=X, y=[1, 0])
        >>> places = {"pt": ("X", 0), "eta": ("X", 1), "phi": ("X", 2)}
        >>> dataset = JetFiles(root, root / "jets.npz", places, label="y", classes=("qcd", "top"))
        >>> [(data.num_nodes, int(data.y)) for data in dataset]
        [(2, 1), (1, 0)]
    """

    card = "jet_files"

    def __init__(
        self,
        root: str | Path,
        files: Files | Mapping[str, Files],
        columns: ColumnMap | Sequence[str] | None = None,
        jets: ColumnMap | Sequence[str] | None = None,
        label: Label | None = None,
        key: str | Sequence[str] | None = None,
        split: str | None = None,
        tree: str | None = None,
        mask: ColumnPlace | None = None,
        classes: Sequence[str | int] | Mapping[str, ClassValues] = (),
        level: str | None = None,
        weight: ColumnPlace | None = None,
        unlabelled: str = "raise",
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
        self.level = level if level is None else check_names((level,), _LEVELS, "level")[0]
        check_names((unlabelled,), ("raise", "drop"), "treatment of unlabelled jets")
        self.root = str(data_path(root))
        self._files = labelled_files(files, Path(self.root) / "raw")
        by_file = isinstance(files, Mapping)
        if by_file and (label is not None or classes):
            raise InputError("Expected classes by file or by label=, but got both: leave one out.")
        columns, jets = as_map(columns), as_map(jets)
        if columns is None:
            columns, jets, label, weight = self._parquet_map(tree, jets, label, classes, weight)
        if "weight" in (jets or {}):
            raise InputError(
                "Expected jet columns of other names than weight, which is that of a jet in losses "
                "and metrics: give it as weight=, or call the column otherwise."
            )
        names, places = self._label_places(label, classes, tree)
        labels = values_of_classes(classes or names, unlabelled == "drop")
        labels = labels if places else LabelColumns()
        if isinstance(files, Mapping):
            self.classes = tuple(files)
        else:
            self.classes = labels.classes
        of_jets = [name for name in columns if name.startswith("jet_")]
        if of_jets or not columns:
            raise InputError(
                "Expected particle columns whose names do not begin with jet_, but got "
                f"{', '.join(of_jets) or 'none'}: what belongs to a whole jet goes into jets=."
            )
        if key is None:
            padding: Sequence[str] = first_complete(SIZES, columns) or ()
        else:
            padding = check_names([key] if isinstance(key, str) else key, columns, "key column")
        self._reader = ColumnMapReader(
            columns=tuple((name, checked_place(place)) for name, place in columns.items()),
            jets=tuple((name, checked_place(place)) for name, place in (jets or {}).items()),
            label=places,
            labels=labels,
            weight=None if weight is None else checked_place(weight),
            padding=tuple(padding),
            lists_are_padded=key is not None,
            mask=None if mask is None else checked_place(mask),
            tree=tree,
            split_columns=first_complete(_MOMENTA, columns) or tuple(columns),
        )
        self.default_features = tuple(columns)
        super().__init__(
            root, split, features=features, coordinates=coordinates, jet_columns=jet_columns,
            max_particles=max_particles,
            min_pt=min_pt, order=order, pt=pt, mass=mass, splits=splits,
            split_fractions=split_fractions, bad_jets=bad_jets, workers=workers,
            transform=transform, pre_transform=pre_transform, pre_filter=pre_filter,
            force_reload=force_reload,
        )  # fmt: skip

    def _parquet_map(
        self,
        tree: str | None,
        jets: ColumnMap | None,
        label: Label | None,
        classes: Any,
        weight: ColumnPlace | None,
    ) -> tuple[ColumnMap, ColumnMap, Label | None, ColumnPlace | None]:
        """The maps of particle and jet columns, label and weight of a file of `write_parquet`."""
        path = self._files[0][0]
        names = _columns_of(path, tree)
        columns = {n.removeprefix(_PARTICLES): n for n in names if n.startswith(_PARTICLES)}
        if not columns:
            raise InputError(
                f"{path} was not written by pyg_jets, it holds {', '.join(names[:30])}: give "
                "columns=, as {'pt': the name of its pt, …}."
            )
        if weight is None and f"{_JETS}{_WEIGHT}" in names:
            weight = f"{_JETS}{_WEIGHT}"
        if jets is None:
            prefix = f"{_JETS}{self.level}_" if self.level else _JETS
            jets = {n.removeprefix(prefix): n for n in names if n.startswith(prefix)}
            jets |= {"event": f"{_JETS}event"} if f"{_JETS}event" in names else {}
            jets.pop(_WEIGHT, None)
        if label is None and classes and _LABEL in names:
            label = _LABEL
        return columns, jets, label, weight

    def _label_places(
        self, label: Label | None, classes: Any, tree: str | None
    ) -> tuple[Sequence[str], tuple[ColumnPlace, ...]]:
        """Names of the classes, if the label has any, and where the label or the flags are."""
        if label is None:
            return (), ()
        if not isinstance(label, Mapping) and (
            isinstance(label, str) or self._is_pair(label, tree)
        ):
            return (), (checked_place(label),)
        if len(label) < 2:
            raise InputError(
                f"Expected a flag for each of at least two classes, but got label={label!r}: give "
                "the name alone for a column of 0 and 1."
            )
        if isinstance(label, Mapping):
            names = check_names(classes or label, label, "class of label=")
            if len(names) < len(label):
                raise InputError(f"Expected the classes {', '.join(label)}, but got {classes}.")
            return names, tuple(checked_place(label[name]) for name in names)
        places = tuple(map(checked_place, label))
        return flag_names([p if isinstance(p, str) else str(p[1]) for p in places]), places

    def _is_pair(self, label: Sequence[Any], tree: str | None) -> bool:
        """Whether two words are an array and its column or field, and not two flags."""
        if len(label) != 2 or not isinstance(label[0], str):
            return False
        if isinstance(label[1], str):
            return label[1] not in _columns_of(self._files[0][0], tree)
        return isinstance(label[1], int)

    def reader(self) -> Reader:
        """The reader with the map of columns."""
        return self._reader

    def raw_files(self) -> list[RawFile]:
        """The files, in the order given."""
        return [RawFile(path, i, label=label) for i, (path, label) in enumerate(self._files)]

    def content_arguments(self) -> dict[str, Any]:
        """The maps, and name, size and time of each file."""
        return {
            "files": [
                [path.name, path.stat().st_size, path.stat().st_mtime_ns, label]
                for path, label in self._files
            ],
            "reader": asdict(self._reader),
            "classes": self.classes,
            "level": self.level,
        }

    def build(self, folder: Path) -> None:
        """Convert the files, after a look at the labels of all of them."""
        if self._reader.label:
            self._reader.file_columns(self._files[0][0])  # refuses columns that are not there
            labels = self._reader.survey_labels([path for path, _ in self._files])
            self._reader = replace(self._reader, labels=labels)
            self.conversion = replace(self.conversion, reader=self._reader)
            self.classes = labels.classes
        super().build(folder)


def as_map(columns: ColumnMap | Sequence[str] | None) -> ColumnMap | None:
    """A map of columns, of a list of those that are called the same in the file too."""
    if columns is None or isinstance(columns, Mapping):
        return columns
    return {name: name for name in ([columns] if isinstance(columns, str) else columns)}


def _columns_of(path: Path, tree: str | None) -> tuple[str, ...]:
    with open_table(path, tree) as table:
        return table.names


def labelled_files(files: Files | Mapping[str, Files], raw: Path) -> list[tuple[Path, int | None]]:
    """Each file once, with the label of its jets, or ``None`` where files have no classes."""
    labelled = isinstance(files, Mapping)
    groups = list(files.values()) if isinstance(files, Mapping) else [files]
    labels: dict[Path, int | None] = {}
    for label, group in enumerate(groups):
        for pattern in [group] if isinstance(group, str | Path) else group:
            for path in matching_files(pattern, raw):
                if labels.setdefault(path, label if labelled else None) not in (None, label):
                    raise InputError(f"{path} is named for two classes: leave one of them out.")
    if not labels:
        raise InputError("Expected at least one file, but got none: name one in files=.")
    return list(labels.items())


def first_complete(
    choices: Sequence[tuple[str, ...]], columns: ColumnMap
) -> tuple[str, ...] | None:
    """The first of the choices of which all columns exist."""
    return next((names for names in choices if set(names) <= set(columns)), None)


def checked_place(place: Any) -> ColumnPlace:
    """A place as it is compared and hashed, whether it comes from Python or from YAML."""
    if isinstance(place, str):
        return place
    if isinstance(place, list | tuple) and len(place) == 2:
        name, at = place
        if isinstance(name, str) and isinstance(at, str | int) and not isinstance(at, bool):
            return name, at
    raise InputError(
        f"Expected the name of a column, or (name, number or field), but got {place!r}: see "
        "columns= of JetFiles."
    )
