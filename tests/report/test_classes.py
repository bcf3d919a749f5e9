"""Taggers of several classes: numbers against scikit-learn, tables, figure and page."""

import csv
import io
import json
import shutil
from dataclasses import replace
from itertools import combinations

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.special import softmax
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score

from pyg_jets import metrics
from pyg_jets.report import make_report, summary_table
from pyg_jets.report.classes import class_comparisons
from pyg_jets.report.compare import DRAWS, SEED, comparisons
from pyg_jets.report.describe import default_title
from pyg_jets.report.figures.confusion import confusion_size, draw_confusion
from pyg_jets.report.figures.style import style
from pyg_jets.report.page import csv_text
from pyg_jets.report.table import class_rows, class_verdicts, matrix
from pyg_jets.runs import load_run, load_runs
from tests.report.conftest import CLASSES, write_class_run
from tests.report.test_page import Page

TITLES = ("PFN of three", "PFN of three, worse")


@pytest.fixture(scope="module")
def compared(class_arms):
    (one,) = class_comparisons(load_runs(class_arms))
    return one


def lines_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def areas(scores, labels, weights=None):
    """One against the rest, then one against one, by the classes' probabilities."""
    share = softmax(scores, axis=1)
    found = [
        roc_auc_score(labels == c, share[:, c], sample_weight=weights) for c in range(len(CLASSES))
    ]
    for a, b in combinations(range(len(CLASSES)), 2):
        of = np.isin(labels, (a, b))
        given = share[of, b] / (share[of, a] + share[of, b])
        worth = None if weights is None else weights[of]
        found.append(roc_auc_score(labels[of] == b, given, sample_weight=worth))
    return found


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("which", [0, 1])
def test_numbers_agree_with_scikit_learn(compared, which, weighted):
    one = compared.networks[which]
    weights = np.random.default_rng(0).exponential(size=len(one.labels)) if weighted else None
    one = replace(one, weights=weights)
    taken = one.scores.argmax(1)
    known = accuracy_score(one.labels, taken, sample_weight=weights)
    assert one.measured == pytest.approx([known, *areas(one.scores, one.labels, weights)])
    matrix = confusion_matrix(one.labels, taken, normalize="true", sample_weight=weights)
    assert one.confusion == pytest.approx(matrix)


def test_errors_are_those_of_the_bootstrap(compared):
    one = compared.networks[0]
    draws = []
    for jets in metrics.resamples(one.labels, DRAWS, SEED):
        scores, labels = one.scores[jets], one.labels[jets]
        draws.append([accuracy_score(labels, scores.argmax(1)), *areas(scores, labels)])
    known = np.std(draws, axis=0, ddof=1)
    found = [one.accuracy, *one.against_rest, *one.against_one.values()]
    assert [estimate.error for estimate in found] == pytest.approx(known)
    p = one.accuracy.value
    assert one.accuracy.error == pytest.approx(np.sqrt(p * (1 - p) / len(one.labels)), rel=0.2)


def test_differences_are_paired(compared):
    (found,) = compared.differences
    first, second = compared.networks[1], compared.networks[0]
    assert (found.first, found.second) == (first, second)
    assert found.accuracy.value == pytest.approx(first.accuracy.value - second.accuracy.value)
    assert found.accuracy.error == pytest.approx((first.draws - second.draws)[:, 0].std(ddof=1))
    assert len(found.against_rest) == 3
    (sentence,) = class_verdicts(compared)
    assert sentence.startswith("Networks differ in accuracy by more than two standard errors")
    assert "PFN of three, worse minus PFN of three is −0." in sentence


def test_rows_hold_all_numbers(compared):
    for row, one in zip(class_rows(compared), compared.networks, strict=True):
        names = ["accuracy", "auc_qcd", "auc_w", "auc_top", "auc_w_qcd", "auc_top_qcd", "auc_top_w"]
        assert [row.numbers[name] for name in names] == pytest.approx(one.measured)
        assert row.numbers["test_jets"] == 900
        assert row.texts[0] == f"{one.accuracy.value:.3f} ± {one.accuracy.error:.3f}"


def test_the_matrix_is_symmetric(compared):
    one = compared.networks[0]
    texts = matrix(one)
    assert [texts[i][i] for i in range(3)] == [""] * 3
    assert texts[0][2] == texts[2][0]
    assert texts[0][2].startswith(f"{one.against_one[0, 2].value:.3f} ± ")


def test_a_class_without_jets_is_a_dash(tmp_path):
    run = write_class_run(tmp_path / "run", n=300)
    table = pq.read_table(run / "predictions.parquet")
    pq.write_table(table.filter(table["label"].to_numpy() != 1), run / "predictions.parquet")
    (one,) = class_comparisons([load_run(run)])
    network = one.networks[0]
    assert np.isfinite(network.measured[[0, 1, 3, 5]]).all()
    assert np.isnan(network.measured[[2, 4, 6]]).all()
    (row,) = class_rows(one)
    assert row.texts[2] == matrix(network)[0][1] == "–"
    assert row.numbers["auc_w"] is row.numbers["auc_w_error"] is None
    assert network.confusion[1].tolist() == [0, 0, 0]


def test_two_and_several_classes_are_apart(arms, class_arms):
    runs = load_runs([class_arms[0], arms[0], class_arms[1]])
    two, several = comparisons(runs), class_comparisons(runs)
    assert [[one.title for one in group.networks] for group in two] == [["PFN, plain"]]
    assert [[one.title for one in group.networks] for group in several] == [[*TITLES]]
    colours = [one.colour for group in (*two, *several) for one in group.networks]
    assert sorted(colours) == [0, 1, 2]


