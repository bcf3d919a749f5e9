"""Cells, statements and settings against numbers worked out by hand or by the standard library."""

import csv
import io
import math
import statistics

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import ttest_rel

from pyg_jets.metrics import Estimate
from pyg_jets.report.figures.cells import Curve, Panel, draw_cells
from pyg_jets.report.scan import scan_table
from pyg_jets.report.scan.captions import verdict_text
from pyg_jets.report.scan.cells import cells_of
from pyg_jets.report.scan.claims import claims_of
from pyg_jets.report.scan.search import searched, settings
from pyg_jets.report.scan.tables import cells_csv, grids, points_csv
from pyg_jets.runs import load_scan
from tests.report.scans import (
    LAYOUT,
    write_cell,
    write_point,
    write_scan,
    write_search,
    write_study,
)

COLUMNS = ["detector", "network", "arm", "n_train", "training_sets", "auc", "auc_err", "auc_std",
           "accuracy", "accuracy_err", "signal_efficiency_0.5", "signal_efficiency_0.5_err",
           "spread", "spread_err", "reference_auc", "reference_auc_err", "difference",
           "seconds"]  # fmt: skip
#: The source's table, in thousandths: uniform and non-uniform bins, small and large sets.
SOURCE = """
FCN none     585 632 571 615
FCN post-aug 606 687 551 618
FCN pre-aug  635 710 625 682
FCN post-inv 655 709 540 642
FCN pre-inv  656 724 672 725
PFN none     519 735 526 664
PFN post-aug 734 771 617 746
PFN pre-aug  724 770 581 758
PFN post-inv 741 772 677 752
PFN pre-inv  718 776 681 765
"""
RECT = ("PFN", "toy-rect", 480)


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def cells(scan):
    return cells_of(load_scan(scan).finished, LAYOUT)


@pytest.fixture
def scan(tmp_path):
    return write_scan(tmp_path / "study")


def test_the_reference_is_the_source_s_table():
    columns = [(d, n) for d in ("toy-uniform", "toy-rect") for n in (480, 2400)]
    expected = {}
    for line in SOURCE.split("\n")[1:-1]:
        network, arm, *aucs = line.split()
        for (detector, n), auc in zip(columns, aucs, strict=True):
            expected[detector, network, arm, n] = int(auc) / 1000
    found = LAYOUT.reference
    assert {key: one.value for key, one in found.items()} == expected
    assert {one.error for one in found.values()} == {0.001, 0.002, 0.003, 0.004, 0.005}


def test_mean_and_errors_of_a_cell(scan):
    aucs = [0.66, 0.69, 0.68, 0.71, 0.67]
    write_cell(scan, "pre-inv", *RECT, aucs)
    (row,) = rows(cells_csv(cells(scan)))
    assert list(row)[: len(COLUMNS)] == COLUMNS
    std = statistics.stdev(aucs)
    expected = {"training_sets": 5, "auc": statistics.fmean(aucs), "auc_std": std,
                "auc_err": std / math.sqrt(5), "reference_auc": 0.681, "reference_auc_err": 0.005,
                "difference": statistics.fmean(aucs) - 0.681, "seconds": 5 * 31.5,
                "signal_efficiency_0.5_err": 1.35 * std / math.sqrt(5)}  # fmt: skip
    for name, value in expected.items():
        assert float(row[name]) == pytest.approx(value, abs=1e-12), name


def test_one_replica_has_no_error(scan):
    write_cell(scan, "pre-inv", *RECT, [0.68])
    write_cell(scan, "post-inv", *RECT, [0.5])
    found = rows(cells_csv(cells(scan)))
    assert {row["auc_err"] for row in found} == {row["auc_std"] for row in found} == {""}
    (one,) = claims_of(cells(scan))
    assert one.tests[0].verdict == "undecided"
    assert one.counts == {"holds": 0, "fails": 0, "undecided": 0}
    assert verdict_text(one) == "is not tested, which takes several training sets"


def test_the_same_training_set_counts_once(scan):
    write_cell(scan, "pre-inv", *RECT, [0.6])
    facts = {"arm": "pre-inv", "network_name": "PFN", "detector": "toy-rect", "n_train": 480}
    for name, replica, auc in (("again", 0, 0.7), ("other", 1, 0.75)):
        write_point(scan, name, {}, {"test/auc": auc}, facts | {"sample": {"replica": replica}})
    (cell,) = cells(scan)
    assert cell.replicas == 2
    assert cell.mean("test/auc").value == pytest.approx((0.65 + 0.75) / 2)


