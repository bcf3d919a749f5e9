"""`FileDataset`: jets read from files, converted once into flat files, and resumed."""

from __future__ import annotations

import logging
import os
import shutil
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch_geometric.data import Data
from tqdm import tqdm

from pyg_jets.columns import check_names
from pyg_jets.datasets.base import JetDataset, check_columns
from pyg_jets.datasets.conversion import Conversion, expand_features
from pyg_jets.datasets.reader import RawFile, Reader
from pyg_jets.datasets.selection import Selection
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import dask_client, data_path, require
from pyg_jets.io.cards import card_files
from pyg_jets.io.download import fetch
from pyg_jets.io.flat import open_flat
from pyg_jets.io.flat_writer import FlatWriter, join_flat

__all__ = ["FileDataset", "convert_files", "identify", "matching_files"]

_log = logging.getLogger(__name__)

#: Bytes of raw files above which they are converted in parallel by default.
_PARALLEL_FROM = 1 << 30


class FileDataset(JetDataset):
    """Jets read from files, converted once, in chunks, into flat files.

    A subclass names its card and classes and implements :meth:`reader` and :meth:`raw_files`;
    arguments of its own that shape the content it returns from :meth:`content_arguments`. The
    arguments below have the same names, defaults and meaning in each.

    Args:
        root: The folder; ``raw/`` keeps the published files, which are fetched if missing.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all jets.
        features: Columns of ``x``, in order, out of :data:`pyg_jets.columns.PARTICLE`;
            ``pdgid_onehot`` stands for five. Default: the
            ``default_features`` of the class.
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
        InputError: For a feature that does not follow from the columns of the files, an empty
            window, or a broken file.
        MissingFileError: If a file is missing that the card does not name.
    """

    #: Name of the card, which lists the published files.
    card: ClassVar[str] = ""
    #: The features of ``features=None``.
    default_features: tuple[str, ...] = ("pt", "eta", "phi", "mass")
    #: Splits that the publisher made, empty if none.
    published_splits: tuple[str, ...] = ()
    #: ``"gen"`` or ``"reco"``: whether particles are those before or after a detector. Names of jet
    #: columns begin with it, unless it is ``None``.
    level: str | None = "reco"
    #: Which of equal pT are kept, see :class:`~pyg_jets.datasets.selection.Selection`.
    ties: str = "row"

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
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
        self.root = str(data_path(root))
        if split is not None:
            check_names((split,), SPLITS, "split")
        self.split = split
        self.by_hash = self._by_hash(splits)
        check_names((bad_jets,), ("raise", "drop"), "treatment of bad jets")
        self._workers = workers
        self.requested_jet_columns = check_columns(jet_columns)
        self.requested_features = () if features is None else expand_features(features)
        self.conversion = Conversion(
            self.reader(),
            expand_features(self.default_features) if features is None else self.requested_features,
            expand_features(coordinates),
            Selection(max_particles, min_pt, order, _window(pt), _window(mass), self.ties),
            self.level,
            self.axis,
            tuple(split_fractions) if self.by_hash else None,
            bad_jets == "drop",
            pre_filter,
            pre_transform,
            tuple(self.requested_jet_columns.items()),
        )
        if not self.conversion.features:
            raise InputError("Expected at least one feature, but got none: leave features= out.")
        content = self.content_arguments() | {
            "features": list(self.conversion.features),
            "coordinates": list(self.conversion.coordinates),
            "selection": self.conversion.selection.content,
            "split": None if self.by_hash else split,
            "splits": "hash" if self.by_hash else "publisher",
            "bad_jets": bad_jets,
        }
        if self.requested_jet_columns:
            content["jet_columns"] = self.requested_jet_columns
        super().__init__(
            root, split, split_fractions, content, transform, pre_transform, pre_filter,
            force_reload,
        )  # fmt: skip

    @abstractmethod
    def reader(self) -> Reader:
        """The reader of the raw files."""

    @abstractmethod
    def raw_files(self) -> list[RawFile]:
        """The raw files of the wanted split, in order, whether or not they exist yet."""

    def required_files(self) -> list[Path]:
        """All files that have to exist: the raw files, and those that are read beside them."""
        return [file.path for file in self.raw_files()]

    def require_packages(self) -> None:
        """Readers need packages, and conversions in several processes need Dask."""
        files = [file.path for file in self.raw_files()]
        packages = {
            name
            for path in files or [Path(self.raw_dir)]
            for name in self.conversion.reader.packages(path)
        }
        if _processes(files, self._workers) > 1:
            packages.add("distributed")
        for name in sorted(packages):
            require(name, "data")

    def content_arguments(self) -> dict[str, Any]:
        """The arguments of the subclass that shape the content, as plain values."""
        return {}

    def fetch(self) -> None:
        """Download the missing raw files that the card names.

        Raises:
            MissingFileError: For a file that the card does not name.
        """
        missing = [path for path in self.required_files() if not path.exists()]
        published = {file.name: file for file in (card_files(self.card) if self.card else ())}
        for path in missing:
            if path.name not in published:
                raise MissingFileError(
                    f"There is no file {path}, and nothing says where to fetch it: put it there, "
                    f"or give another root than {self.root}."
                )
        fetch([published[path.name] for path in missing], self.raw_dir)

    def _by_hash(self, splits: str | None) -> bool:
        kinds = ("publisher", "hash") if self.published_splits else ("hash",)
        if splits is not None:
            check_names((splits,), kinds, f"kind of splits of {type(self).__name__}")
        by_hash = splits == "hash" or not self.published_splits
        if not by_hash and self.split is not None and self.split not in self.published_splits:
            raise InputError(
                f"The publisher of {type(self).__name__} made the splits "
                f"{', '.join(self.published_splits)}, but {self.split!r} is wanted: choose one of "
                "them, or splits='hash'."
            )
        return by_hash

    @property
    def raw_file_names(self) -> list[str]:
        """Names of the raw files."""
        return [str(path) for path in self.required_files()]

    @property
    def raw_paths(self) -> list[str]:
        """The raw files."""
        return self.raw_file_names

    @property
    def has_download(self) -> bool:
        """Always: files that are missing are fetched."""
        return True

    def _download(self) -> None:
        if self._is_processed():
            return
        required = self.required_files()
        if not required or not all(path.exists() for path in required):
            self.fetch()

    def build(self, folder: Path) -> None:
        """Convert the raw files, from where an interrupted conversion ended."""
        files, name = self.raw_files(), type(self).__name__
        columns = self.conversion.reader.file_columns(files[0].path)
        self.conversion.check(columns, name)
        if replaced := self.conversion.replaced(columns):
            _log.warning(
                "%s: the files have %s themselves, which are kept as %s; those that jet_columns "
                "names are computed.",
                name, ", ".join(replaced), ", ".join(f"{column}_file" for column in replaced),
            )  # fmt: skip
        writer = convert_files(self.conversion, files, folder, name, self._workers)
        if not writer.rows:
            names = ", ".join(file.path.name for file in files[:3])
            raise InputError(
                f"{self.conversion.selection} and pre_filter leaves no jet of {names}: widen them."
            )
        writer.finish(
            {
                "columns": self.conversion.features,
                "classes": self.classes,
                "jet_columns": self.conversion.float_columns(columns),
                "files": identify(files),
            }
        )


