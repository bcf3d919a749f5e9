"""Where the versions of CMS PFNano keep the particles of jets, and how these are put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.io.root import FlatBranches, TreeReader

__all__ = ["COLUMNS", "MATCHES", "Source", "find_source", "link", "missing"]

#: Our names of the particle columns, and theirs.
COLUMNS = {
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

#: The branch that says which generator jet belongs to a jet.
MATCHES = {"AK8": "FatJet_genJetAK8Idx", "AK4": "Jet_genJetIdx"}


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


def find_source(tree: TreeReader, kind: str, level: str) -> Source | None:
    """Where the jets and their particles are, or ``None`` if the tree does not have them.

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
        particles = _present(tree, links if index is None else table, COLUMNS)
        if tree.has(owner) and set(_NEEDED) <= set(particles):
            return Source(particles, of_jets, owner, index)
    return None


def missing(path: Path, tree: TreeReader, kind: str, level: str) -> ValueError:
    """The error for a tree in which :func:`find_source` finds nothing."""
    jets, versions = _TABLES[kind, level]
    links, table = versions[0]
    needed = [f"{t}_{n}" for t in (jets, table) for n in _NEEDED]
    needed += [f"{links}_jetIdx", f"{links}_pFCandsIdx"]
    lost = [name for name in needed if not tree.has(name)]
    others = sorted(
        {name.rpartition("_")[0] for name in tree.names if name.lower().endswith("idx")}
    )
    return InputError(
        f"{path}: tree 'Events' has no {level} {kind} jets with particles: there is no "
        f"{', '.join(lost)}, nor what other versions have instead; its tables with indices are "
        f"{', '.join(others[:20]) or 'none'}. Give a PFNano file, or choose other jets= or pairs=."
    )


def _present(tree: TreeReader, table: str, names: dict[str, str]) -> dict[str, str]:
    return {n: b for n, their in names.items() if tree.has(b := f"{table}_{their}")}


def link(
    block: FlatBranches,
    source: Source,
    names: Sequence[str],
    name_of: Callable[[int], str],
    drop: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The particles of each jet of some events, in the order of the link table.

    Links to no jet or to no particle of the event (a negative number, or a jet that the table of
    jets does not have) are left out.

    Args:
        block: The events.
        source: The branches.
        names: Particle columns.
        name_of: Says in words which event one of the block is.
        drop: Whether to mark jets with a link beyond the last particle, instead of refusing them.

    Returns:
        Particles ``[N, F]`` float32, their ``ptr [J + 1]`` over all jets of all events, and which
        jets have a link beyond the last particle ``[J]``.

    Raises:
        ValueError: For such a jet.
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
    if beyond.any() and not drop:
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


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts) - counts
