"""Metrics of a scan as its tables print them."""

from __future__ import annotations

import math

from pyg_jets.metrics import Estimate

__all__ = ["deviation", "number"]


def number(found: Estimate, signed: bool = False) -> str:
    """A metric and its error to three digits, so that columns of them are level.

    Four digits where the error is smaller than these, or where there is none.

    Examples:
        >>> number(Estimate(0.7654, 0.0021)), number(Estimate(0.7654, 0.0003))
        ('0.765 ± 0.002', '0.7654 ± 0.0003')
        >>> number(Estimate(0.76543, float("nan"))), number(Estimate(-0.02, 0.01), signed=True)
        ('0.7654', '−0.020 ± 0.010')
    """
    places = 3 if found.error >= 0.0005 else 4
    value = round(found.value, places) + 0.0  # no minus before a zero
    text = f"{value:{'+' if signed else ''}.{places}f}"
    if math.isfinite(found.error):
        text += f" ± {found.error:.{places}f}"
    return text.replace("-", "−")


def deviation(found: float) -> str:
    """A standard deviation; an en dash where it is not known.

    Examples:
        >>> deviation(0.01234), deviation(float("nan"))
        ('0.0123', '–')
    """
    return f"{found:.4f}" if math.isfinite(found) else "–"
