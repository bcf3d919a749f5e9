"""In which branches the versions of CMS PFNano keep jets and their particles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from pyg_jets.datasets.splits import event_numbers
from pyg_jets.errors import InputError
from pyg_jets.io.root import FlatBranches, TreeReader, open_tree

__all__ = [
    "TREE",
    "Source",
    "Sources",
    "find_candidates",
    "find_sources",
    "numbers_of_events",
    "particles_of_jets",
]

#: The tree of events, and the branches that identify an event.
TREE, _EVENT = "Events", ("run", "luminosityBlock", "event")
#: Our names of the particle columns, and those of NanoAOD.
_COLUMNS = {
    "pt": "pt", "eta": "eta", "phi": "phi", "mass": "mass", "charge": "charge", "pdgid": "pdgId",
    "puppiweight": "puppiWeight", "d0": "d0", "d0err": "d0Err", "dz": "dz", "dzerr": "dzErr",
}  # fmt: skip
_NEEDED = ("pt", "eta", "phi")
_JETS = {
    "pt": "pt", "eta": "eta", "phi": "phi", "mass": "mass", "softdrop_mass": "msoftdrop",
    "tau1": "tau1", "tau2": "tau2", "tau3": "tau3", "tau4": "tau4",
}  # fmt: skip
_INDICES = ("pFCandsIdx", "pfCandIdx", "candIdx", "genCandsIdx", "genCandIdx", "GenPartCandIdx")

#: For each kind and level: the table of jets, and the pairs of link table and particle table that
#: versions have, in the order of trial: PFNano and the custom NanoAOD of b tagging; NanoAOD v15 and
#: the custom one of jets; PFNano of CMSSW 10.6. Where a link table has no index, but momenta of its
#: own, it is that of CMSSW 10.2.
_TABLES = {
    ("AK8", "reco"): ("FatJet", (("FatJetPFCands", "PFCands"), ("FatJetPFCand", "PFCand"),
                                 ("JetPFCandsAK8", "JetPFCands"))),
    ("AK4", "reco"): ("Jet", (("JetPFCands", "PFCands"), ("JetPFCand", "PFCand"),
                              ("JetPFCandsAK4", "JetPFCands"))),
    ("AK8", "gen"): ("GenJetAK8", (("GenFatJetCands", "GenCands"),
                                   ("GenJetAK8GenPartCand", "GenPartCand"),
                                   ("GenJetCandsAK8", "GenJetCands"))),
    ("AK4", "gen"): ("GenJet", (("GenJetCands", "GenCands"), ("GenJetGenPartCand", "GenPartCand"),
                                ("GenJetCandsAK4", "GenJetCands"))),
}  # fmt: skip

#: The tables of all candidates of an event that versions have.
_CANDIDATES = ("PFCands", "PFCand")

#: The branch with the generator jet of each reconstructed jet.
_MATCHES = {"AK8": "FatJet_genJetAK8Idx", "AK4": "Jet_genJetIdx"}


@dataclass(frozen=True)
class Source:
    """Branches that hold jets and their particles.

    Args:
        particles: Our names of the particle columns with their branches.
        jets: Our names of the jet columns with their branches.
        owner: The branch of the link table with the number of the jet in its event.
        index: That with the number of the particle, or ``None`` if the particles lie in the link
            table.
    """

    particles: dict[str, str]
    jets: dict[str, str]
    owner: str
    index: str | None

    def branches(self, names: Sequence[str]) -> tuple[str, ...]:
        """The branches to read for these particle columns."""
        index = () if self.index is None else (self.index,)
        columns = [self.particles[name] for name in names if name in self.particles]
        return (*columns, *self.jets.values(), self.owner, *index)


def _find_source(tree: TreeReader, kind: str, level: str) -> Source | None:
    """The branches of the jets and their particles, or ``None`` if the tree does not have them.

    Args:
        tree: The tree ``Events``.
        kind: ``"AK8"`` or ``"AK4"``.
        level: ``"reco"`` or ``"gen"``.
    """
    jets, versions = _TABLES[kind, level]
    of_jets = _present(tree, jets, _JETS)
    if not set(_NEEDED) <= set(of_jets):
        return None
    for links, table in versions:
        owner = f"{links}_jetIdx"
        index = next((i for n in _INDICES if tree.has(i := f"{links}_{n}")), None)
        particles = _present(tree, links if index is None else table, _COLUMNS)
        if tree.has(owner) and set(_NEEDED) <= set(particles):
            return Source(particles, of_jets, owner, index)
    return None


def find_candidates(path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """The branches with all particle-flow candidates of an event, and those that identify it.

    Args:
        path: The file.

    Returns:
        Our names of the particle columns with their branches, and the branches of the event.

    Raises:
        ValueError: If it has no candidates.
    """
    with open_tree(path, TREE) as tree:
        for table in _CANDIDATES:
            particles = _present(tree, table, _COLUMNS)
            if set(_NEEDED) <= set(particles):
                return particles, tuple(name for name in _EVENT if tree.has(name))
        tables = {name.partition("_")[0] for name in tree.names if "_" in name}
    close = sorted(name for name in tables if "cand" in name.lower()) or ["none like it"]
    raise InputError(
        f"{path}: tree {TREE!r} has no particle-flow candidates ({_CANDIDATES[0]}_pt, …_eta, "
        f"…_phi), its tables of candidates are {', '.join(close)}: give a PFNano file or NanoAOD "
        "from version 15 on, or name the columns of your particles in columns=."
    )


def _missing(path: Path, tree: TreeReader, kind: str, level: str) -> ValueError:
    """The error for a tree without the branches of a level."""
    jets, versions = _TABLES[kind, level]
    links, table = versions[0]
    needed = [f"{t}_{n}" for t in (jets, table) for n in _NEEDED]
    needed += [f"{links}_jetIdx", f"{links}_pFCandsIdx"]
    lacking = [name for name in needed if not tree.has(name)]
    others = sorted(
        {name.rpartition("_")[0] for name in tree.names if name.lower().endswith("idx")}
    )
    return InputError(
        f"{path}: tree 'Events' has no {level} {kind} jets with particles: there is no "
        f"{', '.join(lacking)}, nor what other versions have instead; its tables with indices are "
        f"{', '.join(others[:20]) or 'none'}. Give a PFNano file, or choose other jets= or pairs=."
    )


def _present(tree: TreeReader, table: str, names: dict[str, str]) -> dict[str, str]:
    return {n: b for n, their in names.items() if tree.has(b := f"{table}_{their}")}


@dataclass(frozen=True)
class Sources:
    """The branches of a file, of both levels.

    Args:
        reco: Those of the reconstructed jets.
        gen: Those of the generator's jets, or ``None``.
        match: The branch with the generator jet of each reconstructed jet, or ``None``.
        event: The branches that identify the event.
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
        version = path.stat().st_size, path.stat().st_mtime_ns
    except FileNotFoundError:
        version = (0, 0)  # open_tree raises an error with the remedy
    sources = _cached_sources(path, version, jets)
    if pairs and sources.gen is None:
        with open_tree(path, TREE) as tree:
            raise _missing(path, tree, jets, "gen")
    if pairs and sources.match is None:
        raise InputError(
            f"{path}: tree 'Events' has no branch {_MATCHES[jets]!r}, expected it for GEN/RECO "
            "pairs: use pairs=False."
        )
    return sources


