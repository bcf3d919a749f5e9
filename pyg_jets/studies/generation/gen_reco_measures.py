"""What is measured of a response: distances, skill, the response of single jets, classifiers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch

from pyg_jets.metrics.bins import bin_ratios
from pyg_jets.metrics.generation import (
    JetSample,
    efp_features,
    feature_distance,
    fpd,
    kpd,
    w1p,
)
from pyg_jets.metrics.observables import UNTRAINED, jet_observables, pair_observables
from pyg_jets.metrics.response import response_correlation, response_width_ratio, skill
from pyg_jets.metrics.two_sample import two_sample_auc_tree
from pyg_jets.studies.generation.baselines import Ratios, random_response
from pyg_jets.studies.generation.gen_reco_jets import (
    FEATURES,
    GenReco,
    Response,
    Sets,
    detector,
    grid_hidden,
    hides_kinds_and_eta,
)
from pyg_jets.studies.generation.gen_reco_score import HeldOutScore
from pyg_jets.training.two_sample import lattice_blur, two_sample_auc_pfn

__all__ = ["CEILINGS", "Bench", "Sizes", "emds", "measure_response", "moments", "single_jets"]

#: Seeds: of the detector that rows are compared with, of what a row shows, of the detector's draws
#: of single jets, of those of a row, and of those of its ceiling.
FLOOR, ROW, DRAWS, AGAIN, OTHER = 1, 20, 1_000, 100_000, 200_000
#: Detectors that know as much as a network may: all, all but the place on the cells, and what the
#: source's inputs tell.
CEILINGS: dict[str, Callable[[Any], Response]] = {
    "detector": detector,
    "grid hidden": grid_hidden,
    "inputs hidden": hides_kinds_and_eta,
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured: all by default, little in a quick run.

    Args:
        test: Test jets.
        train: Training jets of the ratios and regressions.
        drawn: Jets of which the response is drawn.
        draws: How often.
        floors: Draws of the detector for the spread of the floor.
        resamples: Bootstrap samples.
        pfn: Jets of a class for the classifier that reads particles.
        steps: Its steps.
        polynomials: Jets of which energy-flow polynomials are computed.
        timed: Jets for the time of sampling.
        bin_error: Largest statistical error of a bin.
    """

    test: int = 50_000
    train: int = 45_000
    drawn: int = 4_000
    draws: int = 200
    floors: int = 5
    resamples: int = 30
    pfn: int = 10_000
    steps: int = 3_000
    polynomials: int = 25_000
    timed: int = 8_192
    bin_error: float = 0.03


