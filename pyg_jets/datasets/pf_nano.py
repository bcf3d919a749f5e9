"""A user's own CMS PFNano files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch_geometric.data import Data

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.datasets.file_dataset import FileDataset, matching_files
from pyg_jets.datasets.pf_nano_branches import (
    TREE,
    Source,
    Sources,
    find_sources,
    numbers_of_events,
    particles_of_jets,
)
from pyg_jets.datasets.reader import Chunk, FileColumns, RawFile, Reader, make_jets
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import data_path
from pyg_jets.io.root import FlatBranches, open_tree
from pyg_jets.jets import JetArray

__all__ = ["PFNano"]

#: The id of a jet in its file is that of its event times this, plus its place in the event.
_JETS_PER_EVENT = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PFNanoReader(Reader):
    """Reads PFNano files; a row is an event.

    Args:
        kind: ``"AK8"`` or ``"AK4"``.
        pairs: Whether to give GEN/RECO pairs; ``None`` for pairs if the first file has them.
        columns: The jet columns of the first file, RECO and GEN, which all files must have.
        has_event: Whether the first file numbers its events.
    """

    kind: str
    pairs: bool | None = None
    columns: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    has_event: bool = False

    split_columns = ("pt", "eta", "phi")

    def like(self, path: Path) -> PFNanoReader:
        """The reader of files with the same columns as this one."""
        sources = find_sources(path, self.kind, self.pairs)
        pairs = sources.has_pairs if self.pairs is None else self.pairs
        columns = tuple(sources.reco.jets), tuple(sources.gen.jets) if pairs and sources.gen else ()
        return replace(self, pairs=pairs, columns=columns, has_event=bool(sources.event))

    def packages(self, path: Path) -> tuple[str, ...]:
        return ("uproot",)

    def file_columns(self, path: Path) -> FileColumns:
        """The columns of a file.

        Raises:
            InputError: If it lacks a column of the first file.
        """
        sources = find_sources(path, self.kind, self.pairs)
        gen = sources.gen if self.pairs else None
        levels = zip(("reco", "gen"), (sources.reco, gen), self.columns, strict=True)
        lacking = [
            f"{name} of {level} jets"
            for level, source, names in levels
            if source
            for name in names
            if name not in source.jets
        ]
        lacking += ["event"] * (self.has_event and not sources.event)
        if lacking:
            raise InputError(
                f"{path} has no {', '.join(lacking)}, but the first file has: give files of one "
                "version only."
            )
        event = ("event",) if self.has_event else ()
        particles, columns = tuple(sources.reco.particles), self.columns[0]
        if gen is None:
            return FileColumns(particles, (*columns, *event))
        return FileColumns(tuple(gen.particles), (*self.columns[1], *event), particles, columns)

    def chunks(
        self, raw_file: RawFile, names: Sequence[str], start: int, size: int, drop_bad: bool
    ) -> Iterator[Chunk]:
        n_jets = n_unmatched = 0
        sources = find_sources(raw_file.path, self.kind, self.pairs)
        with open_tree(raw_file.path, TREE) as tree:
            branches = [*sources.reco.branches(names), *sources.event]
            if self.pairs and sources.gen is not None and sources.match is not None:
                branches += [*sources.gen.branches(names), sources.match]
            # An event has a few jets, and may have a thousand candidates.
            for array in tree.chunks(dict.fromkeys(branches), max(1, size // 4), start):
                events = _Events(FlatBranches(raw_file.path, array), names, start, drop_bad)
                start += len(array)
                jets, reco = events.jets(sources.reco, self.columns[0]), None
                n_jets += len(jets)
                if self.pairs:
                    n_unmatched += len(jets)
                    jets, reco = events.pairs(jets, sources, self.columns[1])
                    n_unmatched -= len(jets)
                if self.has_event:
                    jets = jets.with_jets(
                        event=numbers_of_events(events.block, sources.event)[events.of(jets)]
                    )
                yield Chunk(jets, start, reco)
        if n_unmatched:
            _log.warning(
                "%s: %s of %s jets have no generator jet with particles and are left out.",
                raw_file.path, f"{n_unmatched:,}", f"{n_jets:,}",
            )  # fmt: skip


class _Events:
    """Consecutive events of a file.

    Args:
        block: The branches that were read.
        names: Particle columns.
        start: Number of the first event in its file.
        drop_bad: Leave out jets with bad values, instead of refusing the file.
    """

    def __init__(self, block: FlatBranches, names: Sequence[str], start: int, drop_bad: bool):
        self.block, self.names, self.start, self.drop_bad = block, names, start, drop_bad

    def _name(self, event: int) -> str:
        return f"event {self.start + event}"

    def of(self, jets: JetArray) -> np.ndarray:
        """The place in this block of the event of each jet, ``[J]``."""
        return jets.ids // _JETS_PER_EVENT - self.start

    def _ids(self, source: Source) -> np.ndarray:
        counts, _ = self.block.lists(source.jets["pt"])
        if counts.max(initial=0) >= _JETS_PER_EVENT:
            most = int(counts.argmax())
            raise InputError(
                f"{self.block.path}: {self._name(most)} has {counts[most]} jets, expected fewer "
                f"than {_JETS_PER_EVENT}: the file is broken."
            )
        events = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(events)) - (np.cumsum(counts) - counts)[events]
        return (self.start + events) * _JETS_PER_EVENT + place

    def _columns(self, source: Source, names: Sequence[str]) -> dict[str, np.ndarray]:
        first = source.jets["pt"]
        return {n: self.block.values(source.jets[n], first).astype(np.float32) for n in names}

    def jets(self, source: Source, columns: Sequence[str]) -> JetArray:
        """The jets of one level with their particles."""
        names = [name for name in self.names if name in source.particles]
        particles, ptr, bad = particles_of_jets(
            self.block, source, names, self._name, self.drop_bad
        )
        ids, of_jets = self._ids(source), self._columns(source, columns)
        jets = make_jets(
            self.block.path, particles, names, ptr, self.start, None, of_jets, self.drop_bad, ids
        )
        return jets if not bad.any() else jets[~np.isin(jets.ids, ids[bad])]

    def pairs(
        self, reco: JetArray, sources: Sources, columns: Sequence[str]
    ) -> tuple[JetArray, JetArray]:
        """The matched generator's jets, and the reconstructed jets that they match, with one id."""
        if sources.gen is None or sources.match is None:
            raise InputError(f"{self.block.path} has no generator jets: use pairs=False.")
        gen = self.jets(sources.gen, columns)
        gen = gen[gen.counts > 0]
        ids = self._ids(sources.reco)
        match = self.block.values(sources.match, sources.reco.jets["pt"]).astype(np.int64)
        match = match[np.searchsorted(ids, reco.ids)]
        is_valid = (match >= 0) & (match < _JETS_PER_EVENT)
        gen_ids = np.where(is_valid, reco.ids // _JETS_PER_EVENT * _JETS_PER_EVENT + match, -1)
        place = np.searchsorted(gen.ids, gen_ids)
        matched = (place < len(gen)) & (np.append(gen.ids, -2)[place] == gen_ids)
        reco = reco[matched]
        return replace(gen[place[matched]], ids=reco.ids), reco


class PFNano(FileDataset):
    """Jets of a user's own CMS PFNano files: candidates, or GEN/RECO pairs where there are both.

    Source: https://github.com/cms-jet/PFNano; its versions, the custom NanoAOD of b tagging and of
    jets, and NanoAOD v15 are told apart by their branches, which are matched without case.

    Features that the set can give: what follows from ``pt, eta, phi`` and, where the file has them,
    ``mass, charge, pdgid, puppiweight, d0, d0err, dz, dzerr``. No PUPPI weight and no
    energy correction is applied to candidates, while the jets' own pT and mass have both. The
    impact parameters of candidates without a track are those of the file, often -1. A jet without
    candidates in the file is an empty jet.

    In pairs, ``x`` has the particles of the generator's jet that the file matches to a jet, and
    ``x_target`` the candidates of that jet; there are jet columns of both (``gen_…``, ``reco_…``).
    Jets without a match, or whose match has no particles in the file, are left out, and their
    number is logged. The windows ``pt`` and ``mass`` then apply to the generator's jet (use
    ``pre_filter`` for the reconstructed jet); ``min_pt``, ``max_particles``, ``order`` apply to
    both sets.

    ``jet_id``, and the number of a jet in messages, is 256 times the number of its event in the
    file plus its place in the event (and 2³² times the place of the file in ``files``). ``event``
    is a hash of run, luminosity block and event: jets of one event always share one split. If a
    file has none of the three, splits go by jet.

    Args:
        root: The folder for the processed files.
        files: The files, absolute or relative to the working directory or to ``raw/`` in ``root``;
            patterns such as ``"nano_*.root"`` too. Default: all ``.root`` files in ``raw/``. A file
            that has changed is converted again.
        jets: ``"AK8"`` (``FatJet``) or ``"AK4"`` (``Jet``).
        split: ``"train"``, ``"val"``, ``"test"`` by the hash of the event, or ``None`` for all.
        pairs: ``True`` for GEN/RECO pairs, ``False`` for candidates only. Default: pairs if the
            first file has generator particles of these jets.
        features: Columns of ``x``, in order, out of :data:`pyg_jets.columns.PARTICLE`;
            ``pdgid_onehot`` stands for five. Default: ``pt, eta, phi, mass,
            charge, pdgid`` as far as the file has them.
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
        MissingFileError: If a file is missing, or a pattern matches none.
        InputError: If a file is no PFNano file, or has other columns than the first.

    Examples:
        >>> dataset = PFNano("data/pf_nano", files=["nano_*.root"], jets="AK4")  # doctest: +SKIP
    """

    card = "pf_nano"

    def __init__(
        self,
        root: str | Path,
        files: Sequence[str | Path] | str | Path | None = None,
        jets: str = "AK8",
        split: str | None = None,
        pairs: bool | None = None,
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
        check_names((jets,), ("AK8", "AK4"), "kind of jets")
        self.jets = jets
        self.files = _files(data_path(root) / "raw", files)
        self._reader = PFNanoReader(jets, pairs).like(self.files[0])
        self.pairs = bool(self._reader.pairs)
        self.level = "gen" if self.pairs else "reco"
        if features is None:
            columns = self._reader.file_columns(self.files[0])
            both = set(columns.particles) & set(columns.target or columns.particles)
            features = [name for name in CANONICAL if name in both]
        super().__init__(
            root, split, features=features, coordinates=coordinates, jet_columns=jet_columns,
            max_particles=max_particles,
            min_pt=min_pt, order=order, pt=pt, mass=mass, splits=splits,
            split_fractions=split_fractions, bad_jets=bad_jets, workers=workers,
            transform=transform, pre_transform=pre_transform, pre_filter=pre_filter,
            force_reload=force_reload,
        )  # fmt: skip

    def reader(self) -> Reader:
        """The reader of files with the columns of the first one."""
        return self._reader

    def raw_files(self) -> list[RawFile]:
        """The files, in the order given."""
        return [RawFile(path, number) for number, path in enumerate(self.files)]

    def content_arguments(self) -> dict[str, Any]:
        """Kind of jets, level, and name, size and time of each file, whatever its folder."""
        stats = [(path.name, path.stat()) for path in self.files]
        files = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
        return {"jets": self.jets, "pairs": self.pairs, "files": files}


def _files(raw: Path, files: Sequence[str | Path] | str | Path | None) -> list[Path]:
    """Each file that is named once; all files in ``raw`` where none is."""
    if files is None:
        files = sorted(raw.glob("*.root"))
        if not files:
            raise MissingFileError(
                f"There is no .root file in {raw}: put your PFNano files there, or name them with "
                "files=."
            )
    names = [files] if isinstance(files, str | Path) else list(files)
    if not names:
        raise MissingFileError("Expected at least one PFNano file, but files=[] names none.")
    paths = [path for name in names for path in matching_files(name, raw)]
    return list({path.resolve(): path for path in paths}.values())
