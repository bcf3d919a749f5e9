"""Kinematics against the vector package, numpy against torch, and finite gradients."""

import math

import numpy as np
import pytest
import torch
import vector

from pyg_jets import kinematics as k
from tests.conftest import random_jets

NAMES = ("pt", "eta", "phi", "mass")


@pytest.fixture
def particles():
    rng = np.random.default_rng(3)
    return {
        "pt": rng.exponential(30, 500),
        "eta": rng.uniform(-4, 4, 500),
        "phi": rng.uniform(-math.pi, math.pi, 500),
        "mass": rng.exponential(1, 500),
    }


def test_agrees_with_vector(particles):
    ours = k.to_cartesian(*(particles[n] for n in NAMES))
    theirs = vector.array(particles)
    for mine, name in zip(ours, ("px", "py", "pz", "E"), strict=True):
        np.testing.assert_allclose(mine, getattr(theirs, name), rtol=1e-12)
    y = k.rapidity(particles["pt"], particles["eta"], particles["mass"])
    np.testing.assert_allclose(y, theirs.rapidity, rtol=1e-9, atol=1e-12)
    eta, pz, energy = k.longitudinal(particles["pt"], y, particles["mass"])
    np.testing.assert_allclose(eta, particles["eta"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(pz, theirs.pz, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(energy, theirs.E, rtol=1e-9)


def test_round_trip(particles):
    columns = [particles[n] for n in NAMES]
    for mine, original in zip(k.to_cylindrical(*k.to_cartesian(*columns)), columns, strict=True):
        np.testing.assert_allclose(mine, original, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", ["to_cartesian", "rapidity", "longitudinal"])
def test_torch_equals_numpy(particles, name):
    columns = [particles[n] for n in NAMES]
    columns = columns if name == "to_cartesian" else [columns[i] for i in (0, 1, 3)]
    ours = getattr(k, name)(*columns)
    theirs = getattr(k, name)(*map(torch.from_numpy, columns))
    pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
    for mine, other in pairs:
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 3.0, math.pi, -math.pi, 7.0, -9.0, 1e-9])
def test_delta_phi_wraps(value):
    wrapped = k.delta_phi(np.array([value]), np.array([0.0]))[0]
    assert -math.pi <= wrapped < math.pi
    assert math.isclose(math.cos(wrapped), math.cos(value), abs_tol=1e-12)
    assert math.isclose(math.sin(wrapped), math.sin(value), abs_tol=1e-12)


@pytest.mark.parametrize("case", [(5.0, 1.0, 0.3, 0.0), (0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_for_massless_and_resting_particles(case, dtype):
    columns = [torch.tensor([v], dtype=dtype, requires_grad=True) for v in case]
    momentum = k.to_cartesian(*columns)
    back = k.to_cylindrical(*momentum)
    y = k.rapidity(columns[0], columns[1], columns[3])
    eta, *rest = k.longitudinal(columns[0], columns[1], columns[3])
    distance = k.delta_r(columns[1], columns[2], columns[1].detach(), columns[2].detach())
    total = sum(v.sum() for v in (*momentum, *back, *rest, y, eta, distance))
    total.backward()
    assert all(torch.isfinite(v).all() for v in (*back, *rest, y, eta))
    assert all(torch.isfinite(c.grad).all() for c in columns)


def test_energy_below_momentum_gives_zero_mass():
    mass = k.to_cylindrical(*(np.array([v]) for v in (3.0, 4.0, 0.0, 4.999999)))[3]
    assert mass[0] == 0


def test_jet_momentum_sums_each_jet_in_float64():
    jets = random_jets()
    columns = [jets.column(n) for n in NAMES]
    ours = k.jet_momentum(*columns, jets.ptr)
    theirs = k.jet_momentum(*map(torch.tensor, columns), torch.tensor(jets.ptr))
    for j in range(len(jets)):
        rows = slice(jets.ptr[j], jets.ptr[j + 1])
        alone = vector.array({n: jets.column(n)[rows].astype(float) for n in NAMES})
        for mine, other, name in zip(ours, theirs, ("px", "py", "pz", "E"), strict=True):
            expected = np.sum(getattr(alone, name))
            assert mine.dtype == np.float64
            np.testing.assert_allclose(mine[j], expected, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(other[j].item(), expected, rtol=1e-9, atol=1e-9)
