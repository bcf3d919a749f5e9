"""The table of results: as rows, as text for a terminal, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from pyg_jets.metrics import Estimate
from pyg_jets.report.class_table import class_block, class_rows
from pyg_jets.report.classes import ClassComparison, class_comparisons
from pyg_jets.report.compare import Comparison, TaggerResult, beyond_two_errors, comparisons
from pyg_jets.report.numbers import class_name, columns_text, count, estimate
from pyg_jets.report.rows import Row, order, training
from pyg_jets.runs import load_runs

__all__ = ["EFFICIENCIES", "csv_text", "rows", "summary_table", "verdicts"]

#: Signal efficiencies at which tables give the background rejection.
EFFICIENCIES = (0.3, 0.5)


def rows(compared: Comparison) -> list[Row]:
    """Networks first, then baselines."""
    everyone = (*compared.networks, *compared.baselines)
    return [_row(one, compared.n_background) for one in everyone]


def _row(one: TaggerResult, n_background: int) -> Row:
    spread = one.run.metrics.get("test/spread") if one.run else None
    numbers: dict[str, float | None] = {"auc": one.auc.value, "auc_error": one.auc.error}
    accuracy = one.accuracy
    numbers["accuracy"] = accuracy.value if accuracy else None
    numbers["accuracy_error"] = accuracy.error if accuracy else None
    for efficiency in EFFICIENCIES:
        found = one.rejection(efficiency)
        numbers[f"rejection_{efficiency}"] = found.value
        numbers[f"rejection_{efficiency}_error"] = found.error
    more_numbers, more_texts = training(one.run, len(one.labels))
    texts = (
        estimate(one.auc),
        estimate(accuracy) if accuracy else "–",
        *(rejection(one.rejection(e), n_background) for e in EFFICIENCIES),
        "–" if spread is None else f"{spread:.4f}",
        *more_texts,
    )
    return Row(one, numbers | {"spread": spread} | more_numbers, texts)


def rejection(found: Estimate, n_background: int) -> str:
    """A background rejection; where no background jet passed, what that says.

    Examples:
        >>> rejection(Estimate(float("inf"), float("inf")), 500)
        '> 500'
    """
    return estimate(found) if found.value < float("inf") else f"> {count(n_background)}"


def verdicts(compared: Comparison) -> list[str]:
    """What the AUCs say about the order of the taggers, in a sentence or two."""
    measured = [(one, one.auc) for one in compared.differences]
    found = [order("AUC", measured)] if measured else []
    sides = {1: "above the tree’s by more than two standard errors",
             -1: "below the tree’s by more than two standard errors",
             0: "within two standard errors of the tree’s"}  # fmt: skip
    for side, words in sides.items():
        chosen = [d for d in compared.against_tree if _side(d.auc) == side]
        told = ", ".join(f"{d.first.title} ({estimate(d.auc, signed=True)})" for d in chosen)
        found += [f"AUC {words}: {told}."] if told else []
    return found


def _side(found: Estimate) -> int:
    """1 above zero, -1 below it, 0 within two standard errors of it."""
    return (1 if found.value > 0 else -1) if beyond_two_errors(found) else 0


def csv_text(compared: Iterable[Comparison | ClassComparison]) -> str:
    """All tables as one CSV with full precision; what a row has no number for is empty."""
    lines = []
    for number, one in enumerate(compared, 1):
        for row in class_rows(one) if isinstance(one, ClassComparison) else rows(one):
            name = row.one.run.name if row.one.run else ""
            lines.append({"test_set": number, "tagger": row.one.title, "run": name, **row.numbers})
    stream = io.StringIO()
    head = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(stream, list(head), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def summary_table(runs: Iterable[str | Path]) -> str:
    """The table of results as plain text, a block for each set of test jets.

    Args:
        runs: Run folders, finished and unfinished ones.

    Raises:
        ValueError: If none is finished, or one is broken.
    """
    loaded = load_runs(runs)
    blocks = [_block(compared) for compared in comparisons(loaded)]
    blocks += [class_block(compared) for compared in class_comparisons(loaded)]
    if unfinished := [str(run.folder) for run in loaded if run.predictions is None]:
        blocks.append(f"Unfinished: {', '.join(unfinished)}.")
    return "\n\n".join(blocks)


def _block(compared: Comparison) -> str:
    signal, background = compared.n_signal, compared.n_background
    names = [class_name(name) for name in compared.run.classes]
    heads = ("tagger", "AUC", "accuracy", *(f"1/εB at εS={e}" for e in EFFICIENCIES), "spread")
    lines = [heads] + [(row.one.title, *row.texts[:5]) for row in rows(compared)]
    total = f"{count(signal)} {names[1]} and {count(background)} {names[0]} test jets"
    table = columns_text([f"{total}; ± one standard error"], lines, left=1)
    return "\n".join([table, *verdicts(compared)])
