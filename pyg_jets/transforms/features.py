"""`Features`: what a network reads of each particle, made from the canonical columns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from pyg_jets import kinematics
from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.transforms.batch import ragged
from pyg_jets.transforms.particles import Particles

__all__ = ["FEATURES", "TAGGER_FEATURES", "Features"]

#: The inputs of a tagger: invariant under a shift of the jet in η and φ and a change of its pT, so
#: that a network learns substructure, not how the jets were produced. E/E_jet is left out since
#: together with pT/pT_jet it tells the jet's η.
TAGGER_FEATURES = ("logptrel", "deltar", "etarel", "phirel")

# ParticleNet's fixed shifts and factors (arXiv 1902.08570, as weaver ships them).
_FIXED = {
    "logpt": (1.7, 0.7),
    "loge": (2.0, 0.7),
    "logptrel": (-4.7, 0.7),
    "logerel": (-4.7, 0.7),
    "deltar": (0.2, 4.0),
}
_CLIP = 5.0
_FLOOR = 1e-12


def _log(value: Tensor) -> Tensor:
    return value.clamp_min(_FLOOR).log()


_MAKERS: dict[str, Callable[[Particles], Tensor]] = {
    **{name: partial(Particles.column, name=name) for name in CANONICAL},
    "rapidity": lambda p: kinematics.rapidity(p.column("pt"), p.column("eta"), p.column("mass")),
    "px": lambda p: p.momentum[0],
    "py": lambda p: p.momentum[1],
    "pz": lambda p: p.momentum[2],
    "e": lambda p: p.momentum[3],
    "logpt": lambda p: _log(p.column("pt")),
    "loge": lambda p: _log(p.momentum[3]),
    "ptrel": lambda p: p.column("pt") / p.jet[0].clamp_min(_FLOOR),
    "erel": lambda p: p.momentum[3] / p.jet[3].clamp_min(_FLOOR),
    "logptrel": lambda p: _log(p.column("pt") / p.jet[0].clamp_min(_FLOOR)),
    "logerel": lambda p: _log(p.momentum[3] / p.jet[3].clamp_min(_FLOOR)),
    "etarel": lambda p: p.pos[:, 0],
    "phirel": lambda p: p.pos[:, 1],
    "deltar": lambda p: kinematics.delta_r(*p.pos.unbind(-1), *torch.zeros_like(p.pos).unbind(-1)),
}

#: Every feature there is, in order.
FEATURES = tuple(_MAKERS)


class Features(BaseTransform):
    r"""Replace the canonical columns of each particle by the features that a network reads.

    Relative features refer to the E-scheme axis of the particles at hand, so after a detector they
    are those of each variant. ``pos`` is recomputed with them.

    Args:
        names: The features, in order: ``pt, eta, phi, mass, charge, pdgid, rapidity, px, py, pz, e,
            logpt, loge, ptrel, erel, logptrel, logerel, etarel, phirel, deltar`` (GeV, radians).
        fixed: Shift and scale the logarithms and ΔR by ParticleNet's fixed figures and clip all to
            ±5 (arXiv 1902.08570), as weaver does; other features stay as they are.
        axis: ``"jet"``, the E-scheme axis, or ``"origin"`` for jets on a plane (the toys).
        columns: The columns that ``x`` holds on entry.

    Shapes:
        - input: ``x [N, len(columns)]``
        - output: ``x [N, len(names)]``, ``pos [N, 2]``

    Examples:
        >>> from pyg_jets.events import toy
        >>> data = toy.generate(2, seed=1).to_pyg("origin")[0]
        >>> Features(["eta", "phi", "pt"], fixed=False, axis="origin")(data).x.shape[1]
        3
    """

    def __init__(
        self,
        names: Sequence[str] = TAGGER_FEATURES,
        fixed: bool = True,
        axis: str = "jet",
        columns: Sequence[str] = CANONICAL,
    ):
        self.names = check_names([names] if isinstance(names, str) else names, FEATURES, "feature")
        if not self.names:
            raise ValueError(f"Expected at least one feature: choose from {', '.join(FEATURES)}.")
        (self.axis,) = check_names((axis,), ("jet", "origin"), "axis")
        self.fixed = fixed
        self.columns = tuple(columns)

    def forward(self, data: Data) -> Data:
        """Return a copy of ``data`` (one graph or a batch) with features as ``x``."""
        x, ptr = ragged(data)
        if x.size(1) != len(self.columns):
            raise ValueError(
                f"Expected x with the columns {', '.join(self.columns)}, but it has {x.size(1)}: "
                "apply Features once, to canonical jets, or name its columns=."
            )
        particles = Particles(x, ptr, self.columns, self.axis)
        made = [self._scaled(name, _MAKERS[name](particles)) for name in self.names]
        out = copy.copy(data)
        out.x = torch.stack([value.to(x.dtype) for value in made], -1)
        out.pos = particles.pos.to(x.dtype)
        return out

    def _scaled(self, name: str, value: Tensor) -> Tensor:
        if not self.fixed:
            return value
        shift, factor = _FIXED.get(name, (0.0, 1.0))
        scaled = (value - shift) * factor
        return scaled.clamp(-_CLIP, _CLIP) if name in _FIXED else scaled

    def __repr__(self) -> str:
        extras = "" if self.fixed else ", fixed=False"
        extras += "" if self.axis == "jet" else f", axis={self.axis}"
        return f"Features({', '.join(self.names)}{extras})"
