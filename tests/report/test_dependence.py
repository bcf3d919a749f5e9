"""Rejection and efficiency in bins, against counts and intervals made otherwise."""

import shutil
from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import binomtest

from pyg_jets.report.compare import TaggerResult, comparisons
from pyg_jets.report.figures.dependence import bins_of, draw_dependence, measure
from pyg_jets.report.figures.style import figure_file, style
from pyg_jets.report.pictures import pictures
from pyg_jets.runs import load_run, load_runs
from tests.report.conftest import write_run

ONE_SIGMA = 0.6826894921370859


@pytest.fixture(scope="module")
def compared(arms):
    (one,) = comparisons(load_runs(arms))
    return one


@pytest.fixture(scope="module")
def bins(compared):
    return bins_of(compared.run.predictions.observables, compared.labels)


def drawn(networks, bins):
    with style():
        figure = Figure((9.6, 5.8), layout="constrained")
        draw_dependence(figure, networks, bins)
    return figure


def values_of(bins, compared):
    return compared.run.predictions.observables[bins.name]


def by_hand(one, values, bins, label):
    """Passed and all jets of a label in each drawn bin, the outermost reaching to infinity."""
    cut = np.sort(one.scores[one.labels == 1])[::-1][(one.labels == 1).sum() // 2 - 1]
    edges = [-np.inf, *bins.edges[1:-1], np.inf]
    for low, high in pairwise(edges):
        inside = (values >= low) & (values < high) & (one.labels == label)
        yield int((one.scores[inside] >= cut).sum()), int(inside.sum())


def test_bins_hold_equally_many_background_jets(compared, bins):
    assert [one.name for one in bins] == ["multiplicity", "pt"]
    for one in bins:
        assert len(one) == 3  # of 500 background jets
        held = np.bincount(one.which[compared.labels == 0])
        whole = values_of(one, compared).dtype.kind == "i"
        assert held.max() - held.min() <= (40 if whole else 1)


def test_whole_numbers_are_cut_between(compared, bins):
    assert np.array_equal(bins[0].edges % 1, np.full(4, 0.5))
    values = values_of(bins[0], compared)
    known = np.searchsorted(bins[0].edges[1:-1], values)
    assert np.array_equal(bins[0].which, known)


@pytest.mark.parametrize(("n", "count"), [(40, 2), (900, 6), (5000, 6)])
def test_fewer_jets_are_fewer_bins(n, count):
    values = np.random.default_rng(0).normal(size=n)
    (one,) = bins_of({"pt": values}, np.zeros(n, int))
    assert len(one) == count


def test_observables_that_say_nothing_are_left_out():
    labels = np.arange(100) % 2
    assert bins_of({"pt": np.full(100, np.nan), "multiplicity": np.full(100, 7)}, labels) == []
    assert bins_of({"mass": np.arange(100.0)}, labels) == []


def test_jets_without_the_observable_are_in_no_bin():
    values = np.arange(100.0)
    values[:7] = np.nan
    (one,) = bins_of({"pt": values}, np.arange(100) % 2)
    assert (one.which[:7] == -1).all()
    assert (one.which[7:] >= 0).all()


@pytest.mark.parametrize("which", range(3))
def test_numbers_are_those_of_a_count(compared, bins, which):
    one = compared.networks[which]
    for axis in bins:
        found = measure(one, axis)
        values = values_of(axis, compared)
        for interval, (passed, total) in zip(
            found.efficiency, by_hand(one, values, axis, 1), strict=True
        ):
            known = binomtest(passed, total).proportion_ci(ONE_SIGMA, "exact")
            assert interval == pytest.approx((passed / total, *known))
        for interval, (passed, total) in zip(
            found.rejection, by_hand(one, values, axis, 0), strict=True
        ):
            low, high = binomtest(passed, total).proportion_ci(ONE_SIGMA, "exact")
            if passed:
                assert interval == pytest.approx((total / passed, 1 / high, 1 / low))
            else:
                assert interval.value == np.inf


def test_one_cut_keeps_half_of_the_signal(compared, bins):
    for one in compared.networks:
        found = measure(one, bins[1])
        held = np.bincount(bins[1].which[one.labels == 1])
        shares = [interval.value for interval in found.efficiency]
        assert np.average(shares, weights=held) == pytest.approx(0.5, abs=1 / held.sum())


def test_none_passing_is_a_lower_limit():
    labels = np.arange(200) % 2
    one = TaggerResult("perfect", labels + 0.0, labels)
    (axis,) = bins_of({"pt": np.arange(200.0)}, labels)
    for value, low, high in measure(one, axis).rejection:
        assert value == high == np.inf
        assert (1 - 1 / low) ** 50 == pytest.approx(0.05)  # so rare is none of 50 at the limit
    figure = drawn([one], [axis])
    assert len(figure.axes[0].lines) > 0


def test_a_bin_without_signal_has_no_efficiency():
    labels = np.r_[np.zeros(400, int), np.ones(50, int)]
    values = np.r_[np.arange(400.0), np.full(50, 10.0)]
    scores = np.random.default_rng(0).normal(size=450) + labels
    (axis,) = bins_of({"pt": values}, labels)
    found = measure(TaggerResult("one", scores, labels), axis)
    assert np.isfinite(found.efficiency[0]).all()
    assert np.isnan(found.efficiency[-1]).all()
    results = [TaggerResult("one", scores, labels)]
    figure_file(lambda figure: draw_dependence(figure, results, [axis]), 5, 5)


def test_equal_weights_change_nothing(compared, bins):
    one = compared.networks[0]
    same = replace(one, weights=np.full(len(one.labels), 0.25))
    for axis in bins:
        assert np.allclose(measure(same, axis).rejection, measure(one, axis).rejection)


def test_a_weight_of_three_is_three_jets(compared, bins):
    one, axis = compared.networks[0], bins[1]
    weights = np.random.default_rng(0).integers(1, 4, len(one.labels))
    repeated = np.repeat(np.arange(len(weights)), weights)
    copies = TaggerResult(one.title, one.scores[repeated], one.labels[repeated])
    found = measure(replace(one, weights=weights.astype(float)), axis)
    known = measure(copies, replace(axis, which=axis.which[repeated]))
    for name in ("rejection", "efficiency"):
        for weighted, copied in zip(getattr(found, name), getattr(known, name), strict=True):
            assert weighted.value == pytest.approx(copied.value)
            if name == "efficiency":  # copies are not independent: the error is larger
                assert weighted.high - weighted.low > 1.2 * (copied.high - copied.low)


def test_what_is_drawn_is_what_was_measured(compared, bins):
    figure = drawn(compared.networks, bins)
    above, below = figure.axes[:2], figure.axes[2:]
    for axis, top, bottom in zip(bins, above, below, strict=True):
        for ax, name in ((top, "rejection"), (bottom, "efficiency")):
            for number, one in enumerate(compared.networks):
                found = np.array(getattr(measure(one, axis), name))
                found = found[np.isfinite(found[:, 0])]
                points, _, (bars,) = ax.containers[2 * number].lines
                assert np.allclose(points.get_ydata(), found[:, 0])
                ends = np.array([segment[:, 1] for segment in bars.get_segments()])
                assert np.allclose(ends, found[:, 1:])
                within = np.searchsorted(axis.edges, points.get_xdata()) - 1
                assert len(within) == len(found)
                assert (np.diff(within) > 0).all()
    assert [ax.get_xlabel() for ax in below] == ["number of constituents", "jet $p_T$ [GeV]"]
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == [one.title for one in compared.networks]


def test_without_the_columns_there_is_no_figure(arms, tmp_path):
    run = shutil.copytree(arms[0], tmp_path / "plain")
    (run / "samples.parquet").unlink()
    path = run / "predictions.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns("multiplicity"), path)
    (one,) = comparisons([load_run(run)])
    found = pictures(one)["dependence"]
    assert Image.open(BytesIO(found.png)).size == (1000, 1160)
    assert "in bins of pt." in found.alt
    pq.write_table(table.drop_columns(["multiplicity", "pt"]), path)
    (one,) = comparisons([load_run(run)])
    assert "dependence" not in pictures(one)


def test_observables_of_another_run_serve_too(arms, tmp_path):
    bare = write_run(tmp_path / "bare", "bare", noise=2.0)
    table = pq.read_table(bare / "predictions.parquet")
    pq.write_table(table.drop_columns("multiplicity"), bare / "predictions.parquet")
    (one,) = comparisons([replace(run, samples=None) for run in load_runs([bare, arms[0]])])
    assert len(one.networks) == 2
    assert "in bins of multiplicity and of pt." in pictures(one)["dependence"].alt
