"""The section of digits: its judge, its figures, and what it measures of a short training."""

import json

import numpy as np
import pytest
import torch
import yaml

from pyg_jets.cli import main
from pyg_jets.files import config_path
from pyg_jets.runs import load_run
from pyg_jets.studies import Study, StudyRun
from pyg_jets.studies.generation import digits
from pyg_jets.studies.generation.digit_judge import (
    Judge,
    frechet_distance,
    intensity_figures,
    pair_distance,
    rasterise,
)
from pyg_jets.studies.generation.noise_seeds import NoiseSeedVAE
from pyg_jets.studies.page import Page


def strokes(n_jets=40, points=12, seed=0):
    """Vertical lines of class 0 at the left, of class 1 at the right."""
    rng = torch.Generator().manual_seed(seed)
    y = torch.arange(n_jets) % 2
    x = torch.rand(n_jets * points, 3, generator=rng)
    x[:, 0] = 0.1 * x[:, 0] + (y - 0.5).repeat_interleave(points)
    x[:, 1] -= 0.5
    return x, torch.arange(0, len(x) + 1, points), y


def test_pixels_come_back_and_points_between_are_shared():
    image = torch.zeros(28, 28)
    image[[3, 20], [5, 27]] = torch.tensor([0.5, 1.0])
    row, column = image.nonzero().T
    x = torch.stack((column / 13.5 - 1, 1 - row / 13.5, image[row, column]), 1)
    ptr = torch.tensor([0, 2])
    torch.testing.assert_close(rasterise(x, ptr)[0, 0], image, atol=1e-5, rtol=0)
    moved = x + torch.tensor([0.25, -0.5, 0]) / 13.5
    made = rasterise(moved, ptr)[0, 0]
    torch.testing.assert_close(
        made[3:5, 5:7], torch.tensor([[0.1875, 0.0625]] * 2), atol=1e-5, rtol=0
    )
    assert float(made.sum()) == pytest.approx(0.5 + 0.75, abs=1e-5)  # a quarter lies outside
    assert float(rasterise(10 * x, ptr).sum()) == 0


def test_the_judge_reads_what_it_was_taught():
    x, ptr, y = strokes(320)
    judge = Judge().fit([(x, ptr, y)] * 8)
    probabilities, features = judge.read(*strokes(seed=1)[:2])
    assert (probabilities.argmax(1) == np.arange(40) % 2).mean() > 0.9
    assert features.shape == (40, 64)
    again = Judge().fit([(x, ptr, y)] * 8).read(*strokes(seed=1)[:2])[0]
    np.testing.assert_allclose(again, probabilities, atol=1e-5)


def test_the_frechet_distance_is_that_of_the_matrix_root():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4)) for _ in range(2))
    covariances = [np.cov(v, rowvar=False) for v in (first, second)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    want = np.square(first.mean(0) - second.mean(0)).sum()
    want += np.trace(sum(covariances) - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(want, rel=1e-6)
    with pytest.raises(ValueError, match="2 or more"):
        frechet_distance(first[:1], second)


def test_figures_of_intensities():
    x, ptr, _ = strokes(4)
    same = intensity_figures((x, ptr), (x, ptr))
    assert same["intensity_error"] == same["intensity_emd"] == same["chamfer_px"] == 0
    assert same["intensity_correlation"] == pytest.approx(1)
    dark = torch.cat((x[:, :2], 0.5 * x[:, 2:]), 1)
    figures = intensity_figures((dark, ptr), (x, ptr))
    want = float(0.5 * x[:, 2].mean())
    assert figures["intensity_error"] == pytest.approx(want, rel=1e-5)
    assert figures["intensity_emd"] == pytest.approx(want, rel=1e-5)


def test_distances_of_pairs_are_those_within_a_class():
    x, ptr, y = strokes(8)
    level = x * torch.tensor([0.0, 0.0, 1.0]) + torch.tensor([1.0, 0, 0]) * y[
        :, None
    ].repeat_interleave(12, 0)
    assert pair_distance(level, ptr, y) == 0
    level[:12, 1] = 2.0  # one of the four of class 0 lies 27 pixels away: in half of its pairs
    assert pair_distance(level, ptr, y) == pytest.approx(27 / 2 / 2, rel=0.15)


def test_seeds_of_noise_are_a_decoder_of_any_number():
    model = NoiseSeedVAE(latent=3, coordinates="plain", max_particles=12, components=1)
    x, ptr, _ = strokes(5)
    made = model(x, ptr)
    made.points.square().sum().backward()
    assert made.points.shape == x.shape
    assert all(p.grad is not None for p in model.decoder.parameters())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short training of digits, in a scan of the study."""
    base = tmp_path_factory.mktemp("digits")
    tree = yaml.safe_load(config_path("digits_vae").read_text())
    tree["model"]["network"]["init_args"] |= {"hidden": [8], "components": 1}
    tree["data"]["dataset"]["init_args"] |= {"root": str(base / "data")}
    tree["data"] |= {"sample": {"jets": 200}}
    tree |= {"labels": {"digits": "100"}}
    tree["trainer"] = {"max_epochs": 1, "logger": False, "enable_progress_bar": False}
    (base / "digits.yaml").write_text(yaml.safe_dump(tree))
    words = [f"--config={base / 'digits.yaml'}", f"--run={base / 'run'}"]
    assert main(["fit", *words, "--trainer.accelerator=cpu"]) == 0
    return load_run(base / "run")


def test_what_is_measured_is_written(run, tmp_path, monkeypatch):
    judge = Judge()
    monkeypatch.setattr(digits, "_judge", lambda *_: judge.eval())
    read = digits.measure_digits(run, 200, 1)
    assert set(digits.COLUMNS) <= read["network"].keys()
    assert all(np.isfinite(value) for value in read["network"].values())
    assert [len(row) for row in read["shown"].values()] == [10] * 5
    assert json.loads(json.dumps(read)) == read
    section, page = digits.Digits(), Page("generation", "Generators")
    study_run = StudyRun(Study.load("generation"), tmp_path)
    section._write_table(page, "digits-100", "All digits", [read, read])
    assert (
        "digits-100",
        "GraphVAE",
        "sample_fd",
        read["network"]["sample_fd"],
        0.0,
        2,
    ) in page.rows
    assert page.figures["generation/digits-100.png"].png.startswith(b"\x89PNG")
    section.write(page, study_run)  # nothing was measured in that run
