"""N-subjettiness τ_N^(β) about exclusive-kt axes, or about axes that minimise it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.ops.kernel import kernel, over_jets
from pyg_jets.substructure.clustering import Clustering, cluster
from pyg_jets.substructure.inputs import check_exponent

__all__ = ["AXES", "MAX_AXES", "n_subjettiness", "subjettiness"]

#: The largest N.
MAX_AXES = 8
#: Where axes begin: the recombination scheme of exclusive kt, and whether they are then moved.
AXES = {
    "kt": ("E", False),
    "wta_kt": ("wta", False),
    "onepass": ("E", True),
    "onepass_wta_kt": ("wta", True),
}

#: Axes are moved until the mean step is below this, or this often, as in the Nsubjettiness contrib.
_ACCURACY, _MAX_STEPS = 1e-4, 1000
_TWO_PI = 2 * math.pi


def n_subjettiness(
    momenta: Any,
    ptr: Any,
    n: int | Sequence[int] = 1,
    beta: float = 1.0,
    axes: str = "kt",
    r0: float | None = None,
    normed: bool = True,
    return_axes: bool = False,
    threads: int | None = None,
) -> Any:
    r"""The N-subjettiness of each jet (arXiv 1011.2268, 1108.2701).

    .. math:: \tau_N^{(\beta)} = \sum_i p_{T,i} \min_k \Delta R_{ik}^\beta
        \Big/ \sum_i p_{T,i} R_0^\beta

    with :math:`\Delta R` in rapidity and azimuth about N axes:

    - ``"kt"``: those of the N exclusive-kt subjets (E-scheme);
    - ``"wta_kt"``: the same, each along its hardest branch (winner takes all, arXiv 1401.2158);
    - ``"onepass"``, ``"onepass_wta_kt"``: moved from there to a local minimum of τ, in the steps of
      the Nsubjettiness contrib. Each axis moves to the mean of its particles with the weights
      :math:`p_T \Delta R^{\beta - 2}` (Weiszfeld's for β = 1, the k-means for β = 2), for β > 2
      only 1/(β − 1) of the way, since whole steps overshoot. The lowest τ on the way is kept, so
      that it never exceeds that of the start.

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: Ragged pointer ``[J + 1]``.
        n: The number of axes, 1 to 8, or several. Default: 1.
        beta: Exponent β of the distance, above 0. Default: 1.
        axes: Which axes, see above. Default: ``"kt"``.
        r0: The jet radius :math:`R_0`, or ``None`` for no such factor. Default: ``None``.
        normed: Whether to divide by :math:`\sum_i p_{T,i} R_0^\beta`; else τ is in GeV.
            Default: ``True``.
        return_axes: Whether to return the axes too, of a single ``n``. Default: ``False``.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.

    Returns:
        τ of each jet, ``[J]`` float64, or ``[J, K]`` for K numbers of axes; 0 for a jet of N
        particles or fewer. With ``return_axes``, also rapidity and azimuth in [0, 2π) of the axes,
        ``[J, N, 2]``; NaN for those that a jet of fewer particles lacks.

    Raises:
        InputError: For N, β or R0 out of range, or unknown axes.

    Examples:
        >>> momenta = [[3, 0, 0, 3], [3, 1, 0, 3.2], [0, 3, 0, 3]]
        >>> n_subjettiness(momenta, [0, 3, 3], (1, 2, 3)).round(3).tolist()
        [[0.606, 0.108, 0.0], [0.0, 0.0, 0.0]]
        >>> n_subjettiness(momenta, [0, 3, 3], 2, axes="onepass").round(3).tolist()
        [0.105, 0.0]
    """
    numbers = check_numbers(n)
    check_exponent(beta)
    (axes,) = check_names((axes,), AXES, "kind of axes")
    if r0 is not None and not 0 < r0 < math.inf:
        raise InputError(f"Expected r0 above 0, or None for no such factor, but got {r0!r}.")
    if return_axes and np.ndim(n):
        raise InputError(f"Expected a single n with return_axes=True, but got {n!r}.")
    scheme, moved = AXES[axes]
    clustering = cluster(momenta, ptr, "kt", scheme=scheme, threads=threads)
    taus, places = about_subjets(clustering, numbers, beta, moved, normed, threads)
    if normed and r0 is not None:
        taus /= r0**beta
    taus = taus if np.ndim(n) else taus[:, 0]
    return (taus, places) if return_axes else taus


def check_numbers(n: Any) -> np.ndarray:
    """Numbers of axes as ``[K]`` int64, each from 1 to :data:`MAX_AXES`."""
    numbers = np.atleast_1d(np.asarray(n))
    if (
        not numbers.size
        or numbers.dtype.kind not in "iu"
        or ((numbers < 1) | (numbers > MAX_AXES)).any()
    ):
        raise InputError(f"Expected n as whole numbers from 1 to {MAX_AXES}, but got {n!r}.")
    return numbers.astype(np.int64)


def about_subjets(
    clustering: Clustering,
    numbers: np.ndarray,
    beta: float,
    moved: bool,
    normed: bool = True,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """τ about the exclusive subjets of a clustering, for several N at once.

    Args:
        clustering: Of exclusive kt, without a radius.
        numbers: The numbers of axes, ``[K]`` int64.
        beta: Exponent β of the distance.
        moved: Whether axes are moved to a local minimum.
        normed: Whether to divide by the sum of pT.
        threads: Largest number of threads.

    Returns:
        τ, ``[J, K]`` float64, and the axes of the last N, ``[J, N, 2]``.
    """
    ptr, n_jets = clustering.ptr, len(clustering.ptr) - 1
    taus, axes = np.zeros((n_jets, len(numbers))), np.empty((n_jets, int(numbers.max()), 2))
    pt = np.hypot(clustering.momenta[:, 0], clustering.momenta[:, 1])
    steps = _MAX_STEPS if moved else 0

    def run(start: int, stop: int) -> None:
        subjettiness(
            pt, clustering.directions, clustering.merged, ptr, start, stop,
            numbers, 0.5 * beta, steps, taus, axes,
        )  # fmt: skip

    over_jets(run, ptr, threads)
    if normed:
        particle = np.arange(ptr[-1]) + np.repeat(ptr[:-1], np.diff(ptr))  # among the nodes
        total = kinematics.jet_sum(pt[particle], ptr)[:, None]
        taus = np.divide(taus, total, out=np.zeros_like(taus), where=total > 0)
    return taus, axes[:, : numbers[-1]]


@kernel
def subjettiness(
    pt, directions, merged, ptr, start, stop, numbers, half_beta, max_steps, taus, axes
):
    """Σ pT ΔR^β about the axes of the jets ``start … stop - 1``.

    Args:
        pt: Transverse momentum of the nodes of a :class:`Clustering`, ``[2N]`` float64 (GeV).
        directions: Rapidity and azimuth of the nodes, ``[2N, 2]``.
        merged: The two nodes of each step, ``[N, 2]``.
        ptr: The ragged pointer ``[J + 1]``.
        start: The first jet.
        stop: One past the last jet.
        numbers: The numbers of axes, ``[K]`` int64.
        half_beta: β / 2, the exponent of ΔR².
        max_steps: How often axes are moved at most; 0 for not at all.
        taus: ``[J, K]``, written; 0 where a jet has no more than N particles.
        axes: ``[J, max N, 2]``, written: the axes of the last N, NaN for those that are lacking.
    """
    for jet in range(start, stop):
        a, n = ptr[jet], ptr[jet + 1] - ptr[jet]
        own_pt, own = pt[2 * a : 2 * a + n], directions[2 * a : 2 * a + n]
        for k in range(len(numbers)):
            n_axes = min(numbers[k], n)
            axes[jet] = np.nan
            # Subjets are the nodes that were there before the last steps, and that these merged.
            count, end = 0, n - n_axes
            for step in range(end, n):
                for c in range(2):
                    node = merged[a + step, c]
                    if 0 <= node < n + end:
                        axes[jet, count] = directions[2 * a + node]
                        count += 1
            taus[jet, k] = 0.0
            if n > numbers[k]:
                chosen = axes[jet, :n_axes]
                if max_steps == 0:
                    taus[jet, k] = _sum_to_nearest(own_pt, own, chosen, half_beta)
                else:
                    taus[jet, k] = _minimise(own_pt, own, chosen, half_beta, max_steps)


@kernel
def _delta(place, axis):
    """Δy, and Δφ in [-π, π]."""
    delta_phi = place[1] - axis[1]
    if delta_phi > np.pi:
        delta_phi -= _TWO_PI
    elif delta_phi < -np.pi:
        delta_phi += _TWO_PI
    return place[0] - axis[0], delta_phi


@kernel
def _power(square, half_beta):
    """(ΔR²)^(β/2)."""
    if half_beta == 0.5:
        return np.sqrt(square)
    if half_beta == 1.0:
        return square
    return square**half_beta


@kernel
def _nearest(place, axes):
    """The nearest axis, and ΔR² to it."""
    nearest, best = 0, np.inf
    for k in range(len(axes)):
        delta_y, delta_phi = _delta(place, axes[k])
        square = delta_y * delta_y + delta_phi * delta_phi
        if square < best:
            nearest, best = k, square
    return nearest, best


@kernel
def _sum_to_nearest(pt, places, axes, half_beta):
    """Σ pT ΔR^β of the particles, each to its nearest axis."""
    total = 0.0
    for i in range(len(pt)):
        total += pt[i] * _power(_nearest(places[i], axes)[1], half_beta)
    return total


@kernel
def _minimise(pt, places, axes, half_beta, max_steps):
    """Move ``axes`` to where Σ pT ΔR^β is the least on the way down, and return it."""
    lowest, at = np.inf, axes.copy()
    moves, weights = np.empty((len(axes), 2)), np.empty(len(axes))
    fraction = min(1.0, 1.0 / (2.0 * half_beta - 1.0)) if half_beta > 0.5 else 1.0
    arrived = False
    for _ in range(max_steps + 1):
        total = 0.0
        moves[:], weights[:] = 0.0, 0.0
        for i in range(len(pt)):
            k, square = _nearest(places[i], at)
            total += pt[i] * _power(square, half_beta)
            weight = pt[i]
            if half_beta != 1.0:  # for β < 2 a particle on the axis has no infinite weight
                weight *= (_ACCURACY * _ACCURACY + square) ** (half_beta - 1.0)
            delta_y, delta_phi = _delta(places[i], at[k])
            moves[k, 0] += weight * delta_y
            moves[k, 1] += weight * delta_phi
            weights[k] += weight
        if total < lowest:
            lowest = total
            axes[:] = at
        if arrived:
            break
        mean = 0.0
        for k in range(len(axes)):
            if weights[k] > 0.0:
                moves[k] *= fraction / weights[k]
            mean += np.hypot(moves[k, 0], moves[k, 1]) / len(axes)
            at[k, 0] += moves[k, 0]
            at[k, 1] = (at[k, 1] + moves[k, 1]) % _TWO_PI
        arrived = mean <= _ACCURACY
    return lowest
