"""Resolutions as on the card, cells that conserve energy, rotations that are rotations."""

import math

import numpy as np
import pytest
from scipy import ndimage

from pyg_jets import JetArray, kinematics
from pyg_jets.columns import CANONICAL
from pyg_jets.detector import KINDS, Detector, Grid, Response, cells, rotate, rotate_image, smear
from tests.conftest import random_jets

CMS = Detector.preset("cms-like")


def copies(pt, eta, mass, charge, pdgid, n=40_000) -> JetArray:
    """``n`` jets of one and the same particle."""
    row = np.array([[pt, eta, 0.3, mass, charge, pdgid]], np.float32)
    return JetArray(np.repeat(row, n, 0), CANONICAL, np.arange(n + 1))


# pt, eta, mass, charge, pdgid, relative width and efficiency as the card has them
CARD = [
    (20, 0.2, 0.1396, 1, 211, math.hypot(0.01, 1.5e-4 * 20), 0.95),
    (200, 1.0, 0.4937, -1, -321, math.hypot(0.015, 2.5e-4 * 200), 0.95),
    (50, 2.0, 0.1396, 1, 211, math.hypot(0.025, 5.5e-4 * 50), 0.85),
    (0.5, 0.2, 0.1396, 1, 211, math.hypot(0.01, 1.5e-4 * 0.5), 0.70),
    (50, 0.2, 0.000511, -1, 11, math.hypot(0.03, 1.3e-3 * 50), 0.95),
    (50, 1.0, 0.1057, -1, 13, math.hypot(0.015, 1.5e-4 * 50), 0.99),
]


@pytest.mark.parametrize("row", CARD, ids=lambda row: f"{row[4]} at {row[0]} GeV, eta {row[1]}")
def test_tracks_are_as_on_the_card(row):
    *particle, width, efficiency = row
    seen = CMS.simulate(copies(*particle), seed=1)
    tracks = seen.particles[seen.column("charge") == particle[3]].astype(np.float64)
    assert (seen.column("charge")[seen.column("charge") != 0] == particle[3]).all()
    assert abs(len(tracks) / 40_000 - efficiency) < 0.008
    ratio = tracks[:, 0] / particle[0]
    assert abs(ratio.mean() - 1) < 5 * width / 200
    assert ratio.std() == pytest.approx(width, rel=0.02)
    assert np.allclose(tracks[:, 1], particle[1])


@pytest.mark.parametrize(
    ("energy", "pdgid", "mass", "width"),
    [
        (100.0, 22, 0.0, lambda e, eta: (1 + 0.64 * eta**2) * _quadrature(0.8, 1.1, 0.4)),
        (400.0, 130, 0.0, lambda e, eta: _quadrature(20.0, 1.5 * math.sqrt(400.0))),
    ],
    ids=["photon", "neutral hadron"],
)
def test_cells_are_as_on_the_card(energy, pdgid, mass, width):
    eta = 0.5
    seen = CMS.simulate(copies(energy / math.cosh(eta), eta, mass, 0, pdgid), seed=1)
    measured = seen.column("pt").astype(np.float64) * np.cosh(seen.column("eta"))
    centre = float(seen.column("eta")[0])
    assert len(measured) == 40_000
    assert measured.mean() == pytest.approx(energy, rel=2e-3)
    assert measured.std() == pytest.approx(width(energy, centre), rel=0.02)


def _quadrature(*terms: float) -> float:
    return math.sqrt(sum(t * t for t in terms))


def test_thresholds_and_acceptance():
    for pt, eta in ((10, 2.6), (0.05, 0.1)):
        assert not CMS.simulate(copies(pt, eta, 0.14, 1, 211, 99)).column("charge").any()
        assert len(CMS.simulate(copies(pt, eta, 0.1057, 1, -13, 99)).particles) == 0
    assert len(CMS.simulate(copies(10, 3.1, 0.0, 0, 22, 99)).particles) == 0
    assert len(CMS.simulate(copies(10, 0.1, 0.0, 0, 12, 99)).particles) == 0
    soft = CMS.simulate(copies(0.6, 0.0, 0.0, 0, 22, 9999)).column("pt")
    assert 0 < len(soft) < 9999
    assert soft.min() > 0.499


