"""The convolutional autoencoder of lists, trained as its source does until it learns no more."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.resources import files
from typing import Any

import numpy as np

from pyg_jets.metrics.bins import bin_ratios
from pyg_jets.report.figures.style import Drawing, network_colour
from pyg_jets.runs import Point, Run, load_run
from pyg_jets.studies.generation import figures
from pyg_jets.studies.generation.gen_reco import BASELINES, QUICK, baseline
from pyg_jets.studies.generation.gen_reco_bench import ROW, Bench, Sizes
from pyg_jets.studies.generation.gen_reco_jets import (
    FEATURES,
    GenReco,
    NetworkResponse,
    Response,
    Sets,
    leading,
)
from pyg_jets.studies.generation.tables import Column, add_table, over_seeds
from pyg_jets.studies.page import Page
from pyg_jets.studies.section import Cost, Section
from pyg_jets.studies.study import StudyRun
from pyg_jets.studies.trained import data_module

__all__ = ["ConvBaseline"]

#: Settings that were tried on validation jets, and what came of each.
_RECORD = "conv_tried.csv"
#: A training is over when the loss of the validation has not fallen for this number of steps.
_FLAT = 5_000
#: Targets of a list, by the end of the table's name: its own n hardest particles, and all.
_TARGETS = ("own", "all")
COLUMNS: dict[str, Column] = {
    **{f"emd_{name}": (name, 1.0) for name in FEATURES},
    "correlation_pt": ("corr. pT", 1.0),
    "correlation_mass": ("corr. mass", 1.0),
    "bins_within_tenth_pt": ("bins pT", 1.0),
    "bins_within_tenth_mass": ("bins mass", 1.0),
}
TRAINED: dict[str, Column] = {
    "parameters": ("10⁶ parameters", 1e-6),
    "steps": ("10³ steps", 1e-3),
    "steps_since_best": ("10³ steps since the best", 1e-3),
    "step_s": ("ms a step", 1e3),
    "training_minutes": ("minutes", 1.0),
    "loss": ("least loss, 10³ GeV²", 1e-3),
    "multiplicity_w1": ("W₁ of n, validation", 1.0),
}
TEXT = """`ConvVAE` is the network of arXiv:2109.15197, with its loss in its units: a Chamfer
distance of momenta in GeV², padding and all, with (px, py, pz) about the axis of GEN, then
ΔpT² + 10 Δm² of the jet, and the divergence of the latent. Each momentum is read with mean 0 and
variance 1; gradients are not clipped; the optimiser is Adam in batches of 100, at the rate chosen
below, which falls by 3 % an epoch of 450 steps. Departures from the source: the divergence has a
hundredth of its weight (50 GeV² a nat instead of 5,000), since after 1,000 steps with the source's
the latent knew next to nothing of GEN; and a list of which a fourth row says what is padding has a
term for its sum. How many slots are particles is decided by a threshold, fitted on validation jets
before each validation so that their n comes out as well as it can. Convolutions and dense layers
multiply in bfloat16, all else is float32. A Chamfer distance asks for the nearest set, so that the
network has no reason to spread its jets as the detector does, and nothing in the loss asks for the
direction of a jet."""
#: Of the record: headings, and factors by which numbers are printed.
RECORDED: dict[str, Column] = {
    "chamfer": ("Chamfer, 10³ GeV²", 1e-3),
    "pt": ("pT, 10³ GeV²", 1e-3),
    "mass": ("mass, GeV²", 1.0),
    "kl": ("KL, nats", 1.0),
    "loss": ("loss, 10³ GeV²", 1e-3),
    "gen_correlation_pt": ("corr. pT", 1.0),
    "gen_correlation_mass": ("corr. mass", 1.0),
    "emd_pt": ("W₁ pT", 1.0),
    "emd_mass": ("W₁ mass", 1.0),
    "emd_n": ("W₁ n", 1.0),
    "multiplicity_w1": ("W₁ of n, particles", 1.0),
    "step_ms": ("ms a step", 1.0),
}
TRIED = {
    "conv-tried": """What was tried, each for 1,000 steps with one seed: 10,770 training jets of
