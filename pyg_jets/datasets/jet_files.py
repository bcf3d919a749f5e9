"""A user's own files."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyg_jets.columns import check_names
from pyg_jets.datasets.from_files import FileDataset
from pyg_jets.datasets.reading import Part, Reader
from pyg_jets.datasets.user_reader import UserReader, Where
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import data_path
from pyg_jets.io.tables import open_table

__all__ = ["JetFiles"]

_LEVELS = ("gen", "reco")
#: What tells a particle from padding, and one jet from another: the first of which all are there.
_MOMENTA = (
    ("pt", "eta", "phi"),
    ("pt", "rapidity", "phi"),
    ("px", "py", "pz"),
    ("ptrel", "etarel", "phirel"),
    ("pt", "etarel", "phirel"),
)
_SIZES = (("pt",), ("e",), ("ptrel",), ("px", "py", "pz"))
#: Columns of files by `write_parquet`.
_PARTICLES, _JETS, _LABEL = "particles.", "jets.", "label"

Files = str | Path | Sequence[str | Path]
Places = Mapping[str, Where]


class JetFiles(FileDataset):
    """Your own jets, from parquet, HDF5, ROOT, npz or npy files, one row or entry a jet.

    A map says where each column is, by our names (:mod:`pyg_jets.columns`; GeV and radians) or
    names of your own:

    - ``{"pt": "part_pt"}``: a column of lists (parquet, ROOT), or a padded array ``[J, P]``;
    - ``{"pt": ("X", 0)}``: the first column of a padded array ``[J, P, F]``;
    - ``{"pt": ("parts", "pt")}``: a field of a structured array, or of lists of records.

    In arrays a row is padding where ``key`` is zero, or ``mask``; in lists every entry is a
    particle unless you give one of these. Files that :func:`pyg_jets.io.write_parquet` wrote need
    no map. A file that changes is converted again.

    Args:
        root: The folder for what is converted; your files stay where they are.
        files: Paths or patterns (``"run*.parquet"``), relative to the working folder or else to
            ``root/raw``; or ``{class: paths}``, to label jets by their file.
        columns: Where the particle columns are.
        jets: Where jet columns are: ``pt, eta, phi, mass, e`` are the axis for relative
            coordinates; ``event`` keeps the jets of an event in one split; others are stored.
        label: Where the label is, a whole number from 0, the place in ``classes``.
        key: Particle columns that are all zero in padding. Default: ``pt``, or what stands for it.
        split: ``"train"``, ``"val"``, ``"test"``, by a hash of the event or jet, or ``None``.
        tree: The tree of ROOT files; needed only if there are several.
        mask: Where something is that is zero in padding, instead of ``key``.
        classes: Names of the classes, in the order of their labels.
        level: ``"reco"``, or ``"gen"`` for jets before a detector.
        **options: What :class:`~pyg_jets.datasets.from_files.FileDataset` takes; ``features`` are
            by default the columns of the map, in its order.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a column is not there, or does not fit to the others.

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
        columns: Places | None = None,
        jets: Places | None = None,
        label: Where | None = None,
        key: str | Sequence[str] | None = None,
        split: str | None = None,
        tree: str | None = None,
        mask: Where | None = None,
        classes: Sequence[str] = (),
        level: str = "reco",
        **options: Any,
    ):
        (self.level,) = check_names((level,), _LEVELS, "level")
        self.root = str(data_path(root))
        self._files = _found(files, Path(self.root) / "raw")
        by_file = isinstance(files, Mapping)
        self.classes = tuple(files) if isinstance(files, Mapping) else tuple(classes)
        if columns is None:
            columns, jets, label = self._own(tree, jets, None if by_file else label)
        if by_file and (label is not None or classes):
            raise InputError("Expected classes by file or by label=, but got both: leave one out.")
        if label is not None and not self.classes:
            raise InputError(
                f"Expected classes= with label={label!r}, but got none: name the classes in the "
                "order of their labels."
            )
        _check_columns(columns)
        self._reader = UserReader(
            _plain(columns),
            _plain(jets or {}),
            _place(label),
            len(self.classes),
            _padding(key, columns),
            key is not None,
            _place(mask),
            tree,
            next((m for m in _MOMENTA if set(m) <= set(columns)), tuple(columns)),
        )
        if options.get("features") is None:
            options["features"] = tuple(columns)
        super().__init__(root, split, **options)

    def _own(
        self, tree: str | None, jets: Places | None, label: Where | None
    ) -> tuple[dict[str, Where], Places, Where | None]:
        """The map of a file that `write_parquet` wrote."""
        path = self._files[0][0]
        with open_table(path, tree) as table:
            names = table.names
        columns: dict[str, Where] = {
            name.removeprefix(_PARTICLES): name for name in names if name.startswith(_PARTICLES)
        }
        if not columns:
            raise InputError(
                f"{path} was not written by pyg_jets, it holds {', '.join(names[:30])}: give "
                "columns=, as {'pt': the name of its pt, …}."
            )
        if jets is None:
            start = f"{_JETS}{self.level}_"
            jets = {n.removeprefix(start): n for n in names if n.startswith(start)}
            jets |= {"event": f"{_JETS}event"} if f"{_JETS}event" in names else {}
        if label is None and self.classes and _LABEL in names:
            label = _LABEL
        return columns, jets, label

    def reader(self) -> Reader:
        """Reads files of any kind."""
        return self._reader

    def parts(self) -> list[Part]:
        """The files, in the order given."""
        return [Part(path, i, label=label) for i, (path, label) in enumerate(self._files)]

    def shaping(self) -> dict[str, Any]:
        """The maps, and name, size and time of each file."""
        return {
            "files": [
                [path.name, path.stat().st_size, path.stat().st_mtime_ns, label]
                for path, label in self._files
            ],
            "reader": vars(self._reader),
            "classes": self.classes,
            "level": self.level,
        }


