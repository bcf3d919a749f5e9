"""What makes a cell is asked for, or follows from labels; nothing else of a study is needed."""

from io import BytesIO

import pytest
from PIL import Image

from pyg_jets.report.scan import Layout, make_scan_report, scan_layout, scan_table
from pyg_jets.report.scan.cells import cells_of, default_layout
from pyg_jets.runs import load_scan
from tests.report.scans import write_point, write_scan
from tests.report.test_page import Page


@pytest.fixture
def undrawn(monkeypatch):
    """Figures of one pixel, for tests of the text."""
    stream = BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "png")
    monkeypatch.setattr("pyg_jets.report.figures.style.figure_file", lambda *_: stream.getvalue())


@pytest.fixture
def scan(tmp_path):
    """Two networks, two losses, three seeds; nothing has a label."""
    scan = write_scan(tmp_path / "s", metric={"name": "val/loss", "goal": "minimize"})
    for network, shift in (("PFN", 0.0), ("EFN", 0.1)):
        for loss in ("bce", "focal"):
            for seed in (1, 2, 3):
                value = 0.5 + shift + 0.02 * seed + 0.1 * (loss == "focal")
                write_point(scan, f"{network}{loss}{seed}", {"loss": loss, "seed_everything": seed},
                            {"val/loss": value, "test/auc": 1 - value},
                            {"network_name": network, "seed": seed})  # fmt: skip
    return scan


def test_cells_of_the_facts_that_are_asked_for(scan):
    layout = scan_layout(scan, ["loss", "network_name"], ["seed"])
    cells = cells_of(load_scan(scan).finished, layout)
    assert [cell.key for cell in cells] == [
        ("bce", "EFN"),
        ("bce", "PFN"),
        ("focal", "EFN"),
        ("focal", "PFN"),
    ]
    assert [cell.replicas for cell in cells] == [3] * 4
    assert [cell.column for cell in cells] == [None] * 4
    assert cells[0].panel == ("bce",)
    assert cells[0].estimate.value == pytest.approx(0.64)


def test_trainings_on_one_set_are_one_replica(scan):
    cells = cells_of(load_scan(scan).finished, scan_layout(scan, ["loss", "network_name"]))
    assert [cell.replicas for cell in cells] == [1] * 4


def test_a_number_makes_the_axis(scan):
    layout = scan_layout(scan, ["network_name", "seed"], ["seed"])
    cells = cells_of(load_scan(scan).finished, layout)
    assert [(cell.line, cell.column) for cell in cells] == [
        (network, seed) for network in ("EFN", "PFN") for seed in (1, 2, 3)
    ]


def test_a_fact_that_no_point_has_is_named(scan):
    with pytest.raises(ValueError, match=r"No point of .* has detectr: name a label"):
        scan_layout(scan, ["detectr"])


def test_labels_make_cells_by_themselves(tmp_path):
    scan = write_scan(tmp_path / "s")
    assert default_layout(load_scan(scan_of_labels(scan)).finished).group_by == (
        "network_name",
        "weights",
        "start",
        "n_train",
    )


def scan_of_labels(scan):
    for i, start in enumerate(("cold", "warm")):
        write_point(scan, start, {}, {"test/auc": 0.6 + 0.1 * i},
                    {"labels": {"weights": "flat", "start": start}, "n_train": 100})  # fmt: skip
    return scan


@pytest.mark.parametrize("group_by", [["network_name"], ["loss", "network_name"],
                                      ["loss", "network_name", "seed"]])  # fmt: skip
def test_a_page_of_any_number_of_facts(undrawn, scan, group_by):
    layout = scan_layout(scan, group_by, ["seed", "loss"])
    page = Page(make_scan_report(scan, layout=layout).read_text())
    assert page.open == []
    assert "Validation loss" in page.text
    assert "Within a cell" not in page.text
    assert "reference" not in (scan / "report" / "cells.csv").read_text().splitlines()[1]
    text = scan_table(scan, layout)
    assert "Validation loss" in text
    best = [line for line in text.splitlines() if " *" in line and line[0] != "±"]
    assert best
    assert all("PFN" in line for line in best if group_by[-1] == "network_name")


def test_a_layout_needs_but_the_facts():
    assert Layout(("network_name",)).line == "network_name"
