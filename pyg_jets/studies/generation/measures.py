"""What the study measures of generated jets: distances, resolutions, bins, responses, costs.

Measurements are cached by :meth:`~pyg_jets.studies.StudyRun.measure`; a stopped run continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch

from pyg_jets.losses import VAELoss
from pyg_jets.metrics.energy_mover import coverage
from pyg_jets.metrics.features import feature_distances, jet_features
from pyg_jets.metrics.generation import (
    JetSample,
    efp_features,
    fpd,
    kpd,
    w1efp,
    w1m,
    w1p,
    weighted_deviation,
)
from pyg_jets.metrics.inputs import as_numpy
from pyg_jets.nn import ConditionalGraphVAE, ConvVAE
from pyg_jets.report.figures.features import Feature
from pyg_jets.runs import GENERATED, Run
from pyg_jets.studies.generation.jets import (
    COLUMNS,
    GenReco,
    Jets,
    Network,
    leading,
    ragged,
    stages_of,
)
from pyg_jets.studies.study import StudyRun
from pyg_jets.studies.trained import finished_runs
from pyg_jets.training import load_generator
from pyg_jets.transforms import Detect

__all__ = [
    "DETECTORS",
    "DRAWN",
    "TARGETS",
    "Row",
    "Sizes",
    "measures",
    "networks",
    "noise_runs",
    "rows",
]

#: Targets of the two tables, by the number of their hardest particles.
TARGETS = {"leading": 50, "all": None}
#: Seeds of the detector: of the truth floor, of the responses, and of a second set of these.
FLOOR, DRAWN, AGAIN = 1, 2, 3
#: Detectors that know less: rows of the table of responses, and how blind each is.
DETECTORS = {"detector again": 0, "blind to kinds": 1, "blind to kinds and η": 2}
_BINS = 20


@dataclass(frozen=True)
class Sizes:
    """How much is measured: all by default, little in a quick run.

    Args:
        efp_jets: Jets of which energy-flow polynomials are computed, and jets in a batch, at most.
        fpd_batches: Batches of each size for the FPD.
        fpd_points: Number of these sizes.
        coverage_batches: Batches for coverage and matching distance.
        response_jets: Jets of which the response is drawn.
        response_draws: How often.
        cost_jets: Jets for the time of sampling, in batches of 1,024.
        step_jets: Jets of a training step that is timed.
        step_times: How often it is timed.
        lengths: Lengths of the ConvVAEs of which a training step is timed.
    """

    efp_jets: int = 50_000
    fpd_batches: int = 20
    fpd_points: int = 10
    coverage_batches: int = 10
    response_jets: int = 200
    response_draws: int = 200
    cost_jets: int = 4096
    step_jets: int = 100
    step_times: int = 4
    lengths: tuple[int, ...] = (30, 50, 100, 150)


QUICK = Sizes(200, 2, 3, 2, 20, 5, 64, 16, 1, (30,))


def measures(study_run: StudyRun) -> None:
    """Make the measurements that are missing.

    Args:
        study_run: The run of the study, whose scans are finished.
    """
    sizes = QUICK if study_run.quick else Sizes()
    trained = networks(study_run)
    truth = GenReco(next(each for each in trained if each.is_graph and not each.max_target))
    for table, n in TARGETS.items():
        _measure_table(study_run, table, leading(truth.reco, n), truth, trained, sizes)
    for each in trained:
        _measure(study_run, f"costs-{each.key}", partial(costs, each, truth, sizes), each.run)
    _measure(study_run, "costs-detector", partial(detector_cost, truth, sizes))
    _measure(study_run, "steps", partial(training_steps, truth, sizes))
    _measure_responses(study_run, truth, trained, sizes)
    for run in noise_runs(study_run, 1):
        name = f"noise-{run.facts['processes'][0]}"
        _measure(study_run, name, partial(noise, run, sizes), run)


def _measure(
    study_run: StudyRun, name: str, make: Callable[[], Any], run: Run | None = None
) -> None:
    """Measure what is not in the cache; another training of ``run`` is measured again."""
    inputs = {} if run is None else {"trained": str(run.provenance["date"])}
    study_run.measure(name, lambda **_: make(), **inputs)


def networks(study_run: StudyRun) -> list[Network]:
    """The trained networks of the main scan, in the order of the tables."""
    runs = finished_runs(study_run, study_run.sweeps[0])
    return sorted(map(Network, runs), key=lambda network: network.order)


def noise_runs(study_run: StudyRun, which: int) -> list[Run]:
    """The finished runs of jets (1) or digits (2) out of noise."""
    runs = finished_runs(study_run, study_run.sweeps[which])
    return [run for run in runs if (run.folder / GENERATED).is_file()]


class Row(NamedTuple):
    """A row of the two tables: its key, title and kind, the jets, and the network if any."""

    key: str
    title: str
    kind: str
    jets: Callable[[], Jets]
    network: Network | None = None


def rows(table: str, truth: GenReco, trained: Sequence[Network]) -> Iterator[Row]:
    """The rows of a table.

    Args:
        table: ``"leading"`` or ``"all"``.
        truth: The jets before and after the detector.
        trained: The networks.
    """
    n = TARGETS[table]
    yield Row("floor", "truth floor", "floor", lambda: leading(truth.detected(FLOOR), n))
    yield Row("identity", "identity", "identity", lambda: leading(truth.gen, n))
    for most in (30, 50):
        if n is None or most < n:
            cut = partial(leading, truth.reco, most)
            yield Row(f"cut-{most}", f"truth, leading {most}", "cut", cut)
    for each in trained:
        if not (each.is_graph and n is None and each.max_target is not None):
            kind, jets = "graph" if each.is_graph else "list", partial(_generated, each, truth, n)
            yield Row(each.key, each.title, kind, jets, each)


def _generated(network: Network, truth: GenReco, n: int | None) -> Jets:
    return leading(network.generated(truth.ids), n)


def _measure_table(
    study_run: StudyRun,
    table: str,
    real: Jets,
    truth: GenReco,
    trained: Sequence[Network],
    sizes: Sizes,
) -> None:
    """Measure the rows of a table that are not yet measured."""
    relative = real.relative(truth.pt)
    samples = EFPSample(relative), EFPSample(relative.first(sizes.efp_jets))
    _measure(study_run, f"{table}-target", partial(simple, real, real, truth))
    for row in rows(table, truth, trained):
        name, jets = f"{table}-{row.key}", cache(row.jets)
        run = None if row.network is None else row.network.run
        parts: dict[str, Callable[[Jets], Any]] = {
            "": lambda jets: simple(jets, real, truth),
            "-distances": lambda jets: distances(jets.relative(truth.pt), *samples, sizes),
        }
        if find_spec("ot") is not None:
            parts["-coverage"] = lambda jets: matched(jets.relative(truth.pt), relative, sizes)
        for part, make in parts.items():
            _measure(study_run, f"{name}{part}", partial(_of, make, jets), run)


def _of(make: Callable[[Jets], Any], jets: Callable[[], Jets]) -> Any:
    """A measurement of jets that are only made if it is not in the cache."""
    return make(jets())


class EFPSample(JetSample):
    """A sample whose energy-flow polynomials are computed once, for all metrics.

    Args:
        jets: The jets, with relative pT.
    """

    def __init__(self, jets: Jets) -> None:
        super().__init__(*jets)
        self._values: dict[Any, np.ndarray] = {}

    def efps(self, graphs: Any) -> np.ndarray:
        """The energy-flow polynomials of each jet, ``[J, G]``."""
        names = [(len(graph), tuple(sorted(graph.edges()))) for graph in graphs]
        named = zip(names, graphs, strict=True)
        missing = {name: graph for name, graph in named if name not in self._values}
        if missing:
            columns = super().efps(list(missing.values())).T
            self._values |= zip(missing, columns, strict=True)
        return np.stack([self._values[name] for name in names], 1)


def simple(generated: Jets, real: Jets, truth: GenReco) -> dict[str, Any]:
    """What needs no resampling: distances of features, resolutions, ratios of histograms.

    Args:
        generated: Generated jets.
        real: The target.
        truth: The jets before the detector.
    """
    features, resolution = jet_features(*generated.sets), {}
    weights = None if generated.weights is None else generated.weights.double().numpy()
    for name, before in (("pt", truth.pt), ("mass", truth.mass)):
        shift = (features[name] - before) / before
        mean = float(np.average(shift, weights=weights))
        resolution[name] = mean, weighted_deviation(shift, weights)
    return {
        "emd": emds(generated, real),
        "resolution": resolution,
        "bins": histogram_ratios(features, jet_features(*real.sets), weights, real.weights),
    }


def emds(generated: Jets, real: Jets) -> dict[str, float]:
    """Distance of each feature of two samples of jets, by their weights if they have any."""
    return feature_distances(generated.sets, real.sets, True, generated.weights, real.weights)


def histogram_ratios(
    generated: dict[str, np.ndarray],
    real: dict[str, np.ndarray],
    generated_weights: Any = None,
    real_weights: Any = None,
) -> dict[str, dict[str, list[float]]]:
    """Histograms of mass and pT in 20 bins, and their ratio with its statistical error."""
    ratios = {}
    for name in ("mass", "pt"):
        low, high = np.quantile(real[name], (0.01, 0.99))
        edges = np.linspace(low, high, _BINS + 1)
        samples = {"made": (generated, generated_weights), "real": (real, real_weights)}
        heights, parts = {}, {}
        for which, (jets, given) in samples.items():
            weights = None if given is None else {which: as_numpy(given)}
            feature = Feature(name, {which: jets[name]}, edges, weights=weights)
            heights[which], error = feature.histogram(which, edges, beyond=False)
            parts[which] = error, np.maximum(heights[which], error)  # an empty bin has one too
        (made_error, a), (real_error, b) = parts["made"], parts["real"]
        ratio, relative = heights["made"] / b, np.hypot(made_error / a, real_error / b)
        ratios[name] = {
            "edges": edges.tolist(), "made": heights["made"].tolist(),
            "real": heights["real"].tolist(), "ratio": ratio.tolist(),
            "error": (a / b * relative).tolist(),
        }  # fmt: skip
    return ratios


def distances(generated: Jets, real: EFPSample, first: EFPSample, sizes: Sizes) -> dict[str, Any]:
    """W1M and W1P of all jets; W1EFP, FPD and KPD of the first; pT relative to that of GEN.

    Args:
        generated: Generated jets.
        real: The target.
        first: Its first jets, as many as energy-flow polynomials are computed of.
        sizes: How much is measured.
    """
    batch, ours = min(sizes.efp_jets, generated.n_jets), JetSample(*generated)
    ours_first = EFPSample(generated.first(sizes.efp_jets))
    features, least = efp_features(ours_first, first), min(20_000, len(ours_first) // 2)
    weights: dict[str, Any] = {
        "generated_weights": ours_first.weights, "real_weights": first.weights,
    }  # fmt: skip
    return {
        "w1m": w1m(ours, real, batch),
        "w1p": w1p(ours, real, batch),
        "w1efp": w1efp(ours_first, first, batch),
        "fpd": fpd(*features, least, points=sizes.fpd_points, batches=sizes.fpd_batches, **weights),
        "kpd": kpd(*features, **weights),
        "batch": batch,
    }


def matched(generated: Jets, real: Jets, sizes: Sizes) -> dict[str, Any]:
    """Coverage and minimum matching distance, of few jets in smaller batches."""
    batch = max(min(100, generated.n_jets // 100), 1)
    samples = JetSample(*generated), JetSample(*real)
    cov, mmd = coverage(*samples, batch, sizes.coverage_batches)
    return {"cov": cov, "mmd": mmd}


def _measure_responses(
    study_run: StudyRun, truth: GenReco, trained: Sequence[Network], sizes: Sizes
) -> None:
    """Responses of single jets: of the detector, of ones that know less, and of the networks."""

    detector, n_draws = partial(detector_draws, truth, sizes), sizes.response_draws
    draws: dict[str, tuple[Callable[[], Callable[[int], Jets]], Run | None]] = {
        f"detector-{most or 'all'}": (partial(detector, most, DRAWN), None)
        for most in dict.fromkeys((None, *(each.max_target for each in trained)))
    }
    for blind in DETECTORS.values():
        draws[f"blind-{blind}"] = partial(detector, None, AGAIN, blind), None
    for each in trained:
        draws[each.key] = partial(network_draws, truth, each, sizes), each.run
    for name, (draw, run) in draws.items():
        _measure(study_run, f"response-{name}", partial(responses, draw, truth, n_draws), run)


def detector_draws(
    truth: GenReco, sizes: Sizes, most: int | None, seed: int, blind: int = 0
) -> Callable[[int], Jets]:
    """Draws of the detector of the first jets, cut as the target of a network is.

    Args:
        truth: The jets before the detector.
        sizes: How many jets.
        most: Number of the hardest particles that are kept; ``None`` for all.
        seed: Seed of the detector.
        blind: 1 gives particles the mass, charge and kind of others; 2 gives jets the η of other
            jets as well. The detector then knows no more than a network that reads (pT, η, φ)
            relative to the jet's axis.
    """
    n_jets = min(sizes.response_jets, truth.gen.n_jets)
    (batch,) = truth.batches(n_jets, n_jets)
    shuffle = torch.Generator().manual_seed(seed)
    kinds, eta, jet = batch.x[:, 3:].clone(), batch.x[:, 1].clone(), batch.batch
    axis = torch.zeros(n_jets).index_add(0, jet, eta * batch.x[:, 0])
    axis = axis / torch.zeros(n_jets).index_add(0, jet, batch.x[:, 0])
    detect = Detect("cms-like", COLUMNS, seed, max_target=most)

    def draw(number: int) -> Jets:
        if blind:
            batch.x[:, 3:] = kinds[torch.randperm(len(kinds), generator=shuffle)]
        if blind > 1:
            other = axis[torch.randperm(n_jets, generator=shuffle)]
            batch.x[:, 1] = eta + (other - axis)[jet]
        detect.set_epoch(number)
        detected = detect(batch)
        return Jets(detected.x_target, detected.x_target_ptr)

    return draw


def network_draws(truth: GenReco, network: Network, sizes: Sizes) -> Callable[[int], Jets]:
    """Draws of a network of the first jets."""
    gen, model = truth.gen.first(sizes.response_jets), load_generator(network.run).network
    torch.manual_seed(0)
    return lambda number: Jets(*model.sample(gen.n_jets, gen.sets))


def responses(
    make_draw: Callable[[], Callable[[int], Jets]], truth: GenReco, n_draws: int
) -> dict[str, Any]:
    """Mean and standard deviation of RECO / GEN over the draws of each jet, of pT and mass."""
    draw = make_draw()
    drawn = [jet_features(*draw(number).sets) for number in range(1, n_draws + 1)]
    by_name = {}
    for name, before in (("pt", truth.pt), ("mass", truth.mass)):
        ratio = np.stack([jets[name] for jets in drawn]) / before[: len(drawn[0][name])]
        by_name[name] = {"mean": ratio.mean(0).tolist(), "width": ratio.std(0, ddof=1).tolist()}
    return by_name


def costs(network: Network, truth: GenReco, sizes: Sizes, batch: int = 1024) -> dict[str, float]:
    """Number of parameters, seconds an epoch, and µs a jet of sampling."""
    facts, model = network.run.provenance, load_generator(network.run).network
    gen, seconds = truth.gen.first(sizes.cost_jets), []
    for begin in range(0, gen.n_jets, batch):
        ptr = gen.ptr[begin : begin + batch + 1]
        jets = gen.x[ptr[0] : ptr[-1]], ptr - ptr[0]
        start = time.perf_counter()
        model.sample(len(ptr) - 1, jets)
        seconds.append((time.perf_counter() - start) / (len(ptr) - 1))
    return {
        "parameters": facts["parameters"],
        "epoch_s": facts["wall_time_s"] / facts["epochs"],
        "us": 1e6 * float(np.median(seconds)),
    }


def detector_cost(truth: GenReco, sizes: Sizes) -> dict[str, float]:
    """µs a jet of the detector itself."""
    detect, seconds = Detect("cms-like", COLUMNS), []
    batches = list(truth.batches(sizes.cost_jets))
    for batch in batches[:1] + batches:
        start = time.perf_counter()
        detect(batch)
        seconds.append((time.perf_counter() - start) / batch.num_graphs)
    return {"us": 1e6 * float(np.median(seconds[1:]))}  # the first compiles


def training_steps(truth: GenReco, sizes: Sizes) -> dict[str, dict[str, float]]:
    """Number of parameters, and seconds of a training step, of networks with random weights."""
    gen, reco = truth.gen.first(sizes.step_jets), truth.reco.first(sizes.step_jets)
    of_lists = VAELoss(chamfer=1.0, pt=0.001, mass=0.01, kl=0.01)
    terms = {"multiplicity": 0.1, "matching": 1.0, "response": 3.0, "jet": 1.0}
    tried: dict[str, tuple[Any, VAELoss, int | None]] = {
        f"ConvVAE {n}": (ConvVAE(n, latent=20), of_lists, n) for n in sizes.lengths
    }
    tried["GraphVAE"] = ConditionalGraphVAE(), VAELoss(chamfer=0.0, kl=0.01, terms=terms), None
    steps = {}
    for name, (model, loss, most) in tried.items():
        optimizer, seconds = torch.optim.Adam(model.parameters(), 1e-4), []
        for _ in range(sizes.step_times + 1):
            start = time.perf_counter()
            optimizer.zero_grad()
            loss(model(*gen.sets, *leading(reco, most).sets)).backward()
            optimizer.step()
            seconds.append(time.perf_counter() - start)
        parameters = sum(p.numel() for p in model.parameters())
        steps[name] = {"parameters": parameters, "step_s": float(np.median(seconds[1:]))}
    return steps


def noise(run: Run, sizes: Sizes) -> dict[str, Any]:
    """Distances of jets out of noise, and of as many real jets, from other real jets.

    Args:
        run: The run, tested on real jets.
        sizes: How much is measured.
    """
    stages = stages_of(run)
    half = len(stages["target"]) // 2
    real, other = ragged(stages["target"][half : 2 * half]), ragged(stages["target"][:half])
    generated, lines = ragged(stages["made"][:half]), {}
    reference = _by_own_pt(real)
    for name, jets in {"truth floor": other, "GraphVAE": generated}.items():
        batch, ours, least = min(sizes.efp_jets, half), _by_own_pt(jets), min(20_000, half // 2)
        features = efp_features(ours, reference)
        lines[name] = {
            "emd": emds(jets, real),
            "w1m": w1m(ours, reference, batch),
            "w1p": w1p(ours, reference, batch),
            "fpd": fpd(*features, least, points=sizes.fpd_points, batches=sizes.fpd_batches,
                       generated_weights=ours.weights, real_weights=reference.weights),
        }  # fmt: skip
    return {"n": half, "empty": int((generated.ptr.diff() == 0).sum()), "lines": lines}


def _by_own_pt(jets: Jets) -> EFPSample:
    """Jets with pT relative to their own."""
    pt = jet_features(*jets.sets)["pt"]
    return EFPSample(jets.relative(np.where(pt > 0, pt, 1)))
