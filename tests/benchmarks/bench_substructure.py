"""Substructure a jet against FastJet: a loop over its bindings, and its awkward interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import awkward as ak
import fastjet
import fastjet._swig as swig
import numpy as np
import torch

from pyg_jets.substructure import cluster, four_momenta, lund_plane, soft_drop, trim
from tests.benchmarks.harness import Row, alternate, pythia_jets

N_JETS, NO_BEAM = 600, 1000.0
Run = Callable[[], object]


@cache
def sample() -> tuple[np.ndarray, np.ndarray]:
    """Momenta and pointer of the first half W, half QCD jets."""
    jets = pythia_jets()
    return four_momenta(jets[np.linspace(0, len(jets) - 1, N_JETS).astype(int)])


@cache
def as_lists() -> list[list[list[float]]]:
    """The momenta of each jet as lists, from which PseudoJets are made the fastest."""
    momenta, ptr = sample()
    return [momenta[a:b].tolist() for a, b in pairwise(ptr)]


@cache
def as_awkward() -> ak.Array:
    """The momenta as awkward records, one list a jet."""
    momenta, ptr = sample()
    columns = dict(zip(("px", "py", "pz", "E"), momenta.T, strict=True))
    return ak.unflatten(ak.zip(columns), np.diff(ptr))


def looped(algorithm: int, take: Callable[[Any], object]) -> Run:
    """FastJet jet by jet: particles, one clustering without a beam, and what is asked of it."""
    swig.ClusterSequence.set_fastjet_banner_stream(None)
    jets, definition = as_lists(), swig.JetDefinition(algorithm, NO_BEAM)

    def run() -> None:
        for jet in jets:
            particles = swig.vectorPJ([swig.PseudoJet(*p) for p in jet])
            take(swig.ClusterSequence(particles, definition))

    return run


def batched(algorithm: int, take: Callable[[Any], object]) -> Run:
    """FastJet's awkward interface: all jets in one call."""
    events, definition = as_awkward(), fastjet.JetDefinition(algorithm, NO_BEAM)
    return lambda: take(fastjet.ClusterSequence(events, definition))


def swig_soft_drop(sequence: Any) -> float:
    """Soft drop, β = 0, by walking down the tree."""
    (jet,) = sequence.exclusive_jets(1)
    hard, soft = swig.PseudoJet(), swig.PseudoJet()
    while jet.has_parents(hard, soft):
        if soft.pt() > 0.1 * (soft.pt() + hard.pt()):
            break
        jet = swig.PseudoJet(hard)
    return jet.m()


def swig_lund(sequence: Any) -> list[tuple[float, float]]:
    """The primary Lund plane, (kt, Δ), by walking down the tree."""
    (jet,) = sequence.exclusive_jets(1)
    hard, soft, plane = swig.PseudoJet(), swig.PseudoJet(), []
    while jet.has_parents(hard, soft):
        delta = hard.delta_R(soft)
        plane.append((soft.pt() * delta, delta))
        jet = swig.PseudoJet(hard)
    return plane


def swig_trim(trimmer: Any) -> Callable[[Any], float]:
    """pT of the trimmed jet."""
    return lambda sequence: trimmer(sequence.exclusive_jets(1)[0]).pt()


def rows_of(what: str, ours: Run, peers: Sequence[tuple[str, Run]], repeats: int) -> list[Row]:
    """A row for each peer: microseconds a jet; ours uses the threads of torch, FastJet has one."""
    rows = []
    for name, peer in peers:
        mine, other = (1e6 * s / N_JETS for s in alternate(ours, peer, repeats))
        note = f"{len(sample()[0]) / N_JETS:.0f} particles a jet; {torch.get_num_threads()} threads"
        rows.append(
            Row(f"{what}, against {name}", mine, other, other / mine, 10.0, 20.0, "µs/jet", note)
        )
    return rows


def run(repeats: int = 5) -> list[Row]:
    """Microseconds a jet of each kernel."""
    momenta, ptr = sample()
    kt, ca = swig.kt_algorithm, swig.cambridge_algorithm
    loop, awkward = "a loop over FastJet", "FastJet's awkward interface"
    trimmer = swig.Filter(swig.JetDefinition(kt, 0.2), swig.SelectorPtFractionMin(0.05))
    return [
        *rows_of(
            "kt, three exclusive subjets",
            lambda: cluster(momenta, ptr, "kt").exclusive(3).momenta,
            [
                (loop, looped(kt, lambda sequence: sequence.exclusive_jets(3))),
                (awkward, batched(kt, lambda sequence: sequence.exclusive_jets(3))),
            ],
            repeats,
        ),
        *rows_of(
            "soft drop",
            lambda: soft_drop(momenta, ptr).mass,
            [
                (loop, looped(ca, swig_soft_drop)),
                (awkward, batched(ca, lambda s: s.exclusive_jets_softdrop_grooming(njets=1))),
            ],
            repeats,
        ),
        *rows_of(
            "trimming",
            lambda: trim(momenta, ptr).pt,
            [(loop, looped(ca, swig_trim(trimmer)))],
            repeats,
        ),
        *rows_of(
            "primary Lund plane",
            lambda: lund_plane(momenta, ptr).values,
            [
                (loop, looped(ca, swig_lund)),
                (awkward, batched(ca, lambda s: s.exclusive_jets_lund_declusterings(1))),
            ],
            repeats,
        ),
    ]
