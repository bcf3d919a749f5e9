"""Soft drop and trimming: jets without what is soft and at large angles."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.jets import JetArray
from pyg_jets.ops.kernel import kernel, over_jets
from pyg_jets.substructure.clustering import cluster

__all__ = ["Groomed", "SoftDrop", "soft_drop", "trim"]


@dataclass(frozen=True, eq=False, repr=False)
class Groomed:
    """Groomed jets.

    Args:
        momentum: ``(px, py, pz, E)`` of each groomed jet, ``[J, 4]`` float64 (GeV); 0 for an empty
            one.
        kept: Whether each constituent is kept, ``[N]``.
        ptr: The ragged pointer of all constituents, ``[J + 1]``.
    """

    momentum: np.ndarray
    kept: np.ndarray
    ptr: np.ndarray

    def __repr__(self) -> str:
        share = f"{self.kept.mean():.0%} of the constituents" if len(self.kept) else "empty"
        return f"{type(self).__name__}({len(self.ptr) - 1} jets, {share})"

    @property
    def pt(self) -> np.ndarray:
        """Transverse momentum of each groomed jet, ``[J]`` (GeV)."""
        return kinematics.to_cylindrical(*self.momentum.T)[0]

    @property
    def mass(self) -> np.ndarray:
        """Mass of each groomed jet, ``[J]`` (GeV); 0 where rounding makes E < \\|p\\|."""
        px, py, pz, energy = self.momentum.T
        return np.sqrt(np.maximum((energy + pz) * (energy - pz) - px * px - py * py, 0))

    def select(self, jets: JetArray) -> JetArray:
        """The groomed jets with all columns, labels and ids of the jets that they were.

        Args:
            jets: The jets whose momenta were groomed.

        Raises:
            ValueError: If they have other numbers of constituents.

        Examples:
            >>> from pyg_jets.substructure import four_momenta
            >>> columns = ("pt", "eta", "phi", "charge")
            >>> jets = JetArray([[90, 0, 0, 1], [9, 0.5, 0, 0], [90, 0.1, 0, 0]], columns, [0, 3])
            >>> soft_drop(*four_momenta(jets)).select(jets).particles[:, [0, 3]].tolist()
            [[90.0, 1.0], [90.0, 0.0]]
        """
        if not np.array_equal(jets.ptr, self.ptr):
            raise InputError(
                f"Expected the jets that were groomed, {len(self.ptr) - 1} with {len(self.kept)} "
                f"constituents, but got {len(jets)} with {len(jets.particles)}."
            )
        before = np.concatenate(([0], np.cumsum(self.kept)))
        return replace(jets, particles=jets.particles[self.kept], ptr=before[jets.ptr])


@dataclass(frozen=True, eq=False, repr=False)
class SoftDrop(Groomed):
    """Jets groomed by soft drop.

    Args:
        momentum: As in :class:`Groomed`.
        kept: As in :class:`Groomed`.
        ptr: As in :class:`Groomed`.
        z: :math:`z_g`, the fraction of pT of the softer of the two branches at which a jet passes,
            ``[J]``; 0 where no declustering passes and a single particle is left.
        delta_r: :math:`R_g`, their distance, ``[J]``; 0 likewise.
        dropped: Number of branches that were dropped, ``[J]`` int64.
        r0: R0.
    """

    z: np.ndarray
    delta_r: np.ndarray
    dropped: np.ndarray
    r0: float

    @property
    def theta(self) -> np.ndarray:
        r""":math:`\theta_g = R_g / R_0`, ``[J]``."""
        return self.delta_r / self.r0


def soft_drop(
    momenta: Any,
    ptr: Any,
    z_cut: float = 0.1,
    beta: float = 0.0,
    r0: float = 0.8,
    threads: int | None = None,
) -> SoftDrop:
    r"""Groom jets by soft drop.

    The Cambridge/Aachen tree of each jet is declustered along the harder branch, and the softer one
    dropped, until

    .. math::
        \frac{\min(p_{T,1}, p_{T,2})}{p_{T,1} + p_{T,2}} >
        z_\mathrm{cut} \left(\frac{\Delta R_{12}}{R_0}\right)^\beta

    (arXiv 1402.2657). :math:`\beta = 0` is the modified mass-drop tagger. Where no declustering
    passes, one particle is left.

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: Ragged pointer ``[J + 1]``.
        z_cut: From 0 to below 1. Default: 0.1.
        beta: Exponent β of the angle. Default: 0.
        r0: Radius R0. Default: 0.8.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.

    Raises:
        ValueError: For parameters out of range, or momenta and pointer that do not fit.

    Examples:
        >>> momenta = [[90, 0, 0, 90], [9, 5, 0, 10.3], [88, 9, 0, 88.5], [1, 0, 0, 1]]
        >>> groomed = soft_drop(momenta, [0, 3, 3, 4])
        >>> groomed
        SoftDrop(3 jets, 75% of the constituents)
        >>> groomed.mass.round(1).tolist(), groomed.dropped.tolist()
        ([9.9, 0.0, 0.0], [1, 0, 0])
        >>> groomed.z.round(2).tolist(), groomed.delta_r.round(2).tolist()
        ([0.5, 0.0, 0.0], [0.1, 0.0, 0.0])
    """
    if not 0 <= z_cut < 1:
        raise InputError(f"Expected z_cut from 0 to below 1, but got {z_cut!r}.")
    if not math.isfinite(beta):
        raise InputError(f"Expected a finite exponent beta, but got {beta!r}.")
    if not 0 < r0 < math.inf:
        raise InputError(f"Expected a radius r0 above 0, but got {r0!r}.")
    tree = cluster(momenta, ptr, "cambridge_aachen", threads=threads)
    n_jets, n = len(tree.ptr) - 1, len(tree.merged)
    momentum, kept = np.zeros((n_jets, 4)), np.zeros(n, np.bool_)
    split, dropped = np.zeros((n_jets, 2)), np.zeros(n_jets, np.int64)

    def run(start: int, stop: int) -> None:
        _soft_drop(
            tree.momenta, tree.merged, tree.delta_r, tree.ptr, start, stop,
            float(z_cut), float(beta), float(r0), momentum, kept, split, dropped,
        )  # fmt: skip

    over_jets(run, tree.ptr, threads)
    return SoftDrop(momentum, kept, tree.ptr, split[:, 0], split[:, 1], dropped, float(r0))


@kernel
def _soft_drop(
    nodes, merged, delta_r, ptr, start, stop, z_cut, beta, r0, momentum, kept, split, dropped
):
    """Soft drop on the trees of the jets ``start … stop - 1``.

    Args:
        nodes: ``momenta`` of the :class:`Clustering`, ``[2N, 4]``.
        merged: ``[N, 2]``, of the same.
        delta_r: ``[N]``, of the same.
        ptr: The ragged pointer ``[J + 1]``.
        start: The first jet.
        stop: One past the last jet.
        z_cut: z_cut.
        beta: β.
        r0: R0.
        momentum: ``[J, 4]``, written.
        kept: ``[N]``, written.
        split: z and ΔR at which a jet passes, ``[J, 2]``, written.
        dropped: ``[J]``, written.
    """
    for jet in range(start, stop):
        first, n = ptr[jet], ptr[jet + 1] - ptr[jet]
        if n == 0:
            continue
        node = 2 * n - 2
        while node >= n:
            step = first + node - n
            a, b = 2 * first + merged[step, 0], 2 * first + merged[step, 1]
            pt_a = np.sqrt(nodes[a, 0] * nodes[a, 0] + nodes[a, 1] * nodes[a, 1])
            pt_b = np.sqrt(nodes[b, 0] * nodes[b, 0] + nodes[b, 1] * nodes[b, 1])
            total = pt_a + pt_b
            z = min(pt_a, pt_b) / total if total > 0.0 else 0.0
            if z > z_cut * (delta_r[step] * delta_r[step] / (r0 * r0)) ** (0.5 * beta):
                split[jet, 0], split[jet, 1] = z, delta_r[step]
                break
            node = merged[step, 0] if pt_a >= pt_b else merged[step, 1]
            dropped[jet] += 1
        momentum[jet] = nodes[2 * first + node]
        inside = np.zeros(2 * n, np.bool_)
        inside[node] = True
        for made in range(node, n - 1, -1):
            if inside[made]:
                inside[merged[first + made - n, 0]] = inside[merged[first + made - n, 1]] = True
        kept[first : first + n] = inside[:n]


def trim(
    momenta: Any,
    ptr: Any,
    radius: float = 0.2,
    fraction: float = 0.05,
    algorithm: str | float = "kt",
    threads: int | None = None,
) -> Groomed:
    r"""Groom jets by trimming.

    The constituents of each jet are clustered into subjets of radius :math:`R_\mathrm{sub}`, and
    those with :math:`p_T < f\, p_T^\mathrm{jet}` are dropped (arXiv 0912.1342).

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: Ragged pointer ``[J + 1]``.
        radius: Radius of the subjets. Default: 0.2.
        fraction: f, from 0 to 1. Default: 0.05.
        algorithm: Algorithm of the subjets. Default: ``"kt"``.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.

    Raises:
        ValueError: For an unknown algorithm, parameters out of range, or momenta and pointer that
            do not fit.

    Examples:
        >>> momenta = [[90, 0, 0, 90], [0, 3, 0, 3], [8, 1, 0, 8.1], [0, 2, 0.1, 2.1]]
        >>> trimmed = trim(momenta, [0, 4])
        >>> trimmed.kept.tolist(), trimmed.pt.round(1).tolist()
        ([True, True, True, True], [98.2])
        >>> trim(momenta, [0, 4], fraction=0.1).pt.round(1).tolist()
        [98.0]
    """
    if not 0 <= fraction <= 1:
        raise InputError(f"Expected a fraction from 0 to 1, but got {fraction!r}.")
    if radius is None:
        raise InputError("Expected a radius of the subjets above 0, but got None.")
    clustering = cluster(momenta, ptr, algorithm, radius, threads=threads)
    subjets = clustering.inclusive()
    counts = np.diff(subjets.ptr)
    px, py = kinematics.jet_sum(subjets.momenta, subjets.ptr)[:, :2].T
    least = np.repeat(fraction**2 * (px * px + py * py), counts)
    hard = (subjets.momenta[:, :2] ** 2).sum(1) >= least
    momentum = kinematics.jet_sum(subjets.momenta * hard[:, None], subjets.ptr)
    kept = hard[subjets.subjet] if len(hard) else np.zeros(0, np.bool_)
    return Groomed(momentum, kept, clustering.ptr)
