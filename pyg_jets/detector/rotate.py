"""Turning jets about their axis before the detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pyg_jets.detector.detector import Detector
from pyg_jets.jets import JetArray

__all__ = ["rotate"]


def rotate(
    jets: JetArray,
    angles: int | Sequence[float] | np.ndarray = 8,
    axis: Literal["jet", "origin"] = "jet",
    threads: int | None = None,
) -> JetArray:
    r"""Turn the particles of each jet about its axis in the plane of rapidity and azimuth.

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


def without_variants(jets: JetArray, like: JetArray) -> JetArray:
    """``jets`` with the jet columns of ``like`` alone, where nothing was turned."""
    kept: dict[str, Any] = {name: jets.jets[name] for name in like.jets}
    return JetArray(jets.particles, jets.columns, jets.ptr, jets.labels, kept, jets.ids)
