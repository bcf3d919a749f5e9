"""Summing energy in the cells of a calorimeter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pyg_jets.detector.detector import Detector
from pyg_jets.detector.grid import Calorimeter, Grid
from pyg_jets.detector.response import Response
from pyg_jets.detector.rotate import without_variants
from pyg_jets.jets import JetArray

__all__ = ["cells"]


def cells(
    jets: JetArray,
    grid: Grid,
    kinds: Sequence[str] = ("photon", "neutral_hadron"),
    sums: Literal["energy", "pt"] = "energy",
    response: Response | None = None,
    seed: int = 0,
    epoch: int = 0,
    threads: int | None = None,
) -> JetArray:
    r"""Replace particles by massless ones at the centres of the laboratory cells that they hit.

    .. math:: E_\mathrm{cell} = \sum_{i \in \mathrm{cell}} E_i, \quad
        p_T = E_\mathrm{cell} / \cosh\eta_\mathrm{cell}

    Args:
        jets: Jets with the canonical columns.
        grid: The cells; what falls outside is dropped.
        kinds: The kinds of particles that are absorbed. The others stay as they are.
        sums: What is summed: ``"energy"``, or ``"pt"`` for jets on a plane.
        response: Resolution and least energy of a cell's sum. Default: perfect.
        seed: Seed of the random numbers of the response.
        epoch: Another epoch is another response.
        threads: Number of threads at most. Default: torch's.

    Returns:
        The same jets: first the particles that stay, in order, then the cells, by row and φ.

    Raises:
        ValueError: For missing columns or an unknown kind.

    Examples:
        >>> from pyg_jets.columns import CANONICAL
        >>> photons = [[9.0, 0.01, 0.0, 0, 0, 22], [1.0, 0.04, 0.1, 0, 0, 22]]
        >>> jets = JetArray(photons, CANONICAL, [0, 2])
        >>> cells(jets, Grid(0.05, 0.4)).column("eta").tolist()
        [0.02500000037252903]
    """
    calorimeter = Calorimeter(grid, tuple(kinds), sums, response)
    seen = Detector(calorimeters=(calorimeter,)).simulate(jets, seed, None, threads, epoch)
    return without_variants(seen, jets)
