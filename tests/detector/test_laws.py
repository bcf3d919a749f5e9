"""What every detector keeps: seeds, slices, threads, both paths, empty jets, bad input."""

import pickle

import numpy as np
import pytest
import torch

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.detector import (
    KINDS,
    Calorimeter,
    Detector,
    Grid,
    Response,
    cells,
    rotate_image,
    smear,
)
from tests.conftest import random_jets

SMEARED = Detector(
    charged_hadron=Response("energy", constant=0.1, sigma_eta=0.01, sigma_phi=0.02),
    photon=Response(stochastic=0.5, efficiency=((0.8,),), minimum=1.0),
)
CAUGHT = Detector(
    charged_hadron=Response(
        "energy", constant=0.1, sigma_eta=0.3, sigma_phi=0.3, efficiency=((0.6,),), mass=0.1
    ),
    electron=Response(eta=(0.8,), constant=0.2, minimum=3.0, pdgid=211),
    muon=Response(efficiency=((0.5,),)),
    calorimeters=(
        Calorimeter(Grid(0.1, 0.1, 1.5), ("photon",), "pt", untracked=("electron",)),
        Calorimeter(
            Grid(0.2, 0.3, 1.5),
            response=Response("energy", stochastic=0.5, minimum=0.5),
            kinds=("neutral_hadron",),
            untracked=("charged_hadron",),
        ),
    ),
)
COARSE = Detector(calorimeters=(Calorimeter(Grid(0.05, 0.4)),))
DETECTORS = {name: Detector.preset(name) for name in Detector.presets()}
DETECTORS |= {"smeared": SMEARED, "coarse": COARSE, "caught": CAUGHT, "rotation": Detector()}
every = pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)


def same(a: JetArray, b: JetArray) -> bool:
    """Whether both are equal but for ``variant_of``."""
    return a.with_jets(variant_of=a.ids).equals(b.with_jets(variant_of=b.ids))


@every
@pytest.mark.parametrize("angles", [None, 3], ids=["still", "turned"])
def test_slices_and_threads_change_nothing(detector, angles):
    jets = random_jets(400)  # several groups of the kernels
    seen = detector.simulate(jets, seed=1, angles=angles, threads=1)
    assert seen.equals(detector.simulate(jets, seed=1, angles=angles, threads=2))
    n = angles or 1
    assert same(detector.simulate(jets[7:30], seed=1, angles=angles), seen[7 * n : 30 * n])
    order = np.random.default_rng(0).permutation(len(jets))
    shuffled = detector.simulate(jets[order], seed=1, angles=angles)
    rows = (order[:, None] * n + np.arange(n)).reshape(-1)
    assert same(shuffled, seen[rows])


@every
@pytest.mark.parametrize("angles", [None, 3], ids=["still", "turned"])
def test_kernels_and_torch_agree(detector, angles, monkeypatch):
    jets = random_jets(40, seed=3)
    kernel = detector.simulate(jets, seed=1, angles=angles)
    monkeypatch.setenv("PYG_JETS_KERNELS", "0")
    torched = detector.simulate(jets, seed=1, angles=angles)
    assert np.array_equal(kernel.ptr, torched.ptr)
    assert np.array_equal(kernel.particles[:, 3:], torched.particles[:, 3:])
    assert np.allclose(kernel.particles, torched.particles, rtol=2e-6, atol=1e-6)


def test_kernels_run_without_numba():
    """The kernels' own code, as Python, on one jet."""
    from pyg_jets.detector import particle_kernels

    rng = np.random.default_rng(0)
    s, width, z = (rng.exponential(1, 9).astype(np.float32) for _ in range(3))
    plain, fast = s.copy(), s.copy()
    particle_kernels.smear_measured.py_func(plain, width, z)
    particle_kernels.smear_measured(fast, width, z)
    assert np.allclose(plain, fast, rtol=1e-6)
    words = [np.zeros((4, 24), np.uint32) for _ in range(2)]
    arguments = (np.array([0, 5, 9]), 0, 2, 1, np.array([3, 4]), np.uint64(1), np.uint64(2))
    particle_kernels.draw_words.py_func(words[0], *arguments)
    particle_kernels.draw_words(words[1], *arguments)
    assert np.array_equal(words[0][:, :9], words[1][:, :9])