500–600 GeV, judged by 1,136 validation jets. Chamfer, pT and mass are the terms of the loss without
their coefficients; correlations are those of the made jets with GEN (those of RECO are .91 and
.97).""",
    "conv-paddings": """The paddings with 50 particles after 250 steps (the n of RECO has a
deviation of 8.7), by the W₁ of n that is left when the threshold is fitted; Chamfer distances of
different paddings do not compare.""",
    "conv-tried-wide": """The setting that was chosen in the window of the source, 900 steps on
2,689 jets, judged by 330 (correlations of RECO with GEN: .97 and .99).""",
    "conv-precision": """The same training in both precisions, 200 steps with the same seed. One
seed of such a short training tells no more than that bfloat16 is not worse.""",
}
TARGET_TEXT = """W₁ of each feature of jets over the deviation of the target, with bootstrap errors;
the correlation of pT and mass with those of the same jet in the target; the share of bins of pT and
mass, merged until their own error is at most 3 %, that are within 10 % of the target."""


class ConvBaseline(Section):
    """The convolutional autoencoder of lists, trained as its source does."""

    name = "conv"
    title = "The convolutional baseline"
    full = ("sweep_conv", "sweep_conv_more")
    quick = ("sweep_conv_quick",)
    costs = (
        Cost("ConvVAE 30, mask", 0.075, 25_000, 3),
        Cost("ConvVAE 50, zeros", 0.15, 20_000),
        Cost("ConvVAE 30, 800–1,200 GeV", 0.075, 20_000),
    )

    def __init__(self) -> None:
        self._benches: dict[str, Bench] = {}

    def key(self, point: Point) -> str:
        """The name of a training in names of measurements."""
        return super().key(point).replace(",", "")

    def sizes(self, study_run: StudyRun) -> Sizes:
        """How much is measured."""
        return QUICK if study_run.quick else Sizes()

    def bench(self, study_run: StudyRun, run: Run) -> Bench:
        """The jets of a training; those of the last data set are kept."""
        key = str(run.config["data"]["dataset"])
        if key not in self._benches:
            sizes = self.sizes(study_run)
            jets = GenReco(data_module(run).dataset, sizes.test, sizes.train)
            self._benches = {key: Bench(jets, sizes)}
        return self._benches[key]

    def measure_training(self, study_run: StudyRun, point: Point) -> None:
        """Measure what a network makes of the test jets, and how its training ended."""
        key, date = self.key(point), str(point.run.provenance["date"])
        inputs = {"trained": date, "sizes": asdict(self.sizes(study_run))}

        def make(**_: Any) -> dict[str, Any]:
            run = load_run(point.run.folder)
            bench = self.bench(study_run, run)
            return measure_targets(NetworkResponse(run), bench, [_length(point.labels)])

        study_run.measure(f"{key}-jets", make, **inputs)
        ended = partial(load_run, point.run.folder)
        study_run.measure(f"{key}-training", lambda **_: training(ended()), trained=date)

    def measure(self, study_run: StudyRun) -> None:
        """Measure what needs no network, on the jets of each window."""
        points: dict[str, list[Point]] = {}
        for point in self.points(study_run):
            points.setdefault(_window(point.labels), []).append(point)
        for window, of_window in points.items():
            lengths = sorted({_length(point.labels) for point in of_window})
            inputs = {"sizes": asdict(self.sizes(study_run)), "lengths": lengths}
            for key in BASELINES:
                make = partial(self._baseline, study_run, of_window[0], key, lengths)
                name = f"{self.name}-baseline{window and '-wide'}-{key}"
                study_run.measure(name, lambda make=make, **_: make(), **inputs)

    def _baseline(
        self, study_run: StudyRun, point: Point, key: str, lengths: Sequence[int]
    ) -> dict[str, Any]:
        bench = self.bench(study_run, load_run(point.run.folder))
        return measure_targets(baseline(key, bench), bench, lengths)

    def write(self, page: Page, study_run: StudyRun) -> None:
        """Write the chapter."""
        page.text(TEXT)
        self._add_tried(page)
        points = self.points(study_run)
        trained = {
            (_window(p.labels), title_of(p.labels), self.key(p)): study_run.measured(
                f"{self.key(p)}-training"
            )
            for p in points
        }
        trained = {key: value for key, value in trained.items() if value is not None}
        self._add_training(page, trained)
        for window in dict.fromkeys(window for window, _, _ in trained):
            self._add_window(page, study_run, window, points)

    def _add_tried(self, page: Page) -> None:
        """The settings that were tried, from the record in the study's folder."""
        text = (files(__package__) / _RECORD).read_text(encoding="utf-8")
        tables: dict[str, dict[str, dict[str, float]]] = {}
        for row in csv.DictReader(text.splitlines()):
            of_table = tables.setdefault(row["table"], {})
            of_table.setdefault(row["row"], {})[row["metric"]] = float(row["value"])
        for table, rows in tables.items():
            page.text(TRIED[table])
            metrics = dict.fromkeys(metric for row in rows.values() for metric in row)
            columns = {metric: RECORDED[metric] for metric in RECORDED if metric in metrics}
            add_table(page, table, columns, rows)

    def _add_training(self, page: Page, trained: Mapping[tuple[str, str, str], Any]) -> None:
        """How each training ended, and the curves of the validation."""
        lines = {
            f"{title}{window and ', ' + window}, seed {key.rpartition('-')[2]}": value
            for (window, title, key), value in trained.items()
        }
        if not lines:
            return
        shown = {
            title: {k: v for k, v in value.items() if k not in ("curve_steps", "curve_loss")}
            for title, value in lines.items()
        }
        page.text(f"""A training ends when the loss of the validation has not fallen for
{_FLAT:,} steps; the best network is kept.""")
        add_table(page, "conv-training", TRAINED, shown)
        page.figure(
            f"{page.name}/conv-curves",
            curves(lines),
            "Loss of the validation against the number of steps, of each training",
            "The cross is the network that is kept.",
        )

    def _add_window(
        self, page: Page, study_run: StudyRun, window: str, points: Sequence[Point]
    ) -> None:
        """The tables of a window: each list on its own target, and all on all constituents."""
        of_window = [p for p in points if _window(p.labels) == window]
        page.heading(f"Jets of {window}" if window else "Jets of 500–600 GeV", 3)
        page.text(TARGET_TEXT)
        tables: dict[str, dict[str, list[Any]]] = {}
        for point in of_window:
            key, by_target = self.key(point), study_run.measured(f"{self.key(point)}-jets") or {}
            ended = study_run.measured(f"{key}-training") or {}
            for target, numbers in by_target.items():
                row = numbers | {"steps_since_best": ended.get("steps_since_best", 0)}
                by_title = tables.setdefault(target, {})
                by_title.setdefault(title_of(point.labels), []).append(row)
        for target in sorted(tables, key=lambda t: (t == "all", len(t), t)):
            rows = {title: over_seeds(of_seeds) for title, of_seeds in tables[target].items()}
            for key, title in BASELINES.items():
                name = f"{self.name}-baseline{window and '-wide'}-{key}"
                measured = study_run.measured(name) or {}
                if target in measured:
                    rows[title] = dict(measured[target])
            self._add_target(page, window, target, rows)

    def _add_target(
        self, page: Page, window: str, target: str, rows: Mapping[str, dict[str, Any]]
    ) -> None:
        is_all = target == "all"
        page.text("Target: all constituents." if is_all else f"Target: the {target} hardest.")
        table = f"conv-{target}"
        if window:
            table = "conv-wide-all" if is_all else "conv-wide"
        numbers = {
            title: {k: v for k, v in row.items() if k not in ("n", "histograms")}
            for title, row in rows.items()
        }
        add_table(page, table, COLUMNS, numbers, int(next(iter(rows.values()))["n"]))
        drawn = [title for title in rows if title.startswith("ConvVAE")]
        if not is_all and drawn:
            page.figure(
                f"{page.name}/{table}-bins",
                figures.bins({title: rows[title]["histograms"] for title in drawn}),
                f"Mass and pT of {' and '.join(drawn)}, with their ratio to the truth",
                "The band is 10 %; errors are those of both samples.",
            )


