"""The tables of the page: each adds itself to the page, and its numbers to the CSV.

A line of a table is a mapping with ``key``, ``title``, ``kind`` and what was measured of the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyg_jets.metrics import Estimate
from pyg_jets.metrics.features import JET_FEATURES
from pyg_jets.report.numbers import count, estimate
from pyg_jets.studies.page import Page

__all__ = [
    "add_bins",
    "add_costs",
    "add_jets",
    "add_noise",
    "add_particles",
    "add_responses",
    "add_samples",
    "feature_name",
    "largest_deviation",
    "share_within",
]

Line = dict[str, Any]
_PARTICLES = ("particle_pt", "particle_eta", "particle_phi")
_NAMES = {"pt": "pT", "eta": "η", "phi": "φ"}
#: Distances of whole samples, and the factor by which the page shows each.
_SAMPLES = {"w1m": 1e3, "w1p": 1e3, "w1efp": 1e3, "fpd": 1, "kpd": 1, "cov": 1, "mmd": 1}


def feature_name(feature: str) -> str:
    """A feature as the page names it."""
    return _NAMES.get(feature.removeprefix("particle_"), feature)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _estimate(line: Line, name: str, factor: float = 1) -> str:
    """A mean and its deviation, or an en dash if it was not measured."""
    if name not in line:
        return "–"
    value, error = line[name]
    error = error if error > 1e-6 * abs(value) else 0.0  # each batch has the same jets
    return estimate(Estimate(value * factor, error * factor))


def add_jets(page: Page, table: str, lines: Sequence[Line]) -> None:
    """Distances of the features of jets."""
    rows = []
    for line in lines:
        if line["kind"] != "target":
            rows.append((line["title"], *(_cell(line["emd"].get(f)) for f in JET_FEATURES)))
            for name, value in line["emd"].items():
                page.number(table, line["title"], f"emd_{name}", value)
    page.table(("", *map(feature_name, JET_FEATURES)), rows)


def add_particles(page: Page, table: str, lines: Sequence[Line]) -> None:
    """Distances of the features of particles, and resolutions of jets."""
    rows = []
    for line in lines:
        is_target = line["kind"] == "target"
        cells = ["–" if is_target else _cell(line["emd"].get(f)) for f in _PARTICLES]
        for name, (mean, deviation) in line["resolution"].items():
            cells.append(f"{mean:+.4f} ± {deviation:.4f}".replace("-", "−"))
            page.number(table, line["title"], f"resolution_{name}_mean", mean)
            page.number(table, line["title"], f"resolution_{name}_deviation", deviation)
        rows.append((line["title"], *cells))
    header = (f"particle {feature_name(feature)}" for feature in _PARTICLES)
    page.table(("", *header, "pT resolution", "mass resolution"), rows)


def add_samples(page: Page, table: str, lines: Sequence[Line]) -> None:
    """Distances of whole samples."""
    rows = []
    for line in lines:
        if line["kind"] != "target":
            cells = (_estimate(line, name, factor) for name, factor in _SAMPLES.items())
            rows.append((line["title"], *cells))
            for name in _SAMPLES:
                if name in line:
                    value, error = line[name]
                    page.number(table, line["title"], name, value, error, line["batch"])
    page.table(("", *(name.upper() for name in _SAMPLES)), rows)


def share_within(ratios: dict[str, Any], margin: float = 0.1) -> float:
    """The share of bins within a margin of the target."""
    return float(np.mean(np.abs(np.array(ratios["ratio"]) - 1) <= margin))


def largest_deviation(ratios: dict[str, Any]) -> Estimate:
    """Ratio to the target less one, in the bin where it is largest, with its error."""
    deviation = np.array(ratios["ratio"]) - 1
    worst = int(np.abs(deviation).argmax())
    return Estimate(float(deviation[worst]), float(ratios["error"][worst]))


def add_bins(page: Page, tables: dict[str, list[Line]]) -> None:
    """Shares of bins within 10 %, and largest deviations, of both targets."""
    titles = dict.fromkeys(line["title"] for lines in tables.values() for line in lines[1:])
    measured = {
        (table, line["title"]): line["bins"] for table, lines in tables.items() for line in lines
    }
    rows = []
    for title in titles:
        cells = [title]
        for table in tables:
            for name in ("mass", "pt"):
                if (table, title) not in measured:
                    cells.append("–")
                    continue
                ratios = measured[table, title][name]
                share, (value, error) = share_within(ratios), largest_deviation(ratios)
                page.number(f"{table}_bins", title, f"{name}_share_within", share)
                page.number(f"{table}_bins", title, f"{name}_largest_deviation", value, error)
                text = f"{100 * share:.0f} %; {100 * value:+.0f} ± {100 * error:.0f} %"
                cells.append(text.replace("-", "−"))
        rows.append(cells)
    header = [f"{name}, {text}" for text in ("leading 50", "all") for name in ("mass", "pT")]
    page.table(("", *header), rows)


def add_costs(page: Page, lines: Sequence[Line]) -> None:
    """What each network costs."""
    rows = []
    for line in lines:
        if "cost" in line:
            cost = line["cost"]
            cells = count(cost["parameters"]), f"{cost['epoch_s']:.1f}", f"{cost['us']:.0f}"
            rows.append((line["title"], *cells))
            for name in ("parameters", "epoch_s", "us"):
                page.number("costs", line["title"], name, cost[name])
    page.table(("network", "parameters", "s an epoch", "µs a jet"), rows)


def add_responses(page: Page, responses: dict[str, tuple[Any, Any, str]]) -> None:
    """How the responses of single jets agree with the detector's."""
    rows = []
    for title, (generated, detector, most) in responses.items():
        cells = [title, most]
        for name in ("pt", "mass"):
            means, widths = (
                (np.array(generated[name][what]), np.array(detector[name][what]))
                for what in ("mean", "width")
            )
            values = {
                "mean_difference": float(np.abs(means[0] - means[1]).mean()),
                "width_ratio": float((widths[0] / widths[1]).mean()),
                "correlation": float(np.corrcoef(*means)[0, 1]),
            }
            for metric, value in values.items():
                page.number("responses", title, f"{name}_{metric}", value, n=len(means[0]))
            difference, ratio, correlation = values.values()
            cells += [f"{difference:.4f}", f"{ratio:.3f}", f"{correlation:.3f}".replace("-", "−")]
        rows.append(cells)
    columns = ("Δ mean", "ratio of widths", "correlation")
    header = [f"{name}: {column}" for name in ("pT", "mass") for column in columns]
    page.table(("", "leading", *header), rows)


def add_noise(page: Page, process: str, measured: Line) -> None:
    """Jets out of noise."""
    table, rows = f"noise_{process}", []
    for title, line in measured["lines"].items():
        rows.append(
            (
                title,
                *(_cell(line["emd"].get(feature)) for feature in JET_FEATURES),
                _estimate(line, "w1m", 1e3),
                _estimate(line, "w1p", 1e3),
                _estimate(line, "fpd"),
            )
        )
        for name, value in line["emd"].items():
            page.number(table, title, f"emd_{name}", value, n=measured["n"])
        for name in ("w1m", "w1p", "fpd"):
            value, error = line[name]
            page.number(table, title, name, value, error, measured["n"])
    page.table(("", *map(feature_name, JET_FEATURES), "W1M", "W1P", "FPD"), rows)
