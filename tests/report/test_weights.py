"""Pages and tables of weighted jets, and errors of events."""

import csv
import io
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import wasserstein_distance
from sklearn.metrics import accuracy_score, roc_auc_score

from pyg_jets import metrics
from pyg_jets.io import read_parquet, write_parquet
from pyg_jets.metrics import Estimate
from pyg_jets.report import summary_table
from pyg_jets.report.classes import class_comparisons
from pyg_jets.report.compare import DRAWS, SEED, baseline, comparisons
from pyg_jets.report.figures.features import Feature
from pyg_jets.report.figures.images import average_images
from pyg_jets.report.folder import render
from pyg_jets.report.generated import load_generated
from pyg_jets.report.generated_page import _csv, _lead
from pyg_jets.report.generated_pictures import _weights
from pyg_jets.report.page import _context
from pyg_jets.report.table import csv_text, rejection
from pyg_jets.runs import load_run, load_runs
from tests.report.conftest import samples, write_class_run, write_run
from tests.report.test_generated import write_run as write_generated

N = 600
WEIGHTS = np.random.default_rng(0).uniform(0.3, 3, N)
EVENTS = np.arange(N) // 4 * 2 + np.arange(N) % 2  # two jets of a class each
COLUMNS = {"weight": WEIGHTS.astype(np.float32), "event": EVENTS}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of weighted jets in events, the second of which does not know the events."""
    root = tmp_path_factory.mktemp("weighted")
    old = {"weight": COLUMNS["weight"]}
    return [
        write_run(root / "new", "PFN, new", n=N, **COLUMNS),
        write_run(root / "old", "PFN, old", 1.2, n=N, **old),
    ]


@pytest.fixture(scope="module")
def compared(runs):
    (one,) = comparisons(load_runs(runs))
    return one


def words(compared, folders):
    """The page of runs, without its figures."""
    context = _context(load_runs(folders), compared, [{}], "Title", None)
    return render("page.html", {**context, "formats": ("png",)})


def test_tables_are_those_of_weighted_jets(runs, compared):
    table = pq.read_table(runs[0] / "predictions.parquet").sort_by("jet_id")
    label, score, weight, mass = (
        table[name].to_numpy() for name in ("label", "score", "weight", "mass")
    )
    lines = {line["tagger"]: line for line in csv.DictReader(io.StringIO(csv_text([compared])))}
    line = lines["PFN, new"]
    assert float(line["auc"]) == pytest.approx(roc_auc_score(label, score, sample_weight=weight))
    accuracy = accuracy_score(label, score > 0, sample_weight=weight)
    assert float(line["accuracy"]) == pytest.approx(accuracy)
    effective = weight.astype(float).sum() ** 2 / (weight.astype(float) ** 2).sum()
    assert float(line["effective_test_jets"]) == pytest.approx(effective)
    assert f"{N} (N_eff {effective:.0f}) " in words([compared], runs)
    signal = label == 1
    order = np.argsort(mass[signal])
    half = np.searchsorted(weight[signal][order].cumsum(), weight[signal].sum() / 2)
    window = -np.abs(mass - mass[signal][order][half])
    area = roc_auc_score(label, window, sample_weight=weight)
    assert float(lines["mass alone"]["auc"]) == pytest.approx(area, abs=1e-6)
    tree = roc_auc_score(label, table["tree"].to_numpy(), sample_weight=weight)
    assert float(lines["tree on mass, multiplicity"]["auc"]) == pytest.approx(tree)
    for value in (1, 0):
        of_class = metrics.effective_number(weight[label == value])
        assert f"{N // 2} (N_eff {of_class:.0f})" in summary_table(runs)


def test_errors_are_those_of_events_for_all_runs_of_a_test_set(compared):
    first, second = compared.networks
    assert np.array_equal(first.events, second.events)
    options = {"n": DRAWS, "seed": SEED, "weights": first.weights, "events": first.events}
    known = metrics.bootstrap(metrics.auc, first.scores, first.labels, **options)
    assert first.auc == pytest.approx(known)
    known = metrics.difference(metrics.auc, second.scores, first.scores, first.labels, **options)
    assert compared.differences[0].auc == pytest.approx(known)
    assert all(np.array_equal(one.events, first.events) for one in compared.baselines)


def test_the_page_says_what_is_drawn(runs, compared, tmp_path):
    text = words([compared], runs)
    assert "bootstrap samples of the test events, whose jets come together," in text
    assert "Which jets share an event is not known" not in text
    assert "Jets count with their weights" in text
    old = write_run(tmp_path / "old", n=200)
    text = words(comparisons(load_runs([old])), [old])
    assert "bootstrap samples of the test jets," in text
    assert "Which jets share an event is not known, so they count as independent." in text
    assert "N_eff" not in text
    alone = write_run(tmp_path / "alone", n=200, event=np.arange(200))
    text = words(comparisons(load_runs([alone])), [alone])
    assert "samples of the test jets, drawn within each class" in text
    assert "share an event" not in text
    toy = write_run(tmp_path / "toy", n=200, toy=True)
    assert "share an event" not in words(comparisons(load_runs([toy])), [toy])


def test_weighted_and_unweighted_tests_are_not_compared(runs, tmp_path):
    plain = write_run(tmp_path / "plain", n=N)
    assert len(comparisons(load_runs([runs[0], plain]))) == 2


def test_several_classes_are_weighted_and_drawn_by_events(tmp_path):
    labels = np.random.default_rng(1).integers(0, 3, 300)
    weights = np.random.default_rng(2).uniform(0.3, 3, 300)
    events = np.arange(300) // 2  # of any classes
    folder = write_class_run(tmp_path / "run", n=300, weight=weights, event=events)
    (compared,) = class_comparisons(load_runs([folder]))
    (network,) = compared.networks
    right = network.scores.argmax(1) == network.labels
    assert network.accuracy.value == pytest.approx(np.average(right, weights=network.weights))
    draws = metrics.resamples(network.labels, DRAWS, SEED, network.events)
    shares = [np.average(right[draw], weights=network.weights[draw]) for draw in draws]
    assert network.accuracy.error == pytest.approx(np.std(shares, ddof=1))
    effective = metrics.effective_number(network.weights[network.labels == 2])
    text = words([compared], [folder])
    assert f"{(labels == 2).sum()} (N_eff {effective:.0f}) top" in text
    assert "by weight" not in text  # that figure was not drawn


def test_limits_of_rejections_count_effective_jets(compared):
    infinite = Estimate(float("inf"), float("inf"))
    background = compared.labels == 0
    want = metrics.effective_number(compared.weights[background])
    assert compared.effective_background == pytest.approx(want)
    assert want < 0.85 * compared.n_background
    assert rejection(infinite, compared.effective_background) == f"> {int(want)}"


def test_a_baseline_takes_the_side_that_is_better_for_weighted_jets():
    labels, values = np.array([1, 1, 0]), np.array([0.1, 0.9, 0.5])
    for weights, side in (([1, 3, 1], "large"), ([3, 1, 1], "small")):
        _, _, note = baseline("tau21", values, labels, weights=np.array(weights, float))
        assert side in note


@pytest.mark.parametrize("wrong", [-1.0, np.nan])
def test_negative_weights_of_predictions_are_refused(tmp_path, wrong):
    weights = np.ones(90)
    weights[3] = wrong
    folder = write_class_run(tmp_path / "run", n=90, weight=weights)
    with pytest.raises(ValueError, match=r"predictions\.parquet: Expected weights of 0 or more"):
        load_run(folder)


def test_average_images_are_those_of_weighted_jets():
    jets = samples(30)
    weights = np.random.default_rng(3).integers(0, 3, 31)[jets.ids // 7].astype(float)
    weighted = average_images(jets.with_jets(weight=weights), 3.0, "jet")
    before = jets[(jets.jets["stage"] == 0) & (jets.jets["angle"] == 0)]
    pt = np.bincount(np.repeat(np.arange(len(before)), before.counts), before.column("pt"))
    own = weights[(jets.jets["stage"] == 0) & (jets.jets["angle"] == 0)]
    for label in (0, 1):
        chosen = before.labels == label
        want = np.average(pt[chosen], weights=own[chosen])
        assert weighted[label][0].sum() == pytest.approx(want, rel=1e-3)


def test_histograms_of_weighted_values_are_numpys():
    rng = np.random.default_rng(0)
    values, weight = rng.normal(size=500), rng.uniform(0, 2, 500)
    edges = np.linspace(-2, 2, 9)
    feature = Feature("m", {"target": values}, edges, weights={"target": weight})
    height, error = feature.histogram("target", edges)
    inside = np.clip(values, -2, 2)
    for i, (low, high) in enumerate(pairwise(edges)):
        chosen = (inside >= low) & ((inside < high) | (i == 7))
        assert height[i] == pytest.approx(weight[chosen].sum())
        assert error[i] == pytest.approx(np.sqrt((weight[chosen] ** 2).sum()))
    plain, error = Feature("m", {"target": values}, edges).histogram("target", edges)
    assert np.array_equal(error, np.sqrt(plain))


def test_generated_jets_are_compared_by_their_weights(tmp_path):
    folder = write_generated(tmp_path / "run")
    path = folder / "generated.parquet"
    jets = read_parquet(path)
    weights = np.random.default_rng(4).uniform(0.2, 3, 200)[jets.ids // 3]
    write_parquet(jets.with_jets(weight=weights), path)
    (one,) = load_generated([folder])
    pt = [one.features[stage]["pt"] for stage in ("made", "target")]
    own = [one.stages[stage].jets["weight"] for stage in ("made", "target")]
    deviation = np.sqrt(np.cov(pt[1], aweights=own[1], ddof=0))
    want = wasserstein_distance(*pt, *own) / deviation
    assert one.distances["pt"] == pytest.approx(want)
    (line,) = csv.DictReader(io.StringIO(_csv([one])))
    effective = metrics.effective_number(own[1])
    assert float(line["effective_jets"]) == pytest.approx(effective)
    assert f"60 (N_eff {effective:.0f}) other jets" in _lead(one)
    of_particles = _weights(one, "particle_pt")["made"]
    assert np.array_equal(of_particles, np.repeat(own[0], one.stages["made"].counts))
