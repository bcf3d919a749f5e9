"""Each step of a detector as a function of its own: rotate, smear, sum into cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.detector.calorimeter import Calorimeter, Grid
from pyg_jets.detector.detector import Detector
from pyg_jets.detector.response import KINDS, Response
from pyg_jets.jets import JetArray

__all__ = ["cells", "rotate", "smear"]


def rotate(
    jets: JetArray,
    angles: int | Sequence[float] | np.ndarray = 8,
    axis: Literal["jet", "origin"] = "jet",
    threads: int | None = None,
) -> JetArray:
    r"""Rotate the particles of each jet about its axis in the plane of rapidity and azimuth.

    .. math::
        \begin{pmatrix} y' - y_J \\ \varphi' - \varphi_J \end{pmatrix} =
        \begin{pmatrix} \cos\alpha & -\sin\alpha \\ \sin\alpha & \cos\alpha \end{pmatrix}
        \begin{pmatrix} y - y_J \\ \varphi - \varphi_J \end{pmatrix}

    Each particle keeps its pT and its mass. This is no Lorentz transformation: it keeps the
    distances ΔR, but moves the jet's pT and mass a little (`docs/detector.md` has by how much).

    Source: arXiv 2311.05952.

    Args:
        jets: Jets with the canonical columns.
        angles: V for V equal steps of a turn, a sequence ``[V]`` or an array ``[J, V]`` (rad).
            At 0 a jet stays as it is, to the bit.
        axis: ``"jet"``, the (rapidity, φ) of the jet's momentum sum, or ``"origin"``, the point
            (0, 0) of the plane (η, φ), for the toys.
        threads: Number of threads at most. Default: torch's.

    Returns:
        The variants of jet 0, then those of jet 1, …, with the jet columns ``variant_of`` and
        ``angle``.

    Raises:
        ValueError: For missing columns, an unknown axis, or angles that do not fit.

    Examples:
        >>> from pyg_jets.columns import CANONICAL
        >>> jets = JetArray([[9, 1.0, 0.0, 0, 0, 22], [9, -1.0, 0.0, 0, 0, 22]], CANONICAL, [0, 2])
        >>> turned = rotate(jets, [np.pi / 2])
        >>> (turned.column("eta").round(3) + 0.0).tolist(), turned.column("phi").tolist()
        ([0.0, 0.0], [1.0, -1.0])
    """
    return Detector(axis=axis).simulate(jets, angles=angles, threads=threads)


def smear(
    jets: JetArray,
    response: Response | Mapping[str, Response],
    seed: int = 0,
    epoch: int = 0,
    threads: int | None = None,
) -> JetArray:
    r"""Measure each particle with a finite resolution, efficiency and threshold.

    .. math:: s' = s\, e^{b z_0 - b^2/2}, \quad b^2 = \log(1 + (\sigma/s)^2), \quad
        \eta' = \eta + \sigma_\eta z_1, \quad \varphi' = \varphi + \sigma_\varphi z_2

    with s the pT or the energy and z standard normals. The factor is log-normal with mean 1, so
    nothing turns negative. Neutrinos are dropped.

    Args:
        jets: Jets with the canonical columns.
        response: A :class:`~pyg_jets.detector.Response` for all particles, or one by kind
            (``charged_hadron, electron, muon, photon, neutral_hadron``); other kinds stay as
            they are.
        seed: Seed of the random numbers.
        epoch: Number of the epoch; another epoch has other random numbers.
        threads: Number of threads at most. Default: torch's.

    Returns:
        The same jets with the measured particles; a jet may be empty.

    Raises:
        ValueError: For missing columns or an unknown kind.

    Examples:
        >>> from pyg_jets.columns import CANONICAL
        >>> jets = JetArray([[9.0, 0.1, 0.2, 0.0, 0.0, 22.0]] * 3, CANONICAL, [0, 1, 3])
        >>> seen = smear(jets, {"photon": Response("energy", constant=0.1)}, seed=1)
        >>> seen
        JetArray(2 jets, 3 particles, columns=(pt, eta, phi, mass, charge, pdgid))
        >>> bool((seen.column("pt") != 9.0).all())
        True
    """
    by_kind = dict.fromkeys(KINDS, response) if isinstance(response, Response) else dict(response)
    check_names(by_kind, KINDS, "kind of particle")
    detector = Detector(**by_kind)  # type: ignore[arg-type]
    return _without_variants(detector.simulate(jets, seed, None, threads, epoch), jets)


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
        grid: The cells; absorbed particles outside are dropped.
        kinds: The kinds of particles that are absorbed. The others stay as they are.
        sums: What is summed: ``"energy"``, or ``"pt"`` for jets on a plane.
        response: Resolution and least energy of a cell's sum. Default: perfect.
        seed: Seed of the random numbers of the response.
        epoch: Number of the epoch; another epoch has other random numbers.
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
    return _without_variants(seen, jets)


def _without_variants(jets: JetArray, like: JetArray) -> JetArray:
    """``jets`` with the jet columns of ``like`` alone."""
    kept: dict[str, Any] = {name: jets.jets[name] for name in like.jets}
    return JetArray(jets.particles, jets.columns, jets.ptr, jets.labels, kept, jets.ids)