def test_resamples_are_kept_apart(scan):
    fresh, again = [0.66, 0.70], ([0.660, 0.664, 0.659], [0.70, 0.71, 0.705, 0.70])
    write_cell(scan, "pre-inv", *RECT, fresh)
    (before,) = rows(cells_csv(cells(scan)))
    for replica, aucs in enumerate(again):
        write_cell(scan, "pre-inv", *RECT, aucs, resample=True, replica=replica)
    (row,) = rows(cells_csv(cells(scan)))
    for name in ("auc", "auc_err", "auc_std", "training_sets"):
        assert row[name] == before[name]
    pooled = (2 * statistics.variance(again[0]) + 3 * statistics.variance(again[1])) / 5
    assert float(row["resample_std"]) == pytest.approx(math.sqrt(pooled))
    assert row["resamples"] == "7"


def test_folds_and_stopped_points_are_in_no_cell(scan):
    facts = {"arm": "none", "network_name": "PFN", "detector": "toy-rect", "n_train": 384}
    sample = {"jets": 480, "replica": 0, "resample": None, "folds": 5, "fold": 1}
    write_point(scan, "fold", {}, {"test/auc": 0.6}, facts | {"sample": sample})
    write_point(scan, "stopped", {}, {"test/auc": 0.6}, facts, stopped_early=True)
    assert cells(scan) == []


def test_the_best_of_single_training_sets(scan):
    for arm, auc in (("pre-inv", 0.7), ("post-inv", 0.69), ("none", 0.6)):
        write_cell(scan, arm, *RECT, [auc])
    (grid,) = grids(cells(scan))
    assert [entries[0].place for _, entries in grid.rows] == ["", "", "best"]


def test_resamples_alone_are_in_no_table(scan):
    write_cell(scan, "pre-inv", *RECT, [0.66, 0.664], resample=True, replica=0)
    assert grids(cells(scan)) == []
    assert "only resamples of training sets" in scan_table(scan)


def test_numbers_that_are_none_are_left_out(scan):
    write_cell(scan, "none", *RECT, [0.6, math.nan, 0.7])
    (cell,) = cells(scan)
    assert cell.replicas == 2
    assert cell.mean("test/auc").value == pytest.approx(0.65)


def test_best_and_what_is_not_worse(scan):
    for arm, shift in (("pre-inv", 0), ("post-inv", -0.004), ("none", -0.1)):
        write_cell(scan, arm, *RECT, [0.69 + shift, 0.70 + shift])  # each ± 0.005
    (grid,) = grids(cells(scan))
    assert {arm: entries[0].place for (_, arm), entries in grid.rows} == {
        "none": "",
        "post-inv": "near",
        "pre-inv": "best",
    }


def drawn(mean, n=5, seed=0):
    """AUCs on ``n`` training sets: what the sets do to all arms alike, and a little of its own."""
    sets = np.random.default_rng(0).normal(size=n)
    own = np.random.default_rng([1, seed]).normal(size=n)
    return mean + 0.02 * (sets - sets.mean()) + 0.004 * (own - own.mean())


@pytest.mark.parametrize(
    ("post", "pre", "verdict"),
    [(0.60, 0.63, "holds"), (0.63, 0.60, "fails"), (0.60, 0.603, "undecided")],
)
def test_before_against_after_on_the_rectangular_grid(scan, post, pre, verdict):
    after, before = drawn(post, seed=1), drawn(pre, seed=2)
    write_cell(scan, "post-aug", *RECT, after)
    write_cell(scan, "pre-aug", *RECT, before)
    write_cell(scan, "post-aug", "PFN", "toy-uniform", 480, drawn(0.7, seed=3))
    write_cell(scan, "pre-aug", "PFN", "toy-uniform", 480, drawn(0.6, seed=4))
    (one,) = claims_of(cells(scan))
    (test,) = one.tests
    assert test.difference.value == pytest.approx(pre - post)
    expected = ttest_rel(before, after)
    assert test.difference.value / test.difference.error == pytest.approx(expected.statistic)
    assert test.verdict == verdict
    assert (verdict == "undecided") == (expected.pvalue > 0.05)
    assert test.source == pytest.approx((-0.036, 0.005 * math.sqrt(2)))


def test_two_pairs_take_more_errors_than_twenty(scan):
    for arm, shift in (("post-aug", [0, 0]), ("pre-aug", [0.02, 0.04])):  # 3 errors
        write_cell(scan, arm, *RECT, 0.6 + np.array(shift))
    ((test,),) = (one.tests for one in claims_of(cells(scan)))
    assert test.difference == pytest.approx((0.03, 0.01))
    assert ttest_rel([0.62, 0.64], [0.6, 0.6]).pvalue > 0.05
    assert test.verdict == "undecided"


