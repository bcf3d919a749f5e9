"""Jets of a class out of noise, by two generators."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.metrics.floors import feature_z_scores, over_floor
from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.nearest import energy_flow_embedding, nearest_ratios
from pyg_jets.metrics.observables import jet_observables
from pyg_jets.metrics.two_sample import two_sample_auc_tree
from pyg_jets.nn import AutoregressiveJets, JetVAE
from pyg_jets.ops import counts_to_ptr
from pyg_jets.runs import Point, load_run
from pyg_jets.studies.generation.tables import Column, add_table, over_seeds
from pyg_jets.studies.page import Page
from pyg_jets.studies.section import Cost, Section
from pyg_jets.studies.study import StudyRun
from pyg_jets.studies.trained import data_module
from pyg_jets.training import load_generator
from pyg_jets.training.two_sample import two_sample_auc_pfn

__all__ = ["Noise"]

_FLOOR = "truth floor"
#: Jets that are sampled at a time.
_BATCH = 4096
#: Observables of the trees: those of a jet as a whole, and τ21 and τ32, which nothing trained on.
_TREE = ("mass", "multiplicity", "tau21", "tau32", "width", "leading_share")
COLUMNS: dict[str, Column] = {
    "w1m_over_floor": ("W1M / floor", 1.0),
    "w1p_over_floor": ("W1P / floor", 1.0),
    "w1efp_over_floor": ("W1EFP / floor", 1.0),
    "w1_tau21": ("τ21", 1.0),
    "w1_tau32": ("τ32", 1.0),
    "w1_softdrop_ratio": ("soft drop", 1.0),
    "two_sample_auc_tree": ("AUC tree", 1.0),
    "two_sample_auc_pfn": ("AUC PFN", 1.0),
    "nearest_training_ratio": ("nearest", 1.0),
    "pair_distance_ratio": ("pairs", 1.0),
    "bits_per_jet": ("bits a jet", 1.0),
    "us_per_jet": ("µs a jet", 1.0),
}
TEXT = """{n} test jets of each kind, as many made. Distances are over their floor, that of two
samples of real jets as large, or W₁ over the deviation of real jets (τ21, τ32, the ratio of the
soft-drop mass to the mass). The second stage of the training sees quantile functions of projected
particles, waves in the plane of η and φ, width, dispersion, the leading share, and mean distances
to one to four hard particles that are far apart, which are akin to τ_N but have other axes;
nothing trained on τ21, τ32, the soft-drop mass or energy-flow polynomials themselves. The tree
reads {tree}; the particle flow network reads particles. *Nearest* is the median distance of a jet
to the nearest training jet and *pairs* the mean distance of two jets, in maps of energy and
number, over those of real test jets. *Before matching* leaves out the step that gives the
particles the pT and mass that were drawn. *Bits a jet*: of the particles in ln pT, η, φ (rad),
given pT, mass and multiplicity of the jet."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        test: Real test jets, and as many made.
        judged: Jets of each class for the classifiers.
        steps: Training steps of the particle flow network.
        near: Jets for distances to the nearest.
        resamples: Bootstrap samples.
    """

    test: int = 50_000
    judged: int = 25_000
    steps: int = 2500
    near: int = 4000
    resamples: int = 10


QUICK = Sizes(40, 30, 20, 20, 3)


class Noise(Section):
    """Jets of a class out of noise, by two generators."""

    name = "noise"
    title = "Jets out of noise"
    full = ("sweep_noise", "sweep_noise_more")
    quick = ("sweep_noise_quick",)
    costs = (
        Cost("30 particles, reconstruction", 0.023, 12_000, 9),
        Cost("30 particles, samples", 0.15, 2_800, 9),
        Cost("quarks, Z and all constituents", 0.05, 15_000, 5),
        Cost("autoregressive", 0.07, 4_200),
    )

    def sizes(self, study_run: StudyRun) -> Sizes:
        """How much is measured."""
        return QUICK if study_run.quick else Sizes()

    def measure_training(self, study_run: StudyRun, point: Point) -> None:
        """Measure what a network makes out of noise."""
        sizes, date = self.sizes(study_run), str(point.run.provenance["date"])
        study_run.measure(
            f"{self.key(point)}-jets",
            lambda **_: measure_noise(point, sizes),
            trained=date,
            sizes=asdict(sizes),
        )

    def write(self, page: Page, study_run: StudyRun) -> None:
        """Write a table of each kind of jets."""
        sizes = self.sizes(study_run)
        page.text(TEXT.format(n=f"{sizes.test:,}", tree=", ".join(_TREE).replace("_", " ")))
        tables: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = {}
        for point in self.points(study_run):
            record = study_run.measured(f"{self.key(point)}-jets")
            if record is None:
                continue
            labels = point.labels
            rows = tables.setdefault((labels["jets"], labels["particles"]), {})
            for row, numbers in record.items():
                title = labels["network"] + ", before matching" * (row == "unmatched")
                rows.setdefault(_FLOOR if row == "floor" else title, []).append(numbers)
        for (jets, particles), rows in sorted(tables.items(), key=lambda item: item[0][::-1]):
            page.heading(f"{jets}, {particles} particles", 3)
            name = f"noise-{jets}" + ("" if particles == "30" else f"-{particles}")
            averaged = {title: over_seeds(of_seeds) for title, of_seeds in rows.items()}
            add_table(page, name, COLUMNS, averaged, {t: len(s) for t, s in rows.items()})


def measure_noise(point: Point, sizes: Sizes) -> dict[str, dict[str, Any]]:
    """Distances of made jets, before and after matching, and of real jets, from other real ones.

    Args:
        point: A training, of one kind of jets.
        sizes: How much is measured.
    """
    run = load_run(point.run.folder)
    data: Any = data_module(run)
    data.setup("test")
    network: Any = load_generator(run).network
    real = jets_of(data.test_dataloader(), sizes.test)
    train = jets_of(data.statistics_dataloader(), sizes.test)
    n = len(real[1]) - 1
    generator = torch.Generator().manual_seed(0)
    _sampled(network, min(n, _BATCH), generator)  # kernels are compiled, and memory is there
    start = time.perf_counter()
    made = _sampled(network, n, generator.manual_seed(0))
    us_per_jet = 1e6 * (time.perf_counter() - start) / n
    rows = {"made": measure_sample(made, real, train, sizes)}
    rows["made"] |= {
        "us_per_jet": us_per_jet,
        "training_minutes": float(run.provenance["wall_time_s"]) / 60,
    }
    if isinstance(network, AutoregressiveJets):
        bits = torch.cat([network.bits_per_jet(*each).detach() for each in _batches(real, 1000)])
        rows["made"]["bits_per_jet"] = float(bits.mean()), float(bits.std() / len(bits) ** 0.5)
    if isinstance(network, JetVAE | AutoregressiveJets):
        unmatched = _sampled(network, n, generator.manual_seed(1), match=False)
        rows["unmatched"] = measure_sample(unmatched, real, train, sizes)
    rows["floor"] = measure_sample(train, real, None, sizes)
    return rows


def jets_of(loader: Any, most: int) -> tuple[Tensor, Tensor]:
    """The first jets of a loader, or of the first of several, at most ``most``."""
    loader = loader[0] if isinstance(loader, list | tuple) else loader
    x, counts, n = [], [], 0
    for batch in loader:
        x.append(batch.x)
        counts.append(batch.ptr.diff())
        n += batch.num_graphs
        if n >= most:
            break
    ptr = counts_to_ptr(torch.cat(counts))[: most + 1]
    return torch.cat(x)[: int(ptr[-1])], ptr


def _batches(jets: tuple[Tensor, Tensor], size: int) -> Any:
    x, ptr = jets
    for begin in range(0, len(ptr) - 1, size):
        few = ptr[begin : begin + size + 1]
        yield x[few[0] : few[-1]], few - few[0]


@torch.no_grad()
def _sampled(network: Any, n: int, generator: torch.Generator, **options: Any) -> Any:
    """Jets out of noise, some thousands at a time."""
    parts = [
        network.sample(min(_BATCH, n - begin), generator=generator, **options)
        for begin in range(0, n, _BATCH)
    ]
    ptr = counts_to_ptr(torch.cat([ptr.diff() for _, ptr in parts]))
    return torch.cat([x for x, _ in parts]), ptr


def measure_sample(
    made: tuple[Tensor, Tensor],
    real: tuple[Tensor, Tensor],
    train: tuple[Tensor, Tensor] | None,
    sizes: Sizes,
) -> dict[str, Any]:
    """Numbers of a row.

    Args:
        made: Jets ``(x, ptr)`` that were made.
        real: As many real ones.
        train: Training jets, which give the floor and the novelty; ``None`` for the floor itself.
        sizes: How much is measured.
    """
    samples = (made, real) if train is None else (made, real, train)
    observed = [jet_observables(JetSample(*jets)) for jets in samples]
    unit = float(observed[1]["pt"].mean())  # one scale, so that the spread of pT counts
    ours, theirs = (_over(jets, unit) for jets in (made, real))
    numbers: dict[str, Any] = {}
    ratios = over_floor(ours, theirs, None if train is None else _over(train, unit),
                        resamples=sizes.resamples)  # fmt: skip
    for metric, result in ratios.items():
        numbers[metric] = result.distance.value, result.distance.error
        numbers[f"{metric}_over_floor"] = result.ratio.value, result.ratio.error
    others = None if train is None else observed[2]
    scores = feature_z_scores(observed[0], observed[1], others, resamples=sizes.resamples)
    for name, result in scores.items():  # a number of particles that is always 30 has none
        numbers[f"w1_{name}"] = result.distance.value, result.distance.error
        numbers[f"w1_{name}_over_floor"] = result.ratio.value, result.ratio.error
    judged = min(sizes.judged, len(made[1]) - 1, len(real[1]) - 1)
    tree = two_sample_auc_tree(observed[0], observed[1], _TREE, judged)
    numbers["two_sample_auc_tree"] = tree.value, tree.error
    pfn = two_sample_auc_pfn(made, real, judged, sizes.steps)
    numbers["two_sample_auc_pfn"] = pfn.value, pfn.error
    if train is not None:
        few = [energy_flow_embedding(_over(_first(jets, sizes.near), unit))
               for jets in (made, real, train)]  # fmt: skip
        near = nearest_ratios(few[0], few[1], few[2])
        for name, value in near._asdict().items():
            numbers[f"{name}_ratio"] = value.value, value.error
    return numbers


def _first(jets: tuple[Tensor, Tensor], n: int) -> tuple[Tensor, Tensor]:
    ptr = jets[1][: n + 1]
    return jets[0][: int(ptr[-1])], ptr


def _over(jets: tuple[Tensor, Tensor], unit: float) -> JetSample:
    """Jets with pT in units of the mean pT of real jets."""
    x = jets[0].double().numpy()
    return JetSample(np.concatenate((x[:, :1] / unit, x[:, 1:]), 1), jets[1].numpy())
