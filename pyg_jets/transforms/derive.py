"""`Derived`: every particle and jet column that follows from those at hand, each made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.columns import KINDS
from pyg_jets.ops.pointer import ptr_to_batch

__all__ = ["Derived", "derivable", "positions", "requirements"]

_FLOOR = 1e-12
_MOMENTUM = ("px", "py", "pz", "e")
_JET_MOMENTUM = ("jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_e")


@dataclass(frozen=True)
class _Rule:
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
    _Rule(("eta", "pz", "e"), ("pt", "rapidity", "mass"), _longitudinal, given=("rapidity",)),
    _Rule(("px", "py"), ("pt", "phi"), _transverse, given=("rapidity", "pt")),
    _Rule(("pt", "eta", "phi", "mass"), _MOMENTUM, _cylindrical),
    _Rule(("pt", "eta", "phi"), _MOMENTUM[:3], _directions),
    _Rule(("pt",), ("ptrel", "jet_pt"), lambda part, jet: part * jet),
    _Rule(("eta",), ("etarel", "jet_eta"), lambda part, jet: part + jet),
    _Rule(("phi",), ("phirel", "jet_phi"), lambda part, jet: kinematics.delta_phi(part, -jet)),
    _Rule(_MOMENTUM, ("pt", "eta", "phi", "mass"), _cartesian),
    _Rule(_MOMENTUM, ("pt", "eta", "phi"), _massless),
    _Rule(_MOMENTUM[2:], ("pt", "eta"), _massless),
    _Rule(("rapidity",), ("pt", "eta", "mass"), _rapidity),
    _Rule(("logpt",), ("pt",), _log),
    _Rule(("loge",), ("e",), _log),
    _Rule(("ptrel",), ("pt", "jet_pt"), _share),
    _Rule(("erel",), ("e", "jet_e"), _share),
    _Rule(("logptrel",), ("ptrel",), _log),
    _Rule(("logerel",), ("erel",), _log),
    _Rule(("etarel",), ("eta", "jet_eta"), lambda part, jet: part - jet),
    _Rule(("rapidityrel",), ("rapidity", "jet_rapidity"), lambda part, jet: part - jet),
    _Rule(("phirel",), ("phi", "jet_phi"), kinematics.delta_phi),
    _Rule(("deltar",), ("etarel", "phirel"), _radius),
    _Rule(KINDS, ("pdgid", "charge"), _kinds),
    _Rule(("jet_e",), ("jet_pt", "jet_eta", "jet_mass"), _jet_energy, given=("jet_mass",)),
    _Rule(("jet_mass",), ("jet_pt", "jet_eta", "jet_e"), _jet_mass, given=("jet_e",)),
    _Rule(_JET_MOMENTUM, _MOMENTUM, _jet, sums=True),
    _Rule(("jet_rapidity",), ("jet_pt", "jet_eta", "jet_mass"), _rapidity),
)

# On a plane there is no jet axis but the origin, and the sum of pT is that of magnitudes.
_PLANE = (
    _Rule(("jet_eta", "jet_phi"), ("eta",), _zero_axis, sums=True),
    _Rule(("jet_pt",), ("pt",), _sums, sums=True),
    _Rule(("jet_e",), ("e",), _sums, sums=True),
)


def _rules(axis: str) -> tuple[_Rule, ...]:
    return _PLANE + _RULES if axis == "origin" else _RULES


def _plan(
    name: str, given: frozenset[str], axis: str, tried: frozenset[str] = frozenset()
) -> dict[str, _Rule | None] | None:
    """The rule for ``name`` and for all that it needs; ``None`` for what is given."""
    if name in given:
        return {name: None}
    if name in tried:
        return None
    for rule in _rules(axis):
        if name not in rule.gives or not given.issuperset(rule.given):
            continue
        steps: dict[str, _Rule | None] = {name: rule}
        for need in rule.needs:
            below = _plan(need, given, axis, tried | {name})
            if below is None:
                break
            steps = below | {step: how for step, how in steps.items() if step not in below}
        else:
            return steps
    return None


@cache
def _cached_plan(name: str, given: frozenset[str], axis: str) -> dict[str, _Rule | None] | None:
    return _plan(name, given, axis)


def derivable(name: str, given: Iterable[str], axis: str = "jet") -> bool:
    """Whether a column follows from those given.

    Args:
        name: The column; names of jet columns begin with ``jet_``.
        given: Names of the columns at hand.
        axis: ``"jet"``, or ``"origin"`` for jets on a plane.

    Examples:
        >>> derivable("px", ("pt", "eta", "phi")), derivable("px", ("ptrel", "etarel", "phirel"))
        (True, False)
    """
    return _cached_plan(name, frozenset(given), axis) is not None


def requirements(names: Iterable[str], given: Iterable[str], axis: str = "jet") -> tuple[str, ...]:
    """Which of the given columns are needed to make ``names``, in the order given.

    Examples:
        >>> requirements(["deltar"], ("pt", "eta", "phi", "mass", "d0"))
        ('pt', 'eta', 'phi', 'mass')
    """
    given = tuple(given)
    needed: set[str] = set()
    for name in names:
        needed.update(_cached_plan(name, frozenset(given), axis) or ())
    return tuple(name for name in given if name in needed)


def positions(x: Tensor, ptr: Tensor, columns: Sequence[str], axis: str) -> Tensor:
    """(η, φ) relative to the axis, ``[N, 2]``, of particles ``x [N, F]``; see :class:`Derived`."""
    derived = Derived(dict(zip(columns, x.unbind(-1), strict=True)), ptr, axis=axis)
    return torch.stack([derived["etarel"].to(x.dtype), derived["phirel"].to(x.dtype)], -1)


class Derived:
    """The columns of a ragged table of jets and what follows from them, each made only if asked.

    Args:
        particles: Particle columns ``{name: [N]}``, numpy or torch.
        ptr: Ragged pointer ``[J + 1]``, of the same kind.
        jets: Jet columns at hand, ``{name: [J]}``, their names without ``jet_``: where the axis is
            known it counts, else the E-scheme sum of the particles.
        axis: ``"jet"``, or ``"origin"`` for jets on a plane.

    Examples:
        >>> jets = Derived({"pt": np.array([3.0]), "ptrel": np.array([0.5])}, np.array([0, 1]))
        >>> jets["logptrel"].round(3).tolist()
        [-0.693]
    """

    def __init__(
        self,
        particles: Mapping[str, Any],
        ptr: Any,
        jets: Mapping[str, Any] | None = None,
        axis: str = "jet",
    ):
        self.ptr, self.axis = ptr, axis
        self._known = dict(particles)
        self._known.update({f"jet_{name}": value for name, value in (jets or {}).items()})
        self._given = frozenset(self._known)
        self._spread: dict[str, Any] = {}

    def can(self, name: str) -> bool:
        """Whether a column can be given."""
        return _cached_plan(name, self._given, self.axis) is not None

    def __getitem__(self, name: str) -> Any:
        """A column, ``[N]``, or ``[J]`` if its name begins with ``jet_``.

        Raises:
            ValueError: If it follows from none of those at hand.
        """
        if name in self._known:
            return self._known[name]
        plan = _cached_plan(name, self._given, self.axis)
        if plan is None:
            at_hand = ", ".join(sorted(self._given))
            raise ValueError(f"{name} does not follow from the columns at hand: {at_hand}.")
        for step, rule in plan.items():
            if rule is not None and step not in self._known:
                self._make(step, rule)
        return self._known[name]

    def _make(self, wanted: str, rule: _Rule) -> None:
        of_jets = rule.gives[0].startswith("jet_")
        needs = [
            self._known[need] if of_jets or not need.startswith("jet_") else self.spread(need)
            for need in rule.needs
        ]
        made = rule.make(*needs, ptr=self.ptr) if rule.sums else rule.make(*needs)
        if len(rule.gives) == 1 and not isinstance(made, tuple):
            made = (made,)
        for name, value in zip(rule.gives, made, strict=True):
            # What comes along is kept only where it would be made so anyway: else a column would
            # depend on which others were asked for before it.
            if name == wanted or self._is_made_by(rule, name):
                self._known.setdefault(name, value)

    def _is_made_by(self, rule: _Rule, name: str) -> bool:
        plan = _cached_plan(name, self._given, self.axis)
        return plan is not None and plan[name] is rule

    def spread(self, name: str) -> Any:
        """A jet column, repeated for each particle."""
        if name not in self._spread:
            value = self[name]
            if isinstance(self.ptr, Tensor):
                self._spread[name] = value[ptr_to_batch(self.ptr)]
            else:
                self._spread[name] = np.repeat(value, np.diff(self.ptr))
        return self._spread[name]