def test_arms_without_a_common_training_set_are_not_decided(scan):
    write_cell(scan, "pre-aug", *RECT, [0.7, 0.7], replica=0)
    write_cell(scan, "post-aug", *RECT, [0.6, 0.6], replica=1)
    ((test,),) = (one.tests for one in claims_of(cells(scan)))
    assert test.difference.value == pytest.approx(0.1)
    assert math.isnan(test.difference.error)
    assert test.verdict == "undecided"


def test_other_data_are_another_training_set(scan):
    facts = {"arm": "none", "network_name": "PFN", "detector": "toy-rect", "n_train": 480}
    for seed in (1, 2, 3):
        write_point(scan, f"s{seed}", {}, {"test/auc": 0.6}, facts | {"data_hash": f"d{seed}"})
    (cell,) = cells(scan)
    assert cell.replicas == 3


def test_none_is_worst_only_if_all_are_above_it(scan):
    def worst():
        return claims_of(cells(scan))[0].tests[0]

    write_cell(scan, "none", *RECT, drawn(0.60))
    write_cell(scan, "pre-inv", *RECT, drawn(0.75, seed=1))
    write_cell(scan, "pre-aug", *RECT, drawn(0.70, seed=2))
    assert (worst().first.line, worst().verdict) == ("pre-aug", "holds")
    write_cell(scan, "pre-inv-continuous", *RECT, drawn(0.5, seed=3))  # none of the source's
    assert (worst().first.line, worst().verdict) == ("pre-aug", "holds")
    write_cell(scan, "post-inv", *RECT, [0.72])  # a single training set
    assert (worst().first.line, worst().verdict) == ("post-inv", "undecided")
    write_cell(scan, "post-aug", *RECT, drawn(0.58, seed=4))
    assert (worst().first.line, worst().verdict) == ("post-aug", "fails")


def test_claims_of_a_whole_study(tmp_path):
    found = claims_of(cells(write_study(tmp_path / "study", replicas=3)))
    # networks × detectors × sizes, and the pairs of arms of each
    assert [len(one.tests) for one in found] == [20, 20, 40, 20]
    for one in found:
        for test in one.tests:
            assert test.first.place == test.second.place
    assert {test.first["detector"] for test in found[1].tests} == {"toy-rect"}


def test_best_settings_of_a_search(tmp_path):
    scan = load_scan(write_search(tmp_path / "search"))
    assert [name.rpartition(".")[2] for name in searched(scan.finished)] == [
        "lr",
        "width",
        "class_path",
    ]
    tried = settings(scan)
    values = [point.run.metrics["test/auc"] for point in scan.points]
    assert tried[0].estimate.value == max(values)
    assert [one.estimate.value for one in tried] == sorted(values, reverse=True)


def test_a_metric_to_minimise_and_one_that_only_the_training_has(tmp_path):
    scan = write_scan(tmp_path / "s", metric={"name": "val/loss", "goal": "minimize"})
    for name, lr, losses in (("a", 0.1, (0.9, 0.4)), ("b", 0.2, (0.3, 0.5)), ("c", 0.3, ())):
        folder = write_point(scan, name, {"lr": lr}, {"test/auc": 0.7})
        lines = [f"{epoch},{loss}" for epoch, loss in enumerate(losses)]
        (folder / "metrics.csv").write_text("\n".join(["epoch,val/loss", *lines, "9,"]) + "\n")
    tried = settings(load_scan(scan))
    assert [(one.values["lr"], one.estimate.value) for one in tried] == [(0.1, 0.4), (0.2, 0.5)]


def test_seeds_replicas_and_folds_are_one_setting(tmp_path):
    scan = write_scan(tmp_path / "s")
    for i, auc in enumerate((0.70, 0.72, 0.71)):
        write_point(scan, f"a{i}", {"lr": 0.1, "data.sample.fold": i}, {"test/auc": auc})
    write_point(scan, "b", {"lr": 0.2, "data.sample.fold": 0}, {"test/auc": 0.715})
    first, second = settings(load_scan(scan))
    assert (first.values, len(first.points)) == ({"lr": 0.2}, 1)
    assert second.estimate == pytest.approx((0.71, 0.01 / math.sqrt(3)))


