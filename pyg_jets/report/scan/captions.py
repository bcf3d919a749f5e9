"""What a scan was and came to, in sentences: its lead, what is missing, its provenance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pyg_jets.report import describe
from pyg_jets.report.compare import beyond_two_errors
from pyg_jets.report.numbers import aligned, count, counted, duration, listed
from pyg_jets.report.scan.cells import Cell, Layout, axis_name
from pyg_jets.report.scan.search import searched, short_names
from pyg_jets.runs import BROKEN, Point, Scan

if TYPE_CHECKING:
    from pyg_jets.report.scan.claims import Claim

__all__ = [
    "TESTED",
    "agreement",
    "apart",
    "axes",
    "cell_title",
    "errors",
    "lead",
    "metric_name",
    "metric_title",
    "provenance",
    "verdict_text",
    "verdicts",
]

#: How claims are tested.
TESTED = (
    "Differences in {metric} between trainings on the same sets: their mean ± its standard error. "
    "Undecided: p > 0.05 in Student’s paired t-test. What has but one set is not tested. Of "
    "comparisons without any difference one in twenty comes out decided."
)


def metric_name(metric: str) -> str:
    """A metric in a sentence.

    Examples:
        >>> metric_name("test/auc"), metric_name("test/signal_efficiency_0.5")
        ('AUC', 'signal efficiency 0.5')
    """
    name = metric.rpartition("/")[2]
    return "AUC" if name == "auc" else name.replace("_", " ")


def metric_title(metric: str) -> str:
    """A metric as a heading.

    Examples:
        >>> metric_title("test/auc"), metric_title("val/loss"), metric_title("seconds")
        ('Test AUC', 'Validation loss', 'Seconds')
    """
    split = {"test": "Test ", "val": "Validation ", "train": "Training "}
    title = split.get(metric.partition("/")[0], "") + metric_name(metric)
    return title[:1].upper() + title[1:]


def lead(scan: Scan, cells: Sequence[Cell], layout: Layout | None = None) -> str:
    """What the scan is, in a sentence or two."""
    if cells:
        return f"{axes(cells)} {_progress(scan)}"
    names = searched(scan.finished, layout) or scan.record.get("parameters") or []
    method = scan.record.get("method")
    kind = {"grid": "A grid", "random": "A random search", "bayes": "A Bayesian search"}
    over = ", ".join(short_names(names).values()) or "no parameter"
    goal = "largest" if scan.maximises else "smallest"
    return (
        f"{kind.get(str(method), 'A search')} over {over} for the {goal} {scan.metric}. "
        f"{_progress(scan)}"
    )


def axes(cells: Sequence[Cell]) -> str:
    """The facts by which cells differ, in a sentence.

    Args:
        cells: The cells, at least one.
    """
    layout, named = cells[0].layout, []
    for name in (layout.line, *reversed(layout.panels)):
        values = list(dict.fromkeys(str(cell[name]) for cell in cells))
        if values == [""]:
            continue
        listing = f" ({', '.join(value or 'none' for value in values)})"
        named.append(counted(len(values), axis_name(name)) + listing * (name != layout.line))
    text = listed(named)
    if layout.column:
        sizes = sorted({cell.column for cell in cells})
        span = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        of = f"trained on {span} jets" if layout.column == "n_train" else None
        text += f", {of or f'{axis_name(layout.column)} {span}'}"
    return f"{text}; {_replicas(cells)} a cell."


def _replicas(cells: Iterable[Cell]) -> str:
    numbers = sorted({cell.replicas for cell in cells if cell.replicas})
    if not numbers:
        return "only resamples of training sets in"
    if len(numbers) == 1:
        return counted(numbers[0], "training set")
    return f"{numbers[0]} to {numbers[-1]} training sets"


def _progress(scan: Scan) -> str:
    status = Counter(point.status for point in scan.points)
    endings = (("running", "not finished"), ("failed", "failed"), (BROKEN, "broken"))
    rest = [f"{count(status[state])} {text}" for state, text in endings if status[state]]
    total = counted(len(scan.points), "point")
    if not rest:
        return f"{total}, all finished."
    return f"{count(status['finished'])} of {total} finished, {', '.join(rest)}."


def verdict_text(claim: Claim) -> str:
    """The verdicts on a claim, as a part of a sentence."""
    total = sum(claim.counts.values())
    texts = [f"{'is ' * (v == 'undecided')}{v} in {n}" for v, n in claim.counts.items() if n]
    if not texts:
        return "is not tested, which takes several training sets"
    if len(texts) == 1:
        every = {1: "the one comparison", 2: "both comparisons"}.get(
            total, f"all {total} comparisons"
        )
        return texts[0].replace(f"in {total}", f"in {every}")
    return f"{', '.join(texts[:-1])} and {texts[-1]} of {total} comparisons"


def verdicts(claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """Each claim and its verdict; in one line if nothing is decided."""
    if claims and not any(sum(claim.counts.values()) for claim in claims):
        line = axis_name(claims[0].tests[0].first.layout.line)
        return [(f"Differences between {line}s", "not tested, which takes several training sets")]
    return [(claim.text, verdict_text(claim)) for claim in claims]


def errors(points: Iterable[Point]) -> list[tuple[str, list[str]]]:
    """Each error with the hashes of the points that had it, the commonest first."""
    names: dict[str, list[str]] = {}
    for point in points:
        if point.status in ("failed", BROKEN):
            names.setdefault(point.error or "no error was recorded", []).append(point.name)
    return sorted(names.items(), key=lambda item: -len(item[1]))


def apart(points: Iterable[Point]) -> str:
    """Which finished points are in no cell, and why; empty if all are."""
    out = [point for point in points if point.role == "apart"]
    stopped = sum(bool(point.record.get("stopped_early")) for point in out)
    reasons = ((stopped, "stopped early"), (len(out) - stopped, "trained on folds"))
    texts = [f"{counted(n, 'point')} {why}" for n, why in reasons if n]
    return f"In no cell: {', '.join(texts)}." if texts else ""


def provenance(scans: Sequence[Scan]) -> list[tuple[str, str]]:
    """Names and values of what made the points."""
    points = [point for scan in scans for point in scan.finished]
    runs = [point.run for point in points]
    facts = [dict(describe.provenance(run)) for run in runs]
    days = sorted({point.date[:10] for point in points if point.date})
    seconds = [p.seconds for scan in scans for p in scan.points if p.seconds is not None]
    entries = {
        "scan": _distinct(str(scan.folder.resolve().name) for scan in scans),
        "sweep file": _distinct(scan.record.get("file") for scan in scans),
        "method": _distinct(scan.record.get("method") for scan in scans),
        "command": _distinct(scan.record.get("command") for scan in scans),
        "dates": " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "",
        "computing time": duration(sum(seconds)) if seconds else "",
        "data sets": _distinct(run.provenance.get("dataset") for run in runs),
        "test jets": _distinct(count(run.provenance.get("n_test")) for run in runs),
        "version": _distinct(run.provenance.get("version") for run in runs),
        "machine": _distinct(fact.get("machine") for fact in facts),
        "versions": _distinct(fact.get("versions") for fact in facts),
    }
    return [(name, value) for name, value in entries.items() if value]


def _distinct(values: Iterable[object], most: int = 4) -> str:
    """Distinct values; only the first ones of many."""
    texts = list(dict.fromkeys(str(value) for value in values if value not in (None, "", "–")))
    return "; ".join(texts[:most]) + (f"; and {len(texts) - most} more" if texts[most:] else "")


def agreement(cells: Iterable[Cell]) -> str:
    """How our cells compare with the published ones; empty where there are none."""
    both = [(cell, d) for cell in cells if (d := cell.difference) is not None]
    if not both:
        return ""
    text = f"The source has {count(len(both))} of these cells"
    tested = [(cell, d) for cell, d in both if math.isfinite(d.error)]
    if tested:
        within = sum(not beyond_two_errors(d) for _, d in tested)
        text += f"; ours agree with it within two combined errors in {within}"
        if len(tested) < len(both):
            text += f", and have no error in {len(both) - len(tested)}"
    mean = sum(d.value for _, d in both) / len(both)
    cell, most = max(both, key=lambda pair: abs(pair[1].value))
    metric = metric_name(cell.layout.metric)
    return (
        f"{text}. Our {metric} minus the source’s is {mean:+.3f} in the mean, and at most "
        f"{aligned(most, signed=True)} ({cell_title(cell)})."
    ).replace("-0.", "−0.")


def cell_title(cell: Cell) -> str:
    """A cell in a sentence, such as ``PFN none, toy-rect, 480``."""
    first, *rest = reversed(cell.panel) if cell.panel else ("",)
    names = [" ".join(filter(None, (first, cell.line))), *rest]
    if cell.column is not None:
        names.append(f"{cell.column:,}")
    return ", ".join(names)
