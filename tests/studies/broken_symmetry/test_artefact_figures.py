"""Figures and table of a measurement of artefacts."""

import copy
import shutil
import struct

import numpy as np
import pytest

from pyg_jets.studies.broken_symmetry.artefact_figures import (
    artefact_pictures,
    artefact_table,
    load_cases,
)
from pyg_jets.studies.broken_symmetry.artefacts import IMAGES, SAMPLES, measure_artefacts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("artefacts") / "measured"


@pytest.fixture(scope="module")
def measured(folder):
    """A small measurement; not to be changed."""
    return measure_artefacts(folder, 200, ("toy", "digits"), angles=(45, 90), progress=False)


@pytest.fixture(scope="module")
def cases(measured, folder):
    return load_cases(measured, folder)


@pytest.fixture(scope="module")
def pictures(measured, folder):
    return artefact_pictures(measured, folder)


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


def test_the_same_gives_the_same_bytes_and_another_result_others(measured, folder, pictures):
    changed = copy.deepcopy(measured)
    changed["rows"][0]["auc"] = 0.77
    again, other = artefact_pictures(measured, folder), artefact_pictures(changed, folder)
    assert again[0].png == pictures[0].png != other[0].png
    assert "AUC 0.77" in other[0].alt
    assert [one.png for one in other[1:]] == [one.png for one in pictures[1:]]


def test_the_table_is_that_of_the_rows(measured, cases, pictures):
    (row,) = [r for r in measured["rows"] if (r["detector"], r["rotation"], r["angle"]) ==
              ("toy-rect", "after", 45)]  # fmt: skip
    titles = [title for title, _, _ in artefact_table(cases)]
    assert titles == ["toy, 32 × 32", "toy, 32 × 4", "blurred digits"]
    _, after, before = artefact_table(cases)[1]
    assert after == row
    assert after["multiplicity_ratio"] > 1.5
    assert (before["rotation"], before["angle"]) == ("before", 45)
    assert f"{row['multiplicity_ratio']:.2f}"[:4] in pictures[0].alt


def test_images_are_those_of_the_samples(cases):
    shown = cases[1]
    assert shown.images[1][0].shape == (32, 4)
    jet = shown.of_kind(1)[3]
    assert shown.pixels(3, 1) == len(np.unique(jet.particles[:, 1:3], axis=0))
    assert shown.pixels(0, 2) == shown.pixels(0, 1) == shown.pixels(4, 2)
    assert shown.pixels(1, 2) > 1.5 * shown.pixels(1, 1)
    assert shown.images[2][1].sum() == pytest.approx(shown.images[1][0].sum(), rel=1e-3)
    assert np.allclose(shown.angles, np.arange(8) * 45)


def test_dense_is_what_fills_most_pixels(cases):
    assert [case.dense for case in cases] == [False, False, True]


@pytest.mark.parametrize("name", [SAMPLES, IMAGES])
def test_a_lost_or_broken_file_is_named(measured, folder, tmp_path, name):
    lost = shutil.copytree(folder, tmp_path / "lost")
    whole = (lost / name).read_bytes()
    (lost / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"has lost {name}: remove"):
        artefact_pictures(measured, lost)
    (lost / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=name):
        artefact_pictures(measured, lost)


def test_a_case_without_rows_is_named(measured, folder):
    rows = [row for row in measured["rows"] if row["detector"] != "toy-rect"]
    with pytest.raises(ValueError, match="No rows of toy, toy-rect"):
        load_cases(measured | {"rows": rows}, folder)
