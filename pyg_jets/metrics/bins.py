r"""Ratios of histograms, bin by bin, in bins whose own statistical error is small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy, jet_weights

__all__ = ["BinRatios", "bin_ratios"]


@dataclass(frozen=True)
class BinRatios:
    """Ratio of two histograms, each over the sum of its weights.

    Args:
        edges: Edges of the bins, ``[B + 1]``.
        made: Share of the generated jets in each bin, ``[B]``.
        real: Share of the real jets, ``[B]``.
        ratio: ``made / real``, ``[B]``.
        error: Its statistical error, that of both samples, ``[B]``.
    """

    edges: np.ndarray
    made: np.ndarray
    real: np.ndarray
    ratio: np.ndarray
    error: np.ndarray

    def share_within(self, tolerance: float = 0.1) -> float:
        """Share of the bins in which the ratio differs from 1 by at most ``tolerance``.

        Args:
            tolerance: Largest difference. Default: 0.1.
        """
        return float(np.mean(np.abs(self.ratio - 1) <= tolerance))

    def __len__(self) -> int:
        return len(self.ratio)


def bin_ratios(
    made: Any,
    real: Any,
    bins: int = 200,
    largest_error: float = 0.03,
    made_weights: Any = None,
    real_weights: Any = None,
    beyond: float = 0.001,
) -> BinRatios:
    r"""The ratio of generated over real jets in bins of a feature, merged to a small error.

    Equal bins between two quantiles of the real jets are merged from left to right until the
    relative error of each, if the samples were alike, is at most ``largest_error``; what is left
    joins the last bin. The error is that of a binomial share p of N_eff jets in each sample,

    .. math:: \sqrt{\frac{1 - p}{p} \Big( \frac{1}{N} + \frac{1}{N'} \Big)},

    taken at the real share, so that the bins do not depend on what was generated: a detector
    against itself is judged in the same ones. With errors of 3 %, one bin in 1,000 of two equal
    samples is beyond 10 %; twenty bins of 175 jets (11 % each) would not test such a band.

    Args:
        made: A feature of the generated jets, ``[J]``.
        real: That of the real jets, ``[J']``.
        bins: Number of bins before they are merged. Default: 200.
        largest_error: Largest relative error of a bin. Default: 0.03.
        made_weights: A weight for each generated jet, not negative, ``[J]``. Default: all count the
            same.
        real_weights: A weight for each real jet, likewise.
        beyond: Share of the real jets below the first bin, and above the last. Default: 0.001.

    Returns:
        The merged bins. A bin without generated jets has the ratio 0 and the error of one jet.

    Raises:
        InputError: For no jets, a value that is not finite (the jet is named), too few jets for two
            bins of this error, or real jets whose values are all the same.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> result = bin_ratios(rng.normal(size=50_000), rng.normal(size=50_000))
        >>> len(result) > 10, result.share_within(), bool(result.error.max() < 0.035)
        (True, 1.0, True)
    """
    samples = {"generated": (made, made_weights), "real": (real, real_weights)}
    values, weights, sizes = {}, {}, {}
    for what, (given, weight) in samples.items():
        values[what] = _finite(given, what)
        weights[what] = jet_weights(weight, len(values[what]), f"weights of the {what} jets")
        weights[what] = weights[what] / weights[what].sum()
        sizes[what] = 1 / np.square(weights[what]).sum()
    if bins < 2 or not largest_error > 0 or not 0 <= beyond < 0.5:
        raise InputError(
            f"Expected at least 2 bins, a largest_error above 0 and beyond in [0, 0.5), but got "
            f"{bins}, {largest_error} and {beyond}."
        )
    edges = np.linspace(*_quantiles(values["real"], weights["real"], beyond), bins + 1)
    if not edges[-1] > edges[0]:
        raise InputError(f"Expected real values that differ, but most of them are {edges[0]:g}.")
    shares = {w: np.histogram(values[w], edges, weights=weights[w])[0] for w in samples}
    noise = 1 / sizes["generated"] + 1 / sizes["real"]
    kept = _merged(shares["real"], noise, largest_error)
    if len(kept) < 3:
        raise InputError(
            f"Expected more jets: {sizes['generated']:.0f} generated and {sizes['real']:.0f} real "
            f"ones (effective numbers) fill no two bins with an error of {largest_error:g}. Give "
            "more jets, or a larger largest_error."
        )
    a, b = (np.add.reduceat(shares[what], kept[:-1]) for what in samples)
    ratio = a / b
    least = np.maximum(a, 1 / sizes["generated"])  # of an empty bin, the error of one jet
    relative = [(1 - p) / p / size for p, size in ((least, sizes["generated"]), (b, sizes["real"]))]
    error = least / b * np.sqrt(np.maximum(sum(relative), 0))
    return BinRatios(edges[kept], a, b, ratio, error)


def _merged(share: np.ndarray, noise: float, largest_error: float) -> np.ndarray:
    """Numbers of the edges that are left when bins are merged."""
    kept, total = [0], 0.0
    for last, content in enumerate(share, 1):
        total += content
        if total > 0 and (1 - total) / total * noise <= largest_error**2:
            kept.append(last)
            total = 0.0
    if total > 0 or kept[-1] != len(share):
        kept = [*(kept[:-1] if len(kept) > 1 else kept), len(share)]
    return np.array(kept)


def _quantiles(values: np.ndarray, weight: np.ndarray, beyond: float) -> tuple[float, float]:
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0]
    place = np.cumsum(weight[order]) - weight[order] / 2
    low, high = np.interp((beyond, 1 - beyond), place, values[order])
    return float(low), float(high)


def _finite(given: Any, what: str) -> np.ndarray:
    values = as_numpy(given).astype(np.float64).reshape(-1)
    if not len(values):
        raise InputError(f"Expected {what} jets, but got none.")
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise InputError(
            f"The value of the {what} jet {wrong[0]} is {values[wrong[0]]}: expected finite values."
        )
    return values
