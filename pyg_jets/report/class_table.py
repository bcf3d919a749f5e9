"""The tables of taggers of several classes: as rows, as a matrix, as text for a terminal."""

from __future__ import annotations

import math

from pyg_jets.report.classes import ClassComparison, Classifier
from pyg_jets.report.numbers import class_name, columns_text, count, estimate, listed
from pyg_jets.report.rows import Row, order, training

__all__ = ["area_range", "class_block", "class_rows", "class_verdicts", "held", "matrix"]


def class_rows(compared: ClassComparison) -> list[Row]:
    """A row for each network; its texts are accuracy, AUCs against the rest, and the training."""
    return [_row(one, compared.run.classes) for one in compared.networks]


def _row(one: Classifier, names: tuple[str, ...]) -> Row:
    found = {"accuracy": one.accuracy}
    found |= {f"auc_{name}": area for name, area in zip(names, one.against_rest, strict=True)}
    texts = tuple(map(estimate, found.values()))
    found |= {f"auc_{names[b]}_{names[a]}": area for (a, b), area in one.against_one.items()}
    numbers: dict[str, float | None] = {}
    for name, (value, error) in found.items():
        known = not math.isnan(value)
        numbers |= {name: value if known else None, f"{name}_error": error if known else None}
    more_numbers, more_texts = training(one.run, len(one.labels))
    return Row(one, numbers | more_numbers, texts + more_texts)


def area_range(one: Classifier) -> str:
    """The smallest and the largest AUC against the rest."""
    known = [found.value for found in one.against_rest if not math.isnan(found.value)]
    return f"{min(known):.3f} to {max(known):.3f}"


def matrix(one: Classifier) -> list[list[str]]:
    """AUCs of one class against another, a row for each; nothing on the diagonal."""
    texts = [[""] * one.n_classes for _ in range(one.n_classes)]
    for (a, b), found in one.against_one.items():
        texts[a][b] = texts[b][a] = estimate(found)
    return texts


def held(compared: ClassComparison) -> str:
    """How many test jets there are of each class."""
    named = zip(compared.counts, compared.run.classes, strict=True)
    return listed([f"{count(number)} {class_name(name)}" for number, name in named])


def class_verdicts(compared: ClassComparison) -> list[str]:
    """What the accuracies say about the order of the networks."""
    measured = [(one, one.accuracy) for one in compared.differences]
    return [order("accuracy", measured)] if measured else []


def class_block(compared: ClassComparison) -> str:
    """The table as plain text: a column for each network, as classes may be many."""
    rows = class_rows(compared)
    heads = ["accuracy", *(f"AUC of {class_name(name)}" for name in compared.run.classes)]
    lines = [("", *(row.one.title for row in rows))]
    lines += [(head, *(row.texts[i] for row in rows)) for i, head in enumerate(heads)]
    above = f"{held(compared)} test jets; AUC against the rest; ± one standard error"
    return "\n".join([columns_text([above], lines, left=1), *class_verdicts(compared)])
