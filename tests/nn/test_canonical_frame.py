"""Canonical frames and globals of jets: invariance, the way back, kinematics as the oracle."""

import math

import numpy as np
import pytest
import torch

from pyg_jets import kinematics
from pyg_jets.nn.layers.canonical_frame import canonical_frame, random_frames, to_frame
from pyg_jets.nn.layers.jet_globals import JetGlobals, jet_globals

COUNTS = [5, 1, 0, 30, 2]


def jets(seed=0):
    generator = torch.Generator().manual_seed(seed)
    ptr = torch.tensor([0, *np.cumsum(COUNTS)])
    x = torch.randn(int(ptr[-1]), 3, generator=generator) * torch.tensor([1.0, 0.2, 0.1])
    x[:, 0] = 20 * x[:, 0].exp()
    return x, ptr


def test_rotated_and_reflected_jets_are_the_same_in_their_frame():
    x, ptr = jets()
    frame = canonical_frame(x, ptr)
    torch.testing.assert_close(frame @ frame.mT, torch.eye(2).expand(5, 2, 2))
    inside = to_frame(x, ptr, frame)
    turned = to_frame(x, ptr, random_frames(5, torch.Generator().manual_seed(1)))
    again = to_frame(turned, ptr, canonical_frame(turned, ptr))
    # a jet of one particle has no side normal to its axis
    torch.testing.assert_close(again, inside, atol=2e-6, rtol=1e-4)
    torch.testing.assert_close(to_frame(inside, ptr, frame.mT), x)


def test_the_kernel_turns_as_the_reference_which_has_a_gradient():
    x, ptr = jets()
    frame = random_frames(5, torch.Generator().manual_seed(1))
    with_gradient = x.clone().requires_grad_()
    reference = to_frame(with_gradient, ptr, frame)
    assert reference.requires_grad
    torch.testing.assert_close(to_frame(x, ptr, frame), reference.detach())
    for j in range(5):
        a, b = int(ptr[j]), int(ptr[j + 1])
        want = np.einsum("uv,iv->iu", frame[j].double().numpy(), x[a:b, 1:].double().numpy())
        torch.testing.assert_close(reference[a:b, 1:].double(), torch.tensor(want))


def test_the_principal_axis_lies_along_eta_with_the_hard_side_positive():
    x, ptr = jets()
    pt, u, v = to_frame(x, ptr, canonical_frame(x, ptr)).double().unbind(1)
    sums = kinematics.jet_sum(
        torch.stack((pt * u * v, pt * u * u, pt * v * v, pt * u * u.abs(), pt * v * v.abs()), 1),
        ptr,
    )
    assert sums[:, 0].abs().max() < 1e-5
    assert (sums[:, 1] >= sums[:, 2]).all()
    assert (sums[:, 3:] >= -1e-7).all()


def test_random_frames_are_uniform_and_half_of_them_reflect():
    frames = random_frames(20_000, torch.Generator().manual_seed(0))
    determinant = torch.linalg.det(frames)
    assert float(determinant.mean()) == pytest.approx(0, abs=0.03)
    torch.testing.assert_close(determinant.abs(), torch.ones(20_000))
    angle = torch.atan2(frames[:, 1, 0], frames[:, 0, 0])
    for number in (1, 2, 3):
        wave = torch.exp(1j * number * angle)
        assert float(wave.mean().abs()) < 4 / math.sqrt(20_000)
        assert float(wave[determinant > 0].mean().abs()) < 4 / math.sqrt(10_000)


def test_globals_against_kinematics():
    x, ptr = jets()
    pt, eta, phi = x.double().unbind(1)
    momenta = kinematics.jet_momentum(pt, eta, phi, torch.zeros_like(pt), ptr)
    want_pt, _, _, want_mass = kinematics.to_cylindrical(*momenta)
    got = jet_globals(x, ptr)
    torch.testing.assert_close(got[:, 0].double(), want_pt)
    torch.testing.assert_close(got[:, 1].double(), want_mass, atol=1e-3, rtol=1e-5)
    assert got[:, 2].tolist() == COUNTS


def test_globals_are_standardised_whatever_they_are():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(500, 3, generator=generator) * torch.tensor([100.0, 80.0, 40.0]) + 1
    values[:, 2].round_()
    layer = JetGlobals()
    layer.fit_statistics([values[:200], values[200:]])
    unit = layer(values)
    assert unit.mean(0).abs().max() < 0.02
    assert (unit.std(0) - 1).abs().max() < 0.02
    again = JetGlobals()
    again.load_state_dict(layer.state_dict())
    torch.testing.assert_close(again(values), unit)
    # jets without mass, and as many particles in all: no variance, and nothing is infinite
    layer.fit_statistics([torch.tensor([[500.0, 0.0, 30.0]]).expand(9, 3)])
    assert layer(values).isfinite().all()
    assert layer(values).abs().max() <= 6
