"""The table of results: as rows, as text for a terminal, as CSV; taggers of two classes or more."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyg_jets.metrics import Estimate, effective_number
from pyg_jets.report.classes import (
    ClassComparison,
    ClassDifference,
    Classifier,
    class_comparisons,
)
from pyg_jets.report.compare import (
    Comparison,
    Difference,
    TaggerResult,
    beyond_two_errors,
    comparisons,
)
from pyg_jets.report.numbers import (
    class_name,
    columns_text,
    count,
    count_jets,
    duration,
    estimate,
    listed,
)
from pyg_jets.runs import load_runs

__all__ = [
    "EFFICIENCIES",
    "Row",
    "area_range",
    "class_rows",
    "class_verdicts",
    "csv_text",
    "jets_of_classes",
    "jets_of_each",
    "matrix",
    "rejection",
    "rows",
    "summary_table",
    "verdicts",
]

#: Signal efficiencies at which tables give the background rejection.
EFFICIENCIES = (0.3, 0.5)


@dataclass(frozen=True)
class Row:
    """A line of a table: numbers for the CSV, texts for the page and the terminal.

    Args:
        tagger: The network or baseline.
        numbers: Column name to number; ``None`` where there is none.
        texts: What the columns of the page say.
    """

    tagger: TaggerResult | Classifier
    numbers: dict[str, float | None]
    texts: tuple[str, ...]


def _training(
    tagger: TaggerResult | Classifier,
) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Test jets, epochs and training time, as numbers and as texts."""
    run, test_jets, weights = tagger.run, len(tagger.labels), tagger.weights
    provenance = run.provenance if run else {}
    epochs, seconds = provenance.get("epochs"), provenance.get("wall_time_s")
    numbers: dict[str, float | None] = {"test_jets": test_jets}
    if weights is not None:
        numbers["effective_test_jets"] = effective_number(weights)
    numbers["epochs"] = epochs
    jets = count_jets(test_jets, weights)
    texts = jets, count(epochs) if run else "", duration(seconds) if run else ""
    return numbers | {"training_s": seconds}, texts


def _order(what: str, measured: Sequence[tuple[Difference | ClassDifference, Estimate]]) -> str:
    """What differences of a metric say about the order of the networks, in a sentence.

    Args:
        what: The metric.
        measured: Pairs of networks, and how much they differ in it.
    """
    apart = [(pair, value) for pair, value in measured if beyond_two_errors(value)]
    if not apart:
        return (
            f"No two networks differ in {what} by more than two standard errors: no order is "
            "claimed."
        )
    differences = "; ".join(
        f"{pair.first.title} minus {pair.second.title} is {estimate(value, signed=True)}"
        for pair, value in apart
    )
    rest = "" if len(apart) == len(measured) else "; the others agree within two"
    return f"Networks differ in {what} by more than two standard errors: {differences}{rest}."


def rows(compared: Comparison) -> list[Row]:
    """Networks first, then baselines."""
    taggers = (*compared.networks, *compared.baselines)
    return [_row(tagger, compared.effective_background) for tagger in taggers]


def _row(tagger: TaggerResult, n_background: float) -> Row:
    spread = tagger.run.metrics.get("test/spread") if tagger.run else None
    numbers: dict[str, float | None] = {"auc": tagger.auc.value, "auc_error": tagger.auc.error}
    accuracy = tagger.accuracy
    numbers["accuracy"] = accuracy.value if accuracy else None
    numbers["accuracy_error"] = accuracy.error if accuracy else None
    for efficiency in EFFICIENCIES:
        at = tagger.rejection(efficiency)
        numbers[f"rejection_{efficiency}"] = at.value
        numbers[f"rejection_{efficiency}_error"] = at.error
    more_numbers, more_texts = _training(tagger)
    texts = (
        estimate(tagger.auc),
        estimate(accuracy) if accuracy else "–",
        *(rejection(tagger.rejection(e), n_background) for e in EFFICIENCIES),
        "–" if spread is None else f"{spread:.4f}",
        *more_texts,
    )
    return Row(tagger, numbers | {"spread": spread} | more_numbers, texts)


def jets_of_each(compared: Comparison) -> tuple[str, str]:
    """How many background and signal jets there are, of weighted ones with effective numbers."""
    numbers = []
    for label, number in enumerate((compared.n_background, compared.n_signal)):
        weights = None if compared.weights is None else compared.weights[compared.labels == label]
        numbers.append(count_jets(number, weights))
    return numbers[0], numbers[1]


def rejection(value: Estimate, n_background: float) -> str:
    """A background rejection; where no background jet passed, what that says.

    Args:
        value: The rejection.
        n_background: Number of background jets, of weighted ones the effective number.

    Examples:
        >>> rejection(Estimate(float("inf"), float("inf")), 500)
        '> 500'
    """
    return estimate(value) if value.value < float("inf") else f"> {count(n_background)}"


