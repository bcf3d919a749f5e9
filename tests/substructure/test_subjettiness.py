"""N-subjettiness against the Nsubjettiness contrib of FastJet, and against sums about its axes."""

from itertools import pairwise

import numpy as np
import pytest

from pyg_jets.substructure.clustering import cluster
from pyg_jets.substructure.subjettiness import AXES, n_subjettiness, subjettiness
from tests.conftest import cartesian, random_jets

NUMBERS = (1, 2, 3, 4, 5, 6, 7, 8)
CONTRIB = {
    "kt": "KT_Axes",
    "wta_kt": "WTA_KT_Axes",
    "onepass": "OnePass_KT_Axes",
    "onepass_wta_kt": "OnePass_WTA_KT_Axes",
}
START = {"onepass": "kt", "onepass_wta_kt": "wta_kt"}


@pytest.fixture(scope="module")
def jets():
    """Jets across the azimuth of π, and some of fewer particles than axes."""
    made = random_jets(counts=np.array([0, 1, 2, 3, 5, 8, 9, 20, 40, 60, 35, 50]))
    return cartesian(made), made.ptr


def contrib(jets, axes, beta, measure="UnnormalizedMeasure", r0=1.0):
    import awkward as ak
    import fastjet

    momenta, ptr = jets
    flat = ak.zip(dict(zip(("px", "py", "pz", "E"), momenta.T, strict=True)))
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 1000.0)
    sequence = fastjet.ClusterSequence(ak.unflatten(flat, np.diff(ptr)), definition)
    return ak.to_numpy(sequence.njettiness(measure, CONTRIB[axes], list(NUMBERS), beta, R0=r0))


@pytest.mark.parametrize("beta", [1.0, 2.0, 0.5, 1.5])
@pytest.mark.parametrize("axes", CONTRIB)
def test_against_fastjet_contrib(jets, axes, beta):
    some = jets[0], jets[1][1:]  # FastJet does not cluster an empty jet
    taus = n_subjettiness(*some, NUMBERS, beta, axes)
    theirs = contrib(some, axes, beta, "NormalizedMeasure")
    if axes in START:  # the contrib ends where its steps end, even if that is above the start
        theirs = np.minimum(theirs, n_subjettiness(*some, NUMBERS, beta, START[axes]))
    np.testing.assert_allclose(taus, theirs, rtol=1e-6, atol=1e-6)


def test_units_and_radius(jets):
    some = jets[0], jets[1][1:]
    in_gev = n_subjettiness(*some, NUMBERS, 1.5, normed=False)
    np.testing.assert_allclose(in_gev, contrib(some, "kt", 1.5), rtol=1e-6, atol=1e-6)
    over_r = n_subjettiness(*some, NUMBERS, 1.5, r0=0.8)
    theirs = contrib(some, "kt", 1.5, "NormalizedMeasure", 0.8)
    np.testing.assert_allclose(over_r, theirs, rtol=1e-6, atol=1e-6)


def test_a_sum_about_the_returned_axes(jets):
    momenta, ptr = jets
    for axes in AXES:
        tau, places = n_subjettiness(momenta, ptr, 3, 1.5, axes, return_axes=True)
        assert np.isnan(places).any((1, 2)).tolist() == (np.diff(ptr) < 3).tolist()
        for jet in np.flatnonzero(np.diff(ptr) > 3):
            px, py, pz, energy = momenta[ptr[jet] : ptr[jet + 1]].T
            d_phi = (np.arctan2(py, px)[:, None] - places[jet, :, 1] + np.pi) % (2 * np.pi) - np.pi
            delta_r = np.hypot(np.arctanh(pz / energy)[:, None] - places[jet, :, 0], d_phi)
            pt = np.hypot(px, py)
            assert tau[jet] == pytest.approx((pt * delta_r.min(1) ** 1.5).sum() / pt.sum())


