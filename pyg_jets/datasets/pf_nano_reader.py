"""`PFNanoReader`: events of CMS PFNano files as jets, one level or GEN/RECO pairs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from pyg_jets.datasets.aspen_open_jets import event_numbers
from pyg_jets.datasets.pf_nano_tables import MATCHES, Source, find_source, link, missing
from pyg_jets.datasets.reading import Chunk, Given, Part, Reader, make_jets
from pyg_jets.errors import InputError
from pyg_jets.io.root import FlatBranches, open_tree
from pyg_jets.jets import JetArray

__all__ = ["PFNanoReader", "Sources", "find_sources"]

_TREE = "Events"
_EVENT = ("run", "luminosityBlock", "event")
#: A jet's number in its file is that of the event times this, plus its place in the event.
_ROOM = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """What a file has.

    Args:
        reco: The reconstructed jets.
        gen: The generator's, or ``None``.
        match: The branch that matches them, or ``None``.
        event: The branches that say which event it is.
    """

    reco: Source
    gen: Source | None
    match: str | None
    event: tuple[str, ...]

    @property
    def has_pairs(self) -> bool:
        """Whether there are generator particles of the jets."""
        return self.gen is not None and self.match is not None


def find_sources(path: Path, jets: str, pairs: bool | None = None) -> Sources:
    """Find the branches of a file, of whichever version.

    Args:
        path: The file.
        jets: ``"AK8"`` or ``"AK4"``.
        pairs: Whether generator jets must be there.

    Raises:
        ValueError: If it lacks jets with particles.
    """
    try:
        stamp = path.stat().st_size, path.stat().st_mtime_ns
    except FileNotFoundError:
        stamp = (0, 0)  # open_tree says it better
    found = _sources(path, stamp, jets)
    if pairs and found.gen is None:
        with open_tree(path, _TREE) as tree:
            raise missing(path, tree, jets, "gen")
    if pairs and found.match is None:
        raise InputError(
            f"{path}: tree 'Events' has no branch {MATCHES[jets]!r}, expected it for GEN/RECO "
            "pairs: use pairs=False."
        )
    return found


@lru_cache(maxsize=4096)
def _sources(path: Path, stamp: tuple[int, int], jets: str) -> Sources:
    # To open a file takes a good part of a second, for its thousands of branches.
    with open_tree(path, _TREE) as tree:
        reco, gen = (find_source(tree, jets, level) for level in ("reco", "gen"))
        if reco is None:
            raise missing(path, tree, jets, "reco")
        match = MATCHES[jets] if tree.has(MATCHES[jets]) else None
        return Sources(reco, gen, match, tuple(name for name in _EVENT if tree.has(name)))


@dataclass(frozen=True)
class PFNanoReader(Reader):
    """Reads PFNano files; a row is an event.

    Args:
        kind: ``"AK8"`` or ``"AK4"``.
        pairs: Whether to give GEN/RECO pairs; ``None`` for pairs if the first file has them.
        columns: The jet columns of the first file, which all must have: RECO and GEN.
        has_event: Whether the first file numbers its events.
    """

    kind: str
    pairs: bool | None = None
    columns: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    has_event: bool = False

    key = ("pt", "eta", "phi")

    def like(self, path: Path) -> PFNanoReader:
        """The reader for all files that are as this one."""
        found = find_sources(path, self.kind, self.pairs)
        pairs = found.has_pairs if self.pairs is None else self.pairs
        columns = tuple(found.reco.jets), tuple(found.gen.jets) if pairs and found.gen else ()
        return replace(self, pairs=pairs, columns=columns, has_event=bool(found.event))

    def given(self, path: Path) -> Given:
        """The columns of a file.

        Raises:
            ValueError: If it lacks what the first file has.
        """
        found = find_sources(path, self.kind, self.pairs)
        gen = found.gen if self.pairs else None
        lost = [f"{name} of {level} jets"
                for level, source, names in zip(("reco", "gen"), (found.reco, gen), self.columns,
                                                strict=True)
                if source for name in names if name not in source.jets]  # fmt: skip
        lost += ["event"] * (self.has_event and not found.event)
        if lost:
            raise InputError(
                f"{path} has no {', '.join(lost)}, but the first file has: give files of one "
                "version only."
            )
        event = ("event",) if self.has_event else ()
        particles, columns = tuple(found.reco.particles), self.columns[0]
        if gen is None:
            return Given(particles, (*columns, *event))
        return Given(tuple(gen.particles), (*self.columns[1], *event), particles, columns)

    def chunks(
        self, part: Part, names: Sequence[str], start: int, size: int, drop: bool
    ) -> Iterator[Chunk]:
        n_jets = n_left = 0
        found = find_sources(part.path, self.kind, self.pairs)
        with open_tree(part.path, _TREE) as tree:
            branches = [*found.reco.branches(names), *found.event]
            if self.pairs and found.gen is not None and found.match is not None:
                branches += [*found.gen.branches(names), found.match]
            # An event has a few jets, and may have a thousand candidates.
            for array in tree.chunks(dict.fromkeys(branches), max(1, size // 4), start):
                events = _Events(FlatBranches(part.path, array), names, start, drop)
                start += len(array)
                jets = events.jets(found.reco, self.columns[0])
                event = {"event": events.numbers(found.event)} if self.has_event else {}
                if not self.pairs:
                    yield Chunk(_with(jets, event, events), start)
                    continue
                gen, reco = events.pairs(jets, found, self.columns[1])
                n_jets, n_left = n_jets + len(jets), n_left + len(jets) - len(gen)
                yield Chunk(_with(gen, event, events), start, reco)
        if n_left:
            _log.warning(
                "%s: %s of %s jets have no generator jet with particles and are left out.",
                part.path, f"{n_left:,}", f"{n_jets:,}",
            )  # fmt: skip


def _with(jets: JetArray, event: dict[str, np.ndarray], events: _Events) -> JetArray:
    row = jets.ids // _ROOM - events.start
    return jets.with_jets(**{name: value[row] for name, value in event.items()})


class _Events:
    """Some events of a file."""

    def __init__(self, block: FlatBranches, names: Sequence[str], start: int, drop: bool):
        self.block, self.names, self.start, self.drop = block, names, start, drop

    def _name(self, event: int) -> str:
        return f"event {self.start + event}"

    def _ids(self, source: Source) -> np.ndarray:
        counts, _ = self.block.lists(source.jets["pt"])
        if counts.max(initial=0) >= _ROOM:
            most = int(counts.argmax())
            raise InputError(
                f"{self.block.path}: {self._name(most)} has {counts[most]} jets, expected fewer "
                f"than {_ROOM}: the file is broken."
            )
        events = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(events)) - (np.cumsum(counts) - counts)[events]
        return (self.start + events) * _ROOM + place

    def _columns(self, source: Source, names: Sequence[str]) -> dict[str, np.ndarray]:
        first = source.jets["pt"]
        return {n: self.block.values(source.jets[n], first).astype(np.float32) for n in names}

    def jets(self, source: Source, columns: Sequence[str]) -> JetArray:
        """The jets of one level, with the candidates that are theirs."""
        names = [name for name in self.names if name in source.particles]
        particles, ptr, bad = link(self.block, source, names, self._name, self.drop)
        ids, of_jets = self._ids(source), self._columns(source, columns)
        jets = make_jets(
            self.block.path, particles, names, ptr, self.start, None, of_jets, self.drop, ids
        )
        return jets if not bad.any() else jets[~np.isin(jets.ids, ids[bad])]

    def pairs(
        self, reco: JetArray, found: Sources, columns: Sequence[str]
    ) -> tuple[JetArray, JetArray]:
        """The generator's jets that match, and the jets that they match, with the same ids."""
        if found.gen is None or found.match is None:
            raise InputError(f"{self.block.path} has no generator jets: use pairs=False.")
        gen = self.jets(found.gen, columns)
        gen = gen[gen.counts > 0]
        ids = self._ids(found.reco)
        of_jet = self.block.values(found.match, found.reco.jets["pt"]).astype(np.int64)
        of_jet = of_jet[np.searchsorted(ids, reco.ids)]
        wanted = np.where(of_jet >= 0, reco.ids // _ROOM * _ROOM + of_jet, -1)
        wanted = np.where(of_jet < _ROOM, wanted, -1)
        place = np.searchsorted(gen.ids, wanted)
        there = (place < len(gen)) & (np.append(gen.ids, -2)[place] == wanted)
        reco = reco[there]
        return replace(gen[place[there]], ids=reco.ids), reco

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """A number for each event, not negative: a hash of run, section and event."""
        info = np.zeros((len(self.block), len(_EVENT)), np.int64)
        for i, name in enumerate(_EVENT):
            if name in names:
                info[:, i] = self.block.numbers(name).astype(np.uint64).view(np.int64)
        return event_numbers(info)