def _window(window: Sequence[float] | None) -> Any:
    return None if window is None else tuple(float(edge) for edge in np.asarray(window).ravel())


def matching_files(name: str | Path, raw: Path) -> list[Path]:
    """The files of a name or a pattern, in the working directory, or else in ``raw``.

    Raises:
        MissingFileError: If there is none.
    """
    path = Path(name).expanduser()
    for place in (path, raw / path):
        if place.is_file():
            return [place]
        matches = [Path(match) for match in sorted(glob(str(place), recursive=True))]
        if matches := [match for match in matches if match.is_file()]:
            return matches
    raise MissingFileError(
        f"There is no file {name}, neither here nor in {raw}: "
        "give the path of a file, or a pattern."
    )


def identify(files: Sequence[RawFile]) -> list[list]:
    """Name, size and time of each raw file: a conversion continues only with the same files."""
    stats = [(file.path.name, file.path.stat(), file.rows or ()) for file in files]
    return [[name, stat.st_size, stat.st_mtime_ns, *rows] for name, stat, rows in stats]


def convert_files(
    conversion: Conversion, files: Sequence[RawFile], folder: Path, name: str, workers: int | None
) -> FlatWriter:
    """Convert raw files to one table, from where an interrupted conversion ended.

    Args:
        conversion: Converts each chunk.
        files: The files, in order.
        folder: Where the table is made.
        name: Title of the progress bar.
        workers: Processes; ``None`` for the number of cores for several files of more than a
            gigabyte, else this process alone.

    Returns:
        The writer of all jets, not finished yet.
    """
    identity = identify(files)
    writer = _resumed(folder, identity)
    workers = _processes([file.path for file in files], workers)
    try:
        if workers > 1:
            _convert_in_parallel(conversion, files, writer, identity, name, workers)
        else:
            _convert_in_turn(conversion, files, writer, identity, name)
    except BaseException:
        writer.close()
        raise
    return writer


