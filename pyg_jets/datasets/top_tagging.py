"""The Top Quark Tagging Reference Dataset: top against QCD jets after a fast detector simulation.

A published file is an HDF5 table with a row a jet. A row holds the four-momenta of up to 200
constituents, ``E_0, PX_0, PY_0, PZ_0, E_1, … PZ_199``, by falling pT and padded with zeros, and the
label ``is_signal_new``. :class:`TopTaggingReader` reads rows and drops the padding;
:class:`TopTagging` says which files there are. What they inherit from ``Reader`` and
``FileDataset`` fetches the files, turns four-momenta into the features that were asked for, and
stores them once as PyG graphs in memory-mapped files, so that the set need not fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, checked_labels, make_jets
from pyg_jets.datasets.splits import SPLITS
from pyg_jets.io.hdf5 import open_hdf5, pandas_table, read_rows
from pyg_jets.io.padded import unpad

__all__ = ["TopTagging", "TopTaggingReader"]

_N_CONSTITUENTS = 200
_MOMENTUM = ("e", "px", "py", "pz")  # of a constituent (GeV), in the published order
#: pandas stores columns of one dtype as one array, a block; these are the blocks and their columns.
#: The momentum of the true top and ``ttv``, the publisher's split, are there but not read.
_BLOCKS = {
    "values_block_0": (
        *(f"{name.upper()}_{i}" for i in range(_N_CONSTITUENTS) for name in _MOMENTUM),
        *("truthE", "truthPX", "truthPY", "truthPZ"),
    ),
    "values_block_1": ("ttv", "is_signal_new"),
}


@dataclass(frozen=True)
class TopTaggingReader(Reader):
    """Reads the published tables in chunks of jets.

    Examples:
        >>> TopTaggingReader().file_columns(Path("train.h5")).particles
        ('px', 'py', 'pz', 'e')
    """

    #: What a split by hash is a hash of, so that it is the same whatever the features are. (Their
    #: order is part of the hash, and not that of the file.)
    split_columns = ("px", "py", "pz", "e")

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("h5py",)

    def file_columns(self, path: Path) -> FileColumns:
        """Four-momenta; the published files have no columns of whole jets but the label."""
        return FileColumns(particles=self.split_columns)

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        """The jets from row ``start`` on, ``size`` at a time, with the columns ``names``.

        A conversion that was interrupted goes on at the row ``stop`` of the last chunk it stored.
        """
        path = raw_file.path
        with open_hdf5(path) as file:
            table = pandas_table(file, "table", _BLOCKS)
            for first in range(start, len(table), size):
                stop = min(first + size, len(table))
                rows = read_rows(table, first, stop)

                # [J, 4 · 200 + 4] to [J, 200, 4], and from there to x [N, F] and ptr [J + 1]: a
                # constituent is padding where its energy, column 0, is zero.
                momenta = rows["values_block_0"][:, : 4 * _N_CONSTITUENTS]
                padded = momenta.reshape(-1, _N_CONSTITUENTS, 4)
                x, ptr = unpad(padded, [_MOMENTUM.index(name) for name in names], key=0)

                # Of 2 classes; ``first`` makes row numbers of the file, for messages and ids.
                labels = checked_labels(path, rows["values_block_1"][:, 1], 2, first)
                jets = make_jets(path, x, names, ptr, first, labels, drop_bad=drop_bad)
                yield Chunk(jets, stop)


class TopTagging(FileDataset):
    """Top (1) against QCD (0) jets, 550 < pT < 650 GeV, after Delphes, of up to 200 constituents.

    Source: the top-tagging reference set, Zenodo 2603256, arXiv 1902.09914. Features that the set
    can give: whatever follows from px, py, pz, E; there is no charge and no particle id.

    Args:
        root: The folder; ``raw/`` holds ``train.h5``, ``val.h5``, ``test.h5``, fetched if missing.
        split: ``"train"`` (1.2 million jets), ``"val"``, ``"test"`` (400,000 each), or ``None``
            for all.
        features: Columns of ``x``, in order, out of :data:`pyg_jets.columns.PARTICLE`: those that
            follow from four-momenta, such as ``etarel``, ``ptrel`` or ``logpt``. Default:
            ``pt, eta, phi, mass`` (GeV, radians; η and φ as in the detector, not about the jet).
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

    Shapes:
        - ``x``: ``[n, F]`` float32, the ``F`` features of the ``n`` constituents of a jet
        - ``pos``: ``[n, 2]`` float32, ``coordinates``: by default ``etarel, phirel``, (η, φ)
          relative to the axis of the jet
        - ``y``: ``[1]`` int64, the class
        - ``jet``: ``[1, 4]`` float32, pT, η, φ and mass (GeV, radians) of the summed constituents
        - ``reco_multiplicity``, ``jet_id``, ``split``: ``[1]`` int64, the number of constituents, a
          number that the jet keeps for ever, and 0, 1, 2 for train, val, test

    Raises:
        InputError: For a feature that does not follow from four-momenta, an empty window, or a file
            of another layout.

    Examples:
        >>> dataset = TopTagging("data/top_tagging", split="train")  # doctest: +SKIP
        >>> dataset[0]  # doctest: +SKIP
        Data(x=[51, 4], pos=[51, 2], y=[1], jet=[1, 4], reco_multiplicity=[1], jet_id=[1],
             split=[1])
    """

    card = "top_tagging"  # datasets/top_tagging/README.md: addresses, sizes and hashes of the files
    classes = ("qcd", "top")  # y = 0, 1
    published_splits = SPLITS  # ("train", "val", "test")

    def reader(self) -> Reader:
        """The reader of the published tables."""
        return TopTaggingReader()

    def raw_files(self) -> list[RawFile]:
        """The published file of the wanted split; all three for all jets or a split by hash."""
        wanted = SPLITS if self.split is None or self.by_hash else (self.split,)
        return [
            RawFile(Path(self.raw_dir) / f"{name}.h5", number=i, split=i)
            for i, name in enumerate(SPLITS)
            if name in wanted
        ]
