"""What was run, in sentences: the lead, what is missing, the provenance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from pyg_jets.report import describe
from pyg_jets.report.compare import beyond_two_errors
from pyg_jets.report.numbers import count, duration, listed
from pyg_jets.report.scan.cells import Cell
from pyg_jets.report.scan.numbers import number
from pyg_jets.report.scan.search import searched, short_names
from pyg_jets.report.scan.statements import Statement
from pyg_jets.runs import BROKEN, Point, Scan

__all__ = [
    "CAPTIONS",
    "LOOKS",
    "TESTED",
    "agreement",
    "apart",
    "counted",
    "errors",
    "lead",
    "progress",
    "provenance",
    "ran",
    "replicas",
    "verdict_text",
    "verdicts",
]

#: How statements are tested.
TESTED = (
    "Differences in AUC between trainings on the same sets: their mean ± its standard error. "
    "Undecided: p > 0.05 in Student’s paired t-test. What has but one set is not tested. Of "
    "comparisons without any difference one in twenty comes out decided."
)
#: What the curves of a study look like.
LOOKS = (
    "Colour: where the rotation happens (blue before the detector, orange after it, purple before "
    "it by fresh random angles, grey nowhere). Squares and dashes: as augmentation; others: with "
    "encouraged invariance. Bands and bars: standard error of the mean over fresh training sets."
)
#: What the figures of artefacts show, by the first word of their kind.
CAPTIONS = {
    "artefacts": (
        "Above: an event as detected, and with a rotation after or before the detector; in the "
        "corner its number of filled pixels. Below: how well a classifier tells rotated from "
        "un-rotated images (0.5: not at all), and how many times as many pixels they fill."
    ),
    "variants": (
        "an event at eight angles. Above, its particles before the detector; in the middle, what "
        "the detector sees of each; below, the detected image rotated. In the corner the number "
        "of filled pixels; darker is more energy."
    ),
    "average": "the average image of each class, before and after the detector.",
}


def lead(scan: Scan, cells: Sequence[Cell]) -> str:
    """What the scan is, in a sentence."""
    if cells:
        return f"{ran(cells)} {progress(scan)}"
    names = searched(scan.finished) or scan.record.get("parameters") or []
    method = scan.record.get("method")
    kind = {"grid": "A grid", "random": "A random search", "bayes": "A Bayesian search"}
    over = ", ".join(short_names(names).values()) or "no parameter"
    goal = "largest" if scan.maximises else "smallest"
    return (
        f"{kind.get(str(method), 'A search')} over {over} for the {goal} {scan.metric}. "
        f"{progress(scan)}"
    )


def ran(cells: Sequence[Cell]) -> str:
    """The axes of a study.

    Args:
        cells: Its cells.
    """
    arms, networks, detectors = (
        list(dict.fromkeys(getattr(cell, name) for cell in cells))
        for name in ("arm", "network", "detector")
    )
    sizes = sorted({cell.n_train for cell in cells})
    size = f"{count(sizes[0])} to {count(sizes[-1])}" if len(sizes) > 1 else count(sizes[0])
    named = [f"{counted(len(arms), 'arm')}"]
    named += [f"{counted(len(networks), 'network')} ({', '.join(networks)})"]
    if detectors != [""]:
        told = ", ".join(one or "none" for one in detectors)
        named += [f"{counted(len(detectors), 'detector')} ({told})"]
    return f"{listed(named)}, trained on {size} jets; {replicas(cells)} a cell."


def replicas(cells: Iterable[Cell]) -> str:
    """How many training sets a cell has."""
    found = sorted({cell.replicas for cell in cells if cell.replicas})
    if not found:
        return "only resamples of training sets in"
    if len(found) == 1:
        return counted(found[0], "training set")
    return f"{found[0]} to {found[-1]} training sets"


def progress(scan: Scan) -> str:
    """How many points ended how."""
    status = Counter(point.status for point in scan.points)
    rest = [f"{count(status[one])} {word}" for one, word in
            (("running", "not finished"), ("failed", "failed"), (BROKEN, "broken"))
            if status[one]]  # fmt: skip
    total = counted(len(scan.points), "point")
    if not rest:
        return f"{total}, all finished."
    return f"{count(status['finished'])} of {total} finished, {', '.join(rest)}."


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    Examples:
        >>> counted(1, "arm"), counted(1200, "arm")
        ('1 arm', '1,200 arms')
    """
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def verdict_text(statement: Statement) -> str:
    """A statement's verdicts in words."""
    total = sum(statement.counts.values())
    found = {v: n for v, n in statement.counts.items() if n}
    told = [f"{'is ' * (verdict == 'undecided')}{verdict} in {n}" for verdict, n in found.items()]
    if not told:
        return "is not tested, which takes several training sets"
    if len(told) == 1:
        every = {1: "the one comparison", 2: "both comparisons"}.get(
            total, f"all {total} comparisons"
        )
        return told[0].replace(f"in {total}", f"in {every}")
    return f"{', '.join(told[:-1])} and {told[-1]} of {total} comparisons"


