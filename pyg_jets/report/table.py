"""The table of results: as rows, as text for a terminal, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyg_jets.metrics import Estimate
from pyg_jets.report.compare import (
    Comparison,
    Contender,
    Difference,
    beyond_two_errors,
    comparisons,
)
from pyg_jets.report.load import load_runs
from pyg_jets.report.numbers import class_name, columns_text, count, duration, estimate

__all__ = ["EFFICIENCIES", "Row", "csv_text", "rows", "summary_table", "verdicts"]

#: Signal efficiencies at which tables give the background rejection.
EFFICIENCIES = (0.3, 0.5)


@dataclass(frozen=True)
class Row:
    """A line of the table: numbers for the CSV, texts for page and terminal.

    Args:
        one: The network or baseline.
        numbers: Column name to number; ``None`` where there is none.
        texts: AUC, accuracy, the rejections, spread, test jets, epochs, training time.
    """

    one: Contender
    numbers: dict[str, float | None]
    texts: tuple[str, ...]


def rows(compared: Comparison) -> list[Row]:
    """Networks first, then baselines."""
    everyone = (*compared.networks, *compared.baselines)
    return [_row(one, compared.n_background) for one in everyone]


def _row(one: Contender, n_background: int) -> Row:
    run = one.run
    spread = run.metrics.get("test/spread") if run else None
    provenance = run.provenance if run else {}
    epochs, seconds = provenance.get("epochs"), provenance.get("wall_time_s")
    numbers: dict[str, float | None] = {"auc": one.auc.value, "auc_error": one.auc.error}
    accuracy = one.accuracy
    numbers["accuracy"] = accuracy.value if accuracy else None
    numbers["accuracy_error"] = accuracy.error if accuracy else None
    for efficiency in EFFICIENCIES:
        found = one.rejection(efficiency)
        numbers[f"rejection_{efficiency}"] = found.value
        numbers[f"rejection_{efficiency}_error"] = found.error
    numbers |= {"spread": spread, "test_jets": len(one.labels), "epochs": epochs}
    numbers |= {"training_s": seconds}
    texts = (
        estimate(one.auc),
        estimate(accuracy) if accuracy else "–",
        *(rejection(one.rejection(e), n_background) for e in EFFICIENCIES),
        "–" if spread is None else f"{spread:.4f}",
        count(len(one.labels)),
        count(epochs) if run else "",
        duration(seconds) if run else "",
    )
    return Row(one, numbers, texts)


def rejection(found: Estimate, n_background: int) -> str:
    """A background rejection; where no background jet passed, what that says.

    Examples:
        >>> rejection(Estimate(float("inf"), float("inf")), 500)
        '> 500'
    """
    return estimate(found) if found.value < float("inf") else f"> {count(n_background)}"


def verdicts(compared: Comparison) -> list[str]:
    """What the AUCs say about the order of the contenders, in a sentence or two."""
    found = [_order(compared.differences)] if compared.differences else []
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


def _order(differences: Sequence[Difference]) -> str:
    apart = [d for d in differences if beyond_two_errors(d.auc)]
    if not apart:
        return (
            "No two networks differ in AUC by more than two standard errors: no order is claimed."
        )
    told = "; ".join(
        f"{d.first.title} minus {d.second.title} is {estimate(d.auc, signed=True)}" for d in apart
    )
    rest = "" if len(apart) == len(differences) else "; the others agree within two"
    return f"Networks differ in AUC by more than two standard errors: {told}{rest}."


def csv_text(compared: Iterable[Comparison]) -> str:
    """All tables as one CSV with full precision."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    head: list[str] = []
    for number, one in enumerate(compared, 1):
        for row in rows(one):
            if not head:
                head = ["test_set", "tagger", "run", *row.numbers]
                writer.writerow(head)
            name = row.one.run.name if row.one.run else ""
            writer.writerow([number, row.one.title, name, *row.numbers.values()])
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
