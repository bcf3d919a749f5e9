"""Substructure a jet against FastJet: a loop over its bindings, and its awkward interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import awkward as ak
import fastjet
import fastjet._swig as swig
import networkx as nx
import numpy as np
import torch

from pyg_jets import kinematics
from pyg_jets.substructure import (
    cluster,
    correlator_ratios,
    energy_correlators,
    energy_flow_polynomials,
    four_momenta,
    lund_plane,
    n_subjettiness,
    prime_multigraphs,
    soft_drop,
    trim,
)
from tests.benchmarks.harness import Row, alternate, pythia_jets

N_JETS, NO_BEAM = 600, 1000.0
NUMBERS = (1, 2, 3, 4)
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


def swig_subjets(sequence: Any) -> list[tuple[float, ...]]:
    """The momenta of three exclusive subjets."""
    return [(p.px(), p.py(), p.pz(), p.E()) for p in sequence.exclusive_jets(3)]


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


def swig_taus(sequence: Any) -> list[float]:
    """τ1 to τ4: axes of FastJet's exclusive subjets, and sums by numpy."""
    particles = np.array([(p.pt(), p.rap(), p.phi()) for p in sequence.jets()])
    pt, y, phi = particles[: sequence.n_particles()].T
    taus = []
    for n in NUMBERS:
        axes = np.array([(jet.rap(), jet.phi()) for jet in sequence.exclusive_jets_up_to(n)])
        delta_phi = np.abs(phi[:, None] - axes[:, 1])
        delta_phi = np.minimum(delta_phi, 2 * np.pi - delta_phi)
        delta_r = np.hypot(y[:, None] - axes[:, 0], delta_phi)
        taus.append((pt * delta_r.min(1)).sum() / pt.sum())
    return taus


def njettiness(axes: str) -> Callable[[Any], object]:
    """The Nsubjettiness contrib."""
    return lambda sequence: sequence.njettiness("NormalizedMeasure", axes, list(NUMBERS))


def correlators(sequence: Any) -> list[object]:
    """The EnergyCorrelator contrib."""
    return [sequence.exclusive_jets_energy_correlator(func=n) for n in ("c2", "d2", "m2", "n2")]


def looped_polynomials(graphs: Sequence[nx.MultiGraph]) -> Run:
    """Each polynomial as a product of tensors, by numpy's best path, jet by jet."""
    words = []
    for graph in graphs:
        letter = {vertex: "abcdefgh"[i] for i, vertex in enumerate(graph)}
        words.append(
            ",".join([*letter.values(), *(letter[k] + letter[m] for k, m in graph.edges())])
        )
    momenta, ptr = sample()
    pt, eta, phi, mass = kinematics.to_cylindrical(*momenta.T)
    y = kinematics.rapidity(pt, eta, mass)

    def run() -> None:
        for a, b in pairwise(ptr):
            delta_phi = kinematics.delta_phi(phi[a:b, None], phi[None, a:b])
            angles = np.hypot(y[a:b, None] - y[None, a:b], delta_phi)
            for text in words:
                terms = [pt[a:b] if len(word) == 1 else angles for word in text.split(",")]
                np.einsum(f"{text}->", *terms, optimize="greedy")

    return run


def rows_of(
    what: str, ours: Run, peers: Sequence[tuple[str, Run]], repeats: int, asked: float = 10.0
) -> list[Row]:
    """A row for each peer: microseconds a jet; ours uses the threads of torch, FastJet has one.

    A ratio is asked against loops in Python; the awkward interface loops in C++.
    """
    rows = []
    for name, peer in peers:
        mine, other = (1e6 * s / N_JETS for s in alternate(ours, peer, repeats))
        note = f"{len(sample()[0]) / N_JETS:.0f} particles a jet; {torch.get_num_threads()} threads"
        asks = (asked, 2 * asked) if "loop" in name else (None, None)
        rows.append(
            Row(f"{what}, against {name}", mine, other, other / mine, *asks, "µs/jet", note)
        )
    return rows


def run(repeats: int = 5) -> list[Row]:
    """Microseconds a jet of each kernel."""
    momenta, ptr = sample()
    kt, ca = swig.kt_algorithm, swig.cambridge_algorithm
    loop, awkward = "a loop over FastJet", "FastJet's awkward interface"
    graphs = [graph for d in range(1, 5) for graph in prime_multigraphs(d)]
    pt, eta, phi, mass = kinematics.to_cylindrical(*momenta.T)
    x = np.stack([pt, kinematics.rapidity(pt, eta, mass), phi], -1)
    trimmer = swig.Filter(swig.JetDefinition(kt, 0.2), swig.SelectorPtFractionMin(0.05))
    return [
        *rows_of(
            "kt, three exclusive subjets",
            lambda: cluster(momenta, ptr, "kt").exclusive(3).momenta,
            [
                (loop, looped(kt, swig_subjets)),
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
        *rows_of(
            "τ1 to τ4, exclusive-kt axes",
            lambda: n_subjettiness(momenta, ptr, NUMBERS),
            [(loop, looped(kt, swig_taus)), (awkward, batched(kt, njettiness("KT_Axes")))],
            repeats,
        ),
        *rows_of(
            "τ1 to τ4, minimised",
            lambda: n_subjettiness(momenta, ptr, NUMBERS, axes="onepass"),
            [(awkward, batched(kt, njettiness("OnePass_KT_Axes")))],
            repeats,
        ),
        *rows_of(
            "C2, D2, M2, N2",
            lambda: correlator_ratios(energy_correlators(momenta, ptr)),
            [(awkward, batched(kt, correlators))],
            repeats,
        ),
        *rows_of(
            f"{len(graphs)} energy-flow polynomials of up to 4 edges",
            lambda: energy_flow_polynomials(x, ptr, graphs),
            [("a loop over numpy.einsum", looped_polynomials(graphs))],
            repeats,
            asked=5.0,
        ),
    ]
