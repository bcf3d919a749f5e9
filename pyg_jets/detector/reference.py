r"""The detector in plain torch: rotate jets, smear their particles, sum energy in cells.

This file defines what the detector does, in an order that can be read from top to bottom. It runs
on any device; on the CPU :mod:`pyg_jets.detector.pipeline` does the same with compiled kernels, and
the tests hold both to each other.

1. :func:`simulate` is the whole detector.
2. ``_make_variants`` copies each jet once for each angle, and rotates the copies about its axis.
3. ``_smear`` measures particles one by one with the response of their kind.
4. ``_sum_in_cells`` sums the other particles, and charged ones without a track, in the cells of
   calorimeters, and measures the sums.
5. The formulas at the end are each written once. Torch tensors pass through them here, numba
   compiles the same functions into the kernels.

All variants of all jets are one flat list of particles: there are no padded entries, and ``owner``
states which variant of which jet a particle belongs to. Random numbers are a pure function of
(seed, epoch, jet id, variant, particle or cell), so no generator is passed around.

A :class:`~pyg_jets.detector.response.ResponseTable` has a row for each of the kinds of
:data:`~pyg_jets.detector.response.KINDS` and one for neutrinos; a
:class:`~pyg_jets.detector.calorimeter.GridTable` has a row for each calorimeter. ``p.kind`` is the
row of a particle.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.columns import CANONICAL
from pyg_jets.detector.calorimeter import GridTable
from pyg_jets.detector.elementary import (
    arsinh,
    exp,
    jitable,
    log1p,
    normal,
    root,
    select,
    wrap,
)
from pyg_jets.detector.random import Key, philox, split_id
from pyg_jets.detector.response import ResponseTable, kind_of
from pyg_jets.ops.pointer import counts_to_ptr

__all__ = [
    "cosh",
    "energy_of",
    "eta_of",
    "log_normal",
    "momentum_of",
    "response",
    "simulate",
    "width2",
]


class Particles(NamedTuple):
    """Particles, or cells, of all variants of all jets; each field has the shape ``[n]``."""

    pt: Tensor  # GeV
    eta: Tensor
    phi: Tensor  # rad
    mass: Tensor  # GeV
    charge: Tensor
    pdgid: Tensor
    kind: Tensor  # row of the response table; of a cell, its calorimeter
    owner: Tensor  # jet * V + variant
    number: Tensor  # of the particle in its jet, or of the cell

    def keep(self, mask: Tensor) -> Particles:
        """The particles where ``mask`` holds."""
        return Particles(*(field[mask] for field in self))


def simulate(
    x: Tensor,
    ptr: Tensor,
    ids: Tensor,
    angles: Tensor,
    axis: str,
    responses: ResponseTable | None,
    grid: GridTable,
    keys: tuple[Key, Key],
) -> tuple[Tensor, Tensor]:
    """Rotated variants of all jets as the detector sees them.

    Args:
        x: Canonical columns (pt, eta, phi, mass, charge, pdgid), ``[N, 6]`` float32.
        ptr: Ragged pointer ``[J + 1]``.
        ids: Ids of the jets ``[J]``, from which random numbers are made.
        angles: Angle of each variant of each jet, ``[J, V]`` float64 (rad).
        axis: ``"jet"``, the (rapidity, φ) of the jet's momentum sum, or ``"origin"``.
        responses: The response to each kind of particle, or ``None`` if none is smeared.
        grid: The calorimeters.
        keys: Keys of the random numbers, of particles and of cells.

    Returns:
        Particles ``[M, 6]`` and pointer ``[J * V + 1]``: the variants of jet 0, then those of jet
        1, …; in each variant first the particles that were measured one by one, then the cells.
    """
    n_variants = angles.shape[1]
    particles = _make_variants(x, ptr, angles, axis)
    has_cells = _like(x, grid.of_kind)[particles.kind] >= 0
    is_absorbed = _like(x, grid.always)[particles.kind]
    tracks = particles.keep(~is_absorbed)
    if responses is not None:
        tracks, has_track = _smear(tracks, responses, ids, n_variants, keys[0])
        tracks = tracks.keep(has_track)
        # what leaves no track deposits its true energy, before the cells are measured
        is_absorbed[~is_absorbed] = ~has_track & has_cells[~is_absorbed]
    cells = _sum_in_cells(particles.keep(is_absorbed), grid, ids, n_variants, keys[1])

    both = Particles(*(torch.cat(pair) for pair in zip(tracks, cells, strict=True)))
    order = torch.argsort(both.owner, stable=True)
    out = torch.stack(both[: len(CANONICAL)], -1)[order]
    counts = torch.bincount(both.owner, minlength=(len(ptr) - 1) * n_variants)
    return out, counts_to_ptr(counts)


def _like(x: Tensor, array: np.ndarray) -> Tensor:
    """A row or column of a table as a tensor on the device of ``x``."""
    return torch.from_numpy(array).to(x.device)


def _make_variants(x: Tensor, ptr: Tensor, angles: Tensor, axis: str) -> Particles:
    """Every particle once for each variant of its jet, rotated."""
    n_variants, counts = angles.shape[1], ptr.diff()
    owner = torch.repeat_interleave(
        torch.arange(counts.numel() * n_variants, device=x.device),
        counts.repeat_interleave(n_variants),
    )
    jet, variant = owner // n_variants, owner % n_variants
    begin = (ptr[:-1] * n_variants)[jet] + variant * counts[jet]
    number = torch.arange(len(owner), device=x.device) - begin
    source = ptr[:-1][jet] + number
    pt, eta, phi, mass, charge, pdgid = x[source].unbind(-1)
    if bool((angles != 0).any()):
        eta, phi = _rotate(x, ptr, angles.reshape(-1)[owner], jet, source, axis)
    kind = kind_of(pdgid, charge, torch)
    return Particles(pt, eta, phi, mass, charge, pdgid, kind, owner, number)


def _rotate(
    x: Tensor, ptr: Tensor, angle: Tensor, jet: Tensor, source: Tensor, axis: str
) -> tuple[Tensor, Tensor]:
    """(η, φ) after a rotation by ``angle`` in the plane of rapidity and azimuth.

    A particle keeps its pT and its mass, so its η follows from its new rapidity.
    """
    pt, eta, phi, mass = x[:, :4].double().unbind(-1)
    if axis == "jet":
        y = kinematics.rapidity(pt, eta, mass)
        transverse_mass = torch.sqrt(pt**2 + mass**2)
        ratio = torch.where(pt > 0, transverse_mass / pt.clamp(min=1e-30), 1.0)
        ratio = ratio.clamp(max=1e15).float()
        jet_pt, jet_eta, jet_phi, jet_mass = kinematics.to_cylindrical(
            *kinematics.jet_momentum(pt, eta, phi, mass, ptr)
        )
        axis_y, axis_phi = kinematics.rapidity(jet_pt, jet_eta, jet_mass)[jet], jet_phi[jet]
    else:
        y, ratio = eta, torch.ones_like(x[:, 0])
        axis_y = axis_phi = torch.zeros_like(angle, dtype=torch.float64)
    cos, sin = torch.cos(angle.double()), torch.sin(angle.double())
    dy = y[source] - axis_y
    dphi = kinematics.delta_phi(phi[source], axis_phi)
    new_y, new_phi = axis_y + cos * dy - sin * dphi, axis_phi + sin * dy + cos * dphi
    new_phi = kinematics.delta_phi(new_phi, torch.zeros_like(new_phi))
    # an angle of zero leaves a particle as it is, to the bit
    is_still = angle == 0
    return (
        torch.where(is_still, x[source, 1], eta_of(new_y.float(), ratio[source])),
        torch.where(is_still, x[source, 2], new_phi.float()),
    )


def _random_words(p: Particles, ids: Tensor, n_variants: int, key: Key) -> Any:
    """Four random 32-bit integers for each particle or cell."""
    jet, variant = p.owner // n_variants, p.owner % n_variants
    return philox(p.number, variant, *split_id(ids[jet]), *key)


def _measure(
    value: Tensor, p: Particles, table: ResponseTable, words: Any
) -> tuple[Tensor, Tensor]:
    """The measured value, and whether the particle or cell passes efficiency and threshold."""
    region = (p.eta.abs()[:, None] > _like(value, table.limits)[p.kind]).sum(1)
    terms = _like(value, table.terms)[p.kind, region].unbind(-1)
    measured = value * response(width2(value, p.eta, *terms), normal(words[0]))
    pt_bin = (p.pt[:, None] > _like(value, table.pt_edges)[p.kind]).sum(1)
    is_seen = words[3] < _like(value, table.chance)[p.kind, region, pt_bin]
    return measured, is_seen & (measured >= _like(value, table.minimum)[p.kind])


def _smear(
    p: Particles, table: ResponseTable, ids: Tensor, n_variants: int, key: Key
) -> tuple[Particles, Tensor]:
    """Particles measured one by one, and whether each is seen."""
    words = _random_words(p, ids, n_variants, key)
    has_energy = _like(p.pt, table.energy)[p.kind]  # else the pT is measured
    value = torch.where(has_energy, energy_of(p.pt, p.eta, p.mass), p.pt)
    value, is_kept = _measure(value, p, table, words)
    pt = torch.where(has_energy, momentum_of(value, p.eta, p.mass), value)

    sigma_eta, sigma_phi = _like(p.pt, table.angles)[p.kind].unbind(-1)
    eta = p.eta + sigma_eta * normal(words[1])
    smeared_phi = wrap(p.phi + sigma_phi * normal(words[2]))
    phi = torch.where(sigma_phi > 0, smeared_phi, p.phi)

    # what the particle is identified as
    pdgid, mass = _like(p.pt, table.identity)[p.kind].unbind(-1)
    signed = torch.where(p.charge < 0, -pdgid, pdgid)
    measured = p._replace(
        pt=pt,
        eta=eta,
        phi=phi,
        mass=torch.where(mass < 0, p.mass, mass),
        pdgid=torch.where(pdgid == 0, p.pdgid, signed),
    )
    return measured, is_kept


def _sum_in_cells(
    p: Particles, grid: GridTable, ids: Tensor, n_variants: int, key: Key
) -> Particles:
    """A massless particle for each cell that was hit, with the measured sum of its energy."""
    p = p._replace(kind=_like(p.pt, grid.of_kind)[p.kind])
    row, column, is_inside = _find_cells(p, grid)
    cell = _like(p.pt, grid.first)[p.kind] + row * _like(p.pt, grid.columns)[p.kind] + column
    p, cell = p.keep(is_inside), cell[is_inside]

    # sum over the particles of the same variant in the same cell
    n_cells = int(grid.first[-1])
    hit, index = torch.unique(p.owner * n_cells + cell, return_inverse=True)
    sums_energy = _like(p.pt, grid.energy)[p.kind]
    deposit = torch.where(sums_energy, energy_of(p.pt, p.eta, p.mass), p.pt)
    total = deposit.new_zeros(len(hit), dtype=torch.float64)
    total = total.index_add(0, index, deposit.double()).float()

    owner, cell = hit // max(n_cells, 1), hit % max(n_cells, 1)
    calorimeter = torch.searchsorted(_like(p.pt, grid.first), cell, right=True) - 1
    eta, phi = _cell_centres(cell, calorimeter, grid)
    zero, pdgid = torch.zeros_like(eta), _like(p.pt, grid.pdgid)[calorimeter]
    cells = Particles(total, eta, phi, zero, zero, pdgid, calorimeter, owner, cell)
    words = _random_words(cells, ids, n_variants, key)
    measured, is_kept = _measure(total, cells, grid.response, words)
    sums_energy = _like(p.pt, grid.energy)[calorimeter]
    pt = torch.where(sums_energy, measured / cosh(eta), measured)
    return cells._replace(pt=pt).keep(is_kept)


def _find_cells(p: Particles, grid: GridTable) -> tuple[Tensor, Tensor, Tensor]:
    """Row and (first merged) column of the cell of each particle, and whether there is one."""
    row, column = torch.zeros_like(p.kind), torch.zeros_like(p.kind)
    is_inside = torch.zeros_like(p.kind, dtype=torch.bool)
    for c in range(len(grid.rows)):
        here = (p.kind == c).nonzero().squeeze(1)
        n_rows, n_columns = int(grid.rows[c]), int(grid.columns[c])
        eta_edges = _like(p.pt, grid.eta_edges[c, : n_rows + 1].copy())
        phi_edges = _like(p.pt, grid.phi_edges[c, : n_columns + 1].copy())
        r = torch.bucketize(p.eta[here].contiguous(), eta_edges, right=True) - 1
        phi = p.phi[here]
        if grid.periodic[c]:
            turn = float(np.float32(2 * np.pi))
            phi = torch.where(phi < phi_edges[0], phi + turn, phi)
            phi = torch.where(phi >= phi_edges[-1], phi - turn, phi)
        k = torch.bucketize(phi.contiguous(), phi_edges, right=True) - 1
        if grid.periodic[c]:
            k = k.clamp(0, n_columns - 1)
        is_inside[here] = (r >= 0) & (r < n_rows) & (k >= 0) & (k < n_columns)
        r, k = r.clamp(0, n_rows - 1), k.clamp(0, n_columns - 1)
        merge = _like(p.pt, grid.merge[c])[r]
        row[here], column[here] = r, k // merge * merge
    return row, column, is_inside


def _cell_centres(cell: Tensor, calorimeter: Tensor, grid: GridTable) -> tuple[Tensor, Tensor]:
    """(η, φ) of the centres of cells."""
    local = cell - _like(cell, grid.first)[calorimeter]
    n_columns = _like(cell, grid.columns)[calorimeter].clamp(min=1)
    row, column = local // n_columns, local % n_columns
    eta_edges, phi_edges = _like(cell, grid.eta_edges), _like(cell, grid.phi_edges)
    end = column + _like(cell, grid.merge)[calorimeter, row]
    eta = (eta_edges[calorimeter, row] + eta_edges[calorimeter, row + 1]) * 0.5
    return eta, (phi_edges[calorimeter, column] + phi_edges[calorimeter, end]) * 0.5


# The formulas, in float32 and from the functions of elementary.py, so that tensors and kernels
# agree within a rounding. select(condition, a, b) is a where the condition holds, else b.

_F = np.float32
_HALF, _ONE, _ZERO = _F(0.5), _F(1), _F(0)
# Angles end here, far outside every detector, so that no product overflows.
_FARTHEST = _F(40)
# A measured quantity below this (GeV) has the relative resolution of this one.
_LEAST = _F(1e-6)


@jitable
def cosh(eta: Any) -> Any:
    """Hyperbolic cosine of a pseudorapidity."""
    a = abs(eta)
    e = exp(select(a < _FARTHEST, a, _FARTHEST))
    return _HALF * (e + _ONE / e)


@jitable
def eta_of(y: Any, ratio: Any) -> Any:
    r"""η = arsinh(r sinh y), with r = m_T / pT, 1 for a massless particle, for which η = y."""
    a = abs(y)
    e = exp(select(a < _FARTHEST, a, _FARTHEST))
    eta = arsinh(ratio * (_HALF * (e - _ONE / e)))
    return select(ratio == _ONE, y, select(y < _ZERO, -eta, eta))


@jitable
def energy_of(pt: Any, eta: Any, mass: Any) -> Any:
    """E = √((pT cosh η)² + m²) in GeV."""
    p = pt * cosh(eta)
    return root(p * p + mass * mass)


@jitable
def momentum_of(energy: Any, eta: Any, mass: Any) -> Any:
    """pT = √(E² − m²) / cosh η in GeV; zero for E ≤ m."""
    square = energy * energy - mass * mass
    return root(select(square > _ZERO, square, square * _ZERO)) / cosh(eta)


@jitable
def width2(s: Any, eta: Any, c2: Any, a2: Any, n2: Any, l2: Any, g0: Any, g1: Any, g2: Any) -> Any:
    r"""The squared relative resolution of :class:`~pyg_jets.detector.Response`.

    .. math:: (\sigma/s)^2 = (g_0 + g_1|\eta| + g_2\eta^2)^2\,(c^2 + a^2/s + n^2/s^2 + l^2 s^2)

    Args:
        s: What is measured (GeV).
        eta: Pseudorapidity.
        c2, a2, n2, l2: Squares of the constant, stochastic, noise and linear term.
        g0, g1, g2: The polynomial in \|η\|.
    """
    s = select(s > _LEAST, s, _LEAST)
    a, inverse = abs(eta), _ONE / s
    shape = g0 + (g1 + g2 * a) * a
    return (c2 + (a2 + n2 * inverse) * inverse + l2 * s * s) * shape * shape


@jitable
def response(relative2: Any, z: Any) -> Any:
    """The log-normal factor of mean 1, exp(b z − b²/2) with b² = log(1 + (σ/s)²).

    Args:
        relative2: (σ/s)².
        z: A standard normal.
    """
    b2 = log1p(relative2)
    return log_normal(b2, root(b2), z)


@jitable
def log_normal(b2: Any, b: Any, z: Any) -> Any:
    """exp(b z − b²/2), of mean 1, from b² and b."""
    return exp(b * z - _HALF * b2)
