"""What the study measures of GEN → RECO, on toy jets, and the chapter that it writes."""

import numpy as np
import pytest
import torch

from pyg_jets.runs import Point, Run
from pyg_jets.studies import Page, Study, StudyRun
from pyg_jets.studies.generation.claims import GOALS
from pyg_jets.studies.generation.gen_reco import (
    BASELINES,
    GenToReco,
    baseline,
    title_of,
)
from pyg_jets.studies.generation.gen_reco_bench import Bench, Sizes, all_features, moments
from pyg_jets.studies.generation.gen_reco_jets import GenReco, detector
from pyg_jets.studies.generation.gen_reco_measures import (
    emds,
    measure_floor,
    measure_response,
    single_jets,
)
from pyg_jets.studies.generation.tables import over_seeds
from pyg_jets.studies.goals import Numbers
from tests.studies.toy_pairs import ToyDataset

SMALL = Sizes(test=300, train=300, drawn=60, draws=30, floors=2, resamples=8, pfn=60, steps=4,
              polynomials=100, timed=64, bin_error=0.3)  # fmt: skip


@pytest.fixture(scope="module")
def bench():
    return Bench(GenReco(ToyDataset(600, 2), 300, 300, batch_size=100), SMALL)


def test_distances_are_paired(bench):
    numbers = emds(bench.rivals["random_response"], bench)
    assert numbers["emd_mass_minus_random_response"] == (0.0, 0.0)
    value, error = numbers["emd_n"]
    assert value > 3 * error > 0
    difference, paired = numbers["emd_n_minus_detector_again"]
    again = emds(bench.rivals["detector_again"], bench)["emd_n"]
    assert difference == pytest.approx(value - again[0])
    assert 0 < paired < 5 * np.hypot(error, again[1])
    truth = emds(bench.truth, bench)
    assert all(truth[f"emd_{name}"] == (0.0, 0.0) for name in ("pt", "mass", "n"))
    assert numbers["w1_tau21"][0] > 0 == truth["w1_softdrop_ratio"][0]


def test_distances_are_those_of_sorted_features(bench):
    made = bench.rivals["random_response"]
    for name, metric in {"mass": "emd_mass", "tau32": "w1_tau32"}.items():
        truth = np.sort(bench.truth[name])
        wanted = np.abs(np.sort(made[name]) - truth).mean() / truth.std()
        assert emds(made, bench)[metric][0] == pytest.approx(wanted)


def test_the_floor_is_of_several_seeds(bench):
    floor = measure_floor(bench)
    values = []
    for seed in (1, 2):
        made = all_features(bench.jets.respond(detector("cms-like"), seed))
        values.append(emds(made, bench)["emd_n"][0])
    assert floor["emd_n"] == (pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)))
    assert {"w1_tau21", "emd_phi", "w1p", "fpd", "kpd"} <= set(floor)


@pytest.mark.parametrize("with_kinds", [True, False])
def test_skill_is_one_for_the_detector_and_zero_for_identity(bench, with_kinds):
    assert bench.skill(detector("cms-like"), with_kinds)[0] == pytest.approx(1)
    assert bench.skill(bench.jets.before, with_kinds) == (0.0, 0.0)
    hidden, blind = (
        bench.skill(baseline(key, bench), with_kinds)[0] for key in ("grid-hidden", "inputs-hidden")
    )
    assert 1 > hidden > max(0, blind)


def test_moments_of_known_responses(bench):
    identity = moments(bench.jets.before, bench, 0)
    for name in ("pt", "mass"):
        np.testing.assert_allclose(identity[name], [[1.0] * 60, [0.0] * 60], atol=1e-12)
    truth = single_jets(bench.drawn, bench)
    assert truth["response_correlation_mass"] == (pytest.approx(1), pytest.approx(0, abs=1e-9))
    value, error = truth["response_correlation_mass_share"]
    assert value == pytest.approx(1 / truth["response_correlation_mass_ceiling"][0])
    assert error > 0
    assert truth["response_width_pt"] == (1.0, 0.0)
    nothing = single_jets(identity, bench)
    assert nothing["response_correlation_pt"][0] == nothing["response_width_mass"][0] == 0
    batch, gen = bench.jets.first(60), bench.jets.before(bench.jets.first(60)).features()
    drawn = np.stack([detector("cms-like")(batch, 5 + i).features()["pt"] for i in range(30)])
    made = moments(detector("cms-like"), bench, 5)["pt"]
    np.testing.assert_allclose(made[0], (drawn / gen["pt"]).mean(0))
    np.testing.assert_allclose(made[1], (drawn / gen["pt"]).std(0, ddof=1), rtol=1e-6)


def test_seeds_are_taken_together():
    rows = [{"n": 5, "skill": (v, 0.01), "w1_tau21": v} for v in (0.9, 0.92, 0.94)]
    row = over_seeds(rows)
    assert row["skill"] == (pytest.approx(0.92), pytest.approx(np.hypot(0.02, 0.01)))
    assert row["w1_tau21"] == (pytest.approx(0.92), pytest.approx(0.02))
    assert row["n"] == 5
    assert over_seeds(rows[:1])["w1_tau21"] == 0.9
    assert title_of({"network": "GraphVAE", "inputs": "no cells"}) == "GraphVAE, no cells"


