"""The detectors of the package, by name.

``cms-like`` has the parameters of the CMS card of Delphes (``cards/delphes_card_CMS.tcl``,
arXiv 1307.6346); the toys are those of arXiv 2311.05952, and ``jet-rect`` is their rectangular grid
for jets of R = 0.8. None has a magnetic field, particle flow, pile-up of its own or PUPPI;
``docs/detector.md`` lists what else each leaves out.
"""

from __future__ import annotations

import numpy as np

from pyg_jets.detector.calorimeter import Calorimeter, Grid
from pyg_jets.detector.detector import Detector
from pyg_jets.detector.response import KINDS, Response

__all__ = ["PRESETS"]

_PION = 0.13957

_ECAL_SHAPE = ((1.0, 0.0, 0.64), (24.56, -22.4, 5.6), (1.0, 0.0, 0.0))
_HCAL_EDGES = (1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 3.0)
_HCAL_HALF = (*(round(0.087 * i, 3) for i in range(1, 21)), *_HCAL_EDGES)


_ETA = (0.5, 1.5, 2.5)


def _toy(n_x: int, n_y: int) -> Detector:
    x, y = (tuple(np.linspace(-1, 1, n + 1).tolist()) for n in (n_x, n_y))
    return Detector(calorimeters=(Calorimeter(Grid(x, y), KINDS, "pt"),), axis="origin",
                    image=(n_x, n_y))  # fmt: skip


def _jet_rect() -> Detector:
    # muons pass the calorimeter; with a response to one kind of particle, neutrinos are dropped
    absorbed = tuple(kind for kind in KINDS if kind != "muon")
    return Detector(
        muon=Response(), calorimeters=(Calorimeter(Grid(0.05, 0.4), absorbed),), image=(32, 4)
    )


def _cms_like() -> Detector:
    barrel, endcap = (0.0, 0.70, 0.95), (0.0, 0.60, 0.85)
    hadron = Response(
        eta=_ETA,
        constant=(0.01, 0.015, 0.025),
        linear=(1.5e-4, 2.5e-4, 5.5e-4),
        pt_edges=(0.1, 1.0),
        efficiency=(barrel, barrel, endcap),
        pdgid=211,
        mass=_PION,
    )
    barrel_e, endcap_e = (0.0, 0.73, 0.95, 0.99), (0.0, 0.50, 0.83, 0.90)
    electron = Response(
        eta=_ETA,
        constant=(0.03, 0.05, 0.15),
        linear=(1.3e-3, 1.7e-3, 3.1e-3),
        pt_edges=(0.1, 1.0, 100.0),
        efficiency=(barrel_e, barrel_e, endcap_e),
    )
    barrel_mu, endcap_mu = (0.0, 0.75, 0.99), (0.0, 0.70, 0.98)
    muon = Response(
        eta=_ETA,
        constant=(0.01, 0.015, 0.025),
        linear=(1.0e-4, 1.5e-4, 3.5e-4),
        pt_edges=(0.1, 1.0),
        efficiency=(barrel_mu, barrel_mu, endcap_mu),
    )
    ecal = Response(
        measures="energy",
        eta=(1.5, 2.5, 5.0),
        constant=(0.008, 0.008, 0.107),
        stochastic=(0.11, 0.11, 2.08),
        noise=(0.40, 0.40, 0.0),
        shape=_ECAL_SHAPE,
        minimum=0.5,
    )
    hcal = Response(measures="energy", constant=0.05, stochastic=1.5, minimum=1.0)
    hcal_eta = (*(-e for e in reversed(_HCAL_HALF)), 0.0, *_HCAL_HALF)
    # 5° cells in φ within |η| < 1.74, 10° beyond
    merge = tuple(1 if 9 <= row < len(hcal_eta) - 10 else 2 for row in range(len(hcal_eta) - 1))
    return Detector(
        charged_hadron=hadron,
        electron=electron,
        muon=muon,
        # the card's energy fractions: electrons and photons in ECAL, hadrons in HCAL, muons in none
        calorimeters=(
            Calorimeter(
                Grid(0.0174, 0.0174, 3.0),
                ("photon",),
                response=ecal,
                pdgid=22,
                untracked=("electron",),
            ),
            Calorimeter(
                Grid(hcal_eta, 0.087, merge=merge),
                ("neutral_hadron",),
                response=hcal,
                pdgid=130,
                untracked=("charged_hadron",),
            ),
        ),
    )


PRESETS: dict[str, Detector] = {
    "toy-uniform": _toy(32, 32),
    "toy-rect": _toy(32, 4),
    "cms-like": _cms_like(),
    "jet-rect": _jet_rect(),
}
