"""What an observable of a jet alone reaches: scores that stand beside those of networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyg_jets import metrics
from pyg_jets.report.numbers import listed

__all__ = ["baseline"]

_NAMES = {
    "mass": "mass",
    "softdrop_mass": "soft-drop mass",
    "tau21": "τ₂₁",
    "tau32": "τ₃₂",
    "multiplicity": "multiplicity",
}
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"


def baseline(
    name: str, values: np.ndarray, labels: np.ndarray, read: Sequence[str] | None = None
) -> tuple[str, np.ndarray, str]:
    """Title of a baseline, its score ``[J]`` and how that is defined.

    A mass counts by its distance to the median mass of the signal jets, any other observable by
    its value, small or large, whichever is better. Jets without the observable rank last.

    Args:
        name: The observable, or ``"tree"`` for a score of several.
        values: Its values, NaN where a jet has none, ``[J]``.
        labels: 1 for signal, ``[J]``.
        read: What the tree reads.

    Examples:
        >>> title, score, note = baseline("mass", np.array([80.0, 10.0]), np.array([1, 0]))
        >>> title, score.tolist()
        ('mass alone', [-0.0, -70.0])
    """
    if name == "tree":
        title, score, note = _tree(values, read or ("mass", "multiplicity"))
    else:
        make = _peak if name.endswith("mass") else _cut
        title, score, note = make(name, values, labels)
    return title, _ranked(score), note


def _peak(name: str, mass: np.ndarray, labels: np.ndarray) -> tuple[str, np.ndarray, str]:
    signal = mass[(labels == 1) & np.isfinite(mass)]
    peak = float(np.median(signal)) if len(signal) else 0.0
    note = f"−|m − {peak:.0f} GeV|, where {peak:.0f} GeV is the median mass of the signal jets"
    return f"{_NAMES[name]} alone", -np.abs(mass - peak), note


def _cut(name: str, value: np.ndarray, labels: np.ndarray) -> tuple[str, np.ndarray, str]:
    falling = metrics.auc(_ranked(-value), labels) >= metrics.auc(_ranked(value), labels)
    told = _NAMES.get(name, name)
    if name.startswith("tau"):
        told = "τ{}/τ{}".format(*(_SUBSCRIPTS[int(digit)] for digit in name[-2:]))
    note = f"{told}, {'small' if falling else 'large'} values counted as signal"
    return f"{_NAMES.get(name, name)} alone", -value if falling else value, note


def _tree(score: np.ndarray, read: Sequence[str]) -> tuple[str, np.ndarray, str]:
    names = [_NAMES.get(name, name) for name in read]
    note = f"a gradient-boosted tree on {listed(names)}, grown on the training jets"
    return f"tree on {', '.join(names)}", score, note


def _ranked(score: np.ndarray) -> np.ndarray:
    """The score, with jets that have none ranked below all others."""
    return np.where(np.isnan(score), np.nanmin(score) - 1, score)
