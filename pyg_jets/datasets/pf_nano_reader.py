"""`PFNanoReader`: events of CMS PFNano files as jets, one level or GEN/RECO pairs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pyg_jets.datasets.pf_nano_tables import MATCHES, Source, find_source, link, missing
from pyg_jets.datasets.reading import Chunk, Given, Part, Reader, make_jets
from pyg_jets.datasets.splits import jet_keys
from pyg_jets.io.jagged import Block
from pyg_jets.io.root import TreeReader, open_tree
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


def find_sources(path: Path, tree: TreeReader, jets: str) -> Sources:
    """Find the branches of a file, of whichever version.

    Raises:
        ValueError: If it has no reconstructed jets with particles.
    """
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
        pairs: Whether to give GEN/RECO pairs.
        columns: The jet columns of the first file, which all must have: RECO and GEN.
        has_event: Whether the first file numbers its events.
    """

    kind: str
    pairs: bool = False
    columns: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    has_event: bool = False

    key = ("pt", "eta", "phi")

    def given(self, path: Path) -> Given:
        """The columns of a file.

        Raises:
            ValueError: If it lacks what the first file has.
        """
        with open_tree(path, _TREE) as tree:
            return self._given(path, self._sources(path, tree))

    def _sources(self, path: Path, tree: TreeReader) -> Sources:
        found = find_sources(path, tree, self.kind)
        if self.pairs and not found.has_pairs:
            if found.match is None:
                raise ValueError(
                    f"{path}: tree 'Events' has no branch {MATCHES[self.kind]!r}, expected it for "
                    "GEN/RECO pairs: use pairs=False."
                )
            raise missing(path, tree, self.kind, "gen")
        return found

    def _given(self, path: Path, found: Sources) -> Given:
        levels = [found.reco, found.gen] if self.pairs else [found.reco]
        lost = [s.owner.partition("_")[0] + f" jets' {name}" if s else name
                for s, names in zip(levels, self.columns, strict=False)
                for name in names if s and name not in s.jets]  # fmt: skip
        if self.has_event and not found.event:
            lost.append("event")
        if lost:
            raise ValueError(
                f"{path}: {', '.join(lost)} is missing, expected it as in the first file: leave "
                "one of them out."
            )
        event = ("event",) if self.has_event else ()
        reco = tuple(found.reco.particles), self.columns[0]
        if not self.pairs or found.gen is None:
            return Given(reco[0], (*reco[1], *event))
        return Given(tuple(found.gen.particles), (*self.columns[1], *event), *reco)

    def chunks(
        self, part: Part, names: Sequence[str], start: int, size: int, drop: bool
    ) -> Iterator[Chunk]:
        n_jets = n_left = 0
        with open_tree(part.path, _TREE) as tree:
            found = self._sources(part.path, tree)
            branches = [*found.reco.branches(names), *found.event]
            if self.pairs and found.gen is not None and found.match is not None:
                branches += [*found.gen.branches(names), found.match]
            # An event has a few jets, and may have a thousand candidates.
            for array in tree.chunks(dict.fromkeys(branches), max(1, size // 4), start):
                events = _Events(Block(part.path, array), names, start, drop)
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

    def __init__(self, block: Block, names: Sequence[str], start: int, drop: bool):
        self.block, self.names, self.start, self.drop = block, names, start, drop

    def _name(self, event: int) -> str:
        return f"event {self.start + event}"

    def _ids(self, source: Source) -> np.ndarray:
        counts, _ = self.block.lists(source.jets["pt"])
        if counts.max(initial=0) >= _ROOM:
            event = int(counts.argmax())
            raise ValueError(
                f"{self.block.path}: {self._name(event)} has {counts[event]} jets, expected fewer "
                f"than {_ROOM}: the file is broken."
            )
        event = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(event)) - (np.cumsum(counts) - counts)[event]
        return (self.start + event) * _ROOM + place

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
            raise ValueError(f"{self.block.path} has no generator jets: use pairs=False.")
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
        """A number for each event from those of the run, its section and the event, not negative."""
        words = np.zeros((len(self.block), 4), np.uint32)
        for name, place in zip(_EVENT, (0, 1, 2), strict=True):
            if name in names:
                value = self.block.numbers(name).astype(np.uint64)
                words[:, place] = (value & np.uint64(0xFFFFFFFF)).astype(np.uint32)
                if place == 2:
                    words[:, 3] = (value >> np.uint64(32)).astype(np.uint32)
        keys = jet_keys(words.view(np.float32), np.arange(len(words) + 1))
        return keys & np.int64(2**63 - 1)