def _processes(files: Sequence[Path], workers: int | None) -> int:
    """Number of processes that convert the files; those that are not there yet are small."""
    if workers is None:
        total = sum(path.stat().st_size for path in set(files) if path.exists())
        workers = (os.cpu_count() or 1) if total > _PARALLEL_FROM else 1
    return min(len(files), workers)


def _convert_in_turn(
    conversion: Conversion, files: Sequence[RawFile], writer: FlatWriter, identity: list, name: str
) -> None:
    first, row = writer.place[:2] if writer.place else (0, 0)
    with tqdm(unit="jet", unit_scale=True, desc=name, disable=None) as bar:
        for i, raw_file in enumerate(files[first:], first):

            def place(stop: int, i: int = i) -> tuple:
                return i, stop, identity

            begin = raw_file.rows[0] if raw_file.rows else 0

            def progress(stop: int, before: int = bar.n - begin) -> None:
                bar.update(before + stop - bar.n)

            conversion.run(raw_file, writer, row if i == first else 0, place, progress)
            writer.place = (i + 1, 0, identity)


def _convert_in_parallel(
    conversion: Conversion,
    files: Sequence[RawFile],
    writer: FlatWriter,
    identity: list,
    name: str,
    workers: int,
) -> None:
    """Convert each file to a table of its own, in several processes, and join the tables."""
    folders = [writer.folder / f"part-{i:05d}" for i in range(len(files))]
    done = writer.place[0] if writer.place else 0
    for folder in folders[:done]:  # joined, but not yet removed when the process was killed
        shutil.rmtree(folder, ignore_errors=True)
    with dask_client(None, workers, 0, ["pyg_jets.datasets"]) as client:
        tasks = zip(files[done:], folders[done:], identity[done:], strict=True)
        futures = [client.submit(_convert_alone, conversion, *task, pure=False) for task in tasks]
        for i, future in enumerate(tqdm(futures, unit="file", desc=name, disable=None), done):
            future.result()
            join_flat([folders[i]], writer)
            writer.place = (i + 1, 0, identity)
            writer.save_progress()
            shutil.rmtree(folders[i])


def _convert_alone(conversion: Conversion, raw_file: RawFile, folder: Path, identity: list) -> None:
    """Convert one file into a table of its own, unless that exists."""
    try:
        if open_flat(folder, verify=True).meta.get("file") == identity:
            return
    except (ValueError, FileNotFoundError):  # it is not finished, or damaged
        pass
    writer = _resumed(folder, identity)
    start = writer.place[0] if writer.place else 0
    try:
        conversion.run(raw_file, writer, start, lambda stop: (stop, identity), lambda stop: None)
    except BaseException:
        writer.close()
        raise
    writer.finish({"file": identity})


def _resumed(folder: Path, identity: list) -> FlatWriter:
    """The writer of a table that was begun from the same raw files, or of a new one."""
    writer = FlatWriter(folder)
    if writer.place is not None and writer.place[-1] != identity:
        shutil.rmtree(folder)
        writer = FlatWriter(folder)
    return writer
