r"""The energy mover's distance of jets, and the coverage of real jets by generated ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.kinematics import delta_phi
from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.resampling import Estimate

__all__ = ["coverage", "energy_movers_distance"]


def energy_movers_distance(first: Any, second: Any, radius: float = 1.0) -> float:
    r"""The energy mover's distance of two jets (arXiv:1902.02346), by POT.

    .. math::
        \min_f \sum_{ij} f_{ij} \frac{\theta_{ij}}{R}
        + \Big| \sum_i p_{T,i} - \sum_j p'_{T,j} \Big|

    It is the least work to turn one jet into the other by moving pT, and the pT difference.

    Args:
        first: pT (GeV or relative), η and φ of the particles of a jet, ``[n, 3]``.
        second: Those of the other jet, ``[m, 3]``.
        radius: R, at least half the largest distance of two particles. Default: 1.

    Raises:
        MissingExtraError: Without POT (``pyg-jets[metrics]``).

    Examples:
        >>> energy_movers_distance([[1.0, 0.0, 0.0]], [[1.0, 0.5, 0.0], [0.25, 0.0, 0.0]])
        0.625
    """
    a, b = (np.asarray(jet, np.float64).reshape(-1, 3) for jet in (first, second))
    difference = a[:, 0].sum() - b[:, 0].sum()
    if not len(a) or not len(b):
        return float(abs(difference))
    d_eta = a[:, None, 1] - b[None, :, 1]
    cost = np.hypot(d_eta, delta_phi(a[:, None, 2], b[None, :, 2])) / radius
    # The pT difference is one more particle of the softer jet, at the cost of 1 from anywhere.
    weights = [a[:, 0], b[:, 0]]
    if difference > 0:
        cost, weights[1] = (
            np.pad(cost, ((0, 0), (0, 1)), constant_values=1),
            np.append(weights[1], difference),
        )
    elif difference < 0:
        cost, weights[0] = (
            np.pad(cost, ((0, 1), (0, 0)), constant_values=1),
            np.append(weights[0], -difference),
        )
    total = weights[0].sum()
    if total == 0:
        return 0.0
    emd2 = require("ot", "metrics").emd2
    weights[1] = weights[1] * (total / weights[1].sum())  # equal to the last digit
    return float(emd2(*(np.ascontiguousarray(w / total) for w in weights), cost) * total)


def coverage(
    generated: JetSample, real: JetSample, batch: int = 100, batches: int = 10, seed: int = 0
) -> tuple[Estimate, Estimate]:
    r"""Coverage and minimum matching distance (arXiv:1707.02392), by the energy mover's distance.

    The coverage COV is the share of real jets that are the nearest real jet of some generated jet;
    the minimum matching distance MMD is the mean over real jets of the distance to the nearest
    generated jet. The jets of a batch are drawn with replacement, in proportion to their weights.

    Args:
        generated: Generated jets.
        real: Real jets.
        batch: Number of generated and of real jets in a batch. Default: 100.
        batches: Number of batches. Default: 10.
        seed: Seed of the draws.

    Returns:
        COV and MMD, each as mean and standard deviation over the batches.

    Raises:
        InputError: If ``batch`` is below 1 or ``batches`` below 2.
    """
    if batch < 1 or batches < 2:
        raise InputError(
            f"Expected batch of at least 1 and batches of at least 2, but got {batch}, {batches}."
        )
    rng, covered, matched = np.random.default_rng(seed), [], []
    for _ in range(batches):
        chosen = [jets.draw(batch, rng) for jets in (generated, real)]
        made, true = (
            [jets.particles(np.array([i])) for i in rows]
            for jets, rows in zip((generated, real), chosen, strict=True)
        )
        distance = np.array([[energy_movers_distance(a, b) for b in true] for a in made])
        covered.append(len(np.unique(distance.argmin(1))) / batch)
        matched.append(distance.min(0).mean())
    return (
        Estimate(float(np.mean(covered)), float(np.std(covered))),
        Estimate(float(np.mean(matched)), float(np.std(matched))),
    )