def _window(labels: Mapping[str, str]) -> str:
    """The window of the pT of jets, empty for that of the rest of the page."""
    return labels.get("window", "")


def _length(labels: Mapping[str, str]) -> int:
    """The length of the list of a training: the number that its label begins with."""
    return int(labels["list"].partition(",")[0])


def title_of(labels: Mapping[str, str]) -> str:
    """How the page names a training.

    Examples:
        >>> title_of({"list": "30, mask", "window": "800–1,200 GeV"})
        'ConvVAE 30, mask'
    """
    return f"ConvVAE {labels.get('list', '')}".strip()


def measure_targets(response: Response, bench: Bench, lengths: Sequence[int]) -> dict[str, Any]:
    """What a row makes of the test jets, beside each target.

    Args:
        response: The row.
        bench: The jets.
        lengths: Targets besides all constituents: the numbers of their hardest particles.

    Returns:
        Numbers of :func:`jet_numbers` by target, ``"30"``, …, ``"all"``. Of a target of the n
        hardest particles, a row counts with its own n hardest.
    """
    made, real = bench.jets.respond(response, ROW), bench.jets.reco
    measured = {str(n): jet_numbers(leading(made, n), leading(real, n), bench) for n in lengths}
    return {**measured, "all": jet_numbers(made, real, bench)}