@lru_cache(maxsize=4096)
def _cached_sources(path: Path, version: tuple[int, int], jets: str) -> Sources:
    # Opening a file takes a good part of a second, since it has thousands of branches.
    with open_tree(path, TREE) as tree:
        reco, gen = (_find_source(tree, jets, level) for level in ("reco", "gen"))
        if reco is None:
            raise _missing(path, tree, jets, "reco")
        match = _MATCHES[jets] if tree.has(_MATCHES[jets]) else None
        return Sources(reco, gen, match, tuple(name for name in _EVENT if tree.has(name)))


def particles_of_jets(
    block: FlatBranches,
    source: Source,
    names: Sequence[str],
    name_of: Callable[[int], str],
    drop_bad: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The particles of each jet of some events, in the order of the link table.

    Links to no jet or to no particle of the event (a negative number, or a jet that the table of
    jets does not have) are left out.

    Args:
        block: The events.
        source: The branches.
        names: Particle columns.
        name_of: The name of an event of the block, for the message.
        drop_bad: Whether to mark jets with a link beyond the last particle, instead of refusing
            them.

    Returns:
        Particles ``[N, F]`` float32, their ``ptr [J + 1]`` over all jets of all events, and which
        jets have a link beyond the last particle ``[J]``.

    Raises:
        InputError: For such a jet.
    """
    n_jets, _ = block.lists(source.jets["pt"])
    n_links, owner = block.lists(source.owner)
    event = np.repeat(np.arange(len(block)), n_links)
    n_particles, values = block.table([source.particles[name] for name in names])
    if source.index is None:
        index = np.arange(len(owner)) - _starts(n_links)[event]
    else:
        index = block.values(source.index, source.owner).astype(np.int64)
    owner = owner.astype(np.int64)
    real = (owner >= 0) & (owner < n_jets[event]) & (index >= 0)
    event, owner, index = event[real], owner[real], index[real]
    jet = _starts(n_jets)[event] + owner
    beyond = index >= n_particles[event]
    if beyond.any() and not drop_bad:
        i = int(np.flatnonzero(beyond)[0])
        raise InputError(
            f"{block.path}: {name_of(event[i])}, jet {owner[i]}: {source.index} is {index[i]}, but "
            f"there are {n_particles[event[i]]} particles: use bad_jets='drop' to leave such jets "
            "out, or mend the file."
        )
    bad = np.zeros(int(n_jets.sum()), bool)
    bad[jet[beyond]] = True
    jet, rows = jet[~beyond], (_starts(n_particles)[event] + index)[~beyond]
    if (np.diff(jet) < 0).any():
        order = np.argsort(jet, kind="stable")
        jet, rows = jet[order], rows[order]
    counts = np.bincount(jet, minlength=len(bad))
    return values[rows], np.concatenate(([0], np.cumsum(counts))), bad


def numbers_of_events(block: FlatBranches, names: Sequence[str]) -> np.ndarray:
    """A hash of run, luminosity block and event for each event, ``[E]`` int64.

    Args:
        block: The events.
        names: Those of the three branches that the file has.
    """
    info = np.zeros((len(block), len(_EVENT)), np.int64)
    for i, name in enumerate(_EVENT):
        if name in names:
            info[:, i] = block.numbers(name).astype(np.uint64).view(np.int64)
    return event_numbers(info)


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts) - counts
