"""The cells of calorimeters, as far as their geometry is public: which one a particle points to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.ops.kernel import kernel, use_inference_kernels

__all__ = ["CellLattice"]


class CellLattice(nn.Module):
    r"""Offset of a particle to the centre of the cell that it points to, for each kind of particle.

    Cells are rows in η, each cut into equal parts of the full turn in φ, from −π on.

    Args:
        kinds: Names of the kinds of particles.
        cells: For some of them ``{"eta": …, "phi": …}``. ``eta`` is the size of the rows, about
            η = 0 up to ``eta_max``, or their edges, rising; edges that begin at 0 are mirrored.
            ``phi`` is the number of cells in φ, or one number for each row (mirrored likewise).
        eta_max: The range of \|η\| of rows that are given by their size.

    Shapes:
        - **kind:** ``[N]`` int64, **eta**, **phi:** absolute (rad), ``[N]``
        - **output:** offsets in η and φ ``[N]`` each, 0 where there is no cell; whether there is
          one ``[N]``

    Raises:
        ValueError: For an unknown kind, or cells that do not make a lattice.

    Examples:
        >>> lattice = CellLattice(("isphoton",), {"isphoton": {"eta": 0.5, "phi": 64}})
        >>> eta, phi = torch.tensor([0.125, 9.0]), torch.tensor([0.0, 0.0])
        >>> offset, _, inside = lattice(torch.tensor([0, 0]), eta, phi)
        >>> offset.tolist(), inside.tolist()
        ([0.125, 0.0], [True, False])
    """

    def __init__(
        self,
        kinds: Sequence[str],
        cells: Mapping[str, Mapping[str, Any]] | None = None,
        eta_max: float = 3.0,
    ) -> None:
        super().__init__()
        self.kinds, self.cells, self.eta_max = tuple(kinds), dict(cells or {}), eta_max
        if unknown := set(self.cells) - set(kinds):
            raise InputError(
                f"Expected cells of the kinds {', '.join(kinds)}, but got {', '.join(unknown)}: "
                "name a kind that is among the network's columns."
            )
        for i, kind in enumerate(self.kinds):
            if kind in self.cells:
                edges, counts = self._rows(kind, self.cells[kind])
                self.register_buffer(f"edges_{i}", torch.tensor(edges), persistent=False)
                self.register_buffer(f"counts_{i}", torch.tensor(counts), persistent=False)

    def _rows(self, kind: str, cell: Mapping[str, Any]) -> tuple[list[float], list[float]]:
        if set(cell) != {"eta", "phi"}:
            raise InputError(f"Expected eta and phi of the cells of {kind}, but got {list(cell)}.")
        eta, phi = cell["eta"], cell["phi"]
        if not isinstance(eta, Sequence):
            half = math.ceil(self.eta_max / eta - 1e-9) if eta > 0 else 0
            eta = [float(eta) * i for i in range(-half, half + 1)]
        edges = [float(v) for v in eta]
        counts = [
            float(v) for v in (phi if isinstance(phi, Sequence) else [phi] * (len(edges) - 1))
        ]
        if edges and edges[0] == 0:
            edges, counts = [-v for v in edges[:0:-1]] + edges, counts[::-1] + counts
            if not isinstance(phi, Sequence):
                counts = counts[:1] * (len(edges) - 1)
        rises = all(a < b for a, b in itertools.pairwise(edges))
        if len(edges) < 2 or not rises or len(counts) != len(edges) - 1 or min(counts) < 1:
            raise InputError(
                f"Expected rising edges in eta of the cells of {kind}, and a number of cells in "
                f"phi for each of the {max(len(edges) - 1, 0)} rows, but got eta={cell['eta']} and "
                f"phi={cell['phi']}."
            )
        return edges, counts

    def forward(self, kind: Tensor, eta: Tensor, phi: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Offsets to the centre of each particle's cell, and whether it has one."""
        d_eta, d_phi = torch.zeros_like(eta), torch.zeros_like(phi)
        inside = torch.zeros_like(kind, dtype=torch.bool)
        for i, name in enumerate(self.kinds):
            if name not in self.cells:
                continue
            edges, counts = self.get_buffer(f"edges_{i}"), self.get_buffer(f"counts_{i}")
            if use_inference_kernels(eta, phi):
                tensors = kind, eta, phi, edges, counts, d_eta, d_phi, inside
                _offsets_kernel(i, *(t.contiguous().numpy() for t in tensors))
                continue
            row = torch.searchsorted(edges, eta.contiguous(), right=True) - 1
            here = (kind == i) & (row >= 0) & (row < len(counts))
            row = row.clamp(0, len(counts) - 1)
            width = 2 * math.pi / counts[row]
            column = torch.minimum(((phi + math.pi) / width).floor().clamp(min=0), counts[row] - 1)
            d_eta = torch.where(here, (edges[row] + edges[row + 1]) / 2 - eta, d_eta)
            d_phi = torch.where(here, (column + 0.5) * width - math.pi - phi, d_phi)
            inside = inside | here
        return d_eta, d_phi, inside

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.cells) or 'no cells'})"


@kernel(error_model="numpy")
def _offsets_kernel(which, kind, eta, phi, edges, counts, d_eta, d_phi, inside):
    """Offsets of the particles of a kind to the centres of their cells, where they have one."""
    pi, two, half = np.float32(math.pi), np.float32(2), np.float32(0.5)
    for i in range(len(kind)):
        if kind[i] != which:
            continue
        row = np.searchsorted(edges, eta[i], side="right") - 1
        if row < 0 or row >= len(counts):
            continue
        width = np.float32(2 * math.pi) / counts[row]
        column = min(max(np.floor((phi[i] + pi) / width), np.float32(0)), counts[row] - 1)
        d_eta[i] = (edges[row] + edges[row + 1]) / two - eta[i]
        d_phi[i] = (np.float32(column) + half) * width - pi - phi[i]
        inside[i] = True
