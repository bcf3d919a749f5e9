"""What the study measures of jets out of noise, on toy jets, and the chapter that it writes."""

import numpy as np
import pytest
import torch

from pyg_jets.runs import Point, Run
from pyg_jets.studies import Page, Study, StudyRun
from pyg_jets.studies.generation.claims import GOALS
from pyg_jets.studies.generation.noise import (
    Noise,
    Sizes,
    jets_of,
    measure_sample,
)
from pyg_jets.studies.goals import Numbers

SIZES = Sizes(400, 400, 60, 100, 3)


def jets(seed, n_jets=400, width=0.15):
    rng = np.random.default_rng(seed)
    counts = torch.from_numpy(rng.integers(8, 20, n_jets))
    ptr = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
    n = int(ptr[-1])
    x = np.stack([rng.exponential(20, n) + 1, *rng.normal(0, width, (2, n))], 1)
    return torch.from_numpy(x).float(), ptr


@pytest.fixture(scope="module")
def measured():
    real, train = jets(0), jets(1)
    alike, wider = (
        measure_sample(made, real, train, SIZES) for made in (jets(2), jets(3, 400, 0.2))
    )
    return alike, wider


def test_jets_alike_are_at_the_floor_and_others_are_not(measured):
    alike, wider = measured
    for metric in ("w1m", "w1p", "w1efp"):
        assert 0.3 < alike[f"{metric}_over_floor"][0] < 3
        assert wider[f"{metric}_over_floor"][0] > alike[f"{metric}_over_floor"][0]
    assert abs(alike["two_sample_auc_tree"][0] - 0.5) < 0.15 < wider["two_sample_auc_tree"][0] - 0.5
    assert wider["w1_mass"][0] > 3 * alike["w1_mass"][0]
    assert wider["w1_mass_over_floor"][0] > 3 * alike["w1_mass_over_floor"][0]
    assert 0.8 < alike["pair_distance_ratio"][0] < 1.2


def test_jets_of_one_multiplicity_have_no_distance_of_it():
    def same(seed):
        x, ptr = jets(seed, 60)
        rows = (ptr[:-1, None] + torch.arange(8)).flatten()
        return x[rows], torch.arange(0, 8 * 60 + 1, 8)

    numbers = measure_sample(same(0), same(1), same(2), SIZES)
    assert "w1_multiplicity" not in numbers
    assert numbers["w1_leading_share"][0] > 0


def test_the_first_jets_of_a_loader():
    x, ptr = jets(0, 10)
    batches = [
        type("Batch", (), {"x": x[ptr[i] : ptr[i + 5]], "ptr": ptr[i : i + 6] - ptr[i],
                           "num_graphs": 5})
        for i in (0, 5)
    ]  # fmt: skip
    some, some_ptr = jets_of(iter(batches), 7)
    assert torch.equal(some_ptr, ptr[:8])
    assert torch.equal(some, x[: ptr[7]])


class Trained(Noise):
    """The section with trainings that are no files."""

    def points(self, study_run):
        labels = [
            {"network": network, "jets": kind, "particles": particles}
            for kind in ("w", "g", "top")
            for network, particles in (
                ("GraphVAE", "30"), ("AutoregressiveJets", "30"), ("GraphVAE", "all")
            )
        ]  # fmt: skip
        return [
            Point(Run(study_run.folder, provenance={"labels": each, "seed": 1})) for each in labels
        ]


def test_the_chapter(measured, tmp_path):
    run, section = StudyRun(Study.load("generation"), tmp_path, quick=True), Trained()
    made = {**measured[0], "us_per_jet": 5.0}
    for point in section.points(run):
        value = {"made": made, "unmatched": measured[1], "floor": measured[0]}
        run.measure(f"{section.key(point)}-jets", lambda value=value: value)
    page = Page("generation", "Generation")
    section.write(page, run)
    numbers = Numbers(page.rows)
    words = {(g.table, g.metric): g.verdict(numbers).word for g in GOALS["noise"]}
    assert "not measured" not in words.values()
    for row in ("GraphVAE", "GraphVAE, before matching", "AutoregressiveJets", "truth floor"):
        assert numbers.value("noise-top", row, "w1_tau32") is not None
    assert "### w, 30 particles" in page.markdown()
    assert len({row[:3] for row in page.rows}) == len(page.rows)
