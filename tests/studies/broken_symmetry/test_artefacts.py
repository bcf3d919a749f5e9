"""Rotating after the detector leaves traces in sparse images; rotating before it leaves none."""

import numpy as np
import pytest
from scipy import ndimage

from pyg_jets.datasets import PythiaJets
from pyg_jets.detector import Detector, rotate_image
from pyg_jets.events import toy
from pyg_jets.io import read_card, read_parquet
from pyg_jets.io.cards import sample_path
from pyg_jets.studies.broken_symmetry import artefacts
from pyg_jets.studies.broken_symmetry.artefact_sources import (
    SOURCES,
    Source,
    digits,
    pythia_jets,
    toys,
)
from pyg_jets.studies.broken_symmetry.artefacts import (
    FAINT,
    IMAGES,
    SAMPLES,
    Case,
    measure_artefacts,
    multiplicity,
)
from tests.report.conftest import jet_like

SPARSE = [("toy", "toy-uniform"), ("toy", "toy-rect"), ("jets", "cms-like"), ("jets", "jet-rect")]
DENSE = ("digits", "toy-uniform")


def random_jets(n_events: int, seed: int, data, workers) -> Source:
    jets = jet_like(n_events, seed)
    jets = jets[np.random.default_rng(seed).permutation(len(jets))]
    return Source("jets", ("cms-like", "jet-rect"), 0.8, ("qcd", "w"), n_events, False,
                  lambda: iter([jets]), jets[0], jets[0])  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the measurement; not to be changed."""
    return tmp_path_factory.mktemp("artefacts") / "measured"


@pytest.fixture(scope="module")
def measured(folder):
    """A measurement of all sources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, "jets", random_jets)
        return measure_artefacts(folder, n_events=400, n_jets=400, angles=(45, 90), progress=False)


@pytest.fixture(scope="module")
def rows(measured):
    return {(r["source"], r["detector"], r["rotation"], r["angle"]): r for r in measured["rows"]}


@pytest.mark.parametrize("case", [*SPARSE, DENSE], ids="-".join)
@pytest.mark.parametrize("angle", [45.0, 90.0])
def test_before_the_detector_no_trace(rows, case, angle):
    row = rows[(*case, "before", angle)]
    assert abs(row["auc"] - 0.5) < 3.5 * row["auc_error"]
    assert 0.01 < row["auc_error"] < 0.08
    assert abs(row["multiplicity_ratio"] - 1) < 3.5 * row["multiplicity_ratio_error"]
    assert row["n_events"] == 400


@pytest.mark.parametrize("case", SPARSE, ids="-".join)
def test_after_the_detector_sparse_images_are_given_away(rows, case):
    row = rows[(*case, "after", 45.0)]
    assert row["auc"] > 0.95
    assert row["multiplicity_ratio"] > 1.5


def test_a_quarter_turn_of_square_pixels_is_exact_and_of_others_is_not(rows):
    for what in ("auc", "multiplicity_ratio"):
        after, before = (
            rows["toy", "toy-uniform", when, 90.0][what] for when in ("after", "before")
        )
        assert after == pytest.approx(before, abs=0.02)
    assert rows["toy", "toy-rect", "after", 90.0]["auc"] > 0.95


def test_dense_images_hide_it(rows):
    dense, sparse = (rows[(*case, "after", 45.0)] for case in (DENSE, SPARSE[0]))
    assert dense["auc"] < sparse["auc"] - 0.15
    assert dense["multiplicity_ratio"] - 1 < 0.1 * (sparse["multiplicity_ratio"] - 1)


