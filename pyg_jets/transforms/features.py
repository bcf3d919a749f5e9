"""`Features`: what a network reads of each particle, made from the columns at hand."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_jets.columns import CANONICAL, PARTICLE, check_names
from pyg_jets.errors import InputError
from pyg_jets.transforms.base import BatchTransform, ragged
from pyg_jets.transforms.derive import Derived, derivable

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

#: Every feature that the canonical columns give, in order.
FEATURES = tuple(name for name in PARTICLE if derivable(name, CANONICAL))


class Features(BatchTransform):
    r"""Replace the columns of each particle by the features that a network reads.

    Relative features refer to the E-scheme axis of the particles at hand, so after a detector they
    are those of each variant. ``pos`` is recomputed with them.

    Args:
        names: The features, in order: any column of :data:`pyg_jets.columns.PARTICLE` that is at
            hand or follows from those that are (GeV, radians). From canonical columns follow
            ``rapidity, px, py, pz, e``, their logarithms, all relative ones such as ``ptrel,
            logptrel, etarel, phirel, deltar``, and the kinds ``isphoton, ismuon, …``.
        fixed: Shift and scale the logarithms and ΔR by ParticleNet's fixed figures and clip all to
            ±5 (arXiv 1902.08570), as weaver does; other features stay as they are.
        axis: ``"jet"``, the E-scheme axis, or ``"origin"`` for jets on a plane (the toys).
        columns: The columns that ``x`` holds on entry.

    Shapes:
        - input: ``x [N, len(columns)]``
        - output: ``x [N, len(names)]``, ``pos [N, 2]``

    Raises:
        ValueError: For a feature that does not follow from the columns.

    Examples:
        >>> from pyg_jets.events import toy
        >>> data = toy.generate(2, seed=1).to_pyg("origin")[0]
        >>> Features(["eta", "phi", "pt"], fixed=False, axis="origin")(data).x.shape[1]
        3
    """

    makes_features = True

    def __init__(
        self,
        names: Sequence[str] = TAGGER_FEATURES,
        fixed: bool = True,
        axis: str = "jet",
        columns: Sequence[str] = CANONICAL,
    ):
        self.columns = self.input_columns = tuple(columns)
        (self.axis,) = check_names((axis,), ("jet", "origin"), "axis")
        known = [n for n in PARTICLE if derivable(n, self.columns, axis)]
        known += [n for n in self.columns if n not in known]
        self.names = check_names([names] if isinstance(names, str) else names, known, "feature")
        if not self.names:
            raise InputError(f"Expected at least one feature: choose from {', '.join(known)}.")
        self.fixed = fixed

    def forward(self, data: Data) -> Data:
        """Return a copy of ``data`` (one graph or a batch) with features as ``x``."""
        x, ptr = ragged(data)
        if x.size(1) != len(self.columns):
            raise InputError(
                f"Expected x with the columns {', '.join(self.columns)}, but it has {x.size(1)}: "
                "apply Features once, to canonical jets, or name its columns=."
            )
        at_hand = dict(zip(self.columns, x.unbind(-1), strict=True))
        particles = Derived(at_hand, ptr, axis=self.axis)
        made = [self._scaled(name, particles[name]) for name in self.names]
        out = copy.copy(data)
        out.x = torch.stack([value.to(x.dtype) for value in made], -1)
        if particles.can("etarel") and particles.can("phirel"):
            pos = [particles["etarel"].to(x.dtype), particles["phirel"].to(x.dtype)]
            out.pos = torch.stack(pos, -1)
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
