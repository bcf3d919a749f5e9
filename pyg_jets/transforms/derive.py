"""`Derived`: the particle and jet columns that follow from the columns at hand.

The names are those of :mod:`pyg_jets.columns`; a name that begins with ``jet_`` is a column with a
row for each jet. Each formula is a :class:`Derivation`, and the list of them is searched for a way
from the columns at hand to the column that is asked for. Arrays may be numpy or torch.
"""

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
from pyg_jets.errors import InputError
from pyg_jets.ops.pointer import ptr_to_batch

__all__ = ["Derivation", "Derived", "derivable", "positions", "requirements"]


class Derived:
    """The columns of a ragged table of jets, and those derived from them, each computed once.

    Args:
        particles: Particle columns ``{name: [N]}``, numpy or torch.
        ptr: Ragged pointer ``[J + 1]``, of the same library.
        jets: Jet columns ``{name: [J]}``, their names without ``jet_``. Relative columns refer to
            this axis if it is there, else to the E-scheme sum of the particles.
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
        self._columns = dict(particles)
        self._columns.update({f"jet_{name}": value for name, value in (jets or {}).items()})
        self._at_hand = frozenset(self._columns)
        self._per_particle: dict[str, Any] = {}

    def can(self, name: str) -> bool:
        """Whether a column follows from those at hand."""
        return _find_plan(name, self._at_hand, self.axis) is not None

    def __getitem__(self, name: str) -> Any:
        """A column, ``[N]``, or ``[J]`` if its name begins with ``jet_``.

        Raises:
            ValueError: If it does not follow from the columns at hand.
        """
        if name in self._columns:
            return self._columns[name]
        plan = _find_plan(name, self._at_hand, self.axis)
        if plan is None:
            at_hand = ", ".join(sorted(self._at_hand))
            raise InputError(f"{name} does not follow from the columns at hand: {at_hand}.")
        for step, derivation in plan.items():
            if derivation is not None and step not in self._columns:
                self._compute(step, derivation)
        return self._columns[name]

    def per_particle(self, name: str) -> Any:
        """A jet column ``[J]`` repeated for each particle, ``[N]``."""
        if name not in self._per_particle:
            value = self[name]
            if isinstance(self.ptr, Tensor):
                self._per_particle[name] = value[ptr_to_batch(self.ptr)]
            else:
                self._per_particle[name] = np.repeat(value, np.diff(self.ptr))
        return self._per_particle[name]

    def _compute(self, wanted: str, derivation: Derivation) -> None:
        makes_jets = derivation.outputs[0].startswith("jet_")
        inputs = [
            self.per_particle(name)
            if name.startswith("jet_") and not makes_jets
            else self._columns[name]
            for name in derivation.inputs
        ]
        values = derivation.function(*inputs, **({"ptr": self.ptr} if derivation.sums else {}))
        if not isinstance(values, tuple):
            values = (values,)
        for name, value in zip(derivation.outputs, values, strict=True):
            # The other outputs are kept only where this derivation would make them anyway, so that
            # a column does not depend on the columns that were asked for before.
            plan = _find_plan(name, self._at_hand, self.axis)
            if name == wanted or (plan is not None and plan[name] is derivation):
                self._columns.setdefault(name, value)


def derivable(name: str, at_hand: Iterable[str], axis: str = "jet") -> bool:
    """Whether a column follows from those at hand.

    Args:
        name: The column; names of jet columns begin with ``jet_``.
        at_hand: Names of the columns at hand.
        axis: ``"jet"``, or ``"origin"`` for jets on a plane.

    Examples:
        >>> derivable("px", ("pt", "eta", "phi")), derivable("px", ("ptrel", "etarel", "phirel"))
        (True, False)
    """
    return _find_plan(name, frozenset(at_hand), axis) is not None


def requirements(
    names: Iterable[str], at_hand: Iterable[str], axis: str = "jet"
) -> tuple[str, ...]:
    """Which of the columns at hand are needed to derive ``names``, in their order.

    Args:
        names: The columns to derive.
        at_hand: Names of the columns at hand.
        axis: ``"jet"``, or ``"origin"`` for jets on a plane.

    Examples:
        >>> requirements(["deltar"], ("pt", "eta", "phi", "mass", "d0"))
        ('pt', 'eta', 'phi', 'mass')
    """
    at_hand = tuple(at_hand)
    needed: set[str] = set()
    for name in names:
        needed.update(_find_plan(name, frozenset(at_hand), axis) or ())
    return tuple(name for name in at_hand if name in needed)


def positions(x: Tensor, ptr: Tensor, columns: Sequence[str], axis: str) -> Tensor:
    """(η, φ) of particles relative to the axis of their jet, ``[N, 2]``.

    Args:
        x: Particles ``[N, F]``.
        ptr: Ragged pointer ``[J + 1]``.
        columns: Names of the F columns.
        axis: ``"jet"``, the E-scheme sum of the particles, or ``"origin"``.
    """
    derived = Derived(dict(zip(columns, x.unbind(-1), strict=True)), ptr, axis=axis)
    return torch.stack([derived["etarel"].to(x.dtype), derived["phirel"].to(x.dtype)], -1)


@dataclass(frozen=True)
class Derivation:
    """A formula that derives columns from others.

    Args:
        outputs: The columns that it gives.
        inputs: The columns that it is computed from, at hand or derived themselves.
        function: From the arrays of ``inputs`` to those of ``outputs``.
        only_from: Columns that must be at hand, not derived, for this formula to be taken.
        sums: Whether it sums over the particles of a jet; then ``function`` also gets ``ptr=``.
    """

    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    function: Callable[..., Any]
    only_from: tuple[str, ...] = ()
    sums: bool = False


#: The derivation of each column that is needed, in the order of computation; ``None`` at hand.
Plan = dict[str, Derivation | None]


@cache
def _find_plan(name: str, at_hand: frozenset[str], axis: str) -> Plan | None:
    derivations = _ON_A_PLANE + _DERIVATIONS if axis == "origin" else _DERIVATIONS
    return _search(name, at_hand, derivations, frozenset())


def _search(
    name: str,
    at_hand: frozenset[str],
    derivations: tuple[Derivation, ...],
    in_progress: frozenset[str],
) -> Plan | None:
    """The first way to derive ``name``, depth first; ``None`` if there is none."""
    if name in at_hand:
        return {name: None}
    if name in in_progress:
        return None
    for derivation in derivations:
        if name not in derivation.outputs or not at_hand.issuperset(derivation.only_from):
            continue
        plan: Plan = {name: derivation}
        for column in derivation.inputs:
            before = _search(column, at_hand, derivations, in_progress | {name})
            if before is None:
                break
            plan = before | {step: how for step, how in plan.items() if step not in before}
        else:
            return plan
    return None


# The formulas, for numpy and torch alike. Momenta are computed in float64.

_FLOOR = 1e-12


def _lib(value: Any) -> Any:
    return torch if isinstance(value, Tensor) else np


def _double(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.double()
    return value.astype(np.float64, copy=False)


def _in_double(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the same arguments in float64."""
    return lambda *arguments: function(*map(_double, arguments))


