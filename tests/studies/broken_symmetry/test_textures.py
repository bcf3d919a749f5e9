"""Numbers that tell how an image is filled."""

import numpy as np
import pytest

from pyg_jets.studies.broken_symmetry.artefacts import TEXTURES, textures


def test_textures_of_a_known_image():
    images = np.zeros((2, 4, 8))
    images[0, 1, 2:6] = 4.0, 2.0, 1.0, 1.0
    images[0, 3, 7] = 1e-6
    found = dict(zip(TEXTURES, textures(images)[0], strict=True))
    assert found["multiplicity"] == 4
    assert found["total"] == pytest.approx(8)
    assert found["share_of_1_hardest"] == pytest.approx(0.5)
    assert found["share_of_2_hardest"] == pytest.approx(0.75)
    assert found["share_of_16_hardest"] == pytest.approx(1)
    assert found["entropy"] == pytest.approx(1.75 * np.log(2), abs=1e-4)
    assert found["quantile_0.1"] == pytest.approx(1 / 8)
    assert found["step_along_x"] == pytest.approx(2 / 24, abs=1e-6)
    assert found["step_along_y"] == pytest.approx((0.5 + 0.25 + 0.125 + 0 + 0.125) / 28, abs=1e-6)
    assert not textures(images)[1].any()


def test_textures_are_blind_to_the_scale_and_to_mirrors():
    images = np.random.default_rng(0).exponential(size=(3, 6, 6))
    assert np.allclose(textures(images)[:, :-1], textures(7 * images)[:, :-1])
    assert np.allclose(textures(images), textures(images[:, ::-1]))
