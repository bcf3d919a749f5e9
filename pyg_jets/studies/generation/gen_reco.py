"""RECO jets out of GEN jets, beside everything that needs no network of sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from pyg_jets.loader import JetLoader
from pyg_jets.runs import Point, Run, load_run
from pyg_jets.studies.generation import figures
from pyg_jets.studies.generation.baselines import (
    conditional_mean,
    identity,
    mean_ratio,
    random_response,
)
from pyg_jets.studies.generation.gen_reco_bench import Bench, Sizes
from pyg_jets.studies.generation.gen_reco_jets import (
    GenReco,
    NetworkResponse,
    Response,
    detector,
    grid_hidden,
    hides_kinds_and_eta,
    leading,
)
from pyg_jets.studies.generation.gen_reco_measures import (
    measure_floor,
    measure_response,
)
from pyg_jets.studies.generation.gen_reco_texts import (
    ABLATIONS,
    ABLATIONS_TEXT,
    DISTANCES,
    FACTORISATION,
    FACTORISATION_TEXT,
    LATENT,
    LATENT_TEXT,
    LATENT_TITLES,
    SAMPLES,
    SINGLE,
    TEXT,
    distances_text,
    samples_text,
    single_text,
)
from pyg_jets.studies.generation.latent import (
    common_scale,
    divergence,
    factorisation,
    hidden_eta,
)
from pyg_jets.studies.generation.tables import add_table, over_seeds
from pyg_jets.studies.page import Page
from pyg_jets.studies.section import Cost, Section
from pyg_jets.studies.study import StudyRun
from pyg_jets.studies.trained import data_module
from pyg_jets.training import load_generator
from pyg_jets.transforms import Detect

__all__ = ["GenToReco"]

QUICK = Sizes(
    test=300, train=200, drawn=40, draws=8, floors=2, resamples=4, pfn=100, steps=20,
    polynomials=120, timed=128, bin_error=0.3,
)  # fmt: skip
#: Ablations are short trainings, and compared by less.
SHORT = Sizes(
    test=10_000, train=10_000, drawn=1_000, draws=100, pfn=3_000, steps=1_000, polynomials=5_000,
)  # fmt: skip
#: Rows that need no network of sets: in names of measurements, and as the page names them.
BASELINES: dict[str, str] = {
    "detector-again": "detector again",
    "grid-hidden": "detector, grid hidden",
    "inputs-hidden": "detector, kinds and η hidden",
    "identity": "identity",
    "mean-ratio": "mean ratio",
    "random-response": "random response",
    "conditional-mean": "conditional mean",
    "truth-30": "truth, leading 30",
    "truth-50": "truth, leading 50",
}
#: What knows as much as a network, by its inputs: the ceiling of its correlations.
CEILING_OF = {"full": "detector", "no cells": "grid hidden", "source": "inputs hidden"}
_TABLE = "gen-reco"


class GenToReco(Section):
    """RECO jets out of GEN jets."""

    name = "gen_reco"
    title = "GEN → RECO"
    full = ("sweep_gen_reco", "sweep_gen_reco_inputs", "sweep_gen_reco_ablations")
    quick = ("sweep_gen_reco_quick",)
    costs = (
        Cost("GEN → RECO of W jets", 0.1, 5_600, 6),
        Cost("ablations of GEN → RECO", 0.08, 2_000, 5),
    )

    def __init__(self) -> None:
        self._benches: dict[str, Bench] = {}

    def sizes(self, study_run: StudyRun, point: Point | None = None) -> Sizes:
        """How much is measured, of a training or of what is no network."""
        if study_run.quick:
            return QUICK
        return SHORT if point is not None and "ablation" in point.labels else Sizes()

    def bench(self, study_run: StudyRun, point: Point) -> Bench:
        """The jets of a training, read once for all rows.

        Args:
            study_run: The run of the study.
            point: A training of the main setting.
        """
        run = load_run(point.run.folder)
        sizes = self.sizes(study_run, point)
        key = f"{run.config['data']['dataset']} {sizes}"
        if key not in self._benches:
            name = run.config["data"]["train_transform"]["init_args"].get("detector", "cms-like")
            jets = GenReco(data_module(run).dataset, sizes.test, sizes.train, name)
            self._benches = {key: Bench(jets, sizes)}
        return self._benches[key]

    def measure_training(self, study_run: StudyRun, point: Point) -> None:
        """Measure the responses of a network."""
        key, trained = self.key(point), str(point.run.provenance["date"])
        if point.labels.get("inputs") != "common scale":
            ceiling = CEILING_OF.get(point.labels.get("inputs", "full"), "detector")
            make = partial(self._row, study_run, point, lambda _: network(point), ceiling)
            inputs = {"trained": trained, "sizes": asdict(self.sizes(study_run, point))}
            study_run.measure(f"{key}-response", lambda **_: make(), **inputs)
        if "ablation" in point.labels:
            return
        most = self.sizes(study_run).drawn
        study_run.measure(
            f"{key}-latent",
            lambda **_: measure_latent(load_run(point.run.folder), most),
            trained=trained,
            jets=most,
        )

    def _row(
        self,
        study_run: StudyRun,
        point: Point,
        make: Callable[[Bench], Response],
        ceiling: str = "detector",
    ) -> dict[str, Any]:
        bench = self.bench(study_run, point)
        return measure_response(make(bench), bench, ceiling)

    def measure(self, study_run: StudyRun) -> None:
        """Measure what is compared with the networks."""
        points = main_points(self.points(study_run))
        if not points:
            return
        inputs = {"sizes": asdict(self.sizes(study_run))}
        for key in BASELINES:
            make = partial(self._row, study_run, points[0], partial(baseline, key))
            study_run.measure(f"gen_reco-{key}", lambda make=make, **_: make(), **inputs)
        study_run.measure(
            "gen_reco-floor",
            lambda **_: measure_floor(self.bench(study_run, points[0])),
            **inputs,
        )
        n_jets, draws = (40, 8) if study_run.quick else (500, 40)
        study_run.measure(
            "gen_reco-factorisation",
            lambda **_: measure_factorisation(load_run(points[0].run.folder), n_jets, draws),
            jets=n_jets,
            draws=draws,
        )

    def write(self, page: Page, study_run: StudyRun) -> None:
        """Write the chapter."""
        rows = self.rows(study_run)
        again = rows.get("detector again")
        n = None if again is None else int(again["n"])
        sizes = self.sizes(study_run)
        page.text(TEXT.format(n=n or "–", train=sizes.train))
        page.text(distances_text(sizes))
        shown = ("n", "histograms", "examples")
        numbers = {
            title: {k: v for k, v in row.items() if k not in shown} for title, row in rows.items()
        }
        for i, columns in enumerate((DISTANCES, SINGLE, SAMPLES)):
            if i == 1:
                page.text(single_text(sizes))
            if i == 2:
                page.text(samples_text(sizes))
            kept = (
                set(columns)
                if i
                else {k for row in numbers.values() for k in row} - (set(SINGLE) | set(SAMPLES))
            )
            part = {t: {k: v for k, v in row.items() if k in kept} for t, row in numbers.items()}
            add_table(page, _TABLE, columns, part, n)
        drawn = [t for t in ("GraphVAE", "random response", "conditional mean") if t in rows]
        if again is not None and "GraphVAE" in drawn:
            page.figure(
                f"{page.name}/gen-reco-bins",
                figures.bins({title: rows[title]["histograms"] for title in drawn}),
                f"Mass and pT of {', '.join(drawn)}, with their ratio to the truth",
                "The band is 10 %; errors are those of both samples.",
            )
            page.figure(
                f"{page.name}/gen-reco-response",
                figures.response({t: rows[t]["examples"] for t in ("detector again", *drawn)}),
                f"Response of each jet, against that of the detector: {', '.join(drawn)}",
                "Each point is a jet: mean and width of RECO / GEN over its draws.",
            )
        for title in drawn[:1]:
            if (us := rows[title].get("us_per_jet")) is not None:
                value, error = us if isinstance(us, tuple | list) else (us, None)
                page.number("sampling", "GEN → RECO", "us_per_jet", value, error, n)
        self._add_latent(page, study_run)
        self._add_ablations(page, study_run)

    def _add_ablations(self, page: Page, study_run: StudyRun) -> None:
        """What made the design."""
        rows: dict[str, dict[str, Any]] = {}
        for point in self.points(study_run):
            measured = study_run.measured(f"{self.key(point)}-response")
            if measured is not None and "ablation" in point.labels:
                kept = {name: measured[name] for name in ABLATIONS if name in measured}
                rows[point.labels["ablation"]] = kept
        if rows:
            page.heading("Ablations", 3)
            sizes = QUICK if study_run.quick else SHORT
            page.text(ABLATIONS_TEXT.format(test=f"{sizes.test:,}"))
            add_table(page, "gen-reco-ablations", ABLATIONS, rows, 1)

    def _add_latent(self, page: Page, study_run: StudyRun) -> None:
        """What the latent is for, and whether the detector's response factorises."""
        page.heading("What the latent is for", 3)
        page.text(LATENT_TEXT)
        by_title: dict[str, list[dict[str, Any]]] = {}
        for point in self.points(study_run):
            measured = study_run.measured(f"{self.key(point)}-latent")
            if measured is not None:
                title = LATENT_TITLES.get(inputs := point.labels.get("inputs", "full"), inputs)
                by_title.setdefault(title, []).append(measured)
        rows = {title: over_seeds(of_seeds) for title, of_seeds in by_title.items()}
        add_table(page, "gen-reco-latent", LATENT, rows)
        if (alone := study_run.measured("gen_reco-factorisation")) is not None:
            row = {
                "largest_correlation": (alone["largest"], alone["largest_error"]),
                "mean_correlation": (alone["pairs"], alone["pairs_error"]),
            }
            page.text(FACTORISATION_TEXT)
            add_table(page, "gen-reco-factorisation", FACTORISATION, {"detector": row})

    def rows(self, study_run: StudyRun) -> dict[str, dict[str, Any]]:
        """The numbers of each row of the tables: networks, with their seeds taken together."""
        rows = {}
        by_title: dict[str, list[dict[str, Any]]] = {}
        for point in self.points(study_run):
            measured = study_run.measured(f"{self.key(point)}-response")
            if measured is not None and "ablation" not in point.labels:
                by_title.setdefault(title_of(point.labels), []).append(measured)
        for title, of_seeds in by_title.items():
            rows[title] = over_seeds(of_seeds)
        for key, title in BASELINES.items():
            if (measured := study_run.measured(f"gen_reco-{key}")) is not None:
                rows[title] = dict(measured)
        if "detector again" in rows:  # distances over several seeds instead of those of one
            rows["detector again"] |= study_run.measured("gen_reco-floor") or {}
        return rows


