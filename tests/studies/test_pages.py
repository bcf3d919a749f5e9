"""Pages of scans in Markdown, with every number as CSV, and the archive of their points."""

import csv
import json
import re
import tarfile
from io import BytesIO

import pytest
from PIL import Image

from pyg_jets.report.scan.captions import axes
from pyg_jets.runs import load_scan
from pyg_jets.studies import Page, Study, StudyRun, write_pages
from pyg_jets.studies.archive import archive, archive_measures, unpacked
from pyg_jets.studies.generic import add_cells, points_of, read_reference
from tests.report.scans import (
    LAYOUT,
    write_cell,
    write_point,
    write_scan,
    write_search,
    write_study,
)

ERROR = "ValueError: Replica 12 of 2400 jets needs 31200 training jets, but there are 28050"


@pytest.fixture
def undrawn(monkeypatch):
    """Figures of one pixel, for tests of the text."""
    stream = BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "png")
    monkeypatch.setattr("pyg_jets.report.figures.style.figure_file", lambda *_: stream.getvalue())


@pytest.fixture
def scan(undrawn, tmp_path):
    """A study with resamples, failed and unfinished points."""
    scan = write_study(tmp_path / "scans" / "sweep", replicas=3)
    write_cell(scan, "pre-inv", "PFN", "toy-rect", 480, [0.68, 0.684], resample=True, replica=0)
    for name in ("f1", "f2"):
        write_point(scan, name, {"arm": "none"}, status="failed", error=ERROR)
    write_point(scan, "u1", {"arm": "none"})
    return load_scan(scan)


def numbers(page):
    return list(csv.DictReader(page.csv().splitlines()))


def test_cells_in_markdown(scan):
    page = Page("toys", "Toys")
    add_cells(page, [scan], LAYOUT, "How it was done.")
    text = page.markdown()
    assert text.startswith("# Toys\n")
    assert list(page.figures) == ["toys-auc.png", "toys-signal-efficiency.png", "toys-spread.png"]
    for part in (
        "362 trainings in all",
        "holds in",
        "How it was done.",
        "Each is tested on 20,400 jets",
        "Left out, as not finished or failed: 3 points.",
    ):
        assert part in text
    section = text.split("## Against the source")[1].split("##")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    heads, compared = lines[0][2:], 0
    for row in numbers(page):
        if row["table"] == "Against the source" and row["metric"] == "difference_auc":
            detector, network, arm, size = re.split(r", (?=\D)|, (?=\d+,?\d* jets)", row["row"])
            (own,) = (line for line in lines if line[:2] == [network, arm])
            column = heads.index(f"{detector}, {size}")
            value = float(own[2 + column].split(" ")[0].replace("−", "-"))
            assert value == pytest.approx(float(row["value"]), abs=0.00051)
            compared += 1
    assert compared == 40
    widths = {}
    for line in text.splitlines():  # all lines of a table have the same number of cells
        if line.startswith("|"):
            widths.setdefault("cells", line.count("|"))
            assert line.count("|") == widths["cells"], line
        else:
            widths.clear()


def test_every_number_of_the_tables_is_in_the_csv(scan):
    page = Page("toys", "Toys")
    add_cells(page, [scan], LAYOUT)
    known = set()
    for row in numbers(page):
        if row["value"]:
            for places in (3, 4):
                known.add(f"{abs(float(row['value'])):.{places}f}")
                known.add(f"{float(row['error'] or 0):.{places}f}")
    quoted = re.findall(r"\d\.\d{3,4}", "\n".join(b for b in page.blocks if b.startswith("|")))
    assert len(quoted) > 500
    assert set(quoted) <= known


def test_several_scans_are_put_together(undrawn, tmp_path):
    scans = [load_scan(write_study(tmp_path / d, detectors=(d,), replicas=2, sizes=(480,)))
             for d in ("toy-uniform", "toy-rect")]  # fmt: skip
    page = Page("x", "X")
    cells = add_cells(page, scans, LAYOUT)
    assert "2 detectors (toy-uniform, toy-rect)" in axes(cells)


def test_what_varies_within_a_cell_is_refused(tmp_path):
    scan = write_scan(tmp_path / "s")
    facts = {"network_name": "PFN", "detector": "toy-rect", "n_train": 480, "arm": "none"}
    for lr in (0.1, 0.2):
        write_point(scan, f"p{lr}", {"lr": lr}, {"test/auc": 0.6}, facts)
    with pytest.raises(ValueError, match="Expected one setting for each cell"):
        points_of([load_scan(scan)], LAYOUT)


def test_scans_without_finished_points_are_refused(tmp_path):
    scan = write_scan(tmp_path / "s")
    write_point(scan, "u1", {"arm": "none"})
    with pytest.raises(ValueError, match="Expected scans with finished points"):
        points_of([load_scan(scan)], LAYOUT)


