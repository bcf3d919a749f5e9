"""The detector in torch operations, on any device: rotate, smear, sum into cells.

It is what tensors on a GPU take, and what the kernels are tested against. Tensors are flat: one
entry for each particle of each variant, the variants of a jet together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.columns import CANONICAL
from pyg_jets.detector.elementary import normal, wrap
from pyg_jets.detector.grid import GridTable
from pyg_jets.detector.physics import cosh, energy_of, eta_of, momentum_of, response, width2
from pyg_jets.detector.random import Key, philox, split_id
from pyg_jets.detector.response import ResponseTable, kind_of
from pyg_jets.ops.pointer import counts_to_ptr

__all__ = ["chain"]


class Particles(NamedTuple):
    """Particles or cells of all variants, each field ``[n]``."""

    pt: Tensor
    eta: Tensor
    phi: Tensor
    mass: Tensor
    charge: Tensor
    pdgid: Tensor
    kind: Tensor  # row of the response table
    owner: Tensor  # jet * V + variant
    number: Tensor  # of the particle in its jet, or of the cell

    def keep(self, which: Tensor) -> Particles:
        return Particles(*(field[which] for field in self))


def chain(
    x: Tensor,
    ptr: Tensor,
    ids: Tensor,
    angles: Tensor,
    axis: str,
    responses: ResponseTable | None,
    grid: GridTable,
    keys: tuple[Key, Key],
) -> tuple[Tensor, Tensor]:
    """Rotated variants of all jets as the detector sees them: ``(x [M, 6], ptr [J·V + 1])``."""
    n_variants = angles.shape[1]
    particles = _variants(x, ptr, angles, axis)
    calorimeter = _on(grid.of_kind, x)[particles.kind]
    tracks = particles.keep(calorimeter < 0)
    deposits = particles.keep(calorimeter >= 0)
    if responses is not None:
        tracks = smear(tracks, responses, ids, n_variants, keys[0])
    towers = cells(deposits, grid, ids, n_variants, keys[1])
    joined = Particles(*(torch.cat(pair) for pair in zip(tracks, towers, strict=True)))
    order = torch.argsort(joined.owner, stable=True)
    out = torch.stack(joined[: len(CANONICAL)], -1)[order]
    counts = torch.bincount(joined.owner, minlength=(len(ptr) - 1) * n_variants)
    return out, counts_to_ptr(counts)


def _on(array: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(array).to(like.device)


def _variants(x: Tensor, ptr: Tensor, angles: Tensor, axis: str) -> Particles:
    """Every particle once for each variant, rotated."""
    n_variants, counts = angles.shape[1], ptr.diff()
    owner = torch.repeat_interleave(
        torch.arange(counts.numel() * n_variants, device=x.device),
        counts.repeat_interleave(n_variants),
    )
    jet = owner // n_variants
    start = (ptr[:-1] * n_variants)[jet] + (owner % n_variants) * counts[jet]
    number = torch.arange(len(owner), device=x.device) - start
    source = ptr[:-1][jet] + number
    pt, eta, phi, mass, charge, pdgid = x[source].unbind(-1)
    if bool((angles != 0).any()):
        eta, phi = _rotate(x, ptr, angles.reshape(-1)[owner], jet, source, axis)
    kind = kind_of(pdgid, charge, torch)
    return Particles(pt, eta, phi, mass, charge, pdgid, kind, owner, number)


def _rotate(
    x: Tensor, ptr: Tensor, angle: Tensor, jet: Tensor, source: Tensor, axis: str
) -> tuple[Tensor, Tensor]:
    pt, eta, phi, mass = x[:, :4].double().unbind(-1)
    if axis == "jet":
        y = kinematics.rapidity(pt, eta, mass)
        transverse = torch.sqrt(pt**2 + mass**2)
        ratio = torch.where(pt > 0, transverse / pt.clamp(min=1e-30), 1.0).clamp(max=1e15).float()
        centre = kinematics.to_cylindrical(*kinematics.jet_momentum(pt, eta, phi, mass, ptr))
        centre_y = kinematics.rapidity(centre[0], centre[1], centre[3])[jet]
        centre_phi = centre[2][jet]
    else:
        y, ratio = eta, torch.ones_like(x[:, 0])
        centre_y = centre_phi = torch.zeros_like(angle, dtype=torch.float64)
    cos, sin = torch.cos(angle.double()), torch.sin(angle.double())
    dy = y[source] - centre_y
    dphi = kinematics.delta_phi(phi[source], centre_phi)
    new_eta = eta_of((centre_y + cos * dy - sin * dphi).float(), ratio[source])
    turned = kinematics.delta_phi(centre_phi + sin * dy + cos * dphi, torch.zeros_like(dy))
    still = angle == 0
    return (
        torch.where(still, x[source, 1], new_eta),
        torch.where(still, x[source, 2], turned.float()),
    )


def _words(p: Particles, ids: Tensor, n_variants: int, key: Key) -> Any:
    low, high = split_id(ids[p.owner // n_variants])
    return philox(p.number, p.owner % n_variants, low, high, *key)


def _factor(s: Tensor, p: Particles, table: ResponseTable, words: Any) -> tuple[Tensor, Tensor]:
    """What is measured of ``s``, and whether it is kept."""
    region = (p.eta.abs()[:, None] > _on(table.limits, s)[p.kind]).sum(1)
    terms = _on(table.terms, s)[p.kind, region].unbind(-1)
    measured = s * response(width2(s, p.eta, *terms), normal(words[0]))
    pt_bin = (p.pt[:, None] > _on(table.pt_edges, s)[p.kind]).sum(1)
    seen = words[3] < _on(table.chance, s)[p.kind, region, pt_bin]
    return measured, seen & (measured >= _on(table.minimum, s)[p.kind])


def smear(p: Particles, table: ResponseTable, ids: Tensor, n_variants: int, key: Key) -> Particles:
    """Particles as measured; those not seen are left out."""
    words = _words(p, ids, n_variants, key)
    energetic = _on(table.energy, p.pt)[p.kind]
    measured, kept = _factor(
        torch.where(energetic, energy_of(p.pt, p.eta, p.mass), p.pt), p, table, words
    )
    pt = torch.where(energetic, momentum_of(measured, p.eta, p.mass), measured)
    sigma_eta, sigma_phi = _on(table.angles, p.pt)[p.kind].unbind(-1)
    eta = p.eta + sigma_eta * normal(words[1])
    moved = wrap(p.phi + sigma_phi * normal(words[2]))
    phi = torch.where(sigma_phi > 0, moved, p.phi)
    code, mass = _on(table.identity, p.pt)[p.kind].unbind(-1)
    signed = torch.where(p.charge < 0, -code, code)
    return p._replace(
        pt=pt,
        eta=eta,
        phi=phi,
        mass=torch.where(mass < 0, p.mass, mass),
        pdgid=torch.where(code == 0, p.pdgid, signed),
    ).keep(kept)


def cells(p: Particles, grid: GridTable, ids: Tensor, n_variants: int, key: Key) -> Particles:
    """What the calorimeters make of the particles that they absorb."""
    p = p._replace(kind=_on(grid.of_kind, p.pt)[p.kind])
    row, column, inside = _locate(p, grid)
    number = _on(grid.first, p.pt)[p.kind] + row * _on(grid.columns, p.pt)[p.kind] + column
    p, number = p.keep(inside), number[inside]
    total = int(grid.first[-1])
    places, place = torch.unique(p.owner * total + number, return_inverse=True)
    energetic = _on(grid.energy, p.pt)[p.kind]
    deposit = torch.where(energetic, energy_of(p.pt, p.eta, p.mass), p.pt)
    summed = deposit.new_zeros(len(places), dtype=torch.float64)
    summed = summed.index_add(0, place, deposit.double()).float()
    owner, number = places // max(total, 1), places % max(total, 1)
    kind = torch.searchsorted(_on(grid.first, p.pt), number, right=True) - 1
    eta, phi = _centre(number, kind, grid)
    zero = torch.zeros_like(eta)
    code = _on(grid.pdgid, p.pt)[kind]
    towers = Particles(summed, eta, phi, zero, zero, code, kind, owner, number)
    measured, kept = _factor(summed, towers, grid.response, _words(towers, ids, n_variants, key))
    energetic = _on(grid.energy, p.pt)[kind]
    return towers._replace(pt=torch.where(energetic, measured / cosh(eta), measured)).keep(kept)


def _locate(p: Particles, grid: GridTable) -> tuple[Tensor, Tensor, Tensor]:
    """Row and (first merged) column of the cell of each particle, and whether there is one."""
    row, column = torch.zeros_like(p.kind), torch.zeros_like(p.kind)
    inside = torch.zeros_like(p.kind, dtype=torch.bool)
    for c in range(len(grid.rows)):
        here = (p.kind == c).nonzero().squeeze(1)
        rows, columns = int(grid.rows[c]), int(grid.columns[c])
        eta_edges = _on(grid.eta_edges[c, : rows + 1].copy(), p.pt)
        edges = _on(grid.phi_edges[c, : columns + 1].copy(), p.pt)
        phi = p.phi[here]
        r = torch.bucketize(p.eta[here].contiguous(), eta_edges, right=True) - 1
        fine = (r >= 0) & (r < rows)
        if grid.periodic[c]:
            turn = float(np.float32(2 * np.pi))
            phi = torch.where(phi < edges[0], phi + turn, phi)
            phi = torch.where(phi >= edges[-1], phi - turn, phi)
        k = torch.bucketize(phi.contiguous(), edges, right=True) - 1
        if grid.periodic[c]:
            k = k.clamp(0, columns - 1)
        fine &= (k >= 0) & (k < columns)
        r, k = r.clamp(0, rows - 1), k.clamp(0, columns - 1)
        merge = _on(grid.merge[c], p.pt)[r]
        row[here], column[here], inside[here] = r, k // merge * merge, fine
    return row, column, inside


def _centre(number: Tensor, kind: Tensor, grid: GridTable) -> tuple[Tensor, Tensor]:
    local = number - _on(grid.first, number)[kind]
    columns = _on(grid.columns, number)[kind].clamp(min=1)
    row, column = local // columns, local % columns
    eta_edges, phi_edges = _on(grid.eta_edges, number), _on(grid.phi_edges, number)
    merge = _on(grid.merge, number)[kind, row]
    half = 0.5
    eta = (eta_edges[kind, row] + eta_edges[kind, row + 1]) * half
    return eta, (phi_edges[kind, column] + phi_edges[kind, column + merge]) * half