def network(point: Point) -> Response:
    """The network of a training."""
    return NetworkResponse(load_run(point.run.folder))


def main_points(points: Iterable[Point]) -> list[Point]:
    """The trainings of the main setting, with all inputs."""
    return [
        p for p in points if p.labels.get("inputs", "full") == "full" and "ablation" not in p.labels
    ]


def title_of(labels: Mapping[str, str]) -> str:
    """How the page names a network: that with all inputs by its name alone.

    Examples:
        >>> title_of({"network": "GraphVAE", "inputs": "source"})
        'GraphVAE, source inputs'
    """
    inputs, name = labels.get("inputs", "full"), labels.get("network", "GraphVAE")
    return name if inputs == "full" else f"{name}, {inputs}" + " inputs" * (inputs == "source")


def measure_latent(run: Run, most: int) -> dict[str, Any]:
    """What the latent of a network says.

    Args:
        run: The training.
        most: Jets, at most.
    """
    network, batches, n_jets = load_generator(run).network, [], 0
    for batch in data_module(run).predict_dataloader():
        batches.append(batch)
        n_jets += batch.num_graphs
        if n_jets >= most:
            break
    of_latent = divergence(network, batches)
    numbers: dict[str, Any] = {
        "kl_nats": (of_latent["kl"], of_latent["kl_error"]),
        "active_latents": float(of_latent["active"]),
    }
    inputs = (run.provenance.get("labels") or {}).get("inputs")
    if inputs == "source":
        known = hidden_eta(network, batches)
        numbers |= {"r2_abs_eta": known["r2"], "r2_abs_eta_prior": known["r2_gen"]}
    if inputs == "common scale":
        scale = common_scale(network, batches)
        numbers |= {"r2_scale": scale["r2"], "scale_spread_ratio": scale["spread_ratio"]}
    return numbers


