"""What every data set that is read from files shares."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.datasets.base import JetDataset
from pyg_jets.datasets.building import convert_files, identities
from pyg_jets.datasets.conversion import Conversion, expand_features
from pyg_jets.datasets.items import Hooks
from pyg_jets.datasets.reading import Part, Reader
from pyg_jets.datasets.selection import Selection
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import data_path
from pyg_jets.io.cards import card_files
from pyg_jets.io.download import fetch

__all__ = ["FileDataset"]


class FileDataset(JetDataset):
    """Jets read from files, converted once, in chunks, into flat files.

    Args:
        root: The folder; ``raw/`` keeps the published files, which are fetched if missing.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all jets.
        features: Columns of ``x``, in order: those of the file and whatever follows from them, out
            of :data:`pyg_jets.columns.PARTICLE`; ``pdgid_onehot`` stands for five. Default: the
            class's ``default_features``.
        coordinates: Columns of ``pos``. Default: ``("etarel", "phirel")``; ``()`` for no ``pos``.
        max_particles: Keep the hardest so many of each jet. Default: all.
        min_pt: Drop particles below (GeV).
        order: ``"pt"`` for the hardest particle first. Default: as in the file.
        pt: Window of jet pT (GeV), ``(low, high)``.
        mass: Window of jet mass (GeV).
        splits: ``"publisher"`` for the published split, ``"hash"`` for one by a stable hash of the
            event, or of the jet where there are no events. Default: the publisher's, if there is.
        split_fractions: Shares of train, val and test of a split by hash.
        bad_jets: ``"raise"`` at a NaN or a negative energy, or ``"drop"`` such jets.
        workers: Processes that convert files, with Dask. Default: the number of cores for several
            files of more than a gigabyte, else this process alone.
        transform: See :class:`~pyg_jets.datasets.base.JetDataset`.
        pre_transform: See there.
        pre_filter: See there.
        force_reload: See there.

    Raises:
        ValueError: For a feature that the set cannot give, an empty window, a broken file.
        FileNotFoundError: If a file is missing and nothing says where it could be fetched.
    """

    #: Name of the card.
    card: ClassVar[str] = ""
    #: What ``features=None`` stands for.
    default_features: ClassVar[tuple[str, ...]] = ("pt", "eta", "phi", "mass")
    #: Splits that the publisher made, empty if none.
    published_splits: tuple[str, ...] = ()
    #: ``"gen"`` or ``"reco"``: whether particles are those before or after a detector.
    level: str = "reco"

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        *,
        features: Sequence[str] | None = None,
        coordinates: Sequence[str] = ("etarel", "phirel"),
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
        self.conversion = Conversion(
            self.reader(),
            expand_features(self.default_features if features is None else features),
            expand_features(coordinates),
            Selection(max_particles, min_pt, order, _window(pt), _window(mass)),
            self.level,
            self.axis,
            tuple(split_fractions) if self.by_hash else None,
            bad_jets == "drop",
            Hooks(pre_filter, pre_transform),
        )
        if not self.conversion.features:
            raise InputError("Expected at least one feature, but got none: leave features= out.")
        content = self.shaping() | {
            "features": list(self.conversion.features),
            "coordinates": list(self.conversion.coordinates),
            "selection": vars(self.conversion.selection),
            "split": None if self.by_hash else split,
            "splits": "hash" if self.by_hash else "publisher",
            "bad_jets": bad_jets,
        }
        super().__init__(
            root, split, split_fractions, content, transform, pre_transform, pre_filter,
            force_reload,
        )  # fmt: skip

    @abstractmethod
    def reader(self) -> Reader:
        """What reads the raw files."""

    @abstractmethod
    def parts(self) -> list[Part]:
        """The raw files that are there or should be, of the split that is asked for, in order."""

    def needed(self) -> list[Path]:
        """The raw files that have to be there: the parts, and what a class reads beside them."""
        return [part.path for part in self.parts()]

    def shaping(self) -> dict[str, Any]:
        """The arguments of the subclass that shape the content, as plain values."""
        return {}

    def fetch(self) -> None:
        """Bring the missing raw files that the card names.

        Raises:
            FileNotFoundError: For a file that the card does not know.
        """
        missing = [path for path in self.needed() if not path.exists()]
        known = {file.name: file for file in (card_files(self.card) if self.card else ())}
        for path in missing:
            if path.name not in known:
                raise MissingFileError(
                    f"There is no file {path}, and nothing says where to fetch it: put it there, "
                    f"or give another root than {self.root}."
                )
        fetch([known[path.name] for path in missing], self.raw_dir)

    def _by_hash(self, splits: str | None) -> bool:
        known = ("publisher", "hash") if self.published_splits else ("hash",)
        if splits is not None:
            check_names((splits,), known, f"kind of splits of {type(self).__name__}")
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
        return [str(path) for path in self.needed()]

    @property
    def raw_paths(self) -> list[str]:
        """The raw files."""
        return self.raw_file_names

    @property
    def has_download(self) -> bool:
        """Whether there is something to fetch first."""
        return True

    def _download(self) -> None:
        if self._is_processed():
            return
        needed = self.needed()
        if not needed or not all(path.exists() for path in needed):
            Path(self.raw_dir).mkdir(parents=True, exist_ok=True)
            self.fetch()

    def build(self, folder: Path) -> None:
        """Convert the raw files, from where an interrupted conversion ended."""
        parts = self.parts()
        given = self.conversion.reader.given(parts[0].path)
        self.conversion.check(given, type(self).__name__)
        writer = convert_files(self.conversion, parts, folder, type(self).__name__, self._workers)
        if not writer.rows:
            named = ", ".join(part.path.name for part in parts[:3])
            raise InputError(
                f"{self.conversion.selection} and pre_filter leaves no jet of {named}: widen them."
            )
        writer.finish(
            {
                "columns": self.conversion.features,
                "jet_columns": self.conversion.float_columns(given),
                "files": identities(parts),
            }
        )


def _window(window: Sequence[float] | None) -> Any:
    return None if window is None else tuple(float(edge) for edge in np.asarray(window).ravel())