def warped_by_scipy(image: np.ndarray, angle: float) -> np.ndarray:
    """The image on square pixels, turned by scipy, and averaged back."""
    fine = max(image.shape)
    parts = [fine // n for n in image.shape]
    square = np.kron(image, np.ones(parts))
    cos, sin = np.cos(angle), np.sin(angle)
    inverse = np.array([[cos, sin], [-sin, cos]])
    middle = np.full(2, (fine - 1) / 2)
    turned = ndimage.affine_transform(square, inverse, middle - inverse @ middle, order=1,
                                      mode="grid-constant")  # fmt: skip
    return turned.reshape(image.shape[0], parts[0], image.shape[1], parts[1]).mean((1, 3))


@pytest.mark.parametrize("detector", ["toy-uniform", "toy-rect"])
@pytest.mark.parametrize("degrees", [22.5, 45])
def test_multiplicity_after_is_that_of_scipy(detector, degrees):
    case = Case(toys(40, seed=3), detector, seed=3, angles=[degrees])
    seen = case._detect(toy.generate(8, seed=3), None)
    images = case._image(seen, 0.0)
    ours = case._image(seen, np.radians(degrees))
    theirs = np.stack([warped_by_scipy(image, np.radians(degrees)) for image in images])
    theirs *= (images.sum((1, 2)) / theirs.sum((1, 2)))[:, None, None]
    assert np.allclose(ours, theirs, atol=1e-5)
    counted = [(image > FAINT * image.max()).sum() for image in theirs]
    assert multiplicity(ours).tolist() == counted
    assert multiplicity(ours).sum() > 1.5 * multiplicity(images).sum()


def test_the_ratio_is_that_of_the_means():
    case = Case(toys(60, seed=4), "toy-uniform", seed=4, angles=[30.0])
    events = toy.generate(60, seed=4)
    case.add(events)
    seen = Detector.preset("toy-uniform").simulate(events, seed=4)
    turned = rotate_image(seen[1::2], [np.radians(30)], axis="origin")
    ratio = next(r for r in case.rows() if r["rotation"] == "after")["multiplicity_ratio"]
    assert ratio == pytest.approx(filled(turned) / filled(seen[::2]))


def filled(jets) -> int:
    """Number of particles that are not faint beside the hardest of their jet."""
    pt = jets.column("pt")
    peak = np.maximum.reduceat(pt, jets.ptr[:-1])
    return int((pt >= FAINT * np.repeat(peak, jets.counts)).sum())


def test_energy_lost_gives_nothing_away():
    case = Case(toys(40, seed=5), "toy-rect", seed=5, angles=[45.0])
    seen = case._detect(toy.generate(10, seed=5), None)
    sums = [case._image(seen, angle).sum((1, 2)) for angle in (0.0, np.pi / 4)]
    assert np.allclose(*sums, rtol=1e-5)


def test_digits_are_upright_and_of_sum_one():
    source = digits(5, seed=2)
    (events,) = source.chunks()
    assert np.allclose(np.add.reduceat(events.column("pt"), events.ptr[:-1]), 1, atol=1e-4)
    with np.load(sample_path("sparse_mnist")) as stored:
        image, label = stored["images"][events.ids[0]], stored["labels"][events.ids[0]]
    assert events.labels[0] == label
    x, y = events[0].relative_positions("origin").T
    edges = np.linspace(-1, 1, 29)
    light, _, _ = np.histogram2d(x, y, edges, weights=events[0].column("pt"))
    likeness = [np.corrcoef(light.ravel(), one.ravel())[0, 1]
                for one in (image[::-1].T, image.T, image, image[:, ::-1].T)]  # fmt: skip
    assert likeness[0] > 0.8
    assert likeness[0] > max(likeness[1:]) + 0.05


def test_the_sample_is_the_one_of_the_card():
    (named,) = read_card("sparse_mnist")["sample"]
    path = sample_path("sparse_mnist")
    assert named["bytes"] == path.stat().st_size
    with np.load(path) as stored:
        for array in named["arrays"]:
            assert list(stored[array["name"]].shape) == array["shape"]
            assert stored[array["name"]].dtype == array["dtype"]


def test_jets_of_both_classes_are_mixed(tmp_path, monkeypatch):
    made = jet_like(40).with_jets(event=np.arange(40))
    monkeypatch.setattr(PythiaJets, "load_jets", lambda self: made)
    source = pythia_jets(20, seed=5, data=tmp_path, workers=1)
    (jets,) = source.chunks()
    assert np.bincount(jets.labels).tolist() == [10, 10]
    assert 0 < jets.labels[::2].sum() < 10
    assert source.example.labels.tolist() == [1]


def test_samples_hold_eight_variants_of_each_kind(measured, folder):
    samples = read_parquet(folder / SAMPLES)
    assert len(samples) == len(measured["cases"]) * 3 * 8
    for kind in range(3):
        chosen = samples[(samples.jets["row"] == 1) & (samples.jets["kind"] == kind)]
        assert np.allclose(chosen.jets["angle"], np.arange(8) * np.pi / 4)
    particles = samples[(samples.jets["row"] == 0) & (samples.jets["kind"] == 0)]
    first, second = (particles[i].relative_positions("origin") for i in (0, 2))
    assert np.allclose(second, np.stack((-first[:, 1], first[:, 0]), -1), atol=1e-5)


def test_average_images_hold_the_mean_energy(measured, folder):
    events = toy.generate(400, seed=1)
    signal = events[events.labels == 1]
    with np.load(folder / IMAGES) as images:
        before, after = (images[f"toy.toy-rect.{when}"] for when in ("before", "after"))
    assert after.shape == (2, 32, 4)
    mean = signal.column("pt").sum() / len(signal)
    assert before[1].sum() == pytest.approx(mean, rel=0.02)
    assert after[1].sum() == pytest.approx(mean, rel=0.02)


SMALL = {"n_events": 200, "sources": ("toy",), "angles": (45,), "progress": False}


def test_the_same_arguments_give_the_same(tmp_path):
    first, second = (measure_artefacts(tmp_path / name, **SMALL) for name in "ab")
    assert first["rows"] == second["rows"]
    assert all(r["auc"] > 0.9 for r in first["rows"] if r["rotation"] == "after")
    samples = [read_parquet(tmp_path / name / SAMPLES) for name in "ab"]
    assert samples[0].equals(samples[1])


def test_a_failure_leaves_no_half_file(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(artefacts.np, "savez_compressed", fail)
        with pytest.raises(RuntimeError, match="no space"):
            measure_artefacts(tmp_path, **SMALL)
    assert not (tmp_path / IMAGES).exists()
    measure_artefacts(tmp_path, **SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((SAMPLES, IMAGES))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"sources": ("toys",)}, "Unknown source 'toys': choose from toy, jets, digits"),
        ({"sources": ()}, "at least one source"),
        ({"n_events": 199}, "n_events as a whole number of at least 200.*but got 199"),
        ({"n_events": 300.5}, "n_events as a whole number"),
        ({"angles": (0, 45)}, "angles between 0 and 360"),
        ({"angles": ()}, "angles between 0 and 360"),
        ({"n_events": 20_000, "sources": ("digits",)}, "at most 10000 events of digits"),
    ],
)
def test_bad_input(tmp_path, wrong, match):
    with pytest.raises(ValueError, match=match):
        measure_artefacts(tmp_path / "out", **{**SMALL, **wrong})
