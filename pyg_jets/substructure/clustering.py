"""Clusterings of many jets at once, their subjets and axes.

The algorithm is in :mod:`pyg_jets.substructure.sequential`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyg_jets.errors import InputError, did_you_mean
from pyg_jets.jets import JetArray
from pyg_jets.ops.kernel import kernel, over_jets
from pyg_jets.substructure.inputs import check_momenta
from pyg_jets.substructure.sequential import cluster_jet, exponent

__all__ = ["SCHEMES", "Clustering", "Subjets", "cluster", "exclusive_axes", "subjets"]

#: Names of recombination schemes: the sum of momenta, or the winner takes all.
SCHEMES = ("E", "wta")

#: A particle takes so many times as long as in a kernel that looks at it once.
_WORK = 8


@kernel
def _cluster_jets(
    momenta, ptr, start, stop, power, radius2, winner_takes_all,
    nodes, directions, merged, distance, delta_r,
):  # fmt: skip
    for jet in range(start, stop):
        a, b = ptr[jet], ptr[jet + 1]
        cluster_jet(
            momenta[a:b], power, radius2, winner_takes_all,
            nodes[2 * a : 2 * b], directions[2 * a : 2 * b],
            merged[a:b], distance[a:b], delta_r[a:b],
        )  # fmt: skip


@kernel
def _find_subjets(ptr, start, stop, merged, n_subjets, top):
    """Write the node that is the subjet of each node, or −1.

    Args:
        ptr: The ragged pointer ``[J + 1]``.
        start: The first jet.
        stop: One past the last jet.
        merged: ``[N, 2]``, of :class:`Clustering`.
        n_subjets: How many exclusive subjets each jet has, ``[J]``; −1 for inclusive ones.
        top: ``[2N]``, written: numbers of nodes inside the jet.
    """
    for jet in range(start, stop):
        a, n = ptr[jet], ptr[jet + 1] - ptr[jet]
        own = top[2 * a : 2 * (a + n)]
        own[:] = -1
        end = n if n_subjets[jet] < 0 else max(0, n - n_subjets[jet])
        # Steps from ``end`` on merge subjets: what they take and did not make are the subjets.
        for step in range(n - 1, -1, -1):
            for c in range(2):
                child = merged[a + step, c]
                if child < 0:
                    continue
                if step >= end:
                    own[child] = child if child < n + end else -1
                elif merged[a + step, 1] >= 0:
                    own[child] = own[n + step]
                elif n_subjets[jet] < 0:
                    own[child] = child


@dataclass(frozen=True, eq=False)
class Subjets:
    """Subjets of jets, in each jet by falling pT.

    Args:
        momenta: ``(px, py, pz, E)`` of each subjet, ``[S, 4]`` float64 (GeV).
        directions: Rapidity and azimuth in [0, 2π) of each subjet, ``[S, 2]``.
        ptr: Ragged pointer ``[J + 1]``: where the subjets of each jet begin.
        subjet: The row of each constituent's subjet, ``[N]`` int64; −1 if it is in none.
    """

    momenta: np.ndarray
    directions: np.ndarray
    ptr: np.ndarray
    subjet: np.ndarray

    def __repr__(self) -> str:
        return f"Subjets({len(self.momenta)} subjets in {len(self.ptr) - 1} jets)"

    @property
    def pt(self) -> np.ndarray:
        """Transverse momentum of each subjet, ``[S]`` (GeV)."""
        return np.sqrt(self.momenta[:, 0] ** 2 + self.momenta[:, 1] ** 2)

    def select(self, jets: JetArray) -> JetArray:
        """The subjets as jets of their own, with all columns of the constituents.

        Constituents keep their order. Labels and jet columns are those of the whole jet, whose id
        is the jet column ``jet_id``.

        Args:
            jets: The jets that were clustered.

        Raises:
            ValueError: If they have other numbers of constituents.
        """
        if len(jets) != len(self.ptr) - 1 or len(jets.particles) != len(self.subjet):
            raise InputError(
                f"Expected the jets that were clustered, {len(self.ptr) - 1} with "
                f"{len(self.subjet)} constituents, but got {len(jets)} with {len(jets.particles)}."
            )
        order = np.argsort(self.subjet, kind="stable")[(self.subjet < 0).sum() :]
        counts = np.bincount(self.subjet[order], minlength=len(self.momenta))
        jet = np.repeat(np.arange(len(jets)), np.diff(self.ptr))
        return JetArray(
            jets.particles[order],
            jets.columns,
            np.concatenate(([0], np.cumsum(counts))),
            None if jets.labels is None else jets.labels[jet],
            {**{name: value[jet] for name, value in jets.jets.items()}, "jet_id": jets.ids[jet]},
        )


@dataclass(frozen=True, eq=False)
class Clustering:
    """Every step of the clustering of each jet; a jet of n particles takes n steps.

    A jet whose particles begin at ``ptr[j]`` has its nodes from ``2 * ptr[j]`` on: first its n
    particles, in their order, then what each step made. Nodes are numbered inside the jet.

    Args:
        momenta: ``(px, py, pz, E)`` of each node, ``[2N, 4]`` float64 (GeV); zero where a step
            went to the beam.
        directions: Rapidity and azimuth in [0, 2π) of each node, ``[2N, 2]``.
        merged: The two nodes of each step, ``[N, 2]`` int64, the lesser first. The second is −1
            where the first became an inclusive jet.
        distance: :math:`d_{ij}` or :math:`d_{iB}` of each step, ``[N]``; infinite in the last step
            of a jet without a radius.
        delta_r: ΔR of each merging, ``[N]``.
        ptr: The ragged pointer of the particles, ``[J + 1]``.
        radius: R, or ``None``.
    """

    momenta: np.ndarray
    directions: np.ndarray
    merged: np.ndarray
    distance: np.ndarray
    delta_r: np.ndarray
    ptr: np.ndarray
    radius: float | None

    def __repr__(self) -> str:
        return f"Clustering({len(self.ptr) - 1} jets, {len(self.merged)} steps)"

    def exclusive(self, n: int | np.ndarray) -> Subjets:
        """The ``n`` subjets that are left when each jet has been clustered down to that number.

        A jet of fewer particles has one subjet a particle. With a radius, what has gone to the
        beam before is in none.

        Args:
            n: Number of subjets, at least 1, or one for each jet.

        Raises:
            ValueError: If ``n`` is below 1.

        Examples:
            >>> momenta = [[1, 0, 0, 1], [9, 1, 0, 9.1], [0, 5, 0, 5]]
            >>> subjets = cluster(momenta, [0, 3], "kt").exclusive(2)
            >>> subjets.pt.round(2).tolist(), subjets.subjet.tolist()
            ([10.05, 5.0], [0, 0, 1])
        """
        return self._subjets(_check_count(n, len(self.ptr) - 1))

    def inclusive(self, min_pt: float = 0.0) -> Subjets:
        """The subjets that the beam got, that is all at the end of the clustering.

        Args:
            min_pt: Least pT of a subjet (GeV). Default: 0.
        """
        subjets = self._subjets(np.full(len(self.ptr) - 1, -1))
        hard = subjets.pt >= min_pt
        if hard.all():
            return subjets
        row = np.append(np.where(hard, np.cumsum(hard) - 1, -1), -1)
        before = np.concatenate(([0], np.cumsum(hard)))
        return Subjets(
            subjets.momenta[hard], subjets.directions[hard], before[subjets.ptr],
            row[subjets.subjet],
        )  # fmt: skip

    def exclusive_distance(self, n: int) -> np.ndarray:
        r"""The distance :math:`d_{n, n+1}` at which n + 1 subjets became n, ``[J]``.

        For kt it is in GeV² (over R², if there is a radius). It is 0 where a jet has no more than
        n particles, and infinite for n = 0 without a radius.

        Args:
            n: Number of subjets, at least 0.
        """
        if n < 0:
            raise InputError(f"Expected a number of subjets of at least 0, but got {n}.")
        counts = np.diff(self.ptr)
        steps = np.where(counts > n, self.ptr[1:] - n - 1, 0)
        if not len(self.distance):
            return np.zeros(len(counts))
        return np.where(counts > n, self.distance[steps], 0.0)

    def axes(self, n: int) -> np.ndarray:
        """Rapidity and azimuth in [0, 2π) of the ``n`` exclusive subjets, ``[J, n, 2]``.

        Args:
            n: Number of axes, at least 1. Those that a jet of fewer particles lacks are NaN.
        """
        subjets = self.exclusive(n)
        axes = np.full((len(self.ptr) - 1, n, 2), np.nan)
        counts = np.diff(subjets.ptr)
        jet = np.repeat(np.arange(len(counts)), counts)
        axes[jet, np.arange(len(jet)) - subjets.ptr[jet]] = subjets.directions
        return axes

    def _subjets(self, n_subjets: np.ndarray) -> Subjets:
        """Exclusive subjets by their number in each jet, inclusive ones where that is −1."""
        ptr, counts = self.ptr, np.diff(self.ptr)
        top = np.empty(2 * ptr[-1], np.int64)

        def run(start: int, stop: int) -> None:
            _find_subjets(ptr, start, stop, self.merged, n_subjets, top)

        over_jets(run, ptr)
        first = np.repeat(2 * ptr[:-1], 2 * counts)
        rows = np.flatnonzero(top == np.arange(len(top)) - first)
        jet = np.searchsorted(2 * ptr, rows, side="right") - 1
        pt2 = (self.momenta[rows, :2] ** 2).sum(1)
        order = np.lexsort((-pt2, jet))
        row_of = np.full(len(top) + 1, -1)
        row_of[rows[order]] = np.arange(len(rows))
        particle = np.arange(ptr[-1]) + np.repeat(ptr[:-1], counts)  # their rows among the nodes
        own = np.where(top[particle] < 0, -1, top[particle] + first[particle])
        return Subjets(
            self.momenta[rows[order]],
            self.directions[rows[order]],
            np.searchsorted(jet, np.arange(len(ptr))),
            row_of[own],
        )


def _check_count(n: Any, n_jets: int) -> np.ndarray:
    """A number of subjets as one for each jet, ``[J]`` int64."""
    counts = np.asarray(n)
    if counts.dtype.kind not in "iu" or counts.ndim > 1 or (counts < 1).any():
        raise InputError(f"Expected a whole number of subjets of at least 1, but got {n!r}.")
    if counts.ndim and len(counts) != n_jets:
        raise InputError(
            f"Expected one number of subjets for each of the {n_jets} jets, but got {len(counts)}."
        )
    return np.broadcast_to(counts, n_jets).astype(np.int64)


def cluster(
    momenta: Any,
    ptr: Any,
    algorithm: str | float = "kt",
    radius: float | None = None,
    scheme: str = "E",
    threads: int | None = None,
) -> Clustering:
    """Cluster the particles of each jet.

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV);
            :func:`~pyg_jets.substructure.four_momenta` makes them of a `JetArray`.
        ptr: Ragged pointer ``[J + 1]``.
        algorithm: ``"kt"``, ``"ca"`` (also ``"cambridge_aachen"``), ``"antikt"``, or the exponent p
            of generalized kt as a number. Default: ``"kt"``.
        radius: R of the subjets, or ``None`` for no beam: each jet ends in one node.
            Default: ``None``.
        scheme: How momenta are merged. ``"E"``: they are summed. ``"wta"``: the winner, the harder
            of the two, gives rapidity, azimuth and mass, and their pT are summed
            (``WTA_pt_scheme`` of FastJet; arXiv 1401.2158). Default: ``"E"``.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.

    Raises:
        ValueError: For an unknown algorithm or scheme, a radius not above 0, or momenta and pointer
            that do not fit together.

    Examples:
        >>> momenta = [[1, 0, 0, 1], [9, 1, 0, 9.1], [0, 5, 0, 5]]
        >>> clustering = cluster(momenta, [0, 3, 3], "ca")
        >>> clustering
        Clustering(2 jets, 3 steps)
        >>> clustering.merged.tolist(), clustering.delta_r[:2].round(2).tolist()
        ([[0, 1], [2, 3], [4, -1]], [0.11, 1.47])
        >>> clustering.momenta[4].tolist()  # the jet
        [10.0, 6.0, 0.0, 15.1]
    """
    momenta, ptr = check_momenta(momenta, ptr)
    power = exponent(algorithm)
    if scheme not in SCHEMES:
        raise InputError(
            f"Unknown recombination scheme {scheme!r}: expected {' or '.join(map(repr, SCHEMES))}."
            f"{did_you_mean(str(scheme), SCHEMES)}"
        )
    if radius is not None and not 0 < radius < math.inf:
        raise InputError(
            f"Expected a radius above 0, or None for no beam, but got radius={radius!r}."
        )
    radius2 = math.inf if radius is None else float(radius) ** 2
    n = len(momenta)
    nodes, directions = np.empty((2 * n, 4)), np.empty((2 * n, 2))
    merged, distance, delta_r = np.empty((n, 2), np.int64), np.empty(n), np.empty(n)

    def run(start: int, stop: int) -> None:
        _cluster_jets(
            momenta, ptr, start, stop, power, radius2, scheme == "wta",
            nodes, directions, merged, distance, delta_r,
        )  # fmt: skip

    over_jets(run, ptr, threads, copies=_WORK)
    return Clustering(nodes, directions, merged, distance, delta_r, ptr, radius)


def subjets(
    momenta: Any,
    ptr: Any,
    algorithm: str | float = "kt",
    radius: float | None = None,
    n: int | None = None,
    min_pt: float = 0.0,
    scheme: str = "E",
    threads: int | None = None,
) -> Subjets:
    """The subjets of each jet, either of a radius or a given number of them.

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: Ragged pointer ``[J + 1]``.
        algorithm: As in :func:`cluster`. Default: ``"kt"``.
        radius: R of inclusive subjets. Default: ``None``.
        n: Number of exclusive subjets; a jet of fewer particles has one a particle.
            Default: ``None``.
        min_pt: Least pT of inclusive subjets (GeV). Default: 0.
        scheme: ``"E"`` or ``"wta"``. Default: ``"E"``.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.

    Raises:
        ValueError: If not one of ``radius`` and ``n`` is given, or as :func:`cluster` raises.

    Examples:
        >>> momenta = [[9, 0, 0, 9], [9, 1, 0, 9.1], [0, 5, 0, 5]]
        >>> found = subjets(momenta, [0, 3], "antikt", radius=0.4)
        >>> found, found.pt.round(1).tolist(), found.subjet.tolist()
        (Subjets(2 subjets in 1 jets), [18.0, 5.0], [0, 0, 1])
    """
    if (radius is None) == (n is None):
        raise InputError(
            f"Expected a radius or a number n of subjets, but got radius={radius!r} and n={n!r}."
        )
    clustering = cluster(momenta, ptr, algorithm, radius, scheme, threads)
    return clustering.inclusive(min_pt) if n is None else clustering.exclusive(n)


def exclusive_axes(
    momenta: Any, ptr: Any, n: int, algorithm: str | float = "kt", scheme: str = "E"
) -> np.ndarray:
    """Rapidity and azimuth in [0, 2π) of the ``n`` exclusive subjets of each jet, ``[J, n, 2]``.

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: Ragged pointer ``[J + 1]``.
        n: Number of axes, at least 1. They come by falling pT; those that a jet of fewer particles
            lacks are NaN.
        algorithm: As in :func:`cluster`. Default: ``"kt"``.
        scheme: ``"E"`` or ``"wta"``. Default: ``"E"``.

    Examples:
        >>> momenta = [[2, 0, 0, 2], [0, 1, 0, 1]]
        >>> exclusive_axes(momenta, [0, 2, 2], 2).round(2).tolist()
        [[[0.0, 0.0], [0.0, 1.57]], [[nan, nan], [nan, nan]]]
        >>> exclusive_axes(momenta, [0, 2, 2], 1, scheme="wta").round(2).tolist()
        [[[0.0, 0.0]], [[nan, nan]]]
    """
    return cluster(momenta, ptr, algorithm, None, scheme).axes(n)