def test_what_comes_with_a_cell_is_no_search(tmp_path):
    scan = write_study(tmp_path / "study", replicas=2, sizes=(480,), networks=("PFN",))
    assert searched(load_scan(scan).finished, LAYOUT) == []
    facts = {"arm": "none", "network_name": "PFN", "detector": "toy-rect", "n_train": 480}
    (known,) = (p for p in load_scan(scan).points if p.name == "none-PFN-toy-rect-480-0-0")
    for lr in (0.1, 0.2):
        write_point(scan, f"lr{lr}", {**known.parameters, "lr": lr}, {"test/auc": 0.6}, facts)
    assert searched(load_scan(scan).finished, LAYOUT) == ["lr"]


def test_points_of_an_earlier_sweep_file_are_noticed(scan):
    write_cell(scan, "none", *RECT, [0.6, 0.61])
    facts = {"arm": "none", "network_name": "PFN", "detector": "toy-rect", "n_train": 480}
    known = load_scan(scan).points[0].parameters
    write_point(scan, "later", {**known, "trainer.max_steps": 9}, {"test/auc": 0.5}, facts)
    assert searched(load_scan(scan).finished, LAYOUT) == ["trainer.max_steps"]


def test_edited_configuration_files_are_noticed(scan):
    facts = {"arm": "none", "network_name": "PFN", "detector": "toy-rect", "n_train": 480}
    for replica, setting in enumerate("aab"):
        own = facts | {"sample": {"replica": replica}}
        write_point(scan, f"p{replica}", {}, {"test/auc": 0.6}, own, setting=setting)
    found = load_scan(scan).finished
    assert searched(found[:2], LAYOUT) == []
    assert searched(found, LAYOUT) == ["the content of configuration files"]


def test_points_csv_has_a_row_for_each_point(tmp_path):
    scan = write_search(tmp_path / "search", points=3)
    write_point(scan, "failed", {"model.width": [1, 2]}, status="failed", error="boom, it said")
    found = {row["hash"]: row for row in rows(points_csv(load_scan(scan).points))}
    assert len(found) == 4
    assert found["failed"]["error"] == "boom, it said"
    assert found["failed"]["model.width"] == "[1, 2]"
    assert float(found["s001"]["test/auc"]) > 0.5
    assert found["failed"]["test/auc"] == ""


def test_points_that_are_broken_are_kept_as_such(tmp_path):
    scan = write_search(tmp_path / "search", points=6)
    points = scan / "points"
    (points / "s000" / "point.json").write_text('{"hash": "s0')
    (points / "s001" / "metrics.json").unlink()
    (points / "s002" / "metrics.json").write_text("[1]")
    (points / "s003" / "point.json").unlink()
    (points / "s004" / "predictions.parquet").write_text("not read")
    (points / ".s005.half").mkdir()
    found = {point.name: point for point in load_scan(scan).points}
    assert sorted(found) == [f"s00{i}" for i in range(6)]
    assert [found[f"s00{i}"].status for i in range(6)] == ["broken"] * 4 + ["finished"] * 2
    assert "point.json is not a JSON file" in found["s000"].error
    assert found["s001"].error == "metrics.json is missing"
    assert "Expected names and values in metrics.json" in found["s002"].error


def test_what_is_no_scan(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no scan\.json: give the folder of a scan"):
        load_scan(tmp_path)
    with pytest.raises(ValueError, match="has no points yet: run pyg-jets scan first"):
        load_scan(write_scan(tmp_path / "empty"))


def drawn_cells(panels):
    figure = Figure()
    draw_cells(figure, panels, "test AUC")
    return figure.axes


def test_panels_of_unequal_sizes_show_all_points():
    sizes = ((480, 2400), (480,))
    panels = [Panel(str(n), (Curve("none", {i: Estimate(0.6, 0.01) for i in n}, {}),))
              for n in sizes]  # fmt: skip
    for ax in drawn_cells([panels]):
        low, high = ax.get_xlim()
        assert low < 480 < 2400 < high
        assert [text.get_text() for text in ax.get_xticklabels()] == ["480", "2,400"]


def test_arms_of_one_size_stand_below_each_other():
    curves = [Curve(arm, {480: Estimate(auc, 0.01)}, {}) for arm, auc in
              (("none", 0.6), ("pre-inv", 0.7))]  # fmt: skip
    (ax,) = drawn_cells([[Panel("PFN", tuple(curves))]])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["pre-inv", "none"]
    found = {(round(x, 6), y) for line in ax.lines for x, y in line.get_xydata()}
    assert found == {(0.6, 1), (0.7, 0)}
