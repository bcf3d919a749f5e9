"""`Response`: resolution, efficiency and threshold for each kind of particle."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError

__all__ = ["CHARGED", "KINDS", "Response", "ResponseTable", "response_table"]

#: The kinds of particles that a detector distinguishes.
KINDS: tuple[str, ...] = ("charged_hadron", "electron", "muon", "photon", "neutral_hadron")

#: Of these, the kinds that may leave a track.
CHARGED: tuple[str, ...] = KINDS[:3]

#: The kind of neutrinos, which no detector sees.
INVISIBLE = len(KINDS)


@dataclass(frozen=True)
class Response:
    r"""Resolution, efficiency and threshold for one kind of particle, or for a calorimeter's cells.

    The measured quantity s (pT or energy, in GeV) is multiplied by a log-normal number of mean 1
    and relative width

    .. math:: \frac{\sigma}{s} = (g_0 + g_1|\eta| + g_2\eta^2)
        \left(c \oplus \frac{a}{\sqrt s} \oplus \frac{n}{s} \oplus l\,s\right)

    so it is never negative. Each region of \|η\| has its own values.

    Source: the form of the resolution functions of Delphes (arXiv 1307.6346).

    Args:
        measures: What is measured: ``"pt"`` or ``"energy"``.
        eta: Upper \|η\| of each region, rising; beyond the last a particle is lost. Default: one
            region without end.
        constant: c, one for each region, or one for all.
        stochastic: a (√GeV).
        noise: n (GeV).
        linear: l (1/GeV).
        shape: (g0, g1, g2) of each region, or one for all.
        pt_edges: Edges of the pT bins of the efficiency (GeV), rising.
        efficiency: For each region, the efficiency in each of the ``len(pt_edges) + 1`` bins.
        minimum: Least measured quantity that is kept (GeV).
        sigma_eta: Width of the Gaussian of η.
        sigma_phi: Width of the Gaussian of φ (rad).
        pdgid: PDG id that the particle is identified with; for a negative charge its negative.
            Default: its own id.
        mass: The mass that it is identified with (GeV). Default: its own mass.

    Raises:
        ValueError: For values that are negative, do not rise, or do not fit together.

    Examples:
        >>> Response(constant=0.01, linear=1.5e-4)
        Response(constant=0.01, linear=0.00015)
    """

    measures: Literal["pt", "energy"] = "pt"
    eta: tuple[float, ...] = ()
    constant: float | tuple[float, ...] = 0.0
    stochastic: float | tuple[float, ...] = 0.0
    noise: float | tuple[float, ...] = 0.0
    linear: float | tuple[float, ...] = 0.0
    shape: tuple[tuple[float, ...], ...] = ((1.0, 0.0, 0.0),)
    pt_edges: tuple[float, ...] = ()
    efficiency: tuple[tuple[float, ...], ...] = ((1.0,),)
    minimum: float = 0.0
    sigma_eta: float = 0.0
    sigma_phi: float = 0.0
    pdgid: int | None = None
    mass: float | None = None

    def __post_init__(self) -> None:
        check_names((self.measures,), ("pt", "energy"), "measured quantity")
        for name in ("eta", "pt_edges"):
            object.__setattr__(self, name, rising(getattr(self, name), name))
        for name in ("constant", "stochastic", "noise", "linear"):
            value = getattr(self, name)
            values = tuple(value) if isinstance(value, Iterable) else (value,)
            _check_values(values, name, self.regions)
            object.__setattr__(self, name, values if isinstance(value, Iterable) else value)
        for name in ("minimum", "sigma_eta", "sigma_phi"):
            _check_values((getattr(self, name),), name, 1)
        self._check_rows("shape", 3)
        self._check_rows("efficiency", len(self.pt_edges) + 1)
        if any(not 0 <= e <= 1 for row in self.efficiency for e in row):
            raise InputError(
                f"Expected an efficiency between 0 and 1, but got {self.efficiency}: "
                "give fractions, not per cent."
            )

    @property
    def regions(self) -> int:
        """Number of regions of \\|η\\|."""
        return max(1, len(self.eta))

    def _check_rows(self, name: str, length: int) -> None:
        rows = tuple(tuple(row) for row in getattr(self, name))
        if len(rows) not in (1, self.regions) or any(len(row) != length for row in rows):
            raise InputError(
                f"Expected {name} as 1 or {self.regions} rows of {length} numbers, but got {rows}."
            )
        object.__setattr__(self, name, rows)

    def __repr__(self) -> str:
        fields = ((n, getattr(self, n), f.default) for n, f in self.__dataclass_fields__.items())
        shown = ", ".join(f"{name}={value!r}" for name, value, usual in fields if value != usual)
        return f"Response({shown})"


def rising(values: Any, name: str) -> tuple[float, ...]:
    """``values`` as a tuple of finite floats, or a ``ValueError`` if they do not rise."""
    edges = tuple(float(v) for v in values)
    if not all(map(math.isfinite, edges)) or any(b <= a for a, b in itertools.pairwise(edges)):
        raise InputError(f"Expected {name} to be finite and to rise, but got {edges}: sort them.")
    return edges


def _check_values(values: tuple[Any, ...], name: str, regions: int) -> None:
    if len(values) not in (1, regions):
        raise InputError(
            f"Expected 1 or {regions} values of {name}, one for each region of eta, but got "
            f"{len(values)}."
        )
    if any(not isinstance(v, int | float) or not 0 <= v < math.inf for v in values):
        raise InputError(f"Expected {name} to be finite and not negative, but got {values}.")


class ResponseTable(NamedTuple):
    """Responses as arrays, a row for each kind (or calorimeter), for kernels and tensors."""

    energy: np.ndarray  # [K] bool: measures energy, not pT
    limits: np.ndarray  # [K, R] float32: upper |eta| of a region
    terms: np.ndarray  # [K, R, 7] float32: c², a², n², l², g0, g1, g2
    pt_edges: np.ndarray  # [K, P] float32
    chance: np.ndarray  # [K, R + 1, P + 1] int64: efficiency in units of 2^-32
    minimum: np.ndarray  # [K] float32
    angles: np.ndarray  # [K, 2] float32: sigma_eta, sigma_phi
    identity: np.ndarray  # [K, 2] float32: pdgid (0 keeps), mass (-1 keeps)


def response_table(responses: Sequence[Response | None]) -> ResponseTable:
    """Responses as arrays; ``None`` is a perfect measurement."""
    rows = [response or Response() for response in responses]
    n_kinds = len(rows)
    n_regions = max((r.regions for r in rows), default=1)
    n_bins = max((len(r.pt_edges) for r in rows), default=0) + 1
    # past a kind's last limit comes a row of zeros: no efficiency
    table = ResponseTable(
        np.array([r.measures == "energy" for r in rows], dtype=np.bool_),
        np.full((n_kinds, n_regions), np.inf, np.float32),
        np.zeros((n_kinds, n_regions + 1, 7), np.float32),
        np.full((n_kinds, n_bins - 1), np.inf, np.float32),
        np.zeros((n_kinds, n_regions + 1, n_bins), np.int64),
        np.array([r.minimum for r in rows], dtype=np.float32),
        np.array([(r.sigma_eta, r.sigma_phi) for r in rows], np.float32).reshape(-1, 2),
        np.array([(r.pdgid or 0, -1 if r.mass is None else r.mass) for r in rows], np.float32),
    )
    for k, r in enumerate(rows):
        table.limits[k, : len(r.eta)] = r.eta
        table.pt_edges[k, : len(r.pt_edges)] = r.pt_edges
        for region in range(r.regions):
            terms = [_each(v, region) ** 2 for v in (r.constant, r.stochastic, r.noise, r.linear)]
            table.terms[k, region] = (*terms, *_each(r.shape, region))
            row = [round(e * 2**32) for e in _each(r.efficiency, region)]
            table.chance[k, region] = row + row[-1:] * (n_bins - len(row))
    return table


def _each(values: Any, region: int) -> Any:
    if not isinstance(values, tuple):
        return values
    return values[region] if len(values) > 1 else values[0]


def kind_of(pdgid: Any, charge: Any, lib: Any) -> Any:
    """Index in :data:`KINDS` of each particle, 5 for neutrinos; numpy or torch as ``lib``."""
    code = abs(pdgid)
    charged = lib.where(code == 11, 1, lib.where(code == 13, 2, 0))
    neutrino = (code == 12) | (code == 14) | (code == 16)
    neutral = lib.where(code == 22, 3, lib.where(neutrino, INVISIBLE, 4))
    return lib.where(charge != 0, charged, neutral)
