"""Variants as images: rotation after the detector, and what a detector's image is."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_jets.columns import CANONICAL
from pyg_jets.detector import Calorimeter, Detector, Grid, rotate_image
from pyg_jets.detector.response import KINDS
from pyg_jets.events import toy
from pyg_jets.transforms import Resimulate
from tests.conftest import random_jets


def batched(jets, axis="jet"):
    return Batch.from_data_list(list(jets.to_pyg(axis)))


@pytest.mark.parametrize("preset", ["toy-uniform", "toy-rect"])
def test_rotation_after_is_that_of_the_detected_image(preset):
    jets, detector = toy.generate(20, seed=4), Detector.preset(preset)
    out = Resimulate(preset, angles=8, rotate="after")(batched(jets, "origin"))
    seen = detector.simulate(jets)
    wanted = rotate_image(seen, 8, detector.image, axis="origin")
    assert torch.equal(out.x, torch.tensor(wanted.particles))
    assert torch.equal(out.ptr, torch.tensor(wanted.ptr))
    assert torch.equal(out.variant_of, torch.arange(20).repeat_interleave(8))
    torch.testing.assert_close(out.angle[:8], torch.arange(8) * (math.pi / 4))


@pytest.mark.parametrize("preset", ["toy-uniform", "toy-rect"])
def test_unrotated_image_of_a_plane_is_what_the_detector_saw(preset):
    batch = batched(toy.generate(20, seed=4), "origin")
    before, after = (
        Resimulate(preset, angles=1, rotate=when)(batch) for when in ("before", "after")
    )
    assert torch.equal(before.ptr, after.ptr)
    torch.testing.assert_close(before.x[:, :3], after.x[:, :3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fine", [True, False])
def test_an_image_has_its_own_pixels_whatever_the_cells_of_a_plane(fine):
    edges = tuple(np.linspace(-1, 1, 65).tolist())
    cells = (Calorimeter(Grid(edges, edges), KINDS, "pt"),) if fine else ()
    detector = Detector(calorimeters=cells, axis="origin", image=(16, 16))
    assert not detector.sees_pixels
    toys = toy.generate(20, seed=4)
    turned, not_turned = (
        Resimulate(detector, angles=n, rotate="after")(batched(toys, "origin")) for n in (2, 1)
    )
    assert torch.equal(turned.ptr.diff()[::2], not_turned.ptr.diff())
    first = torch.repeat_interleave(turned.angle == 0, turned.ptr.diff())
    assert torch.equal(turned.x[first], not_turned.x)
    assert len(np.unique(not_turned.x[:, 1:3].numpy(), axis=0)) <= 16 * 16


def test_image_of_jets_sums_pt_in_pixels_about_the_axis():
    jets = random_jets(12)
    out = Resimulate("jet-rect", angles=1, image=True, radius=0.8)(batched(jets))
    seen = Detector.preset("jet-rect").simulate(jets)
    for j in range(len(jets)):
        rows = out.x[out.ptr[j] : out.ptr[j + 1]].numpy()
        positions = seen[j].relative_positions("jet")
        edges = [np.linspace(-0.8, 0.8, n + 1) for n in (32, 4)]
        pt = seen[j].column("pt").astype(np.float64)
        wanted, _, _ = np.histogram2d(*positions.T, bins=edges, weights=pt)
        assert len(rows) == (wanted > 0).sum()
        np.testing.assert_allclose(np.sort(rows[:, 0]), np.sort(wanted[wanted > 0]), rtol=1e-4)


def test_jet_rect_drops_neutrinos_and_keeps_muons():
    jets = random_jets(6)
    particles = jets.particles.copy()
    particles[:, CANONICAL.index("pdgid")], particles[:, CANONICAL.index("charge")] = 14, 0
    particles[::2, CANONICAL.index("pdgid")], particles[::2, CANONICAL.index("charge")] = 13, -1
    seen = Detector.preset("jet-rect").simulate(replace(jets, particles=particles))
    assert set(seen.column("pdgid").tolist()) == {13.0}
    np.testing.assert_array_equal(seen.column("pt"), particles[::2, 0])


def test_with_angles_keeps_all_else():
    transform = Resimulate("toy-rect", angles="random", variants=3, seed=5)
    other = transform.with_angles(8)
    assert repr(other) == "Resimulate(toy-rect, angles=8, seed=5)"
    assert (transform.needs_epoch, other.needs_epoch) == (True, False)
    assert repr(transform) == "Resimulate(toy-rect, angles='random', variants=3, seed=5)"


def test_bad_input():
    with pytest.raises(ValueError, match="'later': choose from before, after"):
        Resimulate("toy-rect", rotate="later")
    with pytest.raises(ValueError, match="shape as two positive numbers"):
        Detector(image=(32, 0))
    with pytest.raises(ValueError, match="positive radius"):
        Resimulate("cms-like", rotate="after", radius=-1)
    with pytest.raises(ValueError, match="'later': choose from before, after"):
        Resimulate("toy-rect").with_angles(1, "later")