class Bench:
    """The jets of all rows of a table, and what is computed of them once.

    Args:
        jets: The jets.
        sizes: How much is measured.
    """

    def __init__(self, jets: GenReco, sizes: Sizes):
        self.jets, self.sizes = jets, sizes

    @cached_property
    def ratios(self) -> Ratios:
        """Responses of the training jets."""
        return Ratios(self.jets)

    @cached_property
    def truth(self) -> dict[str, np.ndarray]:
        """Features of the truth."""
        return self.jets.reco.features()

    @cached_property
    def rivals(self) -> dict[str, dict[str, np.ndarray]]:
        """Features of the rows that others are compared with, jet by jet."""
        again, random = detector(self.jets.detector), random_response(self.jets, self.ratios)
        return {
            "detector_again": self.jets.respond(again, FLOOR).features(),
            "random_response": self.jets.respond(random, ROW).features(),
        }

    @cached_property
    def drawn(self) -> dict[str, np.ndarray]:
        """Moments of the draws of the detector, see :func:`moments`."""
        return moments(detector(self.jets.detector), self, DRAWS)

    @cache  # noqa: B019
    def ceiling(self, name: str) -> dict[str, np.ndarray]:
        """Moments of other draws of a detector that knows as much as a network.

        Args:
            name: One of :data:`CEILINGS`.
        """
        return moments(CEILINGS[name](self.jets.detector), self, OTHER)

    @cached_property
    def held_out(self) -> HeldOutScore:
        """The score, with the scale of two responses of the detector to training jets."""
        response, batch = detector(self.jets.detector), self.jets.train[0]
        return HeldOutScore(response(batch, 91), response(batch, 92))

    @cache  # noqa: B019
    def scores(self, with_kinds: bool) -> tuple[np.ndarray, np.ndarray]:
        """Scores of each test jet: of identity, and of another response of the detector."""
        rows = (self.jets.before, detector(self.jets.detector))
        identity, again = (self.score(response, with_kinds) for response in rows)
        return identity, again

    @torch.no_grad()
    def score(self, response: Response, with_kinds: bool = True) -> np.ndarray:
        """Energy score of two draws against the truth, of each test jet.

        Args:
            response: The response.
            with_kinds: Whether kinds of particles are told apart.
        """
        parts = []
        for batch in self.jets.test:
            draws = [response(batch, ROW), response(batch, ROW + 1), self.jets.truth(batch)]
            if not with_kinds:
                draws = [s._replace(kind=torch.zeros_like(s.kind)) for s in draws]
            parts.append(self.held_out(*draws).numpy())
        return np.concatenate(parts)

    def skill(self, response: Response, with_kinds: bool) -> tuple[float, float]:
        """The skill of a response by the score, with its error.

        Args:
            response: The response.
            with_kinds: Whether kinds of particles are told apart.
        """
        identity, again = self.scores(with_kinds)
        row = self.score(response, with_kinds)
        value, error = skill(identity, row, again, n=self.sizes.resamples)
        return value, error

    @cached_property
    def sample(self) -> JetSample:
        """The truth with pT relative to that of GEN."""
        return self.relative(self.jets.reco)

    @cached_property
    def shapes(self) -> dict[str, np.ndarray]:
        """Features of the truth that nothing is trained on."""
        return jet_observables(JetSample(self.jets.reco.x, self.jets.reco.ptr), UNTRAINED)

    def relative(self, sets: Sets) -> JetSample:
        """Jets with pT relative to that of the GEN jet.

        Args:
            sets: Responses to the test jets.
        """
        gen = torch.from_numpy(self.jets.gen_features["pt"])
        x = sets.x.double().clone()
        x[:, 0] /= gen.clamp(min=1e-9).repeat_interleave(sets.ptr.diff())
        return JetSample(x, sets.ptr)


def emds(made: Mapping[str, np.ndarray], bench: Bench) -> dict[str, Any]:
    """W₁/σ of each feature of the test jets, with its error, and less that of other rows, paired.

    Errors are deviations over bootstrap samples, the same jets in all rows.

    Args:
        made: Features of the responses to the test jets.
        bench: The truth and the other rows.
    """
    rows = {"": made, **{f"_minus_{name}": of_row for name, of_row in bench.rivals.items()}}
    rng, n = np.random.default_rng(0), len(made["pt"])
    samples = [np.arange(n)] + [rng.integers(0, n, n) for _ in range(bench.sizes.resamples)]
    distances: dict[str, Any] = {}
    for name in FEATURES:
        sigma = bench.truth[name].std()
        of_rows = np.empty((len(samples), len(rows)))
        for i, jets in enumerate(samples):
            truth = np.sort(bench.truth[name][jets])
            for j, features in enumerate(rows.values()):
                of_rows[i, j] = np.abs(np.sort(features[name][jets]) - truth).mean() / sigma
        of_rows[:, 1:] = of_rows[:, :1] - of_rows[:, 1:]
        for column, suffix in zip(of_rows.T, rows, strict=True):
            distances[f"emd_{name}{suffix}"] = float(column[0]), float(column[1:].std())
    return distances


