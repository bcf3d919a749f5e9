"""Jets of a class out of noise, by two generators."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.metrics.features import jet_features
from pyg_jets.metrics.floors import feature_z_scores, over_floor
from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.nearest import energy_flow_embedding, nearest_ratios
from pyg_jets.metrics.observables import jet_observables
from pyg_jets.metrics.two_sample import two_sample_auc_tree
from pyg_jets.nn import JetVAE
from pyg_jets.runs import Point, Run, load_run
from pyg_jets.studies.generation.tables import Column, add_table, over_seeds
from pyg_jets.studies.page import Page
from pyg_jets.studies.section import Cost, Section
from pyg_jets.studies.study import StudyRun
from pyg_jets.studies.trained import data_module
from pyg_jets.training import load_generator
from pyg_jets.training.two_sample import two_sample_auc_pfn

__all__ = ["Jets", "Noise", "measure_sample"]

#: Particles (pT in GeV, η, φ relative to the axis) ``[N, 3]``, and their pointer.
Jets = tuple[Tensor, Tensor]
#: Names of processes, as tables have them, and as the page does.
KINDS = {"w": "W", "g": "gluon", "top": "top", "q": "quark", "z": "Z"}
_SHORT = {"gluon": "g", "quark": "q"}
DISTANCES: dict[str, Column] = {
    "w1m_over_floor": ("W1M / floor", 1.0),
    "w1p_over_floor": ("W1P / floor", 1.0),
    "w1efp_over_floor": ("W1EFP / floor", 1.0),
    "w1m": ("W1M × 10³", 1e3),
    "w1p": ("W1P × 10³", 1e3),
    "w1efp": ("W1EFP × 10⁵", 1e5),
    "two_sample_auc_tree": ("AUC tree", 1.0),
    "two_sample_auc_pfn": ("AUC PFN", 1.0),
}
FEATURES: dict[str, Column] = {
    "w1_pt": ("pT", 1.0),
    "w1_mass": ("mass", 1.0),
    "w1_multiplicity": ("n", 1.0),
    "w1_width": ("width", 1.0),
    "w1_tau21": ("τ21", 1.0),
    "w1_tau32": ("τ32", 1.0),
    "w1_softdrop_ratio": ("soft drop", 1.0),
    "w1_pt_before": ("pT before", 1.0),
    "w1_mass_before": ("mass before", 1.0),
    "pair_distance_ratio": ("pairs", 1.0),
    "nearest_training_ratio": ("nearest", 1.0),
    "reach_ratio": ("reach", 1.0),
    "us_per_jet": ("µs a jet", 1.0),
}
TEXT = """Jets are relative to their axes, pT in W1M, W1P and W1EFP is relative to that of the jet.
The truth floor is made of training jets, as many as there are test jets. A distance over its floor
is that of all test jets over the mean of two halves of real ones. The tree reads pT, mass,
multiplicity, width, the share of the hardest particle, τ21, τ32 and the mass after soft drop over
the mass; the particle flow network reads all particles of {pfn} jets of a class."""
FEATURES_TEXT = """W₁ of each feature over the deviation of the real jets; nothing is trained on
τ21, τ32 and soft drop. “Before” is before the four-momentum is matched to the pT and the mass that
were drawn. Pairs, nearest and reach are distances of energy-flow embeddings over those of real
jets: of two made jets, to the nearest training jet (below 1 copies), and of real jets to the
nearest made one. Times are those of one thread."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        jets: Test jets, and as many made ones, at most.
        pfn: Jets of a class of the classifier that reads particles.
        steps: Its steps.
        neighbours: Jets of which nearest neighbours are looked for.
        timed: Jets for the time of sampling.
    """

    jets: int = 50_000
    pfn: int = 10_000
    steps: int = 3_000
    neighbours: int = 5_000
    timed: int = 8_192


QUICK = Sizes(300, 60, 20, 40, 128)


class Noise(Section):
    """Jets of a class out of noise."""

    name = "noise"
    title = "Jets out of noise"
    full = ("sweep_noise",)
    quick = ("sweep_noise_quick",)
    costs = (Cost("jets of a class, 30 particles", 0.02, 14_000, 9),)

    def measure_training(self, study_run: StudyRun, point: Point) -> None:
        """Sample jets of a network, and compare them with real ones."""
        sizes = QUICK if study_run.quick else Sizes()
        study_run.measure(
            f"{self.key(point)}-jets",
            lambda **_: measure_network(load_run(point.run.folder), sizes),
            trained=str(point.run.provenance["date"]),
            sizes=vars(sizes),
        )

    def write(self, page: Page, study_run: StudyRun) -> None:
        """Write the chapter."""
        page.text(TEXT.format(pfn=(QUICK if study_run.quick else Sizes()).pfn), FEATURES_TEXT)
        tables: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for point in self.points(study_run):
            measured = study_run.measured(f"{self.key(point)}-jets")
            if measured is not None:
                of_table = tables.setdefault(table_of(point.labels), {})
                of_table.setdefault(title_of(point.labels), []).append(measured)
        for table, of_titles in tables.items():
            rows = {t: over_seeds([s["made"] for s in each]) for t, each in of_titles.items()}
            first = next(iter(of_titles.values()))[0]
            rows["truth floor"] = first["floor"]
            page.heading(heading_of(table), 3)
            for columns in (DISTANCES, FEATURES):
                part = {
                    title: {k: v for k, v in row.items() if k in columns}
                    for title, row in rows.items()
                }
                add_table(page, table, columns, part, first["n"])
            if table == "noise-w-all" and "us_per_jet" in rows.get("GraphVAE", {}):
                value, error = rows["GraphVAE"]["us_per_jet"]
                page.number("sampling", "out of noise", "us_per_jet", value, error)


def table_of(labels: Mapping[str, str]) -> str:
    """The table of a training: its process and, unless these are 30, its number of particles.

    Examples:
        >>> table_of({"process": "gluon"}), table_of({"process": "w", "particles": "all"})
        ('noise-g', 'noise-w-all')
    """
    kind, particles = labels.get("process", "w"), labels.get("particles", "30")
    return f"noise-{_SHORT.get(kind, kind)}" + ("" if particles == "30" else f"-{particles}")


def title_of(labels: Mapping[str, str]) -> str:
    """The title of a row: the network, and in what it differs from the main one."""
    others = [v for k, v in labels.items() if k not in ("network", "process", "particles")]
    return ", ".join([labels.get("network", "GraphVAE"), *others])


def heading_of(table: str) -> str:
    """The heading above a table."""
    _, kind, *particles = table.split("-")
    number = particles[0] if particles else "the 30 hardest"
    return f"{KINDS.get(kind, kind)} jets, {number} particles"


def measure_network(run: Run, sizes: Sizes) -> dict[str, Any]:
    """Numbers of a network's jets, and of training jets in their place.

    Args:
        run: The training.
        sizes: How much is measured.

    Returns:
        ``made`` and ``floor``, each ``{metric: value or (value, error)}``, and ``n``.
    """
    network = load_generator(run).network
    data = data_module(run)
    real = jets_of(data.predict_dataloader(), sizes.jets)
    train = jets_of(data.statistics_dataloader(), sizes.jets)
    n, rng = len(real[1]) - 1, torch.Generator().manual_seed(0)
    made = network.sample(n, generator=rng)
    numbers = measure_sample(made, real, train, sizes)
    if isinstance(network, JetVAE):
        before = network.sample(n, generator=torch.Generator().manual_seed(0), match=False)
        scores = feature_z_scores(jet_features(*before), jet_features(*real), None, ("pt", "mass"))
        for name, score in scores.items():
            numbers[f"w1_{name}_before"] = tuple(score.distance)
    start = time.process_time()
    for _ in range(0, sizes.timed, 1024):
        network.sample(min(1024, sizes.timed), generator=rng)
    rounds = max(1, -(-sizes.timed // 1024)) * min(1024, sizes.timed)
    numbers["us_per_jet"] = 1e6 * (time.process_time() - start) / rounds, 0.0
    halves = _halves(train)
    floor = measure_sample(halves[0], real, halves[1], sizes)
    return {"n": n, "made": numbers, "floor": floor}


def jets_of(loader: Any, most: int) -> Jets:
    """The first jets of a loader."""
    batches, seen = [], 0
    for batch in loader:
        batches.append(batch)
        seen += batch.num_graphs
        if seen >= most:
            break
    counts = torch.cat([batch.ptr.diff() for batch in batches])[:most]
    ptr = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
    return torch.cat([batch.x for batch in batches])[: int(ptr[-1])], ptr


def _halves(jets: Jets) -> tuple[Jets, Jets]:
    """The first half of jets, and the second one."""
    x, ptr = jets
    half = (len(ptr) - 1) // 2
    cut = int(ptr[half])
    return (x[:cut], ptr[: half + 1]), (x[cut:], ptr[half:] - cut)


def relative(jets: Jets) -> JetSample:
    """Jets with pT relative to their own."""
    x, ptr = jets[0].double().clone(), jets[1]
    own = torch.from_numpy(jet_features(x, ptr)["pt"])
    x[:, 0] /= own.clamp(min=1e-9).repeat_interleave(ptr.diff())
    return JetSample(x, ptr)


def measure_sample(made: Jets, real: Jets, train: Jets, sizes: Sizes) -> dict[str, Any]:
    """Numbers of a sample of jets: (value, error) by metric.

    Args:
        made: The jets.
        real: Real jets.
        train: Other real jets, for floors and neighbours.
        sizes: How much is measured.
    """
    samples = [relative(jets) for jets in (made, real, train)]
    numbers: dict[str, Any] = {}
    for metric, result in over_floor(samples[0], samples[1], samples[2]).items():
        numbers[metric] = tuple(result.distance)
        numbers[f"{metric}_floor"] = tuple(result.floor)
        numbers[f"{metric}_over_floor"] = tuple(result.ratio)
    ours, true, others = (jet_observables(JetSample(*jets)) for jets in (made, real, train))
    for name, score in feature_z_scores(ours, true, others).items():
        numbers[f"w1_{name}"] = tuple(score.distance)
    tree = two_sample_auc_tree(ours, true)
    numbers["two_sample_auc_tree"] = tree.value, tree.error
    size = min(sizes.pfn, len(made[1]) - 1, len(real[1]) - 1)
    pfn = two_sample_auc_pfn(made, real, size, sizes.steps)
    numbers["two_sample_auc_pfn"] = pfn.value, pfn.error
    n = sizes.neighbours
    near, around, learned = (
        energy_flow_embedding(JetSample(*jets))
        for jets in (_first(made, n), _first(real, n), train)
    )
    ratios = nearest_ratios(near, around, learned)
    numbers["pair_distance_ratio"] = tuple(ratios.pair_distance)
    numbers["nearest_training_ratio"] = tuple(ratios.nearest_training)
    numbers["reach_ratio"] = tuple(ratios.reach)
    return {name: tuple(map(float, np.atleast_1d(value))) for name, value in numbers.items()}


def _first(jets: Jets, n: int) -> Jets:
    x, ptr = jets
    ptr = ptr[: n + 1]
    return x[: int(ptr[-1])], ptr