@every
def test_variants_are_jet_major_and_carry_their_parents(detector, jets):
    seen = detector.simulate(jets, seed=1, angles=[0.0, 0.3, 2.0])
    assert seen.columns == CANONICAL
    assert np.array_equal(seen.ids, np.repeat(jets.ids, 3))
    assert np.array_equal(seen.labels, np.repeat(jets.labels, 3))
    assert np.array_equal(seen.jets["gen_pt"], np.repeat(jets.jets["gen_pt"], 3))
    assert np.array_equal(seen.jets["variant_of"], np.repeat(np.arange(len(jets)), 3))
    assert seen.jets["angle"].dtype == np.float32
    first = detector.simulate(jets, seed=1, angles=[0.0])
    assert same(first, seen[::3])


def test_neutrinos_are_dropped_by_responses_alone(monkeypatch):
    particles = [[9.0, 0.1, 0.2, 0.0, 0.0, code] for code in (12, 22, -14, 130, 16)]
    jets = JetArray(np.repeat(particles, 900, 0), CANONICAL, [0, 2000, 4500])
    for kernels in "10":
        monkeypatch.setenv("PYG_JETS_KERNELS", kernels)
        seen = smear(jets, Response(constant=0.1)).column("pdgid")
        assert sorted(set(seen.tolist())) == [22, 130]
        assert len(seen) == 1800
        assert len(Detector().simulate(jets).particles) == 4500
        assert len(cells(jets, Grid(0.1, 0.1)).particles) == 2700 + 2


def test_seed_and_epoch_are_another_response(jets):
    detector = Detector.preset("cms-like")
    seen = detector.simulate(jets, seed=1)
    assert seen.equals(detector.simulate(jets, seed=1))
    assert not np.array_equal(seen.particles, detector.simulate(jets, seed=2).particles)
    assert not np.array_equal(seen.particles, detector.simulate(jets, 1, epoch=1).particles)


@every
def test_empty_one_particle_and_no_jets(detector):
    one = JetArray([[9.0, 0.1, 0.2, 0.0, 0.0, 22.0]], CANONICAL, [0, 0, 1, 1])
    assert len(detector.simulate(one, angles=4)) == 12
    assert len(detector.simulate(one[:0], angles=4)) == 0
    assert len(detector.simulate(one[:1])) == 1


def test_a_jet_may_lose_everything(jets):
    blind = Response(efficiency=((0.0,),))
    seen = smear(jets, blind)
    assert len(seen) == len(jets)
    assert len(seen.particles) == 0
    assert len(cells(seen, Grid(0.1, 0.1)).particles) == 0
    assert len(rotate_image(seen, 2)) == 2 * len(jets)


def test_pickle_repr_and_equality():
    for detector in DETECTORS.values():
        again = pickle.loads(pickle.dumps(detector))
        assert again == detector
        assert repr(again) == repr(detector)
    assert repr(COARSE) == (
        "Detector(calorimeters=(Calorimeter(grid=Grid(eta=0.05, phi=0.4, eta_max=3.0), "
        "kinds=('photon', 'neutral_hadron'), sums='energy', response=None, pdgid=0, "
        "untracked=()),))"
    )


def test_detector_from_yaml(tmp_path):
    from jsonargparse import ArgumentParser

    parser = ArgumentParser()
    parser.add_class_arguments(Detector, "detector")
    (tmp_path / "a.yaml").write_text(
        "calorimeters:\n- grid: {eta: 0.05, phi: 0.4}\n  kinds: [photon]\nmuon: {constant: 0.02}\n"
    )
    parsed = parser.parse_args([f"--detector={tmp_path / 'a.yaml'}"])
    built = parser.instantiate(parsed).detector
    grid = Grid(0.05, 0.4)
    assert built == Detector(
        muon=Response(constant=0.02), calorimeters=(Calorimeter(grid, ("photon",)),)
    )


