r"""What a detector leaves exactly, and a continuous output never meets.

A detector that measures the momentum of a track keeps its direction, and one that sums energies
into cells gives them the positions of cells. A classifier that reads these tells any network with a
continuous output from the detector with an AUC of 1. A table of two-sample tests therefore names
them, and either shows that they are met, with these observables, or hides them from the classifier
(:func:`pyg_jets.training.two_sample.lattice_blur`).
"""

from __future__ import annotations

import numpy as np
import torch

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.metrics.generation import JetSample
from pyg_jets.ops import nearest

__all__ = ["exact_share", "lattice_coherence"]


def exact_share(reco: JetSample, gen: JetSample, tolerance: float = 1e-5) -> np.ndarray:
    r"""Share of the particles of each jet that are exactly where a particle of GEN is.

    With the tracks of both it is 1 for a detector that keeps directions, and 0 for any network that
    displaces tracks without a point mass at no displacement.

    Args:
        reco: Particles after the response, such as its tracks.
        gen: Particles before, of the same jets in the same order.
        tolerance: Largest distance :math:`\sqrt{\Delta\eta^2 + \Delta\varphi^2}`, above rounding in
            float32. Default: 1e-5.

    Returns:
        ``[J]`` float64; 0 for a jet without particles.

    Raises:
        InputError: If there are not as many jets in both, or the tolerance is below 0.

    Examples:
        >>> gen = JetSample([[3.0, 0.1, 0.1], [1.0, 0.2, 0.0]], [0, 2])
        >>> exact_share(JetSample([[2.9, 0.1, 0.1], [1.0, 0.21, 0.0]], [0, 2]), gen).tolist()
        [0.5]
    """
    if len(reco) != len(gen):
        raise InputError(
            f"Expected a jet before for each jet after, but got {len(gen)} and {len(reco)}."
        )
    if not tolerance >= 0:
        raise InputError(f"Expected a tolerance of 0 or more, but got {tolerance}.")
    places = [torch.from_numpy(np.ascontiguousarray(jets.x[:, 1:])) for jets in (reco, gen)]
    pointers = [torch.from_numpy(jets.ptr) for jets in (reco, gen)]
    match, _ = nearest(places[0], pointers[0], places[1], pointers[1])
    at = match.numpy()
    exact = np.zeros(len(at))
    has = at >= 0
    apart = reco.x[has, 1:] - gen.x[at[has], 1:]
    zero = np.zeros(len(apart))
    exact[has] = kinematics.delta_r(apart[:, 0], apart[:, 1], zero, zero) <= tolerance
    counts = np.diff(reco.ptr)
    return kinematics.jet_sum(exact, reco.ptr) / np.maximum(counts, 1)


def lattice_coherence(jets: JetSample, pitch: float, coordinate: str = "phi") -> np.ndarray:
    r"""How far the particles of each jet are on a lattice of a given pitch, wherever it begins.

    .. math:: \frac{|\sum_i e^{2\pi i\, x_i / a}|^2 - n}{n (n - 1)}
        = \Big\langle \cos \frac{2\pi (x_i - x_j)}{a} \Big\rangle_{i \ne j}

    for the pitch a. It is 1 if all differences are multiples of the pitch, as for the cells of a
    detector in coordinates relative to any axis, and 0 on average for a continuous output.

    Args:
        jets: Particles, such as the cells of one calorimeter.
        pitch: The width of a cell (rad, or η).
        coordinate: ``"eta"`` or ``"phi"``. Default: ``"phi"``.

    Returns:
        ``[J]`` float64; 0 for a jet of fewer than two particles.

    Raises:
        InputError: If the pitch is not above 0, or the coordinate is another.

    Examples:
        >>> jets = JetSample([[1, 0.3, 0.013], [1, 0.1, 0.053], [1, 0.2, 0.073]], [0, 3])
        >>> lattice_coherence(jets, 0.02).round(6).tolist()
        [1.0]
    """
    if not pitch > 0:
        raise InputError(f"Expected a pitch above 0, but got {pitch}.")
    if coordinate not in ("eta", "phi"):
        raise InputError(f"Expected the coordinate 'eta' or 'phi', but got {coordinate!r}.")
    phase = 2 * np.pi / pitch * jets.x[:, 1 + (coordinate == "phi")]
    real, imaginary = (kinematics.jet_sum(wave(phase), jets.ptr) for wave in (np.cos, np.sin))
    counts = np.diff(jets.ptr)
    pairs = np.maximum(counts * (counts - 1), 1)
    return np.where(counts > 1, (real**2 + imaginary**2 - counts) / pairs, 0.0)