def moments(response: Response, bench: Bench, seed: int) -> dict[str, np.ndarray]:
    """Mean and deviation of RECO / GEN of the first jets over draws, of pT and mass.

    Args:
        response: The response.
        bench: The jets, and how many of them and how often.
        seed: Seed of the first draw.

    Returns:
        ``{"pt": [2, J], "mass": [2, J]}``: means, deviations.
    """
    batch, sizes = bench.jets.first(bench.sizes.drawn), bench.sizes
    gen = bench.jets.before(batch).features()
    sums = {name: np.zeros((2, batch.num_graphs)) for name in ("pt", "mass")}
    for draw in range(sizes.draws):
        features = response(batch, seed + draw).features()
        for name, total in sums.items():
            ratio = features[name] / np.maximum(gen[name], 1e-9) - 1
            total += ratio, ratio**2
    result = {}
    for name, (first, second) in sums.items():
        mean = first / sizes.draws
        variance = (second / sizes.draws - mean**2) * sizes.draws / max(sizes.draws - 1, 1)
        result[name] = np.stack((1 + mean, np.sqrt(np.maximum(variance, 0))))
    return result


def histograms(made: np.ndarray, bench: Bench, name: str) -> dict[str, Any]:
    """The ratio to the truth in bins of a small error of their own, as plain values.

    Args:
        made: A feature of the responses to the test jets, ``[J]``.
        bench: The truth.
        name: The feature.

    Returns:
        ``within``, the share of bins within 10 %, and ``edges, made, real, ratio, error``.
    """
    ratios = bin_ratios(made, bench.truth[name], largest_error=bench.sizes.bin_error)
    arrays = {key: value.tolist() for key, value in vars(ratios).items()}
    return {"within": ratios.share_within(), **arrays}


def single_jets(
    drawn: Mapping[str, np.ndarray], bench: Bench, ceiling: str = "detector"
) -> dict[str, Any]:
    """Correlation of the mean response with the detector's, its share of a ceiling, and widths.

    Args:
        drawn: Moments of the draws.
        bench: Those of the detector.
        ceiling: What the share is of, one of :data:`CEILINGS`.
    """
    numbers: dict[str, Any] = {}
    for name in ("pt", "mass"):
        (mean, width), (true_mean, true_width) = drawn[name], bench.drawn[name]
        most = bench.ceiling(ceiling)[name][0]
        result = response_correlation(mean, true_mean, most, n=bench.sizes.resamples)
        metric = f"response_correlation_{name}"
        numbers[metric], numbers[f"{metric}_ceiling"] = tuple(result[0]), tuple(result[1])
        numbers[f"{metric}_share"] = tuple(result[2])
        ratio = response_width_ratio(width, true_width, n=bench.sizes.resamples)
        numbers[f"response_width_{name}"] = tuple(ratio)
    return numbers


