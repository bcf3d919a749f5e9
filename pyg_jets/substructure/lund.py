r"""The Lund plane: where each declustering of a jet lies (arXiv 1807.04758)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyg_jets.ops.kernel import kernel, over_jets
from pyg_jets.substructure.clustering import cluster

__all__ = ["LUND", "LundPlane", "lund_plane"]

#: The columns of the Lund plane.
LUND = ("kt", "delta", "z", "psi", "mass")


@dataclass(frozen=True, eq=False)
class LundPlane:
    r"""Declusterings of jets, from the widest one on.

    Args:
        values: ``(kt, delta, z, psi, mass)`` of each declustering, ``[M, 5]`` float64 (GeV, rad).
        ptr: Ragged pointer ``[J + 1]``: where the declusterings of each jet begin.
        parent: The row of the declustering that made the pair, ``[M]`` int64; −1 for the first.
        primary: Whether all branches on the way to the pair were the harder ones, ``[M]``.
    """

    values: np.ndarray
    ptr: np.ndarray
    parent: np.ndarray
    primary: np.ndarray

    def __repr__(self) -> str:
        return f"LundPlane({len(self.ptr) - 1} jets, {len(self.values)} declusterings)"

    def column(self, name: str) -> np.ndarray:
        """One of ``kt, delta, z, psi, mass``, ``[M]``."""
        return self.values[:, LUND.index(name)]

    def logarithms(self, floor: float = 1e-10) -> np.ndarray:
        r""":math:`(\ln k_T, \ln 1/\Delta, \ln z, \psi, \ln m)`, ``[M, 5]``, as networks take them.

        Args:
            floor: Values below this count as this, so that every logarithm is finite. The ghosts of
                FastJet and particles of one direction lie below. Default: 1e-10.
        """
        kt, delta, z, psi, mass = self.values.T
        kt, delta, z, mass = (np.log(np.maximum(v, floor)) for v in (kt, delta, z, mass))
        return np.stack((kt, -delta, z, psi, mass), -1)


def lund_plane(
    momenta: Any, ptr: Any, primary: bool = True, threads: int | None = None
) -> LundPlane:
    r"""Decluster the Cambridge/Aachen tree of each jet.

    A declustering into branches 1 and 2, :math:`p_{T,1} > p_{T,2}`, has

    .. math::
        \Delta = \Delta R_{12}, \quad k_T = p_{T,2}\, \Delta, \quad
        z = \frac{p_{T,2}}{p_{T,1} + p_{T,2}}, \quad
        \psi = \arctan \frac{y_2 - y_1}{\phi_2 - \phi_1}, \quad m^2 = (p_1 + p_2)^2

    with ψ in (−π, π]. The primary plane follows the harder branch; all declusterings are those of
    both branches. A jet of n particles has n − 1 of them in all.

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: Ragged pointer ``[J + 1]``.
        primary: Whether to follow the harder branch alone. Default: True.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.

    Raises:
        ValueError: If momenta and pointer do not fit together.

    Examples:
        >>> momenta = [[90, 0, 0, 90], [9, 5, 0, 10.3], [0, 8, 0, 8], [0, 7.8, 2, 8.1]]
        >>> plane = lund_plane(momenta, [0, 4])
        >>> plane
        LundPlane(1 jets, 2 declusterings)
        >>> plane.column("z").round(2).tolist(), plane.column("kt").round(1).tolist()
        ([0.14, 0.1], [24.1, 5.2])
        >>> lund_plane(momenta, [0, 4], primary=False).parent.tolist()
        [-1, 0, 0]
    """
    tree = cluster(momenta, ptr, "cambridge_aachen", threads=threads)
    counts = np.maximum(np.diff(tree.ptr) - 1, 0)
    pointer = np.concatenate(([0], np.cumsum(counts)))
    values, parent = np.empty((pointer[-1], 5)), np.empty(pointer[-1], np.int64)
    is_primary = np.empty(pointer[-1], np.bool_)

    def run(start: int, stop: int) -> None:
        _decluster(
            tree.momenta, tree.directions, tree.merged, tree.delta_r, tree.ptr, start, stop,
            pointer, not primary, values, parent, is_primary,
        )  # fmt: skip

    over_jets(run, tree.ptr, threads)
    if not primary:
        return LundPlane(values, pointer, parent, is_primary)
    before = np.concatenate(([0], np.cumsum(is_primary)))
    of_primary = parent[is_primary]
    row = np.where(of_primary < 0, -1, before[of_primary])
    return LundPlane(values[is_primary], before[pointer], row, is_primary[is_primary])


@kernel
def _decluster(
    nodes, directions, merged, delta_r, ptr, start, stop, pointer, every, values, parent, primary
):
    """Walk down the trees of the jets ``start … stop - 1``; the last merging is the first row.

    Values are written for every declustering, or for those of the primary plane alone.
    """
    for jet in range(start, stop):
        first, n, row = ptr[jet], ptr[jet + 1] - ptr[jet], pointer[jet]
        if n > 1:
            parent[row], primary[row] = -1, True
        for step in range(n - 2, -1, -1):
            made, row = first + step, pointer[jet] + n - 2 - step
            a, b = 2 * first + merged[made, 0], 2 * first + merged[made, 1]
            pt2_a = nodes[a, 0] * nodes[a, 0] + nodes[a, 1] * nodes[a, 1]
            pt2_b = nodes[b, 0] * nodes[b, 0] + nodes[b, 1] * nodes[b, 1]
            for c in range(2):
                child = merged[made, c]
                if child >= n:
                    below = pointer[jet] + 2 * n - 2 - child
                    parent[below] = row
                    primary[below] = primary[row] and (pt2_a >= pt2_b) == (c == 0)
            if not every and not primary[row]:
                continue
            hard, soft = (a, b) if pt2_a > pt2_b else (b, a)
            pt, total = np.sqrt(min(pt2_a, pt2_b)), np.sqrt(pt2_a) + np.sqrt(pt2_b)
            delta_phi = directions[soft, 1] - directions[hard, 1]
            if delta_phi > np.pi:
                delta_phi -= 2 * np.pi
            elif delta_phi < -np.pi:
                delta_phi += 2 * np.pi
            p = nodes[2 * first + n + step]
            m2 = (p[3] + p[2]) * (p[3] - p[2]) - (p[0] * p[0] + p[1] * p[1])
            values[row, 0], values[row, 1] = pt * delta_r[made], delta_r[made]
            values[row, 2] = pt / total if total > 0.0 else 0.0
            values[row, 3] = np.arctan2(directions[soft, 0] - directions[hard, 0], delta_phi)
            values[row, 4] = np.sqrt(max(0.0, m2))
