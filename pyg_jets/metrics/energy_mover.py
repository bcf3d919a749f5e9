r"""The energy mover's distance of jets, and coverage and matching of generated ones by it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.kinematics import delta_phi
from pyg_jets.metrics.generation import Jets
from pyg_jets.metrics.resampling import Estimate

__all__ = ["coverage", "energy_mover"]


def energy_mover(one: Any, other: Any, radius: float = 1.0) -> float:
    r"""Energy mover's distance of two jets (arXiv 1902.02346), by POT.

    .. math::
        \min_f \sum_{ij} f_{ij} \frac{\theta_{ij}}{R}
        + \Big| \sum_i p_{T,i} - \sum_j p'_{T,j} \Big|

    The least work to turn one jet into the other, and the pT that is left over.

    Args:
        one: pT, η and φ of the particles, ``[n, 3]``.
        other: The same, ``[m, 3]``.
        radius: R, at least half the largest distance in a jet.

    Raises:
        ModuleNotFoundError: Without POT (``pyg-jets[metrics]``).

    Examples:
        >>> energy_mover([[1.0, 0.0, 0.0]], [[1.0, 0.5, 0.0], [0.25, 0.0, 0.0]])
        0.625
    """
    a, b = (np.asarray(jet, np.float64).reshape(-1, 3) for jet in (one, other))
    difference = a[:, 0].sum() - b[:, 0].sum()
    if not len(a) or not len(b):
        return float(abs(difference))
    apart = a[:, None, 1] - b[None, :, 1]
    around = delta_phi(a[:, None, 2], b[None, :, 2])
    cost = np.hypot(apart, around) / radius
    # what one jet has more than the other comes from nowhere, at the price of R
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
    generated: Jets, real: Jets, batch: int = 100, batches: int = 10, seed: int = 0
) -> tuple[Estimate, Estimate]:
    r"""Coverage and minimum matching distance by the energy mover's distance.

    COV is the share of real jets that are the nearest real jet of some generated one, MMD the mean
    over real jets of the distance to the nearest generated one.

    Args:
        generated: Generated jets.
        real: Real jets.
        batch: Jets of each kind a batch.
        batches: Number of batches.
        seed: Seed of the draws.

    Returns:
        COV and MMD, each as mean and deviation over the batches.
    """
    if batch < 1 or batches < 2:
        raise InputError(
            f"Expected batch of at least 1 and batches of at least 2, but got {batch}, {batches}."
        )
    rng, covered, matched = np.random.default_rng(seed), [], []
    for _ in range(batches):
        chosen = [rng.choice(len(jets), batch) for jets in (generated, real)]
        made, true = (
            [jets.particles(np.array([i])) for i in rows]
            for jets, rows in zip((generated, real), chosen, strict=True)
        )
        distance = np.array([[energy_mover(a, b) for b in true] for a in made])
        covered.append(len(np.unique(distance.argmin(1))) / batch)
        matched.append(distance.min(0).mean())
    both = (Estimate(float(np.mean(v)), float(np.std(v))) for v in (covered, matched))
    cov, mmd = both
    return cov, mmd