def sample_distances(made: Sets, bench: Bench) -> dict[str, Any]:
    """W1P of all jets, FPD and KPD of the first, pT relative to that of GEN.

    Args:
        made: Responses to the test jets.
        bench: The truth.
    """
    ours, n = bench.relative(made), min(bench.sizes.polynomials, made.n_jets)
    first, of_truth = (JetSample(*_first(sample, n)) for sample in (ours, bench.sample))
    features = efp_features(first, of_truth)
    least = min(20_000, n // 2)
    return {
        "w1p": tuple(w1p(ours, bench.sample, min(50_000, made.n_jets))),
        "fpd": tuple(fpd(*features, least)),
        "kpd": tuple(kpd(*features)),
    }


def _first(sample: JetSample, n: int) -> tuple[np.ndarray, np.ndarray]:
    return sample.x[: sample.ptr[n]], sample.ptr[: n + 1]


def classifiers(made: Sets, bench: Bench) -> dict[str, Any]:
    """AUC of classifiers that tell pairs of GEN and a response from pairs of GEN and the truth.

    A tree reads observables of the pair, a particle flow network its particles. What a detector
    keeps exactly (directions of tracks, cells) is hidden from the network by blurring it, except in
    ``two_sample_auc_pfn_exact``.

    Args:
        made: Responses to the test jets.
        bench: The truth.
    """
    gen, real, ids = bench.jets.gen, bench.jets.reco, np.arange(made.n_jets)
    kinds = bool(made.kind.any()) or not bool(real.kind.any())
    observables = [
        pair_observables(
            JetSample(reco.x, reco.ptr),
            JetSample(gen.x, gen.ptr),
            reco.kind == 0 if kinds else None,
            gen.kind == 0 if kinds else None,
        )
        for reco in (made, real)
    ]
    tree = two_sample_auc_tree(observables[0], observables[1], made_ids=ids, real_ids=ids)
    numbers: dict[str, Any] = {"two_sample_auc_tree": (tree.value, tree.error)}
    if not kinds:
        return numbers
    sets = [_columns(each) for each in (made, real, gen)]
    blurs = tuple(lattice_blur(s.kind == 0, s.kind == 1) for s in (made, real))
    size, steps = min(bench.sizes.pfn, made.n_jets), bench.sizes.steps
    for name, blur in (("", (blurs[0], blurs[1])), ("_exact", None)):
        test = two_sample_auc_pfn(sets[0], sets[1], size, steps, pairs=sets[2], blur=blur)
        numbers[f"two_sample_auc_pfn{name}"] = test.value, test.error
    return numbers


def _columns(sets: Sets) -> tuple[Any, Any]:
    """Particles with flags of their kind, ``[N, 6]``."""
    flags = torch.nn.functional.one_hot(sets.kind, 3).to(sets.x.dtype)
    return torch.cat((sets.x, flags), 1), sets.ptr


def shapes(made: Sets, bench: Bench) -> dict[str, Any]:
    """W₁/σ of features that nothing is trained on: τ21, τ32, mass after soft drop over mass."""
    real = bench.shapes
    ours = jet_observables(JetSample(made.x, made.ptr), UNTRAINED)
    return {f"w1_{name}": feature_distance(ours[name], real[name]) for name in UNTRAINED}


def measure_response(
    response: Response, bench: Bench, is_network: bool = False, ceiling: str = "detector"
) -> dict[str, Any]:
    """All numbers of a row: (value, error) or the value, by metric.

    Args:
        response: The response.
        bench: The jets, the truth, and what others are compared with.
        is_network: Whether the time of sampling is measured too.
        ceiling: What correlations are a share of, one of :data:`CEILINGS`.
    """
    made = bench.jets.respond(response, ROW)
    features, drawn = made.features(), moments(response, bench, AGAIN)
    of_bins = {name: histograms(features[name], bench, name) for name in ("pt", "mass")}
    row: dict[str, Any] = {
        "n": made.n_jets,
        **emds(features, bench),
        "skill_no_kinds": bench.skill(response, with_kinds=False),
        **single_jets(drawn, bench, ceiling),
        **sample_distances(made, bench),
        **classifiers(made, bench),
        **{f"bins_within_tenth_{name}": each["within"] for name, each in of_bins.items()},
        **shapes(made, bench),
        "histograms": of_bins,
        "examples": {name: _examples(drawn[name], bench.drawn[name]) for name in ("pt", "mass")},
    }
    if bool(made.kind.any()):
        row["skill"] = bench.skill(response, with_kinds=True)
    if is_network:
        row["us_per_jet"] = microseconds(response, bench), 0.0
    return row


def _examples(drawn: np.ndarray, true: np.ndarray, n: int = 150) -> dict[str, list[float]]:
    """Means and widths of the first jets, for a figure."""
    names = ("mean", "width", "true_mean", "true_width")
    return {
        name: values[:n].round(5).tolist()
        for name, values in zip(names, (*drawn, *true), strict=True)
    }


def microseconds(response: Response, bench: Bench, batch_size: int = 1024) -> float:
    """µs a jet of a response, in batches of 1,024: the median."""
    rounds = []
    for begin in range(0, bench.sizes.timed, batch_size):
        batch = bench.jets.first(min(batch_size, bench.sizes.timed))
        start = time.process_time()
        response(batch, begin)
        rounds.append((time.process_time() - start) / batch.num_graphs)
    return 1e6 * float(np.median(rounds[1:] or rounds))
