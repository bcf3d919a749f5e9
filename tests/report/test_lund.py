"""The density of declusterings: counts, weights, what is drawn."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from pyg_jets.report import plot_lund
from pyg_jets.report.lund import lund_density
from pyg_jets.substructure import four_momenta, lund_plane
from tests.conftest import random_jets


@pytest.fixture
def plane():
    return lund_plane(*four_momenta(random_jets(30)))


def test_density_counts_declusterings_a_jet_and_area(plane):
    edges = np.linspace(-30, 30, 4), np.linspace(-30, 30, 7)
    density = lund_density(plane, edges=edges)
    assert density.shape == (3, 6)
    assert (density * 20 * 10).sum() == pytest.approx(len(plane.values) / 30)
    kt, delta = plane.values[:, :2].T
    inside = (np.log(kt) >= 0) & (np.log(kt) < 10) & (-np.log(delta) < 10)
    inside &= -np.log(delta) >= -10
    assert density[1, 3] * 20 * 10 == pytest.approx(inside.sum() / 30)


def test_weights_are_those_of_jets(plane):
    edges = [-30, 30], [-30, 30]
    weights = np.random.default_rng(0).uniform(0.5, 2, 30)
    expected = (weights * np.diff(plane.ptr)).sum() / weights.sum()
    assert lund_density(plane, weights, edges).item() * 3600 == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"one weight for each of the 30 jets, but got \[3\]"):
        lund_density(plane, weights[:3])


def test_what_is_drawn(plane):
    ax = Figure().subplots()
    assert plot_lund(plane, ax, title="QCD") is ax
    (mesh,) = ax.collections
    np.testing.assert_allclose(np.ma.filled(mesh.get_array(), 0), lund_density(plane).T)
    assert ax.get_title(loc="left") == "QCD"
    assert "k_T" in ax.get_ylabel()
    assert not np.isnan(lund_density(lund_plane([], [0]))).any()
    plot_lund(lund_plane([], [0, 0]), Figure().subplots())
