"""What was wanted of the generators, and whether it is met."""

from __future__ import annotations

from typing import Any

from pyg_jets.metrics.features import JET_FEATURES
from pyg_jets.report.numbers import count
from tests.results.generation_tables import furthest, name_of, share

__all__ = ["wanted"]

TARGETS = {"leading": "the leading 50", "all": "all"}
Lines = list[dict[str, Any]]


def wanted(tables: dict[str, Lines]) -> str:
    """A table of what was wanted, of each target."""
    told = []
    for name, lines in tables.items():
        told.append(f"Target: {TARGETS[name]} constituents.")
        found = [_beats_identity(lines), *_beat_lists(lines), _bins(lines), _floor(lines)]
        found += [_small(lines)] if name == "leading" else []
        told.append(
            "\n".join(
                f"- **{'met' if met else 'not met'}**: {claim} ({numbers})."
                for claim, met, numbers in found
            )
        )
    return "\n\n".join(["## What was wanted", *told])


def _networks(lines: Lines) -> Lines:
    return [line for line in lines if line["kind"] in ("graph", "list")]


def _of(lines: Lines, title: str) -> dict[str, Any]:
    return next(line for line in lines if line["title"] == title)


def _behind(line: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Features of jets in which a line is not nearer to the target than another."""
    return [name_of(f) for f in JET_FEATURES if line["emd"][f] >= other["emd"][f]]


def _beats_identity(lines: Lines) -> tuple[str, bool, str]:
    behind = {n["title"]: _behind(n, _of(lines, "identity")) for n in _networks(lines)}
    told = "; ".join(f"{title} not in {', '.join(f)}" for title, f in behind.items() if f)
    return (
        "every network is nearer than identity in each feature of jets",
        not told,
        told or "all of them in all",
    )


def _beat_lists(lines: Lines) -> list[tuple[str, bool, str]]:
    found = []
    for ours in (line for line in lines if line["kind"] == "graph"):
        lists = [line for line in lines if line["kind"] == "list"]
        behind = {line["title"]: _behind(ours, line) for line in lists}
        told = "; ".join(f"behind {title} in {', '.join(f)}" for title, f in behind.items() if f)
        claim = f"{ours['title']} is nearer than every ConvVAE in each feature of jets"
        found.append((claim, not told, told or f"than all {len(lists)} in all"))
    return found


def _small(lines: Lines) -> tuple[str, bool, str]:
    ours, theirs = (
        _of(lines, title)["cost"]["parameters"] for title in ("GraphVAE", "ConvVAE 30, zeros")
    )
    told = f"{count(ours)} of {count(theirs)}"
    return "GraphVAE with at most a tenth of ConvVAE 30's parameters", 10 * ours <= theirs, told


def _bins(lines: Lines) -> tuple[str, bool, str]:
    found = _of(lines, "GraphVAE")["bins"]
    worst = {name: furthest(found[key]) for name, key in (("mass", "mass"), ("pT", "pt"))}
    told = ", ".join(
        f"{name} {100 * value:+.0f} ± {100 * error:.0f} %".replace("-", "−")
        for name, (value, error) in worst.items()
    )
    met = all(abs(away.value) <= 0.1 for away in worst.values())
    shares = [
        ", ".join(f"{100 * share(_of(lines, title)['bins'][q]):.0f} %" for q in ("mass", "pt"))
        for title in ("GraphVAE", "truth floor")
    ]
    return (
        "mass and pT of GraphVAE within 10 % in every bin",
        met,
        f"furthest: {told}; bins within: {shares[0]}, of the truth floor {shares[1]}",
    )


def _floor(lines: Lines) -> tuple[str, bool, str]:
    ours, floor = (_of(lines, title)["w1m"][0] for title in ("GraphVAE", "truth floor"))
    told = f"{1e3 * ours:.2f} of {1e3 * floor:.2f} (× 10⁻³), {ours / floor:.1f} times"
    n = count(lines[1]["batch"])
    return f"W1M of GraphVAE within three times the floor at {n} jets", ours <= 3 * floor, told