def test_energy_resolution_and_angles_of_particles():
    response = Response("energy", constant=0.1, sigma_eta=0.02, sigma_phi=0.03)
    seen = smear(copies(5.0, 1.0, 0.938, 1, 2212), dict.fromkeys(KINDS, response), seed=2)
    pt, eta, phi, mass = (seen.column(n).astype(np.float64) for n in CANONICAL[:4])
    energy = np.sqrt((5 * np.cosh(1.0)) ** 2 + 0.938**2)
    # the mass shell is at the true eta
    measured = np.sqrt((pt * np.cosh(1.0)) ** 2 + mass**2)
    assert (measured / energy).std() == pytest.approx(0.1, rel=0.02)
    assert (eta - 1).std() == pytest.approx(0.02, rel=0.02)
    assert (phi - 0.3).std() == pytest.approx(0.03, rel=0.02)
    assert abs(np.corrcoef([pt, eta, phi]) - np.eye(3)).max() < 0.02


@pytest.mark.parametrize(
    "grid",
    [
        Grid(0.1, 0.1, 4.0),
        Grid(0.05, 0.4, 4.0),
        Grid((-4.0, -1.0, -0.9, 0.3, 4.0), 0.5),
        Grid((-4.0, 0.0, 4.0), (-math.pi, 0.1, 2.0, math.pi)),
        Grid(0.1, (0.0, 0.5, 4.0, 2 * math.pi), 4.0),
        Grid(0.2, 0.1, 4.0, merge=3),
    ],
    ids=repr,
)
def test_cells_conserve_energy(grid):
    jets = random_jets(30, seed=4)
    summed = cells(jets, grid, KINDS)
    assert len(summed.particles) < len(jets.particles)
    for jet in range(len(jets)):
        energies = [
            (kinematics.to_cartesian(*one.particles.T[:4].astype(np.float64))[3]).sum()
            for one in (jets[jet], summed[jet])
        ]
        assert energies[0] == pytest.approx(energies[1], rel=1e-5)
    assert not summed.column("mass").any()


def test_cells_go_round_the_circle():
    near = math.pi - 0.01
    photons = [
        [5.0, 0.01, near, 0, 0, 22],
        [3.0, 0.01, -near, 0, 0, 22],
        [1.0, 0.01, -3.2, 0, 0, 22],
    ]
    around = cells(
        JetArray(photons, CANONICAL, [0, 3]), Grid(0.1, (0.1, 3.0, 3.5, 2 * math.pi + 0.1))
    )
    assert around.column("pt").tolist() == pytest.approx([9.0], rel=1e-2)
    apart = cells(JetArray(photons, CANONICAL, [0, 3]), Grid(0.1, (-3.15, 0.0, 3.05)))
    assert apart.column("pt").tolist() == pytest.approx([3.0], rel=1e-2)


def test_toys_sum_pt_on_their_grid():
    deposits = [
        [1.0, x, y, 0, 0, 0] for x, y in ((-0.99, -0.9), (-0.98, -0.7), (0.99, 0.99), (1.2, 0))
    ]
    toy = JetArray(deposits, CANONICAL, [0, 4])
    rect = Detector.preset("toy-rect").simulate(toy)
    assert rect.particles[:, :3].tolist() == [[2.0, -0.96875, -0.75], [1.0, 0.96875, 0.75]]
    assert len(Detector.preset("toy-uniform").simulate(toy).particles) == 3


def test_rotation_turns_about_the_axis(jets):
    turned = rotate(jets, [0.0, 0.7])
    assert np.array_equal(turned[::2].particles, jets.particles)
    y = [
        kinematics.rapidity(*(a.particles.T[[0, 1, 3]].astype(np.float64)))
        for a in (jets, turned[1::2])
    ]
    axis = {n: np.repeat(jets.momentum[n], jets.counts) for n in ("rapidity", "phi")}
    phi = [kinematics.delta_phi(a.column("phi"), axis["phi"]) for a in (jets, turned[1::2])]
    before, after = ((y[i] - axis["rapidity"]) + 1j * phi[i] for i in (0, 1))
    small = abs(before) < 3
    assert np.allclose(after[small], before[small] * np.exp(0.7j), atol=3e-6)
    assert np.array_equal(turned[1::2].particles[:, [0, 3, 4, 5]], jets.particles[:, [0, 3, 4, 5]])