def test_the_same_labels_of_more_classes_are_another_set(class_arms, tmp_path):
    table = pq.read_table(class_arms[0] / "predictions.parquet")
    more = shutil.copytree(class_arms[0], tmp_path / "more")
    table = table.append_column("score_3", table["score_0"])
    pq.write_table(table, more / "predictions.parquet")
    groups = class_comparisons(load_runs([class_arms[0], more]))
    assert [group.run.n_classes for group in groups] == [3, 4]


def test_one_table_for_all(arms, class_arms):
    runs = load_runs([arms[0], class_arms[0]])
    both = lines_of(csv_text([*comparisons(runs), *class_comparisons(runs)]))
    alone = lines_of(csv_text(comparisons(runs)))
    for line, known in zip(both, alone, strict=False):
        assert {name: line[name] for name in known} == known
        assert line["auc_top"] == ""
    last = both[-1]
    assert (last["test_set"], last["tagger"], last["auc"]) == ("2", TITLES[0], "")
    assert float(last["auc_top"]) == class_comparisons(runs)[0].networks[0].measured[3]


def test_summary_table(arms, class_arms):
    text = summary_table([*class_arms, arms[0]])
    first, second = text.split("\n\n")
    assert "500 W and 500 QCD test jets" in first
    counts = np.bincount(load_run(class_arms[0]).predictions.labels)
    assert f"{counts[0]} QCD, {counts[1]} W and {counts[2]} top test jets" in second
    lines = [line for line in second.splitlines() if line.startswith(("accuracy", "AUC of "))]
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert all(line.count(" ± 0.") == 2 for line in lines)


def test_titles_name_a_few_classes(class_arms):
    run = load_run(class_arms[0])
    assert default_title(run) == "QCD, W and top jets"
    scores = np.zeros((4, 10))
    many = replace(run, predictions=replace(run.predictions, scores=scores), provenance={})
    assert default_title(many) == "Jets of 10 classes"


@pytest.mark.parametrize("crowded", [False, True])
def test_the_drawn_matrix_is_that_of_the_network(compared, crowded):
    names = [name * (8 if crowded else 1) for name in CLASSES]
    with style():
        figure = Figure(confusion_size(2, names), layout="constrained")
        draw_confusion(figure, compared.networks, names)
        figure.draw_without_rendering()
    for ax, one in zip(figure.axes, compared.networks, strict=True):
        assert ax.get_title(loc="left") == one.title
        shares = confusion_matrix(one.labels, one.scores.argmax(1), normalize="true")
        assert np.allclose(ax.images[0].get_array(), shares)
        assert ax.yaxis_inverted()  # the first row is the first class
        for text in ax.texts:
            column, row = (int(place) for place in text.get_position())
            assert text.get_text() == f"{100 * shares[row, column]:.0f}"
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == names
    edge = figure.bbox
    for ax in figure.axes:
        for text in ax.get_xticklabels() + ax.get_yticklabels():
            box = text.get_window_extent()
            assert box.x0 >= edge.x0
            assert box.y0 >= edge.y0


def test_the_page_of_both_kinds(mixed):
    page = Page((mixed / "index.html").read_text())
    assert page.open == []
    assert "Test set 2: results" in page.text
    assert "compared within a set, never across" in page.text
    assert "percentage whose largest logit is that of each class" in page.text
    assert sorted(path.name for path in mixed.glob("*-2.png")) == [
        "confusion-2.png",
        "training-2.png",
    ]
    for path in mixed.glob("*-2.png"):
        Image.open(path).verify()
    shown = [attrs for tag, attrs in page.elements if tag == "img"]
    assert len(shown) == len(list(mixed.glob("*.png")))


def test_the_page_has_the_numbers(mixed, compared):
    page = Page((mixed / "index.html").read_text())
    for one in compared.networks:
        assert f"{one.accuracy.value:.3f} ± {one.accuracy.error:.3f}accuracy" in page.text
        for value, error in (*one.against_rest, *one.against_one.values()):
            assert f"{value:.3f}± {error:.3f}" in page.text
    assert "Losses and validation AUC after each epoch" in page.text  # of two classes
    assert "Losses after each epoch" in page.text


def test_predictions_alone_make_a_page(class_arms, tmp_path):
    run = tmp_path / "bare"
    run.mkdir()
    shutil.copy(class_arms[0] / "predictions.parquet", run)
    page = Page(make_report([run], tmp_path / "out").read_text())
    assert "Class 0, class 1 and class 2 jets" in page.text
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["confusion.png"]


def test_numbers_that_disagree_are_named(class_arms, tmp_path):
    run = shutil.copytree(class_arms[0], tmp_path / "run")
    (run / "metrics.csv").unlink()
    (run / "metrics.json").write_text(json.dumps({"test/accuracy": 0.123, "test/auc": 0.5}))
    page = Page(make_report([run], tmp_path / "out").read_text())
    assert "metrics.json says accuracy 0.1230, the predictions 0." in page.text
    assert "says AUC" not in page.text


def test_weights_are_told(class_arms, tmp_path):
    weight = np.random.default_rng(0).exponential(size=900)
    run = write_class_run(tmp_path / "run", weight=weight)
    (run / "metrics.csv").unlink()
    page = Page(make_report([run], tmp_path / "out").read_text())
    assert "(column), by weight." in page.text
    (plain,), (weighted,) = (class_comparisons([load_run(r)]) for r in (class_arms[0], run))
    assert plain.networks[0].accuracy.value != weighted.networks[0].accuracy.value
