"""What tables of results have in common, whatever the number of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyg_jets.metrics import Estimate
from pyg_jets.report.classes import ClassDifference, Classifier
from pyg_jets.report.compare import Difference, TaggerResult, beyond_two_errors
from pyg_jets.report.numbers import count, duration, estimate
from pyg_jets.runs import Run

__all__ = ["Row", "order", "training"]


@dataclass(frozen=True)
class Row:
    """A line of a table: numbers for the CSV, texts for the page and the terminal.

    Args:
        one: The network or baseline.
        numbers: Column name to number; ``None`` where there is none.
        texts: What the columns of the page say.
    """

    one: TaggerResult | Classifier
    numbers: dict[str, float | None]
    texts: tuple[str, ...]


def training(run: Run | None, test_jets: int) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Test jets, epochs and training time, as numbers and as texts."""
    provenance = run.provenance if run else {}
    epochs, seconds = provenance.get("epochs"), provenance.get("wall_time_s")
    numbers: dict[str, float | None] = {"test_jets": test_jets, "epochs": epochs}
    texts = count(test_jets), count(epochs) if run else "", duration(seconds) if run else ""
    return numbers | {"training_s": seconds}, texts


def order(what: str, measured: Sequence[tuple[Difference | ClassDifference, Estimate]]) -> str:
    """What differences of a metric say about the order of the networks, in a sentence.

    Args:
        what: The metric.
        measured: Pairs of networks, and how much they differ in it.
    """
    apart = [(pair, found) for pair, found in measured if beyond_two_errors(found)]
    if not apart:
        return (
            f"No two networks differ in {what} by more than two standard errors: no order is "
            "claimed."
        )
    told = "; ".join(
        f"{pair.first.title} minus {pair.second.title} is {estimate(found, signed=True)}"
        for pair, found in apart
    )
    rest = "" if len(apart) == len(measured) else "; the others agree within two"
    return f"Networks differ in {what} by more than two standard errors: {told}{rest}."
