"""The page of a scan, its text for a terminal, and the results of a study in Markdown."""

import csv
import json
import re
import shutil
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pyg_jets.report.folder import MARKER
from pyg_jets.report.scan import make_scan_report, scan_table
from tests.report.scans import (
    LAYOUT,
    write_cell,
    write_point,
    write_scan,
    write_search,
    write_study,
)
from tests.report.test_page import Page

ERROR = "ValueError: Replica 12 of 2400 jets needs 31200 training jets, but there are 28050"
FIGURES = ["auc.png", "signal-efficiency.png", "spread.png"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with resamples, failed and unfinished points; not to be changed."""
    scan = write_study(tmp_path_factory.mktemp("scans") / "broken_symmetry", replicas=3)
    write_cell(scan, "pre-inv", "PFN", "toy-rect", 480, [0.68, 0.684], resample=True, replica=0)
    for name in ("f1", "f2"):
        write_point(scan, name, {"arm": "none"}, status="failed", error=ERROR)
    write_point(scan, "u1", {"arm": "none"})
    return scan


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "report"
    return make_scan_report(
        study, path, command="pyg-jets report runs/scans/x", layout=LAYOUT
    ).parent


@pytest.fixture(scope="module")
def page(out):
    return Page((out / "index.html").read_text())


@pytest.fixture
def undrawn(monkeypatch):
    """Figures of one pixel, for tests of the words."""
    stream = BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "png")
    monkeypatch.setattr("pyg_jets.report.figures.style.figure_file", lambda *_: stream.getvalue())


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_element_closes_and_asks_no_server(out, page):
    assert page.open == []
    for tag, attrs in page.elements:
        assert tag not in {"script", "iframe", "object", "embed", "base"}
        assert attrs.get("src", "data:").startswith("data:")
        if tag != "a":
            assert attrs.get("href", "data:").startswith("data:")


def test_figures_are_pictures_and_lie_beside_the_page(out, page):
    assert sorted(path.name for path in out.glob("*.png")) == FIGURES
    shown = [attrs for tag, attrs in page.elements if tag == "img"]
    assert [len(a["alt"]) > 30 for a in shown] == [True] * 3
    for path, attrs in zip((out / name for name in FIGURES), shown, strict=True):
        picture = Image.open(path)
        assert picture.size == (2 * int(attrs["width"]), 2 * int(attrs["height"]))
        pixels = np.asarray(picture.convert("RGB"))
        assert 0.01 < (pixels < 200).any(-1).mean() < 0.7


def test_numbers_of_the_page_are_those_of_the_table(out, page):
    found = rows(out / "cells.csv")
    assert len(found) == 6 * 2 * 2 * 5
    for row in found:
        places = 3 if float(row["auc_err"]) >= 0.0005 else 4
        value, error = float(row["auc"]), float(row["auc_err"])
        assert f"{value:.{places}f} ± {error:.{places}f}" in page.text
        assert row["training_sets"] == "3"
        assert bool(row["reference_auc"]) == (
            row["n_train"] in ("480", "2400") and row["arm"] != "pre-inv-continuous"
        )
    assert len(rows(out / "points.csv")) == 360 + 2 + 3


def test_says_what_was_run_and_what_was_not(page):
    assert (
        "6 arms, 2 networks (FCN, PFN) and 2 detectors (toy-uniform, toy-rect), trained on 480 to "
        "2,400 jets; 3 training sets a cell. 362 of 365 points finished, 1 not finished, 2 failed."
    ) in page.text
    assert f"2 points: {ERROR}" in page.text
    assert "f1 f2" in page.text
    for words in ("torch 2.13.0", "2 cores", "2025-01-31", "arm: {values: [none]}", "grid",
                  "pyg-jets scan sweeps/broken_symmetry.yaml", "3 h 10 min"):  # fmt: skip
        assert words in page.text
    assert "In no cell" not in page.text


def test_claims_have_verdicts(page):
    counted = re.findall(
        r"(?:holds|fails|is undecided) in (\d+)[^.]*? of (\d+) comparisons", page.text
    )
    assert len(counted) >= 6
    assert "Without rotations (none) a network does worst: holds in" in page.text
    classes = [a["class"] for tag, a in page.elements if tag == "td" and a.get("class")]
    tested = [c for c in classes if c in ("holds", "fails", "undecided")]
    assert len(tested) == 20 + 20 + 40 + 20
    assert classes.count("best") == 2 * 2 * 5


def test_resamples_have_a_table(page):
    assert "Resamples of a set" in page.text
    assert "0.0028" in page.text  # the deviation of 0.680 and 0.684


def test_the_same_twice_and_no_stale_files(study, out, tmp_path):
    again = shutil.copytree(out, tmp_path / "again")
    (again / "points.png").write_text("of an earlier report")
    (again / "mine.txt").write_text("mine")
    known = json.loads((again / MARKER).read_text())
    known["files"].append("points.png")
    (again / MARKER).write_text(json.dumps(known))
    make_scan_report(study, again, command="pyg-jets report runs/scans/x", layout=LAYOUT)
    assert (again / "mine.txt").exists()
    assert not (again / "points.png").exists()
    for path in out.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_goes_into_the_scan_by_default_and_not_over_something_else(undrawn, tmp_path):
    scan = write_study(tmp_path / "s", replicas=1, sizes=(480,), networks=("PFN",))
    assert make_scan_report(scan) == scan / "report" / "index.html"
    with pytest.raises(FileExistsError, match="holds something else"):
        make_scan_report(scan, scan)


def test_a_study_that_has_only_begun(tmp_path):
    scan = write_scan(tmp_path / "s")
    write_point(scan, "u", {"arm": "none"})
    text = Page(make_scan_report(scan, layout=LAYOUT).read_text()).text
    assert "0 of 1 point finished, 1 not finished." in text
    write_cell(scan, "pre-inv", "PFN", "toy-rect", 480, [0.68])
    write_cell(scan, "none", "FCN", "", 960, [0.58])
    page = Page(make_scan_report(scan, layout=LAYOUT).read_text())
    assert page.open == []
    assert "0.6800×1 · Δ −0.0010" in page.text
    assert "no detector" in page.text
    assert "What is claimed, tested" not in page.text
    assert sorted(p.name for p in (scan / "report").glob("*.png")) == FIGURES


def test_a_scan_of_failures(tmp_path):
    scan = write_scan(tmp_path / "s", metric=None)
    write_point(scan, "f", {"lr": 0.1}, status="failed", error="<b>boom</b>")
    page = Page(make_scan_report(scan).read_text())
    assert "0 of 1 point finished, 1 failed." in page.text
    assert "1 point: <b>boom</b>" in page.text
    assert "<b>boom" not in (scan / "report" / "index.html").read_text()
    assert "boom" in scan_table(scan)


def test_a_search(tmp_path):
    scan = write_search(tmp_path / "search", points=20)
    out = make_scan_report(scan).parent
    page = Page((out / "index.html").read_text())
    assert page.open == []
    assert (
        "A random search over lr, width, network for the largest test/auc. 20 points" in page.text
    )
    best = max(float(row["test/auc"]) for row in rows(out / "points.csv"))
    assert f"{best:.4f}" in page.text
    assert sorted(path.name for path in out.glob("*.png")) == ["points.png"]
    assert not (out / "cells.csv").exists()
    first = scan_table(scan).split("─\n")[2].splitlines()[0]
    assert f"{best:.4f}" in first


def test_a_search_within_arms_has_no_cells(undrawn, tmp_path):
    scan = write_scan(tmp_path / "s")
    facts = {"network_name": "PFN", "detector": "toy-rect", "n_train": 480}
    for arm in ("none", "pre-inv"):
        for lr in (0.1, 0.2):
            write_point(scan, f"{arm}{lr}", {"lr": lr}, {"test/auc": 0.6}, {"arm": arm, **facts})
    page = Page(make_scan_report(scan, layout=LAYOUT).read_text())
    assert "Within a cell vary: lr." in page.text
    assert "PFN pre-inv, toy-rect, 480" in page.text
    assert not (scan / "report" / "cells.csv").exists()


def test_text_for_a_terminal(study):
    text = scan_table(study)
    assert "Test AUC, toy-rect" in text
    assert len(re.findall(r"^(?:FCN|PFN) ", text, re.M)) == 2 * 6 * 2
    assert f"2 points: {ERROR}" in text
    assert max(map(len, text.splitlines())) < 200


def test_without_the_extra_it_says_so(study, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mplhep", None)
    with pytest.raises(ModuleNotFoundError, match=r"pyg-jets\[report\]"):
        make_scan_report(study, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