class Trained(GenToReco):
    """The section with trainings that are no files."""

    def points(self, study_run):
        labels = [{"network": "GraphVAE"}] * 2 + [{"network": "GraphVAE", "inputs": "source"}]
        labels.append({"ablation": "no merging"})
        return [
            Point(
                Run(study_run.folder / str(i), provenance={"labels": each, "seed": i, "date": "1"})
            )
            for i, each in enumerate(labels)
        ]


def test_the_chapter(bench, tmp_path):
    run, section = StudyRun(Study.load("generation"), tmp_path, quick=True), Trained()
    again, random = (
        measure_response(baseline(key, bench), bench) for key in ("detector-again", "identity")
    )
    for key in BASELINES:
        run.measure(f"gen_reco-{key}", lambda key=key: again if key == "detector-again" else random)
    run.measure("gen_reco-floor", lambda: measure_floor(bench))
    row = {**again, "us_per_jet": 3.5}
    for point in section.points(run):
        run.measure(f"{section.key(point)}-response", lambda row=row: row)
    page = Page("generation", "Generation")
    section.write(page, run)
    numbers = Numbers(page.rows)
    assert numbers.value("gen-reco", "GraphVAE", "skill")[0] == pytest.approx(row["skill"][0])
    for title in BASELINES.values():  # every baseline is in every table
        for metric in ("emd_pt", "skill", "response_width_mass", "w1p", "two_sample_auc_tree"):
            assert numbers.value("gen-reco", title, metric) is not None, (title, metric)
    share, correlation, ceiling = (
        numbers.value("gen-reco", "GraphVAE, source inputs", f"response_correlation_mass{which}")
        for which in ("_share", "", "_ceiling")
    )
    assert share[0] == pytest.approx(correlation[0] / ceiling[0])
    judged = [g for g in GOALS["gen_reco"] if g.table == "gen-reco"]
    words = {goal.metric: goal.verdict(numbers).word for goal in judged}
    assert "not measured" not in words.values()
    assert (words["skill"], words["emd_n"]) == ("goal met", "goal met")
    assert numbers.value("sampling", "GEN → RECO", "us_per_jet")[0] == 3.5
    floor = run.measured("gen_reco-floor")["w1_tau21"]
    assert numbers.value("gen-reco", "detector again", "w1_tau21") == tuple(floor)
    assert numbers.value("gen-reco-ablations", "no merging", "skill") == tuple(row["skill"])
    assert numbers.value("gen-reco", "GraphVAE", "skill_no_kinds") == (1.0, 0.0)
    assert set(page.figures) == {"generation/gen-reco-bins.png", "generation/gen-reco-response.png"}
    assert all(figure.png.startswith(b"\x89PNG") for figure in page.figures.values())
    assert len({row[:3] for row in page.rows}) == len(page.rows)


def test_what_the_latent_is_for(tmp_path):
    run, section = StudyRun(Study.load("generation"), tmp_path, quick=True), Trained()
    for point in section.points(run):
        latent = {"kl_nats": (0.01, 0.001), "active_latents": 0.0, "r2_abs_eta": 0.5}
        run.measure(f"{section.key(point)}-latent", lambda latent=latent: latent)
    alone = {"largest": 0.004, "largest_error": 0.01, "pairs": 0.0, "pairs_error": 1e-4}
    run.measure("gen_reco-factorisation", lambda: alone)
    page = Page("generation", "Generation")
    section.write(page, run)
    numbers = Numbers(page.rows)
    assert numbers.value("gen-reco-latent", "full inputs", "kl_nats") == (0.01, 0.001)
    assert numbers.value("gen-reco-latent", "source's inputs", "r2_abs_eta")[0] == 0.5
    correlation = numbers.value("gen-reco-factorisation", "detector", "largest_correlation")
    assert correlation == (0.004, 0.01)
    words = {
        g.row: g.verdict(numbers).word for g in GOALS["gen_reco"] if g.table == "gen-reco-latent"
    }
    assert words["full inputs"] == words["source's inputs"] == "shown"
    assert words["common scale"] == "not measured"


def test_the_chapter_of_what_is_there(tmp_path):
    run = StudyRun(Study.load("generation"), tmp_path, quick=True)
    page = Page("generation", "Generation")
    GenToReco().write(page, run)
    assert page.rows == []
    assert "| corr. pT |" in page.markdown()


def test_a_network_that_knows_no_kinds_is_judged_without_them(bench):
    seen = detector("cms-like")

    def blind(batch, seed):
        sets = seen(batch, seed)
        return sets._replace(kind=torch.zeros_like(sets.kind))

    row = measure_response(blind, bench, ceiling="inputs hidden")
    assert not {"two_sample_auc_pfn", "skill"} & set(row)
    assert row["skill_no_kinds"][0] == pytest.approx(1)
    assert row["two_sample_auc_tree"][0] < 0.65
