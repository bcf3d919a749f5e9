"""Four-momenta of jets by the vector library, for what the layouts hold."""

from __future__ import annotations

import numpy as np
import vector

from pyg_jets import JetArray

__all__ = ["axes", "cartesian", "of_jets"]


def _vectors(jets: JetArray):
    return vector.array({n: jets.column(n).astype(float) for n in ("pt", "eta", "phi", "mass")})


def cartesian(jets: JetArray) -> dict[str, np.ndarray]:
    """px, py, pz, e of every particle, ``[N]`` float64."""
    p = _vectors(jets)
    return {"px": p.px, "py": p.py, "pz": p.pz, "e": p.E}


def of_jets(jets: JetArray) -> dict[str, np.ndarray]:
    """pt, eta, phi, mass, e of every jet, ``[J]`` float64; zeros for an empty one."""
    momenta = cartesian(jets)
    total = {n: np.array([part.sum() for part in np.split(v, jets.ptr[1:-1])])
             for n, v in momenta.items()}  # fmt: skip
    p = vector.array({"px": total["px"], "py": total["py"], "pz": total["pz"], "E": total["e"]})
    full = jets.counts > 0
    found = {"pt": p.pt, "eta": np.where(full, p.eta, 0), "phi": p.phi, "mass": p.mass, "e": p.E}
    return {name: np.asarray(value, float) for name, value in found.items()}


def axes(jets: JetArray) -> dict[str, np.ndarray]:
    """The same, repeated for every particle, ``[N]``."""
    return {name: np.repeat(value, jets.counts) for name, value in of_jets(jets).items()}
