"""The tables of the page of the generators."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyg_jets.metrics import Estimate
from pyg_jets.metrics.features import JET_FEATURES
from pyg_jets.report.numbers import count, estimate
from tests.results.comparison_page import table

__all__ = [
    "bins",
    "costs",
    "furthest",
    "jets",
    "name_of",
    "noise",
    "particles",
    "responses",
    "sets",
    "share",
]

PARTICLES = ("particle_pt", "particle_eta", "particle_phi")
NAMES = {"pt": "pT", "eta": "η", "phi": "φ"}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def name_of(feature: str) -> str:
    return NAMES.get(feature.removeprefix("particle_"), feature)


def _of(found: dict[str, Any], name: str, by: float = 1) -> str:
    """A mean and its deviation, or an en dash."""
    if name not in found:
        return "–"
    value, error = found[name]
    error = error if error > 1e-6 * abs(value) else 0.0  # the same jets each time
    return estimate(Estimate(value * by, error * by))


def jets(lines: list[dict[str, Any]]) -> str:
    """Distances of the features of jets."""
    rows = [
        (line["title"], *(_number(line["emd"].get(f)) for f in JET_FEATURES))
        for line in lines
        if line["kind"] != "truth"
    ]
    return table(("", *map(name_of, JET_FEATURES)), rows)


def particles(lines: list[dict[str, Any]]) -> str:
    """Distances of the features of particles, and resolutions."""
    rows = []
    for line in lines:
        truth = line["kind"] == "truth"
        emds = ("–" if truth else _number(line["emd"].get(f)) for f in PARTICLES)
        spread = (f"{a:+.4f} ± {b:.4f}".replace("-", "−") for a, b in line["resolution"].values())
        rows.append((line["title"], *emds, *spread))
    head = (*(f"particle {name_of(f)}" for f in PARTICLES), "pT resolution", "mass resolution")
    return table(("", *head), rows)


def sets(lines: list[dict[str, Any]]) -> str:
    """Distances of whole samples."""
    rows = [
        (
            line["title"],
            *(_of(line, name, 1e3) for name in ("w1m", "w1p", "w1efp")),
            *(_of(line, name) for name in ("fpd", "kpd", "cov", "mmd")),
        )
        for line in lines
        if line["kind"] != "truth"
    ]
    return table(("", "W1M", "W1P", "W1EFP", "FPD", "KPD", "COV", "MMD"), rows)


def share(found: dict[str, Any]) -> float:
    """The share of bins within 10 % of the target."""
    return float(np.mean(np.abs(np.array(found["ratio"]) - 1) <= 0.1))


def furthest(found: dict[str, Any]) -> Estimate:
    """Ratio to the target, less one, in the bin where it is furthest from it."""
    away = np.array(found["ratio"]) - 1
    worst = int(np.abs(away).argmax())
    return Estimate(float(away[worst]), float(found["error"][worst]))


def bins(tables: dict[str, list[dict[str, Any]]]) -> str:
    """Shares of bins and largest deviations, of both targets."""
    titles = dict.fromkeys(line["title"] for lines in tables.values() for line in lines[1:])
    found = {
        (name, line["title"]): line["bins"] for name, lines in tables.items() for line in lines
    }
    rows = []
    for title in titles:
        ofs = [found.get((name, title)) for name in tables]
        cells = [_bin(of[q]) if of else "–" for of in ofs for q in ("mass", "pt")]
        rows.append((title, *cells))
    heads = [f"{q}, {t}" for t in ("leading 50", "all") for q in ("mass", "pT")]
    return table(("", *heads), rows)


def _bin(found: dict[str, Any]) -> str:
    away, error = furthest(found)
    told = f"{100 * away:+.0f} ± {100 * error:.0f} %".replace("-", "−")
    return f"{100 * share(found):.0f} %; {told}"


def costs(lines: list[dict[str, Any]]) -> str:
    """What each network costs."""
    rows = [
        (
            line["title"],
            count(line["cost"]["parameters"]),
            f"{line['cost']['epoch_s']:.1f}",
            f"{line['cost']['us']:.0f}",
        )
        for line in lines
        if "cost" in line
    ]
    return table(("network", "parameters", "s an epoch", "µs a jet"), rows)


def responses(found: dict[str, Any]) -> str:
    """How the responses of single jets agree with the detector's."""
    rows = []
    for title, (ours, theirs, most) in found["lines"].items():
        cells = [title, most]
        for name in ("pt", "mass"):
            mean, width = (
                (np.array(ours[name][what]), np.array(theirs[name][what]))
                for what in ("mean", "width")
            )
            cells += [
                f"{np.abs(mean[0] - mean[1]).mean():.4f}",
                f"{(width[0] / width[1]).mean():.3f}",
                f"{np.corrcoef(*mean)[0, 1]:.3f}".replace("-", "−"),
            ]
        rows.append(cells)
    of = ("Δ mean", "ratio of widths", "correlation")
    heads = [f"{name}: {what}" for name in ("pT", "mass") for what in of]
    return table(("", "leading", *heads), rows)


def noise(found: dict[str, Any]) -> str:
    """Jets out of noise."""
    rows = [
        (
            title,
            *(_number(line["emd"].get(f)) for f in JET_FEATURES),
            _of(line, "w1m", 1e3),
            _of(line, "w1p", 1e3),
            _of(line, "fpd"),
        )
        for title, line in found["lines"].items()
    ]
    return table(("", *map(name_of, JET_FEATURES), "W1M", "W1P", "FPD"), rows)
