"""What was asked of the generators, and whether it is met."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyg_jets.metrics.features import JET_FEATURES
from pyg_jets.report.numbers import count
from pyg_jets.studies.generation.tables import feature_name, largest_deviation, share_within

__all__ = ["Claim", "claims"]

Line = dict[str, Any]


class Claim(NamedTuple):
    """A statement, whether it is met, and the numbers."""

    statement: str
    met: bool
    numbers: str


def claims(table: str, lines: list[Line]) -> list[Claim]:
    """The claims about the rows of a table.

    Args:
        table: ``"leading"`` or ``"all"``.
        lines: Its rows.
    """
    tested = [_beats_identity(lines), *_beats_lists(lines), _bins(lines), _near_floor(lines)]
    return [*tested, _is_small(lines)] if table == "leading" else tested


def _line(lines: list[Line], title: str) -> Line:
    return next(line for line in lines if line["title"] == title)


def _behind(line: Line, other: Line) -> str:
    """Names of the features of jets in which a row is not nearer to the target than another."""
    features = (f for f in JET_FEATURES if f in line["emd"])
    return ", ".join(feature_name(f) for f in features if line["emd"][f] >= other["emd"][f])


def _beats_identity(lines: list[Line]) -> Claim:
    identity = _line(lines, "identity")
    networks = [line for line in lines if line["kind"] in ("graph", "list")]
    behind = {line["title"]: _behind(line, identity) for line in networks}
    text = "; ".join(f"{title} not in {names}" for title, names in behind.items() if names)
    statement = "every network is nearer than identity in each feature of jets"
    return Claim(statement, not text, text or "all of them in all")


def _beats_lists(lines: list[Line]) -> list[Claim]:
    made, lists = [], [line for line in lines if line["kind"] == "list"]
    for graph in (line for line in lines if line["kind"] == "graph"):
        behind = {line["title"]: _behind(graph, line) for line in lists}
        text = "; ".join(f"behind {title} in {names}" for title, names in behind.items() if names)
        statement = f"{graph['title']} is nearer than every ConvVAE in each feature of jets"
        made.append(Claim(statement, not text, text or f"than all {len(lists)} in all"))
    return made


def _is_small(lines: list[Line]) -> Claim:
    graph = _line(lines, "GraphVAE")["cost"]["parameters"]
    conv = _line(lines, "ConvVAE 30, zeros")["cost"]["parameters"]
    statement = "GraphVAE has at most a tenth of ConvVAE 30's parameters"
    return Claim(statement, 10 * graph <= conv, f"{count(graph)} of {count(conv)}")


def _bins(lines: list[Line]) -> Claim:
    bins = _line(lines, "GraphVAE")["bins"]
    worst = {text: largest_deviation(bins[key]) for text, key in (("mass", "mass"), ("pT", "pt"))}
    text = ", ".join(
        f"{name} {100 * value:+.0f} ± {100 * error:.0f} %".replace("-", "−")
        for name, (value, error) in worst.items()
    )
    shares = [
        ", ".join(
            f"{100 * share_within(_line(lines, title)['bins'][name]):.0f} %"
            for name in ("mass", "pt")
        )
        for title in ("GraphVAE", "truth floor")
    ]
    return Claim(
        "mass and pT of GraphVAE are within 10 % in every bin",
        all(abs(deviation.value) <= 0.1 for deviation in worst.values()),
        f"largest deviation: {text}; bins within: {shares[0]}, of the truth floor {shares[1]}",
    )


def _near_floor(lines: list[Line]) -> Claim:
    ours, floor = (_line(lines, title)["w1m"][0] for title in ("GraphVAE", "truth floor"))
    n = count(_line(lines, "GraphVAE")["batch"])
    numbers = f"{1e3 * ours:.2f} of {1e3 * floor:.2f} (× 10⁻³), {ours / floor:.1f} times"
    statement = f"W1M of GraphVAE is within three times the floor at {n} jets"
    return Claim(statement, ours <= 3 * floor, numbers)