def verdicts(compared: Comparison) -> list[str]:
    """What the AUCs say about the order of the taggers, in a sentence or two."""
    measured = [(difference, difference.auc) for difference in compared.differences]
    sentences = [_order("AUC", measured)] if measured else []
    by_side: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for difference in compared.against_tree:
        side = np.sign(difference.auc.value) if beyond_two_errors(difference.auc) else 0
        text = f"{difference.first.title} ({estimate(difference.auc, signed=True)})"
        by_side[int(side)].append(text)
    sides = {1: "above the tree’s by more than two standard errors",
             -1: "below the tree’s by more than two standard errors",
             0: "within two standard errors of the tree’s"}  # fmt: skip
    sentences += [
        f"AUC {sides[side]}: {', '.join(texts)}." for side, texts in by_side.items() if texts
    ]
    return sentences


def class_rows(compared: ClassComparison) -> list[Row]:
    """A row for each network; its texts are accuracy, AUCs against the rest, and the training."""
    return [_class_row(network, compared.run.classes) for network in compared.networks]


def _class_row(network: Classifier, names: tuple[str, ...]) -> Row:
    values = {"accuracy": network.accuracy}
    areas = zip(names, network.against_rest, strict=True)
    values |= {f"auc_{name}": area for name, area in areas}
    texts = tuple(map(estimate, values.values()))
    values |= {f"auc_{names[b]}_{names[a]}": area for (a, b), area in network.against_one.items()}
    numbers: dict[str, float | None] = {}
    for name, (value, error) in values.items():
        is_number = not math.isnan(value)
        numbers |= {
            name: value if is_number else None,
            f"{name}_error": error if is_number else None,
        }
    more_numbers, more_texts = _training(network)
    return Row(network, numbers | more_numbers, texts + more_texts)


def area_range(network: Classifier) -> str:
    """The smallest and the largest AUC against the rest."""
    areas = [area.value for area in network.against_rest if not math.isnan(area.value)]
    return f"{min(areas):.3f} to {max(areas):.3f}"


def matrix(network: Classifier) -> list[list[str]]:
    """AUCs of one class against another, a row for each; nothing on the diagonal."""
    texts = [[""] * network.n_classes for _ in range(network.n_classes)]
    for (a, b), area in network.against_one.items():
        texts[a][b] = texts[b][a] = estimate(area)
    return texts


def jets_of_classes(compared: ClassComparison) -> str:
    """How many test jets there are of each class."""
    jets = []
    for label, (number, name) in enumerate(zip(compared.counts, compared.run.classes, strict=True)):
        weights = None
        if compared.weights is not None and number:
            weights = compared.weights[compared.labels == label]
        jets.append(f"{count_jets(number, weights)} {class_name(name)}")
    return listed(jets)


def class_verdicts(compared: ClassComparison) -> list[str]:
    """What the accuracies say about the order of the networks."""
    measured = [(difference, difference.accuracy) for difference in compared.differences]
    return [_order("accuracy", measured)] if measured else []


def csv_text(compared: Iterable[Comparison | ClassComparison]) -> str:
    """All tables as one CSV with full precision; what a row has no number for is empty."""
    lines = []
    for number, group in enumerate(compared, 1):
        for row in class_rows(group) if isinstance(group, ClassComparison) else rows(group):
            run = row.tagger.run.name if row.tagger.run else ""
            line = {"test_set": number, "tagger": row.tagger.title, "run": run, **row.numbers}
            lines.append(line)
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
    blocks += [_class_block(compared) for compared in class_comparisons(loaded)]
    if unfinished := [str(run.folder) for run in loaded if run.predictions is None]:
        blocks.append(f"Unfinished: {', '.join(unfinished)}.")
    return "\n\n".join(blocks)


def _block(compared: Comparison) -> str:
    background, signal = jets_of_each(compared)
    names = [class_name(name) for name in compared.run.classes]
    heads = ("tagger", "AUC", "accuracy", *(f"1/εB at εS={e}" for e in EFFICIENCIES), "spread")
    lines = [heads] + [(row.tagger.title, *row.texts[:5]) for row in rows(compared)]
    total = f"{signal} {names[1]} and {background} {names[0]} test jets"
    table = columns_text([f"{total}; ± one standard error"], lines, left=1)
    return "\n".join([table, *verdicts(compared)])


def _class_block(compared: ClassComparison) -> str:
    """The table as plain text: a column for each network, as classes may be many."""
    rows = class_rows(compared)
    heads = ["accuracy", *(f"AUC of {class_name(name)}" for name in compared.run.classes)]
    lines = [("", *(row.tagger.title for row in rows))]
    lines += [(head, *(row.texts[i] for row in rows)) for i, head in enumerate(heads)]
    above = f"{jets_of_classes(compared)} test jets; AUC against the rest; ± one standard error"
    return "\n".join([columns_text([above], lines, left=1), *class_verdicts(compared)])
