"""The rules by which columns of particles and jets are made of others, in the order of trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.columns import KINDS

__all__ = ["Rule", "rules_for"]

_FLOOR = 1e-12
_MOMENTUM = ("px", "py", "pz", "e")
_JET_MOMENTUM = ("jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_e")


@dataclass(frozen=True)
class Rule:
    """How the columns ``gives`` are made of ``needs``, of which ``given`` must be at hand.

    ``make`` gets the arrays of ``needs``, and the pointer as well if ``sums``.
    """

    gives: tuple[str, ...]
    needs: tuple[str, ...]
    make: Callable[..., Any]
    given: tuple[str, ...] = ()
    sums: bool = False


def _lib(value: Any) -> Any:
    return torch if isinstance(value, Tensor) else np


def _double(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.double()
    return value.astype(np.float64, copy=False)


def _at_least(value: Any) -> Any:
    return value.clamp_min(_FLOOR) if isinstance(value, Tensor) else np.maximum(value, _FLOOR)


def _log(value: Any) -> Any:
    return _lib(value).log(_at_least(value))


def _share(part: Any, whole: Any) -> Any:
    return part / _at_least(whole)


def _massless(*cylindrical: Any) -> Any:
    pt, eta, *phi = map(_double, cylindrical)
    zero = 0.0 * pt
    full = kinematics.to_cartesian(pt, eta, phi[0] if phi else zero, zero)
    return full if phi else full[2:]


def _cartesian(*cylindrical: Any) -> Any:
    return kinematics.to_cartesian(*map(_double, cylindrical))


def _cylindrical(*cartesian: Any) -> Any:
    return kinematics.to_cylindrical(*map(_double, cartesian))


def _directions(px: Any, py: Any, pz: Any) -> Any:
    return _cylindrical(px, py, pz, 0.0 * px)[:3]


def _rapidity(pt: Any, eta: Any, mass: Any) -> Any:
    return kinematics.rapidity(*map(_double, (pt, eta, mass)))


def _longitudinal(pt: Any, rapidity: Any, mass: Any) -> Any:
    return kinematics.longitudinal(*map(_double, (pt, rapidity, mass)))


def _transverse(pt: Any, phi: Any) -> Any:
    return kinematics.transverse(_double(pt), _double(phi))


def _jet_mass(pt: Any, eta: Any, e: Any) -> Any:
    pt, eta, e = map(_double, (pt, eta, e))
    return kinematics.to_cylindrical(pt, 0.0 * pt, pt * _lib(pt).sinh(eta), e)[3]


def _jet_energy(pt: Any, eta: Any, mass: Any) -> Any:
    pt, eta, mass = map(_double, (pt, eta, mass))
    return kinematics.to_cartesian(pt, eta, 0.0 * pt, mass)[3]


def _sums(*parts: Any, ptr: Any) -> Any:
    if isinstance(ptr, Tensor):
        return kinematics.jet_sum(torch.stack(parts, -1), ptr).unbind(-1)
    return tuple(kinematics.jet_sum(part, ptr) for part in parts)


def _jet(*momentum: Any, ptr: Any) -> Any:
    total = _sums(*momentum, ptr=ptr)
    return *kinematics.to_cylindrical(*total), total[3]


def _zero_axis(eta: Any, ptr: Any) -> Any:
    zero = _lib(eta).zeros_like(ptr[1:], dtype=eta.dtype)
    return zero, zero


def _radius(eta: Any, phi: Any) -> Any:
    return kinematics.delta_r(eta, phi, 0.0 * eta, 0.0 * phi)


def _kinds(pdgid: Any, charge: Any) -> Any:
    number, charged = abs(pdgid), charge != 0
    photon, electron, muon = number == 22, number == 11, number == 13
    hadron = ~(photon | electron | muon)
    found = (charged & hadron, ~charged & hadron, photon, electron, muon)
    return tuple(f * (0 * pdgid + 1) for f in found)


# The first rule whose needs can be had is taken. A name that begins with ``jet_`` is a column of
# jets; where a particle's column needs one, it is repeated for each particle.
_RULES = (
    Rule(("eta", "pz", "e"), ("pt", "rapidity", "mass"), _longitudinal, given=("rapidity",)),
    Rule(("px", "py"), ("pt", "phi"), _transverse, given=("rapidity", "pt")),
    Rule(("pt", "eta", "phi", "mass"), _MOMENTUM, _cylindrical),
    Rule(("pt", "eta", "phi"), _MOMENTUM[:3], _directions),
    Rule(("pt",), ("ptrel", "jet_pt"), lambda part, jet: part * jet),
    Rule(("eta",), ("etarel", "jet_eta"), lambda part, jet: part + jet),
    Rule(("phi",), ("phirel", "jet_phi"), lambda part, jet: kinematics.delta_phi(part, -jet)),
    Rule(_MOMENTUM, ("pt", "eta", "phi", "mass"), _cartesian),
    Rule(_MOMENTUM, ("pt", "eta", "phi"), _massless),
    Rule(_MOMENTUM[2:], ("pt", "eta"), _massless),
    Rule(("rapidity",), ("pt", "eta", "mass"), _rapidity),
    Rule(("logpt",), ("pt",), _log),
    Rule(("loge",), ("e",), _log),
    Rule(("ptrel",), ("pt", "jet_pt"), _share),
    Rule(("erel",), ("e", "jet_e"), _share),
    Rule(("logptrel",), ("ptrel",), _log),
    Rule(("logerel",), ("erel",), _log),
    Rule(("etarel",), ("eta", "jet_eta"), lambda part, jet: part - jet),
    Rule(("rapidityrel",), ("rapidity", "jet_rapidity"), lambda part, jet: part - jet),
    Rule(("phirel",), ("phi", "jet_phi"), kinematics.delta_phi),
    Rule(("deltar",), ("etarel", "phirel"), _radius),
    Rule(KINDS, ("pdgid", "charge"), _kinds),
    Rule(("jet_e",), ("jet_pt", "jet_eta", "jet_mass"), _jet_energy, given=("jet_mass",)),
    Rule(("jet_mass",), ("jet_pt", "jet_eta", "jet_e"), _jet_mass, given=("jet_e",)),
    Rule(_JET_MOMENTUM, _MOMENTUM, _jet, sums=True),
    Rule(("jet_rapidity",), ("jet_pt", "jet_eta", "jet_mass"), _rapidity),
)

# On a plane there is no jet axis but the origin, and the sum of pT is that of magnitudes.
_PLANE = (
    Rule(("jet_eta", "jet_phi"), ("eta",), _zero_axis, sums=True),
    Rule(("jet_pt",), ("pt",), _sums, sums=True),
    Rule(("jet_e",), ("e",), _sums, sums=True),
)


def rules_for(axis: str) -> tuple[Rule, ...]:
    """The rules of jets with an axis, or of jets on a plane (``"origin"``)."""
    return _PLANE + _RULES if axis == "origin" else _RULES
