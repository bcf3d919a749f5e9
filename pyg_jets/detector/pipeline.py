"""The detector as kernels over a range of jets: what :mod:`pyg_jets.detector.reference` does, fast.

Jets are worked on in groups of whole jets, in buffers that stay in the processor's cache. A group
has all variants of one jet, or several jets if they are small, so that the arithmetic runs over
long loops; loops over one jet would leave lanes of the vector unit idle. The steps on particles
are in :mod:`~pyg_jets.detector.particle_kernels`, those on cells in
:mod:`~pyg_jets.detector.cell_kernels`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyg_jets.detector.calorimeter import GridTable
from pyg_jets.detector.cell_kernels import (
    cell_centres,
    cell_pt,
    draw_cell_words,
    drop_absorbed,
    find_cells,
    sum_into_cells,
)
from pyg_jets.detector.elementary import fast
from pyg_jets.detector.particle_kernels import (
    apply_efficiency,
    assign_identity,
    choose_pt_or_energy,
    classify_kinds,
    columns_to_rows,
    compute_energies,
    draw_words,
    find_axis,
    look_up_resolution,
    measured_to_pt,
    move_rows,
    rapidity_to_eta,
    rotate_variant,
    rows_to_columns,
    smear_directions,
    smear_measured,
    smear_with_constants,
    words_to_normals,
)
from pyg_jets.detector.random import Key
from pyg_jets.detector.response import KINDS, ResponseTable, response_table
from pyg_jets.ops.kernel import over_jets

__all__ = ["simulate"]

#: Particles in a group, at least: the buffers then fit the second-level cache.
GROUP = 8192

_WIDTH = np.uint64(6)
_ONE, _TWO, _THREE, _FOUR, _FIVE = (np.uint64(i) for i in range(1, 6))
_PERFECT = response_table([None] * (len(KINDS) + 1))


class Plan(NamedTuple):
    """The jets of a call as contiguous arrays, and which steps the detector needs for them."""

    x: np.ndarray  # [N, 6] float32
    ptr: np.ndarray  # [J + 1] int64
    ids: np.ndarray  # [J] int64
    angles: np.ndarray  # [J, V] float64
    cos: np.ndarray  # [J, V] float64
    sin: np.ndarray  # [J, V] float64
    rotates: bool  # some angle is not zero
    about_jet: bool  # variants turn about the jet's axis, not about the origin
    smears: bool  # some kind of particle has a response
    loses_particles: bool  # some efficiency is below 1, or there is a threshold or an acceptance
    has_constant_widths: bool  # each relative resolution is a constant of its kind
    changes_identity: bool  # some kind is identified as another
    smears_directions: bool  # some direction is smeared
    measures_energy: bool  # the energy of some kind is measured, not its pT
    sums_energy: bool  # some calorimeter sums energy
    smears_cells: bool  # some calorimeter has a response
    keys: tuple[tuple[np.uint64, np.uint64], tuple[np.uint64, np.uint64]]


class Buffers(NamedTuple):
    """The columns of a group of particles, or of cells."""

    pt: np.ndarray  # float32, like all fields up to z2
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    charge: np.ndarray
    pdgid: np.ndarray
    energy: np.ndarray
    measured: np.ndarray
    deposit: np.ndarray  # what a particle leaves in a cell: its true energy or pT
    ratio: np.ndarray  # m_T / pT
    relative2: np.ndarray  # (σ/s)²
    z: np.ndarray
    z2: np.ndarray
    words: np.ndarray  # [4, n] uint32
    kind: np.ndarray  # int64, like all fields up to jet_id
    chance: np.ndarray  # the efficiency, in units of 2^-32
    number: np.ndarray  # of the particle in its jet, or of the cell
    variant: np.ndarray
    jet_id: np.ndarray
    keep: np.ndarray  # bool


@fast
def make_buffers(n: int) -> Buffers:
    """Buffers for ``n`` particles or cells."""
    f, i = np.empty((13, n), np.float32), np.empty((5, n), np.int64)
    words, keep = np.empty((4, n), np.uint32), np.ones(n, np.bool_)
    return Buffers(
        f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10], f[11], f[12],
        words, i[0], i[1], i[2], i[3], i[4], keep,
    )  # fmt: skip


def make_plan(
    x: Tensor,
    ptr: Tensor,
    ids: Tensor,
    angles: Tensor,
    axis: str,
    responses: ResponseTable | None,
    grid: GridTable,
    keys: tuple[Key, Key],
) -> Plan:
    """The plan for the arguments of :func:`simulate`."""
    table = _PERFECT if responses is None else responses
    radians = np.ascontiguousarray(angles.numpy(), np.float64)
    # the last row is that of neutrinos, the last region beyond the acceptance
    efficiency = table.chance[: len(KINDS), : table.limits.shape[1]]
    is_limited = np.isfinite(table.limits[: len(KINDS)]).any()
    cells = grid.response
    return Plan(
        x=np.ascontiguousarray(x.detach().numpy()),
        ptr=np.ascontiguousarray(ptr.numpy(), np.int64),
        ids=np.ascontiguousarray(ids.numpy(), np.int64),
        angles=radians,
        cos=np.cos(radians),
        sin=np.sin(radians),
        rotates=bool(radians.any()),
        about_jet=axis == "jet",
        smears=responses is not None,
        loses_particles=responses is not None
        and bool(is_limited or (efficiency < 2**32).any() or table.minimum.any()),
        has_constant_widths=not (table.terms[:, 0, 1:] != (0, 0, 0, 1, 0, 0)).any(),
        changes_identity=bool((table.identity != (0, -1)).any()),
        smears_directions=bool(table.angles.any()),
        measures_energy=responses is not None and bool(table.energy.any()),
        sums_energy=bool(grid.energy.any()),
        smears_cells=bool(
            cells.terms.any() or cells.minimum.any() or np.isfinite(cells.limits).any()
        ),
        keys=tuple((np.uint64(a), np.uint64(b)) for a, b in keys),  # type: ignore[arg-type]
    )


@fast
def load_variants(plan: Plan, first: int, last: int, b: Buffers, y: Any, ratio: Any) -> int:
    """Put all variants of the jets ``first … last - 1`` into the buffers.

    Rotated variants have their rapidity in ``b.eta``, the others their η and a ratio of 1.

    Returns:
        Number of particles in the buffers.
    """
    rows = plan.x.reshape(-1)
    if not plan.rotates and plan.angles.shape[1] == 1:
        n = plan.ptr[last] - plan.ptr[first]
        rows_to_columns(rows, plan.ptr[first], n, b.pt, b.eta, b.phi, b.mass, b.charge, b.pdgid, 0)
        return n
    end = 0
    for j in range(first, last):
        begin, n = plan.ptr[j], plan.ptr[j + 1] - plan.ptr[j]
        centre_y = centre_phi = 0.0
        if plan.rotates:
            centre_y, centre_phi = find_axis(plan.x[begin : begin + n], plan.about_jet, y, ratio)
        for v in range(plan.angles.shape[1]):
            stop = end + n
            rows_to_columns(rows, begin, n, b.pt, b.eta, b.phi, b.mass, b.charge, b.pdgid, end)
            b.ratio[end:stop] = np.float32(1)
            if plan.angles[j, v] != 0.0:
                cos, sin = plan.cos[j, v], plan.sin[j, v]
                rotate_variant(y, centre_y, centre_phi, cos, sin, b.eta[end:stop], b.phi[end:stop])
                b.ratio[end:stop] = ratio[:n]
            end = stop
    return end


@fast
def measure_particles(
    plan: Plan,
    table: ResponseTable,
    first: int,
    last: int,
    b: Buffers,
    n: int,
    cuts: bool,
) -> None:
    """Smear the ``n`` particles of the jets ``first … last - 1``, in place; angles come later."""
    draw_words(b.words, plan.ptr, first, last, plan.angles.shape[1], plan.ids, *plan.keys[0])
    eta, pt, kind, measured = b.eta[:n], b.pt[:n], b.kind[:n], b.measured[:n]
    if plan.measures_energy:
        choose_pt_or_energy(pt, b.energy, kind, table.energy, measured)
    else:
        measured = pt
    words_to_normals(b.words[0], b.z[:n])
    if plan.has_constant_widths and not cuts:
        smear_with_constants(measured, kind, table, b.z, b.relative2, b.z2)
    else:
        look_up_resolution(measured, eta, pt, kind, table, b.relative2, b.chance)
        smear_measured(measured, b.relative2, b.z)
    if cuts:
        apply_efficiency(measured, kind, table.minimum, b.words[3], b.chance, b.keep)
    if plan.measures_energy:
        measured_to_pt(measured, eta, b.mass, kind, table.energy, pt)
    if plan.changes_identity:
        assign_identity(kind, table.identity, b.charge, b.mass, b.pdgid)


@fast
def measure_directions(table: ResponseTable, b: Buffers, n: int) -> None:
    """Smear the angles of ``n`` particles, after those without a track went to their cells."""
    words_to_normals(b.words[1], b.z[:n])
    words_to_normals(b.words[2], b.z2[:n])
    smear_directions(b.eta[:n], b.phi[:n], b.z, b.z2, b.kind[:n], table.angles)


@fast
def sum_absorbed(
    plan: Plan, grid: GridTable, first: int, last: int, b: Buffers, n: int, cuts: bool,
    c: Buffers,
    ends: Any, sums: Any, words: Any, tops: Any,
) -> int:  # fmt: skip
    """Sum the absorbed particles into the cells of ``c``; return the number of cells."""
    find_cells(b.eta[:n], b.phi, b.kind, grid, cuts, b.keep, b.number)
    drop_absorbed(b.kind[:n], grid.always, cuts, b.keep)
    return sum_into_cells(
        b.number, b.deposit, plan.ptr, first, last, plan.ids, sums, words, tops,
        c.number, c.measured, c.variant, c.jet_id, ends, plan.angles.shape[1],
    )  # fmt: skip


@fast
def measure_cells(plan: Plan, grid: GridTable, c: Buffers, n: int) -> None:
    """Place the ``n`` cells at their centres, and apply their response."""
    number, kind, eta, measured = c.number[:n], c.kind[:n], c.eta[:n], c.measured[:n]
    cell_centres(number, grid, kind, eta, c.phi, c.pdgid)
    if plan.smears_cells:
        table, key = grid.response, plan.keys[1]
        draw_cell_words(number, c.variant, c.jet_id, key[0], key[1], c.words[0], c.words[3])
        words_to_normals(c.words[0], c.z[:n])
        look_up_resolution(measured, eta, measured, kind, table, c.relative2, c.chance)
        smear_measured(measured, c.relative2, c.z)
        apply_efficiency(measured, kind, table.minimum, c.words[3], c.chance, c.keep)
    cell_pt(measured, eta, kind, grid.energy, c.pt[:n])


@fast
def write_variants(
    plan: Plan, first: int, last: int, b: Buffers, c: Buffers, ends: Any, out: Any, at: int,
    counts: Any,
) -> int:  # fmt: skip
    """Write each variant's tracks, then its cells, and how many they are; return the next row."""
    ptr, pt, eta, phi, mass, charge, pdgid = plan.ptr, b.pt, b.eta, b.phi, b.mass, b.charge, b.pdgid
    keep, flat = b.keep, out.reshape(-1)
    c_pt, c_eta, c_phi, c_pdgid, c_keep = c.pt, c.eta, c.phi, c.pdgid, c.keep
    begin, cell, k = np.uint64(0), 0, 0
    for j in range(first, last):
        for v in range(counts.shape[1]):
            start = at
            # unsigned indices: numba then has no negative ones to look for
            to = np.uint64(at) * _WIDTH
            end = begin + np.uint64(ptr[j + 1] - ptr[j])
            for p in range(begin, end):
                # written in any case, and overwritten by the next one if not kept
                flat[to] = pt[p]
                flat[to + _ONE] = eta[p]
                flat[to + _TWO] = phi[p]
                flat[to + _THREE] = mass[p]
                flat[to + _FOUR] = charge[p]
                flat[to + _FIVE] = pdgid[p]
                to += _WIDTH * np.uint64(keep[p])
            begin = end
            at = np.int64(to // _WIDTH)  # type: ignore[assignment]
            while cell < ends[k]:
                if c_keep[cell]:
                    out[at, 0] = c_pt[cell]
                    out[at, 1] = c_eta[cell]
                    out[at, 2] = c_phi[cell]
                    out[at, 3] = out[at, 4] = np.float32(0)
                    out[at, 5] = c_pdgid[cell]
                    at += 1
                cell += 1
            counts[j, v] = at - start
            k += 1
    return at


@fast
def simulate_range(
    plan: Plan,
    table: ResponseTable,
    grid: GridTable,
    start: int,
    stop: int,
    out: Any,
    counts: Any,
) -> int:
    """Simulate the jets ``start … stop - 1`` into ``out`` from their first row on; return rows."""
    n_variants = plan.angles.shape[1]
    size, longest = GROUP, 0
    for j in range(start, stop):
        longest = max(longest, plan.ptr[j + 1] - plan.ptr[j])
    size = max(size, longest * n_variants)
    b, c = make_buffers(size + 8), make_buffers(size + 8)
    y, ratio = np.empty(longest), np.empty(longest, np.float32)
    n_words = grid.first[-1] // 64 + 1
    sums, words = np.zeros(grid.first[-1]), np.zeros(n_words, np.uint64)
    tops, ends = np.zeros(n_words // 64 + 1, np.uint64), np.zeros(GROUP * n_variants, np.int64)
    absorbs = len(grid.rows) > 0
    at = origin = plan.ptr[start] * n_variants
    first = start
    while first < stop:
        last, n = first, 0
        while last < stop and last - first < GROUP:
            more = (plan.ptr[last + 1] - plan.ptr[last]) * n_variants
            if n + more > size:
                break
            n += more
            last += 1
        load_variants(plan, first, last, b, y, ratio)
        neutrinos = classify_kinds(b.pdgid[:n], b.charge, b.kind)
        cuts = plan.smears and (plan.loses_particles or neutrinos > 0)
        if plan.rotates and plan.about_jet:
            rapidity_to_eta(b.ratio[:n], b.eta[:n])
        if plan.sums_energy or plan.measures_energy:
            compute_energies(b.pt[:n], b.eta, b.mass, b.energy)
        if absorbs:
            choose_pt_or_energy(b.pt, b.energy, b.kind, grid.kind_energy, b.deposit[:n])
        if plan.smears:
            measure_particles(plan, table, first, last, b, n, cuts)
        if absorbs:
            n_cells = sum_absorbed(plan, grid, first, last, b, n, cuts, c, ends, sums, words, tops)
            measure_cells(plan, grid, c, n_cells)
        if plan.smears_directions:
            measure_directions(table, b, n)
        if absorbs or cuts:
            at = write_variants(plan, first, last, b, c, ends, out, at, counts)
        else:
            columns_to_rows(b.pt, b.eta, b.phi, b.mass, b.charge, b.pdgid, n, out.reshape(-1), at)
            for j in range(first, last):
                counts[j] = plan.ptr[j + 1] - plan.ptr[j]
            at += n
        first = last
    return at - origin


def simulate(
    x: Tensor,
    ptr: Tensor,
    ids: Tensor,
    angles: Tensor,
    axis: str,
    responses: ResponseTable | None,
    grid: GridTable,
    keys: tuple[Key, Key],
    threads: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Rotated variants of all jets as the detector sees them, over threads.

    Args:
        x: Canonical columns ``[N, 6]`` float32, on the CPU.
        ptr: Ragged pointer ``[J + 1]``.
        ids: Ids of the jets ``[J]``.
        angles: Angle of each variant ``[J, V]`` (rad).
        axis: ``"jet"`` or ``"origin"``.
        responses: The response to each kind of particle, or ``None`` if none is smeared.
        grid: The calorimeters.
        keys: Keys of the random numbers, of particles and of cells.
        threads: Largest number of threads. Default: torch's.

    Returns:
        Particles ``[M, 6]`` and pointer ``[J * V + 1]``, as
        :func:`pyg_jets.detector.reference.simulate` gives them.
    """
    table = _PERFECT if responses is None else responses
    plan = make_plan(x, ptr, ids, angles, axis, responses, grid, keys)
    n_jets, n_variants = plan.angles.shape
    out = np.empty((len(plan.x) * n_variants, 6), np.float32)
    counts = np.zeros((n_jets, n_variants), np.int64)
    written: dict[int, int] = {}

    def work(start: int, stop: int) -> None:
        written[start] = simulate_range(plan, table, grid, start, stop, out, counts)

    if n_jets:
        over_jets(work, plan.ptr, threads, n_variants)
    end = 0
    for start in sorted(written):
        source = int(plan.ptr[start]) * n_variants
        if source > end:
            move_rows(out, end, source, written[start])
        end += written[start]
    out.resize((end, 6), refcheck=False)
    new_ptr = np.zeros(n_jets * n_variants + 1, np.int64)
    np.cumsum(counts.reshape(-1), out=new_ptr[1:])
    return torch.from_numpy(out), torch.from_numpy(new_ptr)