def verdicts(found: Sequence[Statement]) -> list[tuple[str, str]]:
    """Each statement and its verdict; in one line if nothing is decided."""
    if found and not any(sum(one.counts.values()) for one in found):
        return [("Differences between arms", "not tested, which takes several training sets")]
    return [(one.text, verdict_text(one)) for one in found]


def errors(points: Iterable[Point]) -> list[tuple[str, list[str]]]:
    """Each error with the hashes of the points that had it, the commonest first."""
    found: dict[str, list[str]] = {}
    for point in points:
        if point.status in ("failed", BROKEN):
            found.setdefault(point.error or "no error was recorded", []).append(point.name)
    return sorted(found.items(), key=lambda item: -len(item[1]))


def apart(points: Iterable[Point]) -> str:
    """Which finished points are in no cell, and why; empty if all are."""
    out = [point for point in points if point.role == "apart"]
    stopped = sum(bool(point.record.get("stopped_early")) for point in out)
    reasons = ((stopped, "stopped early"), (len(out) - stopped, "trained on folds"))
    told = [f"{counted(n, 'point')} {why}" for n, why in reasons if n]
    return f"In no cell: {', '.join(told)}." if told else ""


def provenance(scans: Sequence[Scan]) -> list[tuple[str, str]]:
    """Names and values of what made the points."""
    points = [point for scan in scans for point in scan.finished]
    runs = [point.run for point in points]
    facts = [dict(describe.provenance(run)) for run in runs]
    days = sorted({point.date[:10] for point in points if point.date})
    seconds = [p.seconds for scan in scans for p in scan.points if p.seconds is not None]
    given = {
        "scan": _all(str(scan.folder.resolve().name) for scan in scans),
        "sweep file": _all(scan.record.get("file") for scan in scans),
        "method": _all(scan.record.get("method") for scan in scans),
        "command": _all(scan.record.get("command") for scan in scans),
        "dates": " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "",
        "computing time": duration(sum(seconds)) if seconds else "",
        "data sets": _all(run.provenance.get("dataset") for run in runs),
        "test jets": _all(count(run.provenance.get("n_test")) for run in runs),
        "version": _all(run.provenance.get("version") for run in runs),
        "machine": _all(one.get("machine") for one in facts),
        "versions": _all(one.get("versions") for one in facts),
    }
    return [(name, value) for name, value in given.items() if value]


def _all(values: Iterable[object], most: int = 4) -> str:
    """Distinct values; only the first ones of many."""
    found = list(dict.fromkeys(str(value) for value in values if value not in (None, "", "–")))
    return "; ".join(found[:most]) + (f"; and {len(found) - most} more" if found[most:] else "")


def agreement(cells: Iterable[Cell]) -> str:
    """How our cells compare with the published ones; empty where there are none."""
    both = [(cell, d) for cell in cells if (d := cell.difference) is not None]
    if not both:
        return ""
    told = f"The source has {count(len(both))} of these cells"
    known = [(cell, d) for cell, d in both if math.isfinite(d.error)]
    if known:
        within = sum(not beyond_two_errors(d) for _, d in known)
        told += f"; ours agree with it within two combined errors in {within}"
        if len(known) < len(both):
            told += f", and have no error in {len(both) - len(known)}"
    mean = sum(d.value for _, d in both) / len(both)
    cell, most = max(both, key=lambda one: abs(one[1].value))
    where = f"{cell.network} {cell.arm}, {cell.detector}, {count(cell.n_train)}"
    return (
        f"{told}. Our AUC minus the source’s is {mean:+.3f} in the mean, and at most "
        f"{number(most, signed=True)} ({where})."
    ).replace("-0.", "−0.")
