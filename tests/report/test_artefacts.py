"""Figures and table of a measurement of artefacts."""

import json
import shutil
import struct

import numpy as np
import pytest

from pyg_jets.metrics import Estimate
from pyg_jets.report import artefacts
from pyg_jets.report.artefacts import artefact_pictures, load_artefacts, summary
from pyg_jets.report.figures.artefacts import Shown
from pyg_jets.report.numbers import estimate
from pyg_jets.training.artefacts import FILES, measure_artefacts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small measurement; not to be changed."""
    out = tmp_path_factory.mktemp("artefacts") / "measured"
    return measure_artefacts(out, 200, ("toy", "digits"), angles=(45, 90), progress=False)


@pytest.fixture(scope="module")
def pictures(folder):
    return artefact_pictures(folder)


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_a_picture_of_each_kind(pictures):
    cases = ("toy-toy-uniform", "toy-toy-rect", "digits-toy-uniform")
    expected = ["artefacts"]
    for case in cases:
        expected += [f"variants-{case}", f"average-{case}"]
    assert [one.kind for one in pictures] == expected
    for one in pictures:
        assert one.png.startswith(b"\x89PNG")
        assert struct.unpack(">II", one.png[16:24]) == (2 * one.width, 2 * one.height)
        assert len(one.alt) > 40


def test_the_same_gives_the_same_bytes_and_another_result_others(copy, pictures):
    table = json.loads((copy / FILES[0]).read_text())
    table["rows"][0]["auc"] = 0.77
    (copy / FILES[0]).write_text(json.dumps(table))
    again = artefact_pictures(copy)
    assert again[0].png == artefacts._overview(artefacts._cases(load_artefacts(copy))).png
    assert again[0].png != pictures[0].png
    assert "AUC 0.77" in again[0].alt
    assert [one.png for one in again[1:]] == [one.png for one in pictures[1:]]


def test_facts_are_those_of_the_rows(folder, pictures):
    rows = json.loads((folder / FILES[0]).read_text())["rows"]
    (row,) = [r for r in rows if (r["detector"], r["rotation"], r["angle"]) ==
              ("toy-rect", "after", 45)]  # fmt: skip
    facts = pictures[0].facts["cases"]["toy.toy-rect"]
    assert facts["auc_after"] == (row["auc"], row["auc_error"])
    assert facts["ratio_after"].value == row["multiplicity_ratio"] > 1.5


def test_images_are_those_of_the_samples(folder):
    found = load_artefacts(folder)
    shown = Shown(found.cases[1], found.samples, 1)
    assert shown.images[1][0].shape == (32, 4)
    jet = shown.of_kind(1)[3]
    assert shown.pixels(3, 1) == len(np.unique(jet.particles[:, 1:3], axis=0))
    assert shown.pixels(0, 2) == shown.pixels(0, 1) == shown.pixels(4, 2)
    assert shown.pixels(1, 2) > 1.5 * shown.pixels(1, 1)
    assert shown.images[2][1].sum() == pytest.approx(shown.images[1][0].sum(), rel=1e-3)
    assert np.allclose(shown.angles, np.arange(8) * 45)


def test_dense_is_what_fills_most_pixels(folder):
    found = load_artefacts(folder)
    dense = [Shown(case, found.samples, i).dense for i, case in enumerate(found.cases)]
    assert dense == [False, False, True]


def test_summary(folder):
    lines = summary(folder).splitlines()
    assert lines[0].startswith("Images rotated by 45°, after or before the detector")
    table = lines[5:-1]
    assert [line.split("  ")[0] for line in table] == ["toy, 32 × 32", "toy, 32 × 4",
                                                       "blurred digits"]  # fmt: skip
    rows = load_artefacts(folder).rows
    (row,) = [r for r in rows if (r["detector"], r["rotation"], r["angle"]) ==
              ("toy-rect", "after", 45)]  # fmt: skip
    told = estimate(Estimate(row["multiplicity_ratio"], row["multiplicity_ratio_error"]))
    assert table[1].split("  ")[-2] == told
    assert len({len(line) for line in table}) == 1


@pytest.mark.parametrize("name", FILES)
def test_an_unfinished_folder_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {name}: give a folder that"):
        artefact_pictures(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_named(copy, name):
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=name):
        artefact_pictures(copy)


@pytest.mark.parametrize(
    ("broken", "match"),
    [
        ([], "has no rows"),
        ({"rows": [], "cases": []}, "has no rows"),
        ({"rows": [{"source": "toy"}], "cases": [{}]}, "one of its rows lacks detector, rotation"),
    ],
)
def test_a_table_without_its_columns_is_named(copy, broken, match):
    (copy / FILES[0]).write_text(json.dumps(broken))
    with pytest.raises(ValueError, match=match):
        summary(copy)


def test_a_case_without_rows_is_named(copy):
    table = json.loads((copy / FILES[0]).read_text())
    table["rows"] = [row for row in table["rows"] if row["detector"] != "toy-rect"]
    (copy / FILES[0]).write_text(json.dumps(table))
    with pytest.raises(ValueError, match="No rows of toy, toy-rect"):
        summary(copy)