def _found(files: Files | Mapping[str, Files], raw: Path) -> list[tuple[Path, int | None]]:
    """Each file once, with the class that it stands for."""
    labelled = isinstance(files, Mapping)
    groups = list(files.values()) if isinstance(files, Mapping) else [files]
    found: dict[Path, int | None] = {}
    for label, group in enumerate(groups):
        for pattern in [group] if isinstance(group, str | Path) else group:
            for path in _matching(Path(pattern).expanduser(), raw):
                if found.setdefault(path, label if labelled else None) not in (None, label):
                    raise InputError(f"{path} is named for two classes: leave one of them out.")
    if not found:
        raise InputError("Expected at least one file, but got none: name one in files=.")
    return list(found.items())


def _matching(path: Path, raw: Path) -> list[Path]:
    for place in (path, raw / path):
        if place.is_file():
            return [place]
        matching = [Path(match) for match in sorted(glob.glob(str(place), recursive=True))]
        if matching := [match for match in matching if match.is_file()]:
            return matching
    raise MissingFileError(
        f"There is no file {path}, neither here nor in {raw}: give the path of one, or a pattern."
    )


def _check_columns(columns: Places) -> None:
    wrong = [name for name in columns if name.startswith("jet_")]
    if wrong or not columns:
        found = ", ".join(wrong) if wrong else "none"
        raise InputError(
            f"Expected particle columns whose names do not begin with jet_, but got {found}: what "
            "belongs to a whole jet goes into jets=."
        )


def _padding(key: str | Sequence[str] | None, columns: Places) -> tuple[str, ...]:
    if key is None:
        return next((names for names in _SIZES if set(names) <= set(columns)), ())
    return check_names((key,) if isinstance(key, str) else key, columns, "key column")


def _plain(places: Places) -> tuple[tuple[str, Where], ...]:
    return tuple((str(name), _place(place)) for name, place in places.items())


def _place(place: Any) -> Any:
    """A place as it is compared and hashed, whether it comes from Python or from YAML."""
    if place is None or isinstance(place, str):
        return place
    if isinstance(place, list | tuple) and len(place) == 2:
        name, at = place
        if isinstance(name, str) and isinstance(at, str | int) and not isinstance(at, bool):
            return name, at
    raise InputError(
        f"Expected the name of a column, or (name, number or field), but got {place!r}: see "
        "columns= of JetFiles."
    )
