"""`Features`: the inputs of a network for each particle, derived from the columns at hand."""

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
#: together with pT/pT_jet it determines the jet's η.
TAGGER_FEATURES = ("logptrel", "deltar", "etarel", "phirel")

# ParticleNet's fixed shifts and factors (arXiv 1902.08570, as in weaver).
_FIXED = {
    "logpt": (1.7, 0.7),
    "loge": (2.0, 0.7),
    "logptrel": (-4.7, 0.7),
    "logerel": (-4.7, 0.7),
    "deltar": (0.2, 4.0),
}
_CLIP = 5.0

#: Every feature that follows from the canonical columns, in order.
FEATURES = tuple(name for name in PARTICLE if derivable(name, CANONICAL))


class Features(BatchTransform):
    r"""Replace the columns ``x`` of each particle by the features that a network reads.

    Relative features refer to the E-scheme axis of the particles in ``x``, so after a detector each
    variant has its own axis. ``pos`` is recomputed with them.

    Args:
        names: The features, in order: any column of :data:`pyg_jets.columns.PARTICLE` that is at
            hand or follows from those that are (GeV, radians). From canonical columns follow
            ``rapidity, px, py, pz, e``, their logarithms, all relative ones such as ``ptrel,
            logptrel, etarel, phirel, deltar``, and the kinds ``isphoton, ismuon, …``.
        fixed: Whether to shift and scale the logarithms and ΔR by ParticleNet's fixed numbers, and
            to clip them to ±5 (arXiv 1902.08570), as weaver does; other features stay as they are.
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
        choices = [n for n in PARTICLE if derivable(n, self.columns, axis)]
        choices += [n for n in self.columns if n not in choices]
        self.names = check_names([names] if isinstance(names, str) else names, choices, "feature")
        if not self.names:
            raise InputError(f"Expected at least one feature: choose from {', '.join(choices)}.")
        self.fixed = fixed

    def forward(self, data: Data) -> Data:
        """Return a copy of ``data`` (one graph or a batch) with features as ``x``."""
        x, ptr = ragged(data)
        if x.size(1) != len(self.columns):
            remedy = "name those of x in columns="
            if self.columns == CANONICAL:
                remedy = "apply Features once, to canonical jets, or name its columns="
            raise InputError(
                f"Expected x with the {len(self.columns)} columns {', '.join(self.columns)}, but "
                f"it has {x.size(1)}: {remedy}."
            )
        at_hand = dict(zip(self.columns, x.unbind(-1), strict=True))
        particles = Derived(at_hand, ptr, axis=self.axis)
        features = [self._scale(name, particles[name]).to(x.dtype) for name in self.names]
        out = copy.copy(data)
        out.x = torch.stack(features, -1)
        if particles.can("etarel") and particles.can("phirel"):
            pos = [particles["etarel"].to(x.dtype), particles["phirel"].to(x.dtype)]
            out.pos = torch.stack(pos, -1)
        return out

    def _scale(self, name: str, value: Tensor) -> Tensor:
        if not self.fixed or name not in _FIXED:
            return value
        shift, factor = _FIXED[name]
        return ((value - shift) * factor).clamp(-_CLIP, _CLIP)

    def __repr__(self) -> str:
        extras = "" if self.fixed else ", fixed=False"
        extras += "" if self.axis == "jet" else f", axis={self.axis}"
        return f"Features({', '.join(self.names)}{extras})"
