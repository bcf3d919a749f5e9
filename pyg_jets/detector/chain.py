"""The whole detector over a range of jets: groups of whole jets, in buffers that stay in the cache.

A group holds all variants of one jet, or several jets if they are small, so that the arithmetic
runs over long loops; loops over one jet would leave lanes of the vector unit idle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.detector.cell_kernels import describe, draw_each, gather, leave, locate, to_pt
from pyg_jets.detector.elementary import fast
from pyg_jets.detector.grid import GridTable
from pyg_jets.detector.kernels import (
    choose,
    classify,
    cut,
    directions,
    draw,
    energies,
    figures,
    momenta,
    normals,
    place,
    rename,
    respond,
    respond_alike,
    shift,
    turn,
)
from pyg_jets.detector.layout import move, spread, unspread
from pyg_jets.detector.random import Key
from pyg_jets.detector.response import KINDS, ResponseTable, response_table
from pyg_jets.detector.task import Buffers, Task, buffers, make_task
from pyg_jets.ops.kernel import over_jets

__all__ = ["chain"]

#: Particles in a group, at least: the buffers then fit the second-level cache.
GROUP = 8192

_WIDTH = np.uint64(6)
_ONE, _TWO, _THREE, _FOUR, _FIVE = (np.uint64(i) for i in range(1, 6))
_PERFECT = response_table([None] * (len(KINDS) + 1))


@fast
def fill(task: Task, first: int, last: int, b: Buffers, y: Any, ratio: Any) -> int:
    """Put all variants of the jets ``first … last - 1`` into the buffers; return their number.

    Turned variants have their rapidity in ``b.eta``, the others their η and a ratio of 1.
    """
    rows = task.x.reshape(-1)
    if not task.turns and task.angles.shape[1] == 1:
        n = task.ptr[last] - task.ptr[first]
        spread(rows, task.ptr[first], n, b.pt, b.eta, b.phi, b.mass, b.charge, b.pdgid, 0)
        return n
    end = 0
    for j in range(first, last):
        begin, n = task.ptr[j], task.ptr[j + 1] - task.ptr[j]
        centre_y = centre_phi = 0.0
        if task.turns:
            centre_y, centre_phi = place(task.x[begin : begin + n], task.about_jet, y, ratio)
        for v in range(task.angles.shape[1]):
            stop = end + n
            spread(rows, begin, n, b.pt, b.eta, b.phi, b.mass, b.charge, b.pdgid, end)
            b.ratio[end:stop] = np.float32(1)
            if task.angles[j, v] != 0.0:
                cos, sin = task.cos[j, v], task.sin[j, v]
                turn(y, centre_y, centre_phi, cos, sin, b.eta[end:stop], b.phi[end:stop])
                b.ratio[end:stop] = ratio[:n]
            end = stop
    return end


@fast
def observe(
    task: Task, table: ResponseTable, first: int, last: int, b: Buffers, n: int, cuts: bool
) -> None:
    """The response to the ``n`` particles of the jets ``first … last - 1``, in place."""
    draw(b.words, task.ptr, first, last, task.angles.shape[1], task.ids, *task.keys[0])
    eta, pt, kind, measured = b.eta[:n], b.pt[:n], b.kind[:n], b.measured[:n]
    if task.measures_energy:
        choose(pt, b.energy, kind, table.energy, measured)
    else:
        measured = pt
    normals(b.words[0], b.z[:n])
    if task.plain and not cuts:
        respond_alike(measured, kind, table, b.z, b.relative2, b.z2)
    else:
        figures(measured, eta, pt, kind, table, b.relative2, b.chance)
        respond(measured, b.relative2, b.z)
    if cuts:
        cut(measured, kind, table.minimum, b.words[3], b.chance, b.keep)
    if task.measures_energy:
        momenta(measured, eta, b.mass, kind, table.energy, pt)
    if task.renames:
        rename(kind, table.identity, b.charge, b.mass, b.pdgid)
    if task.shifts:
        normals(b.words[1], b.z[:n])
        normals(b.words[2], b.z2[:n])
        shift(eta, b.phi[:n], b.z, b.z2, kind, table.angles)


@fast
def absorb(
    task: Task, grid: GridTable, first: int, last: int, b: Buffers, n: int, cuts: bool,
    c: Buffers,
    ends: Any, sums: Any, words: Any, tops: Any,
) -> int:  # fmt: skip
    """Sum what the calorimeters absorb into the cells of ``c``; return their number."""
    locate(b.eta[:n], b.phi, b.kind, grid, b.number)
    leave(b.kind[:n], grid.of_kind, cuts, b.keep)
    value = b.measured[:n]
    choose(b.pt, b.energy, b.kind, grid.kind_energy, value)
    return gather(
        b.number, value, task.ptr, first, last, task.ids, sums, words, tops,
        c.number, c.measured, c.variant, c.jet_id, ends, task.angles.shape[1],
    )  # fmt: skip


@fast
def observe_cells(task: Task, grid: GridTable, c: Buffers, n: int) -> None:
    """Place the ``n`` cells, and apply their response."""
    number, kind, eta, measured = c.number[:n], c.kind[:n], c.eta[:n], c.measured[:n]
    describe(number, grid, kind, eta, c.phi, c.pdgid)
    if task.cells_smear:
        table, key = grid.response, task.keys[1]
        draw_each(number, c.variant, c.jet_id, key[0], key[1], c.words[0], c.words[3])
        normals(c.words[0], c.z[:n])
        figures(measured, eta, measured, kind, table, c.relative2, c.chance)
        respond(measured, c.relative2, c.z)
        cut(measured, kind, table.minimum, c.words[3], c.chance, c.keep)
    to_pt(measured, eta, kind, grid.energy, c.pt[:n])


@fast
def write(
    task: Task, first: int, last: int, b: Buffers, c: Buffers, ends: Any, out: Any, at: int,
    counts: Any,
) -> int:  # fmt: skip
    """Write each variant's tracks, then its cells, and how many they are; return the next row."""
    ptr, pt, eta, phi, mass, charge, pdgid = task.ptr, b.pt, b.eta, b.phi, b.mass, b.charge, b.pdgid
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
def run(
    task: Task, table: ResponseTable, grid: GridTable, start: int, stop: int, out: Any, counts: Any
) -> int:
    """Simulate the jets ``start … stop - 1`` into ``out`` from their first row on; return rows."""
    n_variants = task.angles.shape[1]
    size, longest = GROUP, 0
    for j in range(start, stop):
        longest = max(longest, task.ptr[j + 1] - task.ptr[j])
    size = max(size, longest * n_variants)
    b, c = buffers(size + 8), buffers(size + 8)
    y, ratio = np.empty(longest), np.empty(longest, np.float32)
    n_words = grid.first[-1] // 64 + 1
    sums, words = np.zeros(grid.first[-1]), np.zeros(n_words, np.uint64)
    tops, ends = np.zeros(n_words // 64 + 1, np.uint64), np.zeros(GROUP * n_variants, np.int64)
    absorbs = len(grid.rows) > 0
    at = origin = task.ptr[start] * n_variants
    first = start
    while first < stop:
        last, n = first, 0
        while last < stop and last - first < GROUP:
            more = (task.ptr[last + 1] - task.ptr[last]) * n_variants
            if n + more > size:
                break
            n += more
            last += 1
        fill(task, first, last, b, y, ratio)
        neutrinos = classify(b.pdgid[:n], b.charge, b.kind)
        cuts = task.smears and (task.cuts or neutrinos > 0)
        if task.turns and task.about_jet:
            directions(b.ratio[:n], b.eta[:n])
        if task.sums_energy or task.measures_energy:
            energies(b.pt[:n], b.eta, b.mass, b.energy)
        if task.smears:
            observe(task, table, first, last, b, n, cuts)
        if absorbs:
            n_cells = absorb(task, grid, first, last, b, n, cuts, c, ends, sums, words, tops)
            observe_cells(task, grid, c, n_cells)
        if absorbs or cuts:
            at = write(task, first, last, b, c, ends, out, at, counts)
        else:
            unspread(b.pt, b.eta, b.phi, b.mass, b.charge, b.pdgid, n, out.reshape(-1), at)
            for j in range(first, last):
                counts[j] = task.ptr[j + 1] - task.ptr[j]
            at += n
        first = last
    return at - origin


def chain(
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
    """The kernels' counterpart of :func:`pyg_jets.detector.reference.chain`."""
    table = _PERFECT if responses is None else responses
    task = make_task(x, ptr, ids, angles, axis, responses, grid, keys)
    n_jets, n_variants = task.angles.shape
    out = np.empty((len(task.x) * n_variants, 6), np.float32)
    counts = np.zeros((n_jets, n_variants), np.int64)
    written: dict[int, int] = {}

    def work(start: int, stop: int) -> None:
        written[start] = run(task, table, grid, start, stop, out, counts)

    if n_jets:
        over_jets(work, task.ptr, threads, n_variants)
    end = 0
    for start in sorted(written):
        source = int(task.ptr[start]) * n_variants
        if source > end:
            move(out, end, source, written[start])
        end += written[start]
    out.resize((end, 6), refcheck=False)
    new_ptr = np.zeros(n_jets * n_variants + 1, np.int64)
    np.cumsum(counts.reshape(-1), out=new_ptr[1:])
    return torch.from_numpy(out), torch.from_numpy(new_ptr)
