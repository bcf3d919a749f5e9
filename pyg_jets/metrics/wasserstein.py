r"""The Wasserstein distance of many weightings of the same values, which are sorted once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["SortedFeatures"]


class SortedFeatures:
    r"""The mean :math:`W_1` of features between two weightings of the same jets.

    .. math:: W_1 = \int |F(x) - F'(x)|\, dx

    with the cumulative distributions F and F'. Two samples are the jets of one after those of the
    other, with weights of 0 for those that are not in it. :func:`scipy.stats.wasserstein_distance`
    sorts the values at each call; here they are sorted once, so that each sample of a bootstrap
    over a million particles costs a sum.

    Args:
        columns: Values of each feature of all jets ``[J]``, or of all particles ``[N]``.
        counts: Number of particles of each jet, ``[J]``, for features of particles. Default: each
            jet has one value.

    Examples:
        >>> mass = SortedFeatures([np.array([0.0, 1.0, 2.0])])
        >>> mass.distance(np.array([1, 1, 0]), np.array([0, 0, 1]))
        1.5
        >>> mass.distance(np.array([0, 1, 0]), np.array([0, 0, 1]))
        1.0
    """

    def __init__(self, columns: Sequence[np.ndarray], counts: np.ndarray | None = None) -> None:
        self._counts = counts
        self._orders = [np.argsort(column, kind="stable") for column in columns]
        self._gaps = [
            np.diff(column[order]) for column, order in zip(columns, self._orders, strict=True)
        ]

    def distance(self, first: np.ndarray, second: np.ndarray) -> float:
        """The distance of two samples, each given by the weights of all jets ``[J]``.

        It is 0 if no jet of a sample has particles.
        """
        weights = [first, second]
        if self._counts is not None:
            weights = [np.repeat(weight, self._counts) for weight in weights]
        totals = [weight.sum() for weight in weights]
        if not all(totals):
            return 0.0
        signed, distances = weights[0] / totals[0] - weights[1] / totals[1], []
        for order, gaps in zip(self._orders, self._gaps, strict=True):
            difference = np.cumsum(signed[order])[:-1]
            distances.append(np.abs(difference, out=difference) @ gaps)
        return float(np.mean(distances))
