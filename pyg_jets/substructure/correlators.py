"""Energy correlation functions of two and three particles, and their ratios C₂, D₂, M₂, N₂."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.ops.kernel import kernel, over_jets
from pyg_jets.substructure.inputs import check_exponent, check_momenta

__all__ = ["CORRELATORS", "correlator_ratios", "correlators", "energy_correlators"]

#: The functions that :func:`energy_correlators` computes, in the order of its columns.
CORRELATORS = ("e2", "e3", "1e3", "2e3")


def energy_correlators(
    momenta: Any, ptr: Any, beta: float = 1.0, threads: int | None = None
) -> np.ndarray:
    r"""The energy correlation functions of two and three particles of each jet.

    .. math::
        e_2 &= \sum_{i<j} z_i z_j\, \theta_{ij} \qquad
        e_3 = \sum_{i<j<k} z_i z_j z_k\, \theta_{ij} \theta_{ik} \theta_{jk} \\
        {}_v e_3 &= \sum_{i<j<k} z_i z_j z_k \prod_{m=1}^{v}
        \min{}^{(m)} \{\theta_{ij}, \theta_{ik}, \theta_{jk}\}

    with :math:`z_i = p_{T,i} / \sum_j p_{T,j}`, :math:`\theta_{ij} = \Delta R_{ij}^\beta` in
    rapidity and azimuth, and the m-th smallest of the three angles (arXiv 1305.0007, 1609.07483).

    Args:
        momenta: (px, py, pz, E) of every particle, ``[N, 4]`` (GeV).
        ptr: The ragged pointer ``[J + 1]``.
        beta: Exponent β of the angles, above 0. Default: 1.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.

    Returns:
        :math:`e_2, e_3, {}_1e_3, {}_2e_3` of each jet, ``[J, 4]`` float64; 0 for an empty jet and
        where a jet has too few particles.

    Raises:
        InputError: If β is not above 0, or momenta and pointer do not fit together.

    Examples:
        >>> pair = [[1, 0, 0, 1], [0, 1, 0, 1]]
        >>> energy_correlators(pair, [0, 2]).round(4).tolist()
        [[0.3927, 0.0, 0.0, 0.0]]
    """
    half_beta = 0.5 * check_exponent(beta)
    momenta, ptr = check_momenta(momenta, ptr)
    pt, eta, phi, mass = kinematics.to_cylindrical(*momenta.T)
    places = np.stack([kinematics.rapidity(pt, eta, mass), phi], -1)
    sums = np.zeros((len(ptr) - 1, len(CORRELATORS)))

    def run(start: int, stop: int) -> None:
        correlators(pt, places, ptr, start, stop, half_beta, sums)

    over_jets(run, ptr, threads)
    return sums


def correlator_ratios(sums: np.ndarray) -> dict[str, np.ndarray]:
    r"""The ratios of energy correlation functions that tell jets of two prongs from others.

    .. math::
        C_2 = \frac{e_3}{e_2^2} \qquad D_2 = \frac{e_3}{e_2^3} \qquad
        M_2 = \frac{{}_1e_3}{e_2} \qquad N_2 = \frac{{}_2e_3}{e_2^2}

    from arXiv 1305.0007, 1409.6298, and the last two from 1609.07483.

    Args:
        sums: What :func:`energy_correlators` returns.

    Returns:
        ``c2, d2, m2, n2``, each ``[J]`` float64; 0 where :math:`e_2` is 0, as in a jet of one
        particle.
    """
    e2, e3, lesser, least = sums.T
    return {
        name: np.divide(above, below, out=np.zeros_like(e2), where=below > 0)
        for name, above, below in (
            ("c2", e3, e2**2), ("d2", e3, e2**3), ("m2", lesser, e2), ("n2", least, e2**2),
        )
    }  # fmt: skip


@kernel(fastmath={"reassoc", "contract", "nnan", "nsz"})  # sums in any order: in SIMD registers
def correlators(pt, places, ptr, start, stop, half_beta, sums):
    """The correlation functions of the jets ``start … stop - 1``.

    Args:
        pt: Transverse momenta ``[N]`` float64 (GeV).
        places: (rapidity, azimuth) of every particle, ``[N, 2]`` float64.
        ptr: The ragged pointer ``[J + 1]``.
        start: The first jet.
        stop: One past the last jet.
        half_beta: β / 2, the exponent of ΔR².
        sums: ``[J, 4]``, written, as :data:`CORRELATORS` has them.
    """
    for jet in range(start, stop):
        first, n = ptr[jet], ptr[jet + 1] - ptr[jet]
        sums[jet] = 0.0
        total = 0.0
        for i in range(n):
            total += pt[first + i]
        if total <= 0.0:
            continue
        z, theta = pt[first : first + n] / total, np.empty((n, n))
        for i in range(n):
            for j in range(i + 1, n):
                dphi = abs(places[first + i, 1] - places[first + j, 1])
                dphi = min(dphi, 2 * np.pi - dphi)
                dy = places[first + i, 0] - places[first + j, 0]
                theta[i, j] = (dy * dy + dphi * dphi) ** half_beta
        for i in range(n):
            for j in range(i + 1, n):
                a, three, one, two = theta[i, j], 0.0, 0.0, 0.0
                for k in range(j + 1, n):
                    b, c = theta[i, k], theta[j, k]
                    ab, bc, ca = a * b, b * c, c * a
                    three += z[k] * ab * c
                    one += z[k] * min(a, min(b, c))
                    # The product without the largest angle is the least of the three.
                    two += z[k] * min(ab, min(bc, ca))
                pair = z[i] * z[j]
                sums[jet, 0] += pair * a
                sums[jet, 1] += pair * three
                sums[jet, 2] += pair * one
                sums[jet, 3] += pair * two
