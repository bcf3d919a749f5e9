"""The observables of a jet from its constituents: momentum, masses, soft drop, N-subjettiness."""

from __future__ import annotations

import numpy as np

from pyg_jets import kinematics
from pyg_jets.columns import JET, OBSERVABLES
from pyg_jets.errors import InputError
from pyg_jets.events import clustering
from pyg_jets.jets import JetArray
from pyg_jets.ops.kernel import over_jets

__all__ = ["SOFT_DROP_Z", "substructure"]

#: The least share of pT of the softer branch in soft drop.
SOFT_DROP_Z = 0.1


def substructure(
    jets: JetArray, radius: float = 0.8, threads: int | None = None
) -> dict[str, np.ndarray]:
    r"""Compute every observable of :data:`pyg_jets.columns.OBSERVABLES` for each jet.

    Momenta are E-scheme sums in float64. The soft-drop mass (arXiv 1402.2657) declusters a
    Cambridge/Aachen tree until :math:`\min(p_{T1}, p_{T2}) > 0.1\,(p_{T1} + p_{T2})`, that is
    :math:`\beta = 0`. N-subjettiness (arXiv 1011.2268) is

    .. math:: \tau_N = \sum_i p_{T,i} \min_k \Delta R_{ik} \big/ \sum_i p_{T,i}

    with :math:`\Delta R` in rapidity and azimuth about the N exclusive-kt subjets (E-scheme), and
    no factor R. A jet of N particles or fewer has :math:`\tau_N = 0`, an empty jet has zeros
    everywhere.

    Args:
        jets: Jets with ``pt, eta, phi`` and, unless massless, ``mass`` (GeV, rad).
        radius: Radius of the jets. It enters none of these observables (soft drop with
            :math:`\beta = 0` and :math:`\tau_N` without R0); it must be above 0. Default: 0.8.
        threads: Number of threads at most. Default: see :func:`pyg_jets.ops.kernel.over_jets`.

    Returns:
        One array ``[J]`` for each observable, float32 (``multiplicity`` int64).

    Raises:
        ValueError: If a column is missing, or the radius is not above 0.

    Examples:
        >>> jets = JetArray([[50.0, 0.2, 0.0], [50.0, -0.2, 0.0]], ("pt", "eta", "phi"), [0, 2, 2])
        >>> found = substructure(jets)
        >>> found["pt"].tolist(), found["tau1"].round(3).tolist(), found["tau2"].tolist()
        ([100.0, 0.0], [0.2..., 0.0], [0.0, 0.0])
    """
    if not radius > 0:
        raise InputError(f"Expected a radius above 0, but got {radius!r}.")
    momenta = _momenta(jets)
    summed = kinematics.jet_sum(momenta, jets.ptr)
    pt, eta, phi, mass = kinematics.to_cylindrical(*summed.T)
    massless = summed.copy()
    massless[:, 3] = kinematics.jet_sum(np.sqrt((momenta[:, :3] ** 2).sum(-1)), jets.ptr)
    softdrop, taus = np.zeros(len(jets)), np.zeros((len(jets), clustering.MAX_AXES))

    def run(start: int, stop: int) -> None:
        clustering.groom(momenta, ptr, start, stop, SOFT_DROP_Z, softdrop)
        clustering.subjettiness(momenta, ptr, start, stop, taus)

    ptr = np.array(jets.ptr)
    over_jets(run, ptr, threads)
    found = {
        "pt": pt,
        "eta": eta,
        "rapidity": kinematics.rapidity(pt, eta, mass),
        "phi": np.where(phi >= np.pi, -np.pi, phi),
        "mass": mass,
        "massless_mass": kinematics.to_cylindrical(*massless.T)[3],
        "softdrop_mass": softdrop,
        **{f"tau{n + 1}": taus[:, n] for n in range(clustering.MAX_AXES)},
        "multiplicity": jets.counts,
    }
    return {name: found[name].astype(JET[f"gen_{name}"].dtype) for name in OBSERVABLES}


def _momenta(jets: JetArray) -> np.ndarray:
    pt, eta, phi = (jets.column(name).astype(np.float64) for name in ("pt", "eta", "phi"))
    mass = jets.column("mass").astype(np.float64) if "mass" in jets.columns else np.zeros_like(pt)
    return np.ascontiguousarray(np.stack(kinematics.to_cartesian(pt, eta, phi, mass), -1))
