"""Numbers as a page and a terminal print them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pyg_jets.metrics import Estimate, effective_number

__all__ = [
    "aligned",
    "class_name",
    "columns_text",
    "count",
    "count_jets",
    "counted",
    "deviation",
    "duration",
    "estimate",
    "listed",
]

_CLASSES = {"qcd": "QCD", "w": "W", "z": "Z"}


def estimate(number: Estimate, signed: bool = False) -> str:
    """A number and its standard error, to two digits of the error up to 35, else to one.

    Of a number that is none (NaN), an en dash. An error that is only a rounding is left out.

    Examples:
        >>> estimate(Estimate(0.91234, 0.0082)), estimate(Estimate(128.4, 14.2))
        ('0.912 ± 0.008', '128 ± 14')
        >>> estimate(Estimate(-0.0021, 0.0042), signed=True)
        '−0.002 ± 0.004'
        >>> estimate(Estimate(0.5, 0.0)), estimate(Estimate(253.4, float("inf")))
        ('0.5', '253')
        >>> estimate(Estimate(float("nan"), float("nan")))
        '–'
        >>> estimate(Estimate(0.57792207792207795, 2.2e-16))
        '0.578'
    """
    value, error = number
    if math.isnan(value):
        return "–"
    sign = "+" if signed else ""
    if not _has_error(number):
        return f"{round(value, 12) + 0.0:{sign}.3g}".replace("-", "−")
    leading = math.floor(math.log10(float(f"{error:.1e}")))
    places = -leading + (float(f"{error:.1e}") < 3.55 * 10**leading)
    text = f"{round(value, places):{sign}.{max(places, 0)}f}"
    return f"{text} ± {round(error, places):.{max(places, 0)}f}".replace("-", "−")


def _has_error(number: Estimate) -> bool:
    """Whether there is an error, above the rounding of numbers in double precision."""
    rounding = 1e-12 * max(abs(number.value), 1e-3)
    return math.isfinite(number.error) and number.error > rounding


def aligned(estimate: Estimate, signed: bool = False) -> str:
    """A metric and its error to three digits, so that columns of them are level.

    Four digits where the error is smaller than these, or where there is none.

    Examples:
        >>> aligned(Estimate(0.7654, 0.0021)), aligned(Estimate(0.7654, 0.0003))
        ('0.765 ± 0.002', '0.7654 ± 0.0003')
        >>> aligned(Estimate(0.76543, float("nan"))), aligned(Estimate(-0.02, 0.01), signed=True)
        ('0.7654', '−0.020 ± 0.010')
    """
    places = 3 if estimate.error >= 0.0005 else 4
    value = round(estimate.value, places) + 0.0  # no minus before a zero
    text = f"{value:{'+' if signed else ''}.{places}f}"
    if _has_error(estimate):
        text += f" ± {estimate.error:.{places}f}"
    return text.replace("-", "−")


def deviation(value: float) -> str:
    """A standard deviation; an en dash where it is not known.

    Examples:
        >>> deviation(0.01234), deviation(float("nan"))
        ('0.0123', '–')
    """
    return f"{value:.4f}" if math.isfinite(value) else "–"


def count(number: int | float | None) -> str:
    """A whole number with commas between the thousands; an en dash for none.

    Examples:
        >>> count(12000), count(None)
        ('12,000', '–')
    """
    return "–" if number is None else f"{int(number):,}"


def count_jets(number: int, weights: np.ndarray | None = None) -> str:
    """A number of jets, of weighted ones with the effective number.

    Examples:
        >>> count_jets(1200), count_jets(3, np.array([1.0, 1.0, 4.0]))
        ('1,200', '3 (N_eff 2)')
    """
    if weights is None:
        return count(number)
    return f"{count(number)} (N_eff {count(round(effective_number(weights)))})"


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    Examples:
        >>> counted(1, "point"), counted(1200, "point")
        ('1 point', '1,200 points')
    """
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """A time a person reads.

    Examples:
        >>> duration(42.3), duration(150), duration(7260), duration(None)
        ('42 s', '2 min 30 s', '2 h 1 min', '–')
    """
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def class_name(name: str) -> str:
    """A class as physicists write it.

    Examples:
        >>> class_name("qcd"), class_name("top")
        ('QCD', 'top')
    """
    return _CLASSES.get(name, name)


def listed(items: Sequence[str]) -> str:
    """Items as a list in a sentence.

    Examples:
        >>> listed(["QCD", "W", "top"]), listed(["W"])
        ('QCD, W and top', 'W')
    """
    return " and ".join([", ".join(items[:-1]), items[-1]] if items[1:] else items)


def columns_text(above: Sequence[str], lines: Sequence[Sequence[str]], left: int) -> str:
    """Lines of cells as aligned columns between rules, the first ``left`` of them to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    rule = "─" * max(map(len, texts))
    return "\n".join([*above, rule, texts[0], rule, *texts[1:], rule])
