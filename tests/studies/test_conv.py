"""What the study measures of the convolutional baseline, on toy jets, and the chapter it writes."""

import numpy as np
import pytest

from pyg_jets.nn import ConvVAE
from pyg_jets.runs import Point, Run
from pyg_jets.studies import Page, Study, StudyRun
from pyg_jets.studies.generation.baselines import identity
from pyg_jets.studies.generation.claims import GOALS
from pyg_jets.studies.generation.conv import (
    TRIED,
    ConvBaseline,
    measure_targets,
    title_of,
    training,
)
from pyg_jets.studies.generation.gen_reco_bench import Bench, Sizes
from pyg_jets.studies.generation.gen_reco_jets import GenReco, detector
from pyg_jets.studies.goals import Numbers
from tests.studies.toy_pairs import ToyDataset

SMALL = Sizes(test=300, train=60, drawn=60, draws=3, floors=1, resamples=6, bin_error=0.2)
WINDOW = "800–1,200 GeV"


@pytest.fixture(scope="module")
def bench():
    return Bench(GenReco(ToyDataset(600, 2), 300, 60, batch_size=100), SMALL)


def run(tmp_path, seed=1, **labels):
    steps, loss = np.arange(450, 9001, 450), np.full(20, 3000.0)
    loss[:8] = np.linspace(9000, 2900, 8)
    history = {"step": steps, "val/loss": loss, "val/multiplicity_w1": loss / 1000}
    history["val/loss"] = np.where(steps == 450, np.nan, loss)  # not validated in that row
    facts = {"parameters": 11, "wall_time_s": 630.0, "seed": seed, "date": "2026-01-01T00:00:00",
             "labels": {"list": "30, mask", **labels}}  # fmt: skip
    return Run(tmp_path / f"run{seed}", history=history, provenance=facts)


def test_a_row_counts_on_its_own_target_and_on_all(bench):
    again = measure_targets(detector("cms-like"), bench, [5, 13])
    assert list(again) == ["5", "13", "all"]
    before = measure_targets(identity(bench.jets), bench, [13])
    assert before["all"]["emd_n"][0] > 3 * again["all"]["emd_n"][0] > 0
    assert again["5"]["emd_n"][0] == 0  # all jets have five
    exact = measure_targets(lambda batch, _: bench.jets.truth(batch), bench, [13])["13"]
    assert exact["emd_pt"] == (0, 0)
    assert exact["correlation_pt"] == pytest.approx(1)
    assert exact["bins_within_tenth_mass"] == 1
    assert exact["n"] == 300


def test_a_training_is_told_by_its_validations(tmp_path):
    ended = training(run(tmp_path))
    assert ended["loss"] == 2900
    assert ended["steps"] == 9000
    assert ended["steps_since_best"] == 9000 - 8 * 450
    assert ended["step_s"] == pytest.approx(0.07)
    assert ended["multiplicity_w1"] == pytest.approx(2.9)
    assert len(ended["curve_steps"]) == len(ended["curve_loss"]) == 19
    assert title_of({"list": "50, away"}) == "ConvVAE 50, away"


def test_the_chapter_has_both_windows_and_the_numbers_of_the_claims(tmp_path, bench, monkeypatch):
    section, study_run = ConvBaseline(), StudyRun(Study.load("generation"), tmp_path)
    runs = [run(tmp_path, 1), run(tmp_path, 2), run(tmp_path, 3, window=WINDOW)]
    points = [Point(each) for each in runs]
    monkeypatch.setattr(section, "points", lambda _: points)
    for point in points:
        key = section.key(point)
        rows = measure_targets(detector("cms-like"), bench, [13])
        study_run.measure(f"{key}-jets", lambda rows=rows: rows)
        study_run.measure(f"{key}-training", lambda point=point: training(point.run))
    for wide in ("", "-wide"):
        rows = measure_targets(identity(bench.jets), bench, [13])
        study_run.measure(f"conv-baseline{wide}-detector-again", lambda rows=rows: rows)
    page = Page("generation", "Generators")
    section.write(page, study_run)
    text = page.markdown()
    assert f"### Jets of {WINDOW}" in text
    assert text.count("Target: the 13 hardest.") == text.count("Target: all constituents.") == 2
    assert {"generation/conv-curves.png", "generation/conv-wide-bins.png"} <= set(page.figures)
    assert page.figures["generation/conv-curves.png"].png.startswith(b"\x89PNG")
    numbers = Numbers(page.rows)
    for goal in GOALS["conv"]:
        assert numbers.value(goal.table, goal.row, goal.metric) is not None
        for row, metric in goal.beside:
            assert numbers.value(goal.table, row, metric) is not None, (row, metric)
    tables = {row[0] for row in page.rows}
    assert tables - set(TRIED) == {
        "conv-13",
        "conv-all",
        "conv-wide",
        "conv-wide-all",
        "conv-training",
    }
    assert tables & set(TRIED)


def test_the_costs_are_printed_before_anything_is_trained():
    hours = sum(cost.seconds for cost in ConvBaseline.costs) / 3600
    assert 0 < hours <= 10  # of one core: five hours of two
    assert ConvVAE(30, padding="mask").max_particles == 30