def _clip(value: Any) -> Any:
    return value.clamp_min(_FLOOR) if isinstance(value, Tensor) else np.maximum(value, _FLOOR)


def _log(value: Any) -> Any:
    return _lib(value).log(_clip(value))


def _ratio(part: Any, whole: Any) -> Any:
    return part / _clip(whole)


def _subtract(part: Any, jet: Any) -> Any:
    return part - jet


@_in_double
def _massless_cartesian(pt: Any, eta: Any, phi: Any) -> Any:
    return kinematics.to_cartesian(pt, eta, phi, 0.0 * pt)


@_in_double
def _massless_pz_e(pt: Any, eta: Any) -> Any:
    zero = 0.0 * pt
    return kinematics.to_cartesian(pt, eta, zero, zero)[2:]


@_in_double
def _directions(px: Any, py: Any, pz: Any) -> Any:
    return kinematics.to_cylindrical(px, py, pz, 0.0 * px)[:3]


@_in_double
def _jet_mass(pt: Any, eta: Any, e: Any) -> Any:
    return kinematics.to_cylindrical(pt, 0.0 * pt, pt * _lib(pt).sinh(eta), e)[3]


@_in_double
def _jet_energy(pt: Any, eta: Any, mass: Any) -> Any:
    return kinematics.to_cartesian(pt, eta, 0.0 * pt, mass)[3]