def test_rotate_image_against_scipy():
    rng = np.random.default_rng(0)
    n, angle = 16, 0.4
    image = np.zeros((n, n))
    image[4:12, 4:12] = rng.exponential(1, (8, 8))
    a, b = np.nonzero(image)
    rows = np.zeros((len(a), 6), np.float32)
    rows[:, 0], rows[:, 1], rows[:, 2] = image[a, b], (a + 0.5) / 8 - 1, (b + 0.5) / 8 - 1
    jets = JetArray(rows, CANONICAL, [0, len(a)])
    turned = rotate_image(jets, [0.0, angle], (n, n), axis="origin")
    assert np.allclose(turned[0].particles, rows, atol=1e-6)
    c, s = math.cos(angle), math.sin(angle)
    matrix, middle = np.array([[c, s], [-s, c]]), np.full(2, (n - 1) / 2)
    expected = ndimage.affine_transform(image, matrix, middle - matrix @ middle, order=1)
    got = np.zeros((n, n))
    one = turned[1]
    place = np.floor((one.particles[:, 1:3] + 1) * 8).astype(int)
    got[tuple(place.T)] = one.column("pt")
    assert np.allclose(got, expected, atol=1e-5)
    loss = 1 - expected.sum() / image.sum()
    assert turned.jets["energy_loss"] == pytest.approx([0, loss], abs=1e-5)
    same = rotate_image(jets, [angle], (n, 4), axis="origin", renormalise=True)
    assert same.column("pt").sum() == pytest.approx(image.sum(), rel=1e-5)


def observables(jets: JetArray, axis: dict[str, np.ndarray]) -> np.ndarray:
    """What a rotation about ``axis`` keeps: mass, multiplicity, moments of ΔR, the centre's ΔR."""
    pt, eta, phi, mass = (jets.column(n).astype(np.float64) for n in CANONICAL[:4])
    at = {n: np.repeat(axis[n], jets.counts) for n in ("rapidity", "eta", "phi")}
    dy = kinematics.rapidity(pt, eta, mass) - at["rapidity"]
    dphi = kinematics.delta_phi(phi, at["phi"])
    total = kinematics.jet_sum(pt, jets.ptr)
    w, r = pt / np.repeat(total, jets.counts), np.hypot(dy, dphi)
    sums = [
        w * r,
        w * r**2,
        w * r**4,
        w**2,
        w * dy,
        w * dphi,
        abs(eta - at["eta"]) / np.repeat(jets.counts, jets.counts),
    ]
    girth, width, fourth, dispersion, y, f, spread = (kinematics.jet_sum(v, jets.ptr) for v in sums)
    whole = jets.momentum
    shape = [girth, width, fourth, dispersion, np.hypot(y, f), spread]
    return np.stack([whole["mass"] / whole["pt"], total / whole["pt"], jets.counts, *shape], -1)


def auc(jets: JetArray, turned: JetArray) -> float:
    """A boosted tree's AUC of the first half un-rotated against the second half rotated."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    half = len(jets) // 2
    still = observables(jets, jets.momentum)[:half]
    x = np.concatenate([still, observables(turned, jets.momentum)[half:]])
    y = (np.arange(len(x)) >= half).astype(int)
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0)
    score = cross_val_predict(model, x, y, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(y, score))


def turned_elsewhere(jets: JetArray, angles: np.ndarray, shift: float) -> JetArray:
    """A wrong rotation: in (η, φ), not in rapidity, about an axis ``shift`` away."""
    x = jets.particles.astype(np.float64)
    eta, phi, a = (
        np.repeat(v, jets.counts)
        for v in (jets.momentum["eta"] + shift, jets.momentum["phi"], angles)
    )
    de, df = x[:, 1] - eta, kinematics.delta_phi(x[:, 2], phi)
    x[:, 1] = eta + np.cos(a) * de - np.sin(a) * df
    x[:, 2] = kinematics.delta_phi(phi + np.sin(a) * de + np.cos(a) * df, np.zeros_like(phi))
    return JetArray(x, jets.columns, jets.ptr)


@pytest.mark.slow
def test_rotated_jets_cannot_be_told_from_unrotated_ones():
    """A tree gets AUC 0.50 ± 0.02, and sees at once a rotation about a wrong axis."""
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    from pyg_jets.events import PythiaOptions, pythia

    options = PythiaOptions(pthat=(0.8, 1.6), seed=5)
    jets = pythia.generate("qcd", 550, options, progress=False).select(CANONICAL)
    angles = np.random.default_rng(1).uniform(0, 2 * np.pi, len(jets))
    assert len(jets) > 2000
    assert auc(jets, rotate(jets, angles[:, None])) == pytest.approx(0.5, abs=0.02)
    assert auc(jets, turned_elsewhere(jets, angles, 0.0)) > 0.85
    assert auc(jets, turned_elsewhere(jets, angles, 0.05)) > 0.95
