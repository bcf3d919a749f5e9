"""The pages are made again of the archived points, with the numbers that they had."""

import csv
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from pyg_jets.studies import Study, StudyRun
from pyg_jets.studies.archive import unpacked

RESULTS = Path(__file__).parents[3] / "docs" / "results"
DATA = Path(__file__).parent / "data"
#: Columns of the tables of version 0.1, and the metric that has the same number now.
METRICS = {
    "auc": "auc",
    "signal_efficiency_0.5": "signal_efficiency_0.5",
    "accuracy": "accuracy",
    "spread": "spread",
}


@pytest.fixture(scope="module")
def pages():
    """The pages by name, without their figures."""
    study, stream = Study.load("broken_symmetry"), BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "png")
    archives = [RESULTS / f"{name}-points.tar.gz" for name in (study.name, f"{study.name}_pythia")]
    with pytest.MonkeyPatch.context() as patch, unpacked(study, archives) as folder:
        patch.setattr("pyg_jets.report.figures.style.figure_file", lambda *_: stream.getvalue())
        run = StudyRun(study, folder, only_read=True)
        return {page.name: page for page in study.module("page").page(run)}


def table(page):
    """The numbers of a page by table, row and metric."""
    rows = csv.DictReader(page.csv().splitlines())
    numbers = {}
    for row in rows:
        key = row["table"], row["row"], row["metric"]
        assert key not in numbers, key
        numbers[key] = row["value"], row["error"], row["n"]
    return numbers


@pytest.mark.parametrize(
    ("name", "data", "cells"),
    [("broken_symmetry", "toys-0.1.csv", 120), ("broken_symmetry_pythia", "pythia-0.1.csv", 12)],
)
def test_every_number_of_version_0_1(pages, name, data, cells):
    numbers = table(pages[name])
    with (DATA / data).open(newline="") as stream:
        earlier = list(csv.DictReader(stream))
    assert len(earlier) == cells
    compared = 0
    for row in earlier:
        size = f"{int(row['n_train']):,} jets"
        place = ", ".join([row["detector"], row["network"], row["arm"], size])
        for column, metric in METRICS.items():
            number = numbers["Test AUC", place, metric]
            assert number == (row[column], row[f"{column}_err"], row["bootstraps"])
            compared += 3
        assert float(numbers["Test AUC", place, "seconds"][0]) == pytest.approx(
            float(row["seconds"]), abs=1e-9
        )
        spreads = "Fresh sets and resamples"
        assert numbers[spreads, place, "std_of_fresh_sets"][0] == row["auc_std"]
        if row["resamples"] != "0":
            resampled = numbers[spreads, place, "std_of_resamples"]
            assert resampled == (row["resample_std"], "", row["resamples"])
        assert (("Against the source", place, "source_auc") in numbers) == bool(row["source_auc"])
        if row["source_auc"]:
            source = numbers["Against the source", place, "source_auc"]
            assert source[:2] == (row["source_auc"], row["source_auc_err"])
            assert numbers["Against the source", place, "difference_auc"][0] == row["difference"]
    assert compared == 12 * cells


def test_the_committed_csv_is_the_one_of_the_archive(pages):
    for name, page in pages.items():
        with (RESULTS / f"{name}.csv").open(newline="") as stream:
            committed = list(csv.reader(stream))
        made = list(csv.reader(page.csv().splitlines()))
        assert [row for row in committed if not row[0].startswith("What a rotation")] == made


def test_verdicts_are_those_of_the_page(pages):
    text = pages["broken_symmetry"].markdown()
    for claim in (
        "| Without rotations (none) a network does worst | holds in 10 and is undecided in 10 of "
        "20 comparisons |",
        "| On the rectangular grid, rotating before the detector beats rotating after it | holds "
        "in 11 and is undecided in 9 of 20 comparisons |",
        "| Encouraged invariance beats augmentation alone | holds in 15, fails in 1 and is "
        "undecided in 24 of 40 comparisons |",
        "| Fresh random angles beat eight fixed ones (not in the source) | holds in 7 and is "
        "undecided in 13 of 20 comparisons |",
    ):
        assert claim in text
