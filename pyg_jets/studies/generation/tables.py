"""Tables whose numbers go to the CSV as they are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyg_jets.studies.page import Page

__all__ = ["Column", "add_table", "over_seeds", "told"]

#: Heading of a column, and the factor by which its numbers are printed.
Column = tuple[str, float]


def told(value: float, error: float | None = None, factor: float = 1.0) -> str:
    """A number with its error, rounded to the error's second digit, else to three digits.

    Examples:
        >>> told(0.12345, 0.0021), told(0.12345), told(0.00012345, factor=1e3)
        ('0.1235 ± 0.0021', '0.123', '0.123')
    """
    if error is None or not error > 1e-6 * max(abs(value), 1 / factor):  # none, or of rounding
        return f"{factor * value:.3g}"
    digits = max(0, 1 - int(f"{factor * error:e}".partition("e")[2]))
    return f"{factor * value:.{digits}f} ± {factor * error:.{digits}f}"


def add_table(
    page: Page,
    table: str,
    columns: Mapping[str, Column],
    rows: Mapping[str, Mapping[str, Any]],
    n: Mapping[str, int] | int | None = None,
) -> None:
    """Add a table, and each of its numbers to the CSV.

    Args:
        page: The page.
        table: Name of the table in the CSV.
        columns: What is printed of each row, by the name of the metric in the CSV.
        rows: By the title of a row, its number or (number, error) by metric; one that is missing or
            ``None`` is printed as a dash. Metrics that are no columns go to the CSV alone.
        n: How many trainings, jets or digits a number is of, of each row or of all.
    """
    lines = []
    for title, measured in rows.items():
        cells = dict.fromkeys(columns, "–")
        for metric, number in measured.items():
            if number is None:
                continue
            value, error = number if isinstance(number, tuple | list) else (number, None)
            of_row = n.get(title) if isinstance(n, Mapping) else n
            page.number(table, title, metric, value, error, of_row)
            if metric in columns:
                cells[metric] = told(value, error, columns[metric][1])
        lines.append((title, *cells.values()))
    page.table(("", *(heading for heading, _ in columns.values())), lines)


def over_seeds(of_seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean over trainings; its error holds their spread, and that of the jets that they share.

    Examples:
        >>> row = over_seeds([{"skill": (0.94, 0.003)}, {"skill": (0.96, 0.003)}])
        >>> [round(number, 4) for number in row["skill"]]
        [0.95, 0.0145]
    """
    row: dict[str, Any] = dict(of_seeds[0])
    for name, first in of_seeds[0].items():
        if name in ("n", "histograms", "examples"):
            continue
        pairs = [each[name] if isinstance(each[name], tuple | list) else (each[name], 0.0)
                 for each in of_seeds]  # fmt: skip
        values, errors = (np.array(column, float) for column in zip(*pairs, strict=True))
        spread = values.std(ddof=1) if len(values) > 1 else 0.0
        row[name] = float(values.mean()), float(np.hypot(spread, errors.mean()))
        if not isinstance(first, tuple | list) and len(values) == 1:
            row[name] = float(values[0])
    return row
