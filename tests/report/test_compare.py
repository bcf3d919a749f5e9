"""Numbers of the tables against scikit-learn, and what is claimed of them."""

import copy
import csv
import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score, roc_curve

from pyg_jets import metrics
from pyg_jets.metrics import Estimate
from pyg_jets.report import summary_table
from pyg_jets.report.compare import DRAWS, SEED, Difference, beyond_two_errors, comparisons
from pyg_jets.report.table import csv_text, rows, verdicts
from pyg_jets.runs import load_runs
from tests.report.conftest import ARMS, write_run


@pytest.fixture(scope="module")
def compared(arms):
    (one,) = comparisons(load_runs(arms))
    return one


@pytest.fixture(scope="module")
def lines(compared):
    return {line["tagger"]: line for line in csv.DictReader(io.StringIO(csv_text([compared])))}


def oracle(labels, scores):
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    steps = np.unique(true)
    lowest = [false[true == step].min() for step in steps]
    rejections = [1 / np.interp(e, steps, lowest) for e in (0.3, 0.5)]
    return [roc_auc_score(labels, scores), accuracy_score(labels, scores > 0), *rejections]


@pytest.mark.parametrize("which", range(3))
def test_networks_agree_with_scikit_learn(arms, lines, which):
    table = pq.read_table(arms[which] / "predictions.parquet")
    known = oracle(*(np.array(table[name]) for name in ("label", "score")))
    line = lines[ARMS[which][1]]
    names = ("auc", "accuracy", "rejection_0.3", "rejection_0.5")
    assert [float(line[name]) for name in names] == pytest.approx(known)


def test_baselines_agree_with_scikit_learn(arms, lines):
    table = pq.read_table(arms[0] / "predictions.parquet")
    labels, mass, tau21, tree = (
        np.array(table[name]) for name in ("label", "mass", "tau21", "tree")
    )
    window = -np.abs(mass - np.median(mass[labels == 1]))
    known = {"mass alone": window, "τ₂₁ alone": -tau21, "tree on mass, multiplicity": tree}
    for title, scores in known.items():
        assert float(lines[title]["auc"]) == pytest.approx(roc_auc_score(labels, scores))
    assert lines["mass alone"]["accuracy"] == ""
    assert list(lines) == [title for _, title, _ in ARMS] + list(known)


def test_errors_are_those_of_the_metrics_room(compared):
    one = compared.networks[0]
    assert one.auc == pytest.approx(
        metrics.bootstrap(metrics.auc, one.scores, one.labels, DRAWS, SEED)
    )
    first, second = compared.networks[:2]
    known = metrics.difference(metrics.auc, second.scores, first.scores, one.labels, DRAWS, SEED)
    assert compared.differences[0].auc == pytest.approx(known)


def test_differences_are_of_later_minus_earlier(compared):
    pairs = [(d.first.title, d.second.title) for d in compared.differences]
    plain, aug, inv = (title for _, title, _ in ARMS)
    assert pairs == [(aug, plain), (inv, plain), (inv, aug)]
    assert len(compared.against_tree) == 3


def test_no_order_within_two_standard_errors(compared):
    assert not any(beyond_two_errors(d.auc) for d in compared.differences)
    assert "no order is claimed" in verdicts(compared)[0]


def test_an_order_beyond_two_standard_errors_is_told(arms, tmp_path):
    worse = write_run(tmp_path / "worse", "PFN, worse", noise=4.0)
    (compared,) = comparisons(load_runs([arms[0], worse]))
    sentence, *tree = verdicts(compared)
    assert "PFN, worse minus PFN, plain is −0." in sentence
    assert any("below the tree’s by more than two" in words for words in tree)


def test_two_errors_are_the_edge():
    assert beyond_two_errors(Estimate(-2.1, 1.0))
    assert not beyond_two_errors(Estimate(2.0, 1.0))
    assert not beyond_two_errors(Estimate(0.0, 0.0))