def jet_numbers(made: Sets, real: Sets, bench: Bench) -> dict[str, Any]:
    """Distances of features of jets, correlations jet by jet, and bins of pT and mass.

    Args:
        made: The jets of a row.
        real: Those of the target, of the same GEN jets.
        bench: How often errors are resampled.
    """
    ours, truth = made.features(), real.features()
    n, rng = len(ours["pt"]), np.random.default_rng(0)
    samples = [np.arange(n), *(rng.integers(0, n, n) for _ in range(bench.sizes.resamples))]
    numbers: dict[str, Any] = {"n": n}
    for name in FEATURES:
        sigma = truth[name].std() or 1.0  # lists of one length have no spread in n
        distances = [
            float(np.abs(np.sort(ours[name][jets]) - np.sort(truth[name][jets])).mean() / sigma)
            for jets in samples
        ]
        numbers[f"emd_{name}"] = distances[0], float(np.std(distances[1:]))
    histograms = {}
    for name in ("pt", "mass"):
        spread = ours[name].std() > 0
        correlation = float(np.corrcoef(ours[name], truth[name])[0, 1]) if spread else 0.0
        ratios = bin_ratios(ours[name], truth[name], largest_error=bench.sizes.bin_error)
        numbers[f"correlation_{name}"] = correlation
        numbers[f"bins_within_tenth_{name}"] = ratios.share_within()
        histograms[name] = {key: value.tolist() for key, value in vars(ratios).items()}
    return {**numbers, "histograms": histograms}


def training(run: Run) -> dict[str, Any]:
    """How a training went: steps, seconds, and the loss of each validation.

    Args:
        run: The run, with its history.
    """
    steps, loss = (np.array(run.history[name], float) for name in ("step", "val/loss"))
    validated = np.isfinite(loss)
    left = np.array(run.history.get("val/multiplicity_w1", np.full(len(loss), np.nan)), float)
    steps, loss, left = steps[validated], loss[validated], left[validated]
    best = int(loss.argmin())
    return {
        "parameters": int(run.provenance["parameters"]),
        "steps": int(steps[-1]),
        "steps_since_best": int(steps[-1] - steps[best]),
        "step_s": float(run.provenance["wall_time_s"]) / max(int(steps[-1]), 1),
        "training_minutes": float(run.provenance["wall_time_s"]) / 60,
        "loss": float(loss[best]),
        "multiplicity_w1": float(left[best]) if np.isfinite(left[best]) else None,
        "curve_steps": steps.tolist(),
        "curve_loss": loss.tolist(),
    }


def curves(trained: Mapping[str, Mapping[str, Any]]) -> Drawing:
    """The loss of the validation against the number of steps.

    Args:
        trained: What :func:`training` gives, by title.
    """

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        for number, (title, each) in enumerate(trained.items()):
            steps, loss = np.array(each["curve_steps"]), np.array(each["curve_loss"])
            colour, best = network_colour(number), loss.argmin()
            axis.plot(steps, loss, color=colour, label=title, linewidth=1)
            axis.plot(steps[best], loss[best], "x", color=colour)
        axis.set_yscale("log")
        axis.set_xlabel("steps")
        axis.set_ylabel("validation loss (GeV²)")
        axis.legend(frameon=False, fontsize=7)

    return Drawing(draw, (7, 4))
