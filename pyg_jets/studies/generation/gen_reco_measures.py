"""What is measured of a response: distances, the response of single jets, classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pyg_jets.metrics.bins import bin_ratios
from pyg_jets.metrics.floors import z_score_differences
from pyg_jets.metrics.generation import (
    JetSample,
    efp_features,
    feature_distance,
    fpd,
    kpd,
    w1p,
)
from pyg_jets.metrics.observables import pair_observables
from pyg_jets.metrics.response import response_correlation, response_width_ratio
from pyg_jets.metrics.two_sample import two_sample_auc_tree
from pyg_jets.studies.generation.gen_reco_bench import (
    AGAIN,
    FLOOR,
    ROW,
    SHAPES,
    Bench,
    all_features,
    moments,
)
from pyg_jets.studies.generation.gen_reco_jets import NetworkResponse, Response, Sets, detector
from pyg_jets.training.two_sample import lattice_blur, two_sample_auc_pfn

__all__ = ["emds", "measure_floor", "measure_response", "metric_of", "single_jets"]


def metric_of(name: str) -> str:
    """The name in the CSV of the distance of a feature.

    Examples:
        >>> metric_of("mass"), metric_of("tau21")
        ('emd_mass', 'w1_tau21')
    """
    return ("w1_" if name in SHAPES else "emd_") + name


def emds(made: Mapping[str, np.ndarray], bench: Bench) -> dict[str, Any]:
    """W₁/σ of each feature of the test jets, with its error, and less that of other rows, paired.

    Errors are deviations over bootstrap samples, the same GEN jets in all rows.

    Args:
        made: Features of the responses to the test jets, see :func:`all_features`.
        bench: The truth and the other rows.
    """
    # the truth is at no distance from itself: the difference from it is the distance
    rivals = {"": bench.truth, **{f"_minus_{name}": row for name, row in bench.rivals.items()}}
    distances: dict[str, Any] = {}
    for suffix, rival in rivals.items():
        differences = z_score_differences(
            made, rival, bench.truth, paired=True, resamples=bench.sizes.resamples
        )
        for name, (value, error) in differences.items():
            distances[f"{metric_of(name)}{suffix}"] = value, error
    return distances


def measure_floor(bench: Bench) -> dict[str, Any]:
    """The floor of each distance: (mean, spread) over seeds of the detector.

    Args:
        bench: The jets, and how many seeds.
    """
    rows, truth = [], bench.truth
    for seed in range(bench.sizes.floors):
        sets = bench.jets.respond(detector(bench.jets.detector), FLOOR + seed)
        features = all_features(sets)
        row = {
            metric_of(name): feature_distance(features[name], truth[name])
            for name in truth
            if truth[name].std() > 0
        }
        rows.append(row | {name: v[0] for name, v in sample_distances(sets, bench).items()})
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {name: (float(v.mean()), float(v.std(ddof=1))) for name, v in values.items()}


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


def measure_response(response: Response, bench: Bench, ceiling: str = "detector") -> dict[str, Any]:
    """All numbers of a row: (value, error) or the value, by metric.

    Args:
        response: The response.
        bench: The jets, the truth, and what others are compared with.
        ceiling: What correlations are a share of, one of :data:`CEILINGS`.
    """
    made = bench.jets.respond(response, ROW)
    features, drawn = all_features(made), moments(response, bench, AGAIN)
    of_bins = {name: histograms(features[name], bench, name) for name in ("pt", "mass")}
    row: dict[str, Any] = {
        "n": made.n_jets,
        **emds(features, bench),
        "skill_no_kinds": bench.skill(response, with_kinds=False),
        **single_jets(drawn, bench, ceiling),
        **sample_distances(made, bench),
        **classifiers(made, bench),
        **{f"bins_within_tenth_{name}": each["within"] for name, each in of_bins.items()},
        "histograms": of_bins,
        "examples": {name: _examples(drawn[name], bench.drawn[name]) for name in ("pt", "mass")},
    }
    if bool(made.kind.any()):
        row["skill"] = bench.skill(response, with_kinds=True)
    if isinstance(response, NetworkResponse):
        batches = bench.jets.test[: max(1, bench.sizes.timed // bench.jets.test[0].num_graphs)]
        row["us_per_jet"] = response.microseconds(batches)
    return row


def _examples(drawn: np.ndarray, true: np.ndarray, n: int = 150) -> dict[str, list[float]]:
    """Means and widths of the first jets, for a figure."""
    names = ("mean", "width", "true_mean", "true_width")
    return {
        name: values[:n].round(5).tolist()
        for name, values in zip(names, (*drawn, *true), strict=True)
    }
