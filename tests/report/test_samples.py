"""Jets before and after the detector, picked from samples."""

from types import SimpleNamespace

import numpy as np
import pytest

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.report import pictures
from pyg_jets.report.figures.images import PIXELS, average_images
from pyg_jets.report.samples import aligned_positions, pairs, variants
from tests.report.conftest import samples


def test_pairs_match_by_id():
    jets = samples(20)
    before, after = pairs(jets[np.random.default_rng(0).permutation(len(jets))])
    assert np.array_equal(before.ids, after.ids)
    assert len(np.unique(before.ids)) == len(before) == 20
    assert (before.jets["stage"] == 0).all()
    assert (after.jets["stage"] == 1).all()


def test_pairs_leave_out_what_has_no_partner():
    jets = samples(10)
    before, after = pairs(jets[~((jets.ids == 14) & (jets.jets["stage"] == 1))])
    assert 14 not in before.ids
    assert len(before) == len(after) == 9


def test_variants_of_one_jet():
    found = variants(samples(20))
    assert found.label == 1
    assert np.allclose(found.angles, np.arange(8) * np.pi / 4)
    assert len(set(found.before.ids) | set(found.after.ids)) == 1


def test_no_variants():
    assert variants(samples(6, rotations=0)) is None


def test_doubled_unrotated_jets_count_once():
    jets = samples(6)
    doubled = JetArray.concatenate([jets, jets])
    assert len(pairs(doubled)[0]) == 6
    assert len(variants(doubled).after) == 8


def test_alignment_is_blind_to_rotation():
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(30, 2)) * (0.3, 0.05)
    pt = rng.uniform(1, 50, 30)
    turns = []
    for angle in (0.0, 1.0, 2.5):
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = (flat @ np.array([[cos, sin], [-sin, cos]])).T
        zero = np.zeros(30)
        jet = JetArray(np.stack((pt, x, y, zero, zero, zero), -1), CANONICAL, [0, 30])
        turns.append(aligned_positions(jet, jet, "origin")[0])
    assert np.allclose(turns[0], turns[1], atol=1e-6)
    assert np.allclose(turns[0], turns[2], atol=1e-6)
    assert turns[0][:, 1].std() > 2 * turns[0][:, 0].std()
    assert turns[0][pt.argmax(), 1] > 0


def test_images_hold_the_mean_pt():
    images = average_images(samples(30), half=3.0, axis="jet")
    before, _ = pairs(samples(30))
    for label, (image, _) in images.items():
        chosen = before[before.labels == label]
        assert image.shape == (PIXELS, PIXELS)
        assert image.sum() == pytest.approx(chosen.column("pt").sum() / len(chosen), rel=1e-6)


def test_empty_and_one_particle_jets_are_drawn():
    particles = np.array([[9.0, 0.1, 0.2, 0, 0, 22]])
    one = JetArray(particles, CANONICAL, [0, 0, 1], [0, 1])
    jets = JetArray.concatenate([
        one.with_jets(stage=np.full(2, stage), angle=np.zeros(2, np.float32)) for stage in (0, 1)
    ])  # fmt: skip
    images = average_images(jets, 0.8, "jet")
    assert images[0][0].sum() == 0
    assert images[1][1].sum() == pytest.approx(9.0)


def test_samples_of_other_features_have_no_picture():
    """A data set of one's own may keep features alone, of which no jet can be drawn."""
    jets = samples(6)
    features = JetArray(jets.particles[:, :2], ("logpt", "etarel"), jets.ptr, jets=jets.jets)
    assert list(pictures._of_jets([SimpleNamespace(run=SimpleNamespace(samples=features))])) == []