def test_the_archive_holds_what_a_page_is_made_of(undrawn, tmp_path):
    scan = write_study(tmp_path / "scans" / "sweep_small", replicas=1, sizes=(480,))
    (scan / "points" / "stopped").mkdir()
    (scan / "points" / "stopped" / "point.json").write_text('{"status": "running"}')
    packed = tmp_path / "x-points.tar.gz"
    packed.write_bytes(archive([load_scan(scan)]))
    assert archive([load_scan(scan)]) == packed.read_bytes()
    with unpacked(Study.load("broken_symmetry"), [packed]) as folder:
        again = load_scan(folder / "scans" / "sweep_small")
        assert [p.name for p in again.points] == [p.name for p in load_scan(scan).finished]


def test_measurements_are_archived_with_their_files(tmp_path):
    run = StudyRun(own_study(tmp_path / "archived_study"), tmp_path / "run")
    run.measure("size", lambda: (run.files("size") / "a.txt").write_text("ab"))
    packed = tmp_path / "x-measures.tar.gz"
    packed.write_bytes(archive_measures(run))
    with unpacked(run.study, [packed]) as folder:
        again = StudyRun(run.study, folder, only_read=True)
        assert again.measured("size") == 2
        assert (again.files("size") / "a.txt").read_text() == "ab"


def test_names_of_an_archive_s_folders(tmp_path):
    packed = tmp_path / "points.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for name in ("broken_symmetry", "broken_symmetry_pythia", "sweep_longer"):
            write_scan(tmp_path / name)
            tar.add(tmp_path / name, name)
    with unpacked(Study.load("broken_symmetry"), [packed]) as folder:
        names = sorted(path.name for path in (folder / "scans").iterdir())
    assert names == ["sweep", "sweep_longer", "sweep_pythia"]


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "x.tar.gz").write_text("nothing")
    study = Study.load("broken_symmetry")
    with (
        pytest.raises(ValueError, match=r"x\.tar\.gz is no archive"),
        unpacked(study, [tmp_path / "x.tar.gz"]),
    ):
        pass
    with (
        pytest.raises(FileNotFoundError, match="is not there"),
        unpacked(study, [tmp_path / "y.tar.gz"]),
    ):
        pass


def own_study(folder, head=""):
    folder.mkdir()
    (folder / "README.md").write_text(f"{head}# Of my own\n\nWhat is it about?\n")
    for stem in ("sweep", "sweep_search"):
        (folder / f"{stem}.yaml").write_text("method: grid\n")
    return Study.load(folder)


def test_the_generic_page_of_cells(undrawn, tmp_path):
    head = "---\ngroup_by: [detector, network_name, arm, n_train]\nsource: a letter\n---\n"
    study = own_study(tmp_path / "generic_study", head)
    (study.folder / "reference.csv").write_text(
        "detector,network,arm,n_train,value,error,where\ntoy-rect,PFN,none,480,0.6,0.01,table 1\n"
    )
    write_study(tmp_path / "run/scans/sweep", ("none", "pre-inv"), ("PFN",), sizes=(480,))
    run = StudyRun(Study.load(study.folder), tmp_path / "run", only_read=True, command="pyg-jets x")
    (path,) = write_pages(run)
    text = path.read_text()
    assert "# Of my own\n\n2 arms, 1 network (PFN)" in text
    assert "What is it about?" in text
    assert "minus that of a letter" in text
    assert "pyg-jets x\n" in text
    rows = list(csv.DictReader(path.with_suffix(".csv").read_text().splitlines()))
    assert {r["value"] for r in rows if r["metric"] == "source_auc"} == {"0.6"}


def test_the_generic_page_of_a_search(undrawn, tmp_path):
    study = own_study(tmp_path / "generic_search")
    write_search(tmp_path / "run/scans/sweep_search", points=6)
    (path,) = write_pages(StudyRun(study, tmp_path / "run", only_read=True))
    assert "The best 6, of 6 settings" in path.read_text()
    rows = list(csv.DictReader(path.with_suffix(".csv").read_text().splitlines()))
    assert [r["metric"] for r in rows] == ["auc"] * 6


def test_a_reference_without_its_columns_is_named(tmp_path):
    (tmp_path / "reference.csv").write_text("network,value\nPFN,0.5\n")
    with pytest.raises(ValueError, match=r"has no column n_train, error: add it"):
        read_reference(tmp_path / "reference.csv", ["network_name", "n_train"])


def test_records_of_measurements_are_on_the_page(undrawn, tmp_path):
    study = own_study(tmp_path / "measured_study")
    write_search(tmp_path / "run/scans/sweep_search", points=3)
    run = StudyRun(study, tmp_path / "run")
    run.measure("size", lambda: 3)
    assert json.loads((tmp_path / "run/measures/size.json").read_text())["value"] == 3
    (path,) = write_pages(run)
    assert "measurement size" in path.read_text()
