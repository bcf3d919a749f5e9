"""What was trained on what: titles, leads, and the provenance of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyg_jets.report.classes import ClassComparison, Classifier
from pyg_jets.report.compare import Comparison, TaggerResult
from pyg_jets.report.numbers import class_name, count, count_jets, duration, listed
from pyg_jets.runs import METRICS, Run

__all__ = [
    "default_title",
    "details",
    "inconsistencies",
    "is_toy",
    "lead",
    "physics",
    "provenance",
    "radius",
]

#: Titles name at most so many classes.
_NAMED = 5


def is_toy(run: Run) -> bool:
    """Whether the jets lie on a plane about the origin."""
    return str(run.provenance.get("dataset", "")).startswith("Toy")


def radius(run: Run) -> float:
    """Radius of the jets."""
    return 1.0 if is_toy(run) else float(run.facts.get("radius", 0.8))


def default_title(run: Run) -> str:
    """A title made of the classes."""
    names = [class_name(name) for name in run.classes]
    if len(names) == 2:
        title = f"{names[1]} against {names[0]} jets"
    else:
        title = f"{listed(names)} jets" if len(names) <= _NAMED else f"jets of {len(names)} classes"
    return f"{title[0].upper()}{title[1:]}"


def lead(compared: Comparison | ClassComparison) -> str:
    """How many networks were trained on what, and tested on how much."""
    n, runs = len(compared.networks), [one.run for one in compared.networks if one.run]
    networks = "One network" if n == 1 else f"{n} networks"
    sizes = [run.provenance["n_train"] for run in runs if run.provenance.get("n_train")]
    dataset = compared.run.provenance.get("dataset")
    of = f" of {dataset}" if dataset else ""
    tested = f"tested on {count_jets(len(compared.labels), compared.weights)}"
    if not sizes:
        return f"{networks}, {tested} jets{of}."
    return f"{networks}, trained on {_range(sizes)} jets{of} and {tested} others."


def _range(sizes: Sequence[int]) -> str:
    low, high = min(sizes), max(sizes)
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def physics(run: Run) -> dict[str, Any]:
    """How the jets were made and chosen, as far as the run says; what it does not say is empty."""
    facts, level = run.facts, run.facts.get("level") or run.provenance.get("level")
    toy = is_toy(run)
    shown = {
        "pythia": str(run.provenance.get("dataset", "")).startswith("Pythia"),
        "radius": None if toy else facts.get("radius"),
        "pt": facts["pt"] if _is_pair(facts.get("pt")) else None,
        "where": {"reco": "after the detector", "gen": "before the detector"}.get(str(level)),
        "eta_max": facts.get("eta_max"),
        "detector": facts.get("detector"),
    }
    return {k: v if not isinstance(v, Mapping) else None for k, v in shown.items()}


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(v, int | float) for v in value)
    )


def provenance(run: Run) -> list[tuple[str, str]]:
    """Names and values of a run's provenance, in the order a reader asks for them."""
    recorded, machine = run.provenance, run.provenance.get("machine") or {}
    sizes = [recorded.get(f"n_{split}") for split in ("train", "val", "test")]
    entries = {
        "folder": run.name,
        "network": recorded.get("network"),
        "loss": recorded.get("loss"),
        "parameters": None if recorded.get("parameters") is None else count(recorded["parameters"]),
        "data set": recorded.get("dataset"),
        "jets (train, validation, test)": None if None in sizes else ", ".join(map(count, sizes)),
        "training transform": recorded.get("train_transform"),
        "features": ", ".join(recorded.get("features") or []),
        "data hash": recorded.get("data_hash"),
        "epochs": recorded.get("epochs"),
        "training time": None
        if recorded.get("wall_time_s") is None
        else duration(recorded["wall_time_s"]),
        "seed": recorded.get("seed"),
        "date": recorded.get("date"),
        "command": recorded.get("command"),
        "machine": _machine(machine),
        "versions": ", ".join(f"{k} {v}" for k, v in (recorded.get("versions") or {}).items()),
    }
    return [(name, str(value)) for name, value in entries.items() if value not in (None, "")]


def details(run: Run) -> dict[str, Any]:
    """What the page's provenance says of a run."""
    import yaml

    config = yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True)
    return {
        "title": run.title,
        "provenance": provenance(run),
        "config": config if run.config else "",
        "lacks": run.lacks,
    }


def _machine(machine: dict[str, Any]) -> str:
    texts = {"cpu": "{}", "cores": "{} cores", "memory_gib": "{} GiB", "platform": "{}"}
    return ", ".join(text.format(machine[k]) for k, text in texts.items() if machine.get(k))


def inconsistencies(
    what: str, measured: Iterable[tuple[TaggerResult | Classifier, float]]
) -> list[str]:
    """Numbers of a run's metrics that the predictions do not bear out.

    Args:
        what: The metric, ``"AUC"`` or ``"accuracy"``.
        measured: Networks, and the metric of their predictions.
    """
    sentences = []
    for network, value in measured:
        recorded = network.run.metrics.get(f"test/{what.lower()}") if network.run else None
        if recorded is not None and abs(recorded - value) > 1e-3:
            sentences.append(
                f"{network.title}: {METRICS} says {what} {recorded:.4f}, the predictions "
                f"{value:.4f}; this page uses the predictions."
            )
    return sentences