BAD = [
    (lambda j: Detector.preset("atlas"), "Unknown detector preset 'atlas': choose from toy-unif"),
    (lambda j: Detector(axis="beam"), "Unknown axis"),
    (lambda j: Response("charge"), "Unknown measured quantity"),
    (lambda j: Response(constant=-0.1), "constant to be finite and not negative"),
    (lambda j: Response(eta=(1.0, 2.0), noise=(1.0,) * 3), "1 or 2 values of noise"),
    (lambda j: Response(efficiency=((95.0,),)), "between 0 and 1.*fractions"),
    (lambda j: Response(pt_edges=(1.0,), efficiency=((1.0,),)), "rows of 2 numbers"),
    (lambda j: Response(eta=(2.0, 1.0)), "eta to be finite and to rise"),
    (lambda j: Grid((0.0, 1.0, 0.5), 0.1), "eta to be finite and to rise"),
    (lambda j: Grid(0.0, 0.1), "positive size"),
    (lambda j: Grid((0.0,), 0.1), "at least 2 edges"),
    (lambda j: Grid(0.1, (0.0, 7.0)), "span 2π at most"),
    (lambda j: Grid(1e-4, 1e-4), "at most .* cells"),
    (lambda j: Grid(0.1, 0.1, merge=5), "divisors"),
    (lambda j: Calorimeter(Grid(0.1, 0.1), ("jet",)), "Unknown kind of particle 'jet'"),
    (lambda j: Calorimeter(Grid(0.1, 0.1), response=Response()), "measures 'energy'"),
    (
        lambda j: Calorimeter(Grid(0.1, 0.1), untracked=("photon",)),
        "Unknown kind of charged particle 'photon': choose from charged_hadron, electron, muon",
    ),
    (
        lambda j: Detector(calorimeters=(Calorimeter(Grid(0.1, 0.1), untracked=("muon",)),)),
        "No muon lacks a track without a response",
    ),
    (
        lambda j: Detector(
            muon=Response(),
            calorimeters=(Calorimeter(Grid(0.1, 0.1), ("photon", "muon"), untracked=("muon",)),),
        ),
        "muon would be measured twice",
    ),
    (
        lambda j: Detector(
            muon=Response(),
            calorimeters=(
                Calorimeter(Grid(0.1, 0.1), untracked=("muon",)),
                Calorimeter(Grid(0.1, 0.1), (), untracked=("muon",)),
            ),
        ),
        "kind of particle in calorimeters may be named once",
    ),
    (
        lambda j: Detector(photon=Response(), calorimeters=(Calorimeter(Grid(0.1, 0.1)),)),
        "photon would be measured twice",
    ),
    (lambda j: Detector(calorimeters=(Calorimeter(Grid(0.1, 0.1)),) * 2), "named once"),
    (lambda j: Detector().simulate(j.select(("pt", "eta"))), "phi, mass, charge, pdgid is missing"),
    (lambda j: Detector().simulate(j, angles=[[0.0]]), "shape \\[20, V\\]"),
    (lambda j: Detector().simulate(j, angles=[np.nan]), "finite angles"),
    (lambda j: Detector().simulate(j, angles=0), "at least 1 variant"),
    (lambda j: Detector().simulate(j, angles="all"), "numbers in radians, but got 'all'"),
    (lambda j: Detector().simulate(j, seed="x"), "seed as a whole number"),
    (lambda j: rotate_image(j, radius=0.0), "positive radius"),
    (lambda j: rotate_image(j, shape=(0, 3)), "two positive numbers"),
    (
        lambda j: Detector().simulate_tensors(
            torch.zeros(2, 5), torch.tensor([0, 2]), torch.zeros(1), torch.zeros(1, 1)
        ),
        "x \\[N, 6\\] float32",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_bad_input_is_refused_by_name(call, message, jets):
    with pytest.raises(ValueError, match=message):
        call(jets)


def test_a_neutrino_in_the_group_changes_no_other_jet(jets):
    detector = Detector(**dict.fromkeys(KINDS, Response(constant=0.1, sigma_eta=0.01)))
    neutrino = JetArray([[5.0, 0.1, 0.1, 0.0, 0.0, 12.0]], CANONICAL, [0, 1], ids=[99])
    bare = JetArray(jets.particles, CANONICAL, jets.ptr, ids=jets.ids)
    together = detector.simulate(JetArray.concatenate([bare, neutrino]), seed=4)
    assert same(together[: len(jets)], detector.simulate(bare, seed=4))
    assert together.counts[-1] == 0