def test_other_test_jets_are_another_comparison(arms, tmp_path):
    other = write_run(tmp_path / "other", "PFN, other jets", seed=2)
    groups = comparisons(load_runs([arms[0], other, arms[1]]))
    assert [[one.title for one in group.networks] for group in groups] == [
        ["PFN, plain", "PFN, pre-detector augmentation"],
        ["PFN, other jets"],
    ]


def test_equal_titles_are_told_apart(arms, tmp_path):
    again = write_run(tmp_path / "again", "PFN, plain")
    twin = write_run(tmp_path / "deep" / "again", "PFN, plain")
    titles = [
        one.title for g in comparisons(load_runs([again, twin, arms[1]])) for one in g.networks
    ]
    assert titles[1] == "PFN, plain (deep/again)"
    assert titles[2] == "PFN, pre-detector augmentation"


def test_many_networks_are_each_compared_with_the_first(arms, tmp_path):
    more = [write_run(tmp_path / f"r{i}", f"run {i}", 1 + i / 10, n=100, seed=9) for i in range(5)]
    (compared,) = comparisons(load_runs(more))
    assert [d.second.title for d in compared.differences] == ["run 0"] * 4


def test_perfect_scores_are_written_as_a_limit(tmp_path, arms):
    run = write_run(tmp_path / "perfect", n=100)
    table = pq.read_table(run / "predictions.parquet")
    place = table.column_names.index("score")
    pq.write_table(table.set_column(place, "score", table["label"]), run / "predictions.parquet")
    assert "> 50" in summary_table([run])


def test_an_accuracy_that_all_resamples_share_has_no_error(tmp_path):
    """All jets fall into one class; the deviation of 200 equal numbers is a rounding."""
    run = write_run(tmp_path / "one-sided", n=154)
    table = pq.read_table(run / "predictions.parquet")
    scores = 20 + np.array(table["score"])
    labels = np.arange(154) < 65
    for name, values in (("score", scores), ("label", labels.astype(np.int64))):
        table = table.set_column(table.column_names.index(name), name, [values])
    pq.write_table(table, run / "predictions.parquet")
    (one,) = comparisons(load_runs([run]))
    network = one.networks[0]
    assert network.draws[:, 1].std(ddof=1) > 0
    assert network.accuracy == (65 / 154, 0.0)
    assert rows(one)[0].texts[1] == "0.422"


def test_a_rounding_is_no_difference(arms):
    (one,) = comparisons(load_runs([arms[0]]))
    network = one.networks[0]
    nearly = copy.copy(network)
    nearly.__dict__["measured"] = np.nextafter(network.measured, 2)
    nearly.__dict__["draws"] = np.nextafter(network.draws, 2)
    difference = Difference.of(nearly, network)
    assert difference.auc == difference.accuracy == (0.0, 0.0)
    assert not beyond_two_errors(difference.auc)


def test_jets_without_an_observable_rank_last(tmp_path):
    run = write_run(tmp_path / "holes", n=100)
    table = pq.read_table(run / "predictions.parquet")
    values = np.array(table["tau21"]).copy()
    values[:3] = np.nan
    place = table.column_names.index("tau21")
    table = table.set_column(place, "tau21", [values])
    table = table.set_column(table.column_names.index("mass"), "mass", [values * np.nan])
    pq.write_table(table, run / "predictions.parquet")
    (compared,) = comparisons(load_runs([run]))
    titles = [one.title for one in compared.baselines]
    assert titles == ["τ₂₁ alone", "tree on mass, multiplicity"]
    assert np.isfinite(compared.baselines[0].scores).all()


def test_summary_table(arms, tmp_path):
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    (stopped / "config.yaml").write_text("{}")
    text = summary_table([*arms, stopped])
    assert "500 W and 500 QCD test jets" in text
    assert all(title in text for _, title, _ in ARMS)
    assert text.endswith(f"Unfinished: {stopped}.")
    heads = [line for line in text.splitlines() if " ± 0." in line and "AUC" not in line]
    assert len({len(line) for line in heads}) == 1