def _jet_sums(*columns: Any, ptr: Any) -> Any:
    if isinstance(ptr, Tensor):
        return kinematics.jet_sum(torch.stack(columns, -1), ptr).unbind(-1)
    return tuple(kinematics.jet_sum(column, ptr) for column in columns)


def _jet_axis(*momentum: Any, ptr: Any) -> Any:
    total = _jet_sums(*momentum, ptr=ptr)
    return *kinematics.to_cylindrical(*total), total[3]


def _zero_axis(eta: Any, ptr: Any) -> Any:
    zero = _lib(eta).zeros_like(ptr[1:], dtype=eta.dtype)
    return zero, zero


def _one_hot_kinds(pdgid: Any, charge: Any) -> Any:
    code, is_charged = abs(pdgid), charge != 0
    photon, electron, muon = code == 22, code == 11, code == 13
    hadron = ~(photon | electron | muon)
    kinds = (is_charged & hadron, ~is_charged & hadron, photon, electron, muon)
    return tuple(kind * (0 * pdgid + 1) for kind in kinds)


_MOMENTUM = ("px", "py", "pz", "e")
_JET = ("jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_e")
_to_cartesian = _in_double(kinematics.to_cartesian)
_to_cylindrical = _in_double(kinematics.to_cylindrical)
_rapidity = _in_double(kinematics.rapidity)
_longitudinal = _in_double(kinematics.longitudinal)
_transverse = _in_double(kinematics.transverse)

# In the order of trial: the first one whose inputs can be had is taken.
_DERIVATIONS = (
    Derivation(("eta", "pz", "e"), ("pt", "rapidity", "mass"), _longitudinal, ("rapidity",)),
    Derivation(("px", "py"), ("pt", "phi"), _transverse, only_from=("rapidity", "pt")),
    Derivation(("pt", "eta", "phi", "mass"), _MOMENTUM, _to_cylindrical),
    Derivation(("pt", "eta", "phi"), _MOMENTUM[:3], _directions),
    Derivation(("pt",), ("ptrel", "jet_pt"), lambda part, jet: part * jet),
    Derivation(("eta",), ("etarel", "jet_eta"), lambda part, jet: part + jet),
    Derivation(("phi",), ("phirel", "jet_phi"), lambda part, jet: kinematics.delta_phi(part, -jet)),
    Derivation(_MOMENTUM, ("pt", "eta", "phi", "mass"), _to_cartesian),
    Derivation(_MOMENTUM, ("pt", "eta", "phi"), _massless_cartesian),
    Derivation(_MOMENTUM[2:], ("pt", "eta"), _massless_pz_e),
    Derivation(("rapidity",), ("pt", "eta", "mass"), _rapidity),
    Derivation(("logpt",), ("pt",), _log),
    Derivation(("loge",), ("e",), _log),
    Derivation(("ptrel",), ("pt", "jet_pt"), _ratio),
    Derivation(("erel",), ("e", "jet_e"), _ratio),
    Derivation(("logptrel",), ("ptrel",), _log),
    Derivation(("logerel",), ("erel",), _log),
    Derivation(("etarel",), ("eta", "jet_eta"), _subtract),
    Derivation(("rapidityrel",), ("rapidity", "jet_rapidity"), _subtract),
    Derivation(("phirel",), ("phi", "jet_phi"), kinematics.delta_phi),
    Derivation(
        ("deltar",),
        ("etarel", "phirel"),
        lambda eta, phi: kinematics.delta_r(eta, phi, 0.0 * eta, 0.0 * phi),
    ),
    Derivation(KINDS, ("pdgid", "charge"), _one_hot_kinds),
    Derivation(("jet_e",), ("jet_pt", "jet_eta", "jet_mass"), _jet_energy, ("jet_mass",)),
    Derivation(("jet_mass",), ("jet_pt", "jet_eta", "jet_e"), _jet_mass, ("jet_e",)),
    Derivation(_JET, _MOMENTUM, _jet_axis, sums=True),
    Derivation(("jet_rapidity",), ("jet_pt", "jet_eta", "jet_mass"), _rapidity),
)

# On a plane the axis of a jet is the origin, and its pT and energy are the sums of the particles'.
_ON_A_PLANE = (
    Derivation(("jet_eta", "jet_phi"), ("eta",), _zero_axis, sums=True),
    Derivation(("jet_pt",), ("pt",), _jet_sums, sums=True),
    Derivation(("jet_e",), ("e",), _jet_sums, sums=True),
)
