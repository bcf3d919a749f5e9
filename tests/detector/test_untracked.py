"""Charged particles without a track: what they deposit, against sums in float64."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pyg_jets import JetArray, kinematics
from pyg_jets.columns import CANONICAL
from pyg_jets.detector import Calorimeter, Detector, Grid, Response
from tests.conftest import random_jets

CMS = Detector.preset("cms-like")
ECAL = Calorimeter(Grid(0.1, 0.1, 4.0), ("photon",), pdgid=22, untracked=("electron",))
HCAL = Calorimeter(
    Grid(0.3, 0.3, 4.0), ("neutral_hadron",), pdgid=130, untracked=("charged_hadron",)
)
# two of three are seen, within |eta| < 1.5, in their true direction or far from it
SHARP = Response(eta=(1.5,), efficiency=((0.66,),), constant=0.3)
BLURRED = replace(SHARP, sigma_eta=0.5, sigma_phi=0.5)
DETECTORS = {
    "one by one": Detector(charged_hadron=SHARP, electron=SHARP, calorimeters=(ECAL, HCAL)),
    "other directions": Detector(charged_hadron=BLURRED, electron=SHARP, calorimeters=(ECAL, HCAL)),
    "sums of pt": Detector(
        charged_hadron=SHARP,
        electron=SHARP,
        calorimeters=(replace(ECAL, sums="pt"), HCAL),
    ),
}


def energies(jets: JetArray) -> np.ndarray:
    """Energy of each particle, float64."""
    return kinematics.to_cartesian(*jets.particles.T[:4].astype(np.float64))[3]


@pytest.mark.parametrize("kernels", ["1", "0"])
def test_energy_is_conserved_but_for_the_smearing_of_tracks(kernels, monkeypatch):
    monkeypatch.setenv("PYG_JETS_KERNELS", kernels)
    exact = Response(eta=(1.5,), efficiency=((0.66,),))
    detector = Detector(charged_hadron=exact, electron=exact, calorimeters=(ECAL, HCAL))
    jets = random_jets(60, seed=8)
    seen = detector.simulate(jets, seed=2)
    before, after = (kinematics.jet_sum(energies(j), j.ptr) for j in (jets, seen))
    np.testing.assert_allclose(after, before, rtol=1e-5)
    lost = replace(detector, calorimeters=tuple(replace(c, untracked=()) for c in (ECAL, HCAL)))
    lossy = lost.simulate(jets, seed=2)
    assert energies(lossy).sum() < 0.8 * before.sum()


@pytest.mark.parametrize("kernels", ["1", "0"])
@pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)
def test_cells_against_a_loop_over_the_lost_particles(detector, kernels, monkeypatch):
    monkeypatch.setenv("PYG_JETS_KERNELS", kernels)
    jets = random_jets(30, seed=5)
    seen = detector.simulate(jets, seed=3)
    # the same tracks, each marked by its number, which a mass of its own carries
    number = np.arange(len(jets.particles), dtype=np.float32)
    marked = jets.particles.copy()
    marked[:, CANONICAL.index("mass")] = number
    bare = replace(detector, calorimeters=tuple(replace(c, untracked=()) for c in (ECAL, HCAL)))
    marked = bare.simulate(JetArray(marked, CANONICAL, jets.ptr, ids=jets.ids), seed=3)
    has_track = np.isin(number, marked.column("mass")[marked.column("charge") != 0])
    for jet in range(len(jets)):
        cells: dict[tuple[int, int, int], float] = {}
        for i in range(jets.ptr[jet], jets.ptr[jet + 1]):
            pt, eta, phi, mass, charge, pdgid = map(float, jets.particles[i])
            which = 0 if abs(pdgid) in (11, 22) else 1
            if abs(pdgid) == 13 or (charge and has_track[i]):
                continue
            calorimeter = detector.calorimeters[which]
            row, column = (
                int(np.searchsorted(edges.astype(np.float32), np.float32(value), "right")) - 1
                for edges, value in (
                    (calorimeter.grid.eta_edges, eta),
                    (calorimeter.grid.phi_edges, phi),
                )
            )
            energy = math.sqrt((pt * math.cosh(eta)) ** 2 + mass**2)
            key = which, row, column
            cells[key] = cells.get(key, 0.0) + (energy if calorimeter.sums == "energy" else pt)
        own = seen[jet]
        own = own.particles[own.column("charge") == 0]
        assert len(own) == len(cells)
        for cell, ((which, row, column), total) in zip(own, sorted(cells.items()), strict=True):
            calorimeter = detector.calorimeters[which]
            eta, phi = (
                edges[k : k + 2].mean()
                for edges, k in (
                    (calorimeter.grid.eta_edges, row),
                    (calorimeter.grid.phi_edges, column),
                )
            )
            pt = total / math.cosh(eta) if calorimeter.sums == "energy" else total
            expected = [pt, eta, phi, 0, 0, calorimeter.pdgid]
            np.testing.assert_allclose(cell, expected, rtol=2e-6, atol=1e-7)


def test_what_is_not_affected_stays_to_the_bit():
    bare = replace(CMS, calorimeters=tuple(replace(c, untracked=()) for c in CMS.calorimeters))
    jets = random_jets(50, seed=6)
    before, after = (detector.simulate(jets, seed=4, angles=3) for detector in (bare, CMS))
    tracks = [j.particles[j.column("charge") != 0] for j in (before, after)]
    assert np.array_equal(*tracks)
    cells = [
        {tuple(row) for row in j.particles[j.column("charge") == 0].tolist()}
        for j in (before, after)
    ]
    assert len(cells[0] & cells[1]) > 0.5 * len(cells[0])


@pytest.mark.parametrize(
    ("pdgid", "mass", "cell"),
    [(211, 0.1396, 130), (-2212, 0.9383, 130), (11, 0.000511, 22)],
)
def test_where_cms_like_puts_what_is_beyond_its_tracker(pdgid, mass, cell):
    row = np.array([[40.0, 2.6, 0.3, mass, np.sign(pdgid), pdgid]], np.float32)
    jets = JetArray(np.repeat(row, 4000, 0), CANONICAL, np.arange(4001))
    seen = CMS.simulate(jets, seed=1)
    assert set(seen.column("pdgid").tolist()) == {cell}
    assert len(seen.particles) == 4000
    energy = energies(jets)[0]
    # the relative widths are 0.23 for the electron, and 0.11 for hadrons of 270 GeV
    assert energies(seen).mean() == pytest.approx(energy, rel=0.02)