def measure_factorisation(run: Run, n_jets: int, n_draws: int) -> dict[str, float]:
    """Whether the detector measures the particles of a jet independently of each other.

    Args:
        run: A training with all inputs.
        n_jets: Jets.
        n_draws: Draws of each.
    """
    data, network = data_module(run), load_generator(run).network
    arguments = run.config["data"]["train_transform"]["init_args"]
    jets = next(iter(JetLoader(data.dataset.get_split("test")[:n_jets], n_jets)))
    options = {k: v for k, v in arguments.items() if k not in ("seed", "fixed")}
    draws = [[Detect(**options, seed=seed, fixed=True)(jets)] for seed in range(n_draws)]
    return factorisation(network, draws)


def baseline(key: str, bench: Bench) -> Response:
    """A response that needs no network of sets.

    Args:
        key: One of :data:`BASELINES`.
        bench: The jets.
    """
    jets = bench.jets
    if key.startswith("truth-"):
        most = int(key.removeprefix("truth-"))
        return lambda batch, seed: leading(detector(jets.detector)(batch, seed), most)
    if key in ("detector-again", "grid-hidden", "inputs-hidden"):
        make = {"detector-again": detector, "grid-hidden": grid_hidden}
        return make.get(key, hides_kinds_and_eta)(jets.detector)
    if key == "identity":
        return identity(jets)
    made: dict[str, Callable[..., Response]] = {
        "mean-ratio": mean_ratio,
        "random-response": random_response,
        "conditional-mean": conditional_mean,
    }
    return made[key](jets, bench.ratios)