@pytest.mark.parametrize("beta", [0.3, 1.0, 2.0, 3.0, 6.0])
def test_moved_axes_never_raise_it(jets, beta):
    for axes, start in START.items():
        before, after = (n_subjettiness(*jets, NUMBERS, beta, a) for a in (start, axes))
        assert (after <= before).all()
        # An axis that lies on a particle stays there if far particles count little.
        assert (after.sum() < 0.99 * before.sum()) == (beta >= 1 or start == "kt")


def test_one_axis_at_the_least_sum(jets):
    from scipy.optimize import minimize

    momenta, ptr = jets[0][: jets[1][8]], jets[1][:9]
    px, py, pz, energy = momenta[ptr[7] :].T
    pt, y, phi = np.hypot(px, py), np.arctanh(pz / energy), np.arctan2(py, px) % (2 * np.pi)
    assert np.ptp(phi) < 3
    for beta in (1.0, 1.5, 2.0, 3.0, 4.0):

        def tau(axis, beta=beta):
            return (pt * np.hypot(y - axis[0], phi - axis[1]) ** beta).sum() / pt.sum()

        least = minimize(tau, (y.mean(), phi.mean()), method="Nelder-Mead", tol=1e-9).fun
        assert n_subjettiness(momenta, ptr, 1, beta, "onepass")[7] == pytest.approx(least, rel=1e-4)


def test_jets_apart_particles_permuted_and_threads(jets):
    momenta, ptr = jets
    together = [n_subjettiness(momenta, ptr, NUMBERS, 1.0, axes) for axes in AXES]
    assert not together[0][:2].any()
    rng = np.random.default_rng(0)
    order = np.concatenate([a + rng.permutation(b - a) for a, b in pairwise(ptr)])
    for axes, taus in zip(AXES, together, strict=True):
        alone = [n_subjettiness(momenta[a:b], [0, b - a], NUMBERS, 1.0, axes)[0]
                 for a, b in pairwise(ptr)]  # fmt: skip
        np.testing.assert_array_equal(taus, alone)
        np.testing.assert_array_equal(
            taus, n_subjettiness(momenta, ptr, NUMBERS, 1.0, axes, threads=3)
        )
        permuted = n_subjettiness(momenta[order], ptr, NUMBERS, 1.0, axes)
        np.testing.assert_allclose(permuted, taus, rtol=1e-6, atol=1e-9)
    none = n_subjettiness(np.zeros((0, 4)), [0], (1, 2))
    assert none.shape == (0, 2)


def test_particles_without_pt():
    taus = n_subjettiness([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, -2, 2]], [0, 3], 1, axes="onepass")
    assert taus.tolist() == [0]


def test_the_kernel_without_numba(jets):
    momenta, ptr = jets[0][: jets[1][7]], jets[1][:8]
    clustering = cluster(momenta, ptr, "kt")
    taus, axes = np.empty((7, 2)), np.empty((7, 4, 2))
    pt = np.hypot(*clustering.momenta[:, :2].T)
    subjettiness.py_func(
        pt,
        clustering.directions,
        clustering.merged,
        ptr,
        0,
        7,
        np.array([2, 4]),
        0.5,
        0,
        taus,
        axes,
    )
    want = n_subjettiness(momenta, ptr, (2, 4), 1.0, normed=False)
    np.testing.assert_allclose(taus, want, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 0}, "whole numbers from 1 to 8, but got 0"),
        ({"n": (2, 9)}, "whole numbers from 1 to 8"),
        ({"n": 1.5}, "whole numbers from 1 to 8"),
        ({"n": ()}, "whole numbers from 1 to 8"),
        ({"beta": 0}, "beta above 0"),
        ({"beta": np.nan}, "beta above 0"),
        ({"r0": 0.0}, "r0 above 0, or None"),
        ({"axes": "wta"}, "Unknown kind of axes 'wta'"),
        ({"n": (1, 2), "return_axes": True}, "a single n"),
        ({"momenta": [[1.0, 2.0]]}, "momenta"),
    ],
)
def test_bad_input(change, said):
    good = {"momenta": [[1.0, 0.0, 0.0, 1.0]], "ptr": [0, 1]}
    with pytest.raises(ValueError, match=said):
        n_subjettiness(**(good | change))
