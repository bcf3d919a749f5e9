"""`Detect`: a jet before the detector, and the same jet after it as the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_jets.columns import CANONICAL, KINDS, check_names
from pyg_jets.detector import Detector, Pileup
from pyg_jets.detector.random import uniforms
from pyg_jets.errors import InputError
from pyg_jets.ops import ptr_to_batch, segment_topk
from pyg_jets.transforms.base import BatchTransform, make_batch, ragged
from pyg_jets.transforms.derive import Derived, derivable

__all__ = ["Detect"]

#: The columns that a network may read of both particle sets.
_COLUMNS = ("pt", "eta", "phi", "mass", "px", "py", "pz", "e", "ptrel", "etarel", "phirel",
            "logpt", "loge", "logptrel", "erel", "deltar", "charge", *KINDS)  # fmt: skip


class Detect(BatchTransform):
    """Pairs of each jet's particles before (GEN) and after the detector (RECO), about one axis.

    The target is the same jet after the detector, not clustered again; relative coordinates of both
    refer to the axis of GEN. If the detector sees no particle of a jet, its target is empty.

    Args:
        detector: A :class:`~pyg_jets.detector.Detector`, or the name of a preset.
        names: Columns of both sets (GeV, radians) that follow from the canonical ones, such as
            ``px, py, pz`` or ``pt, etarel, phirel``; with kinds such as ``isphoton``, ``charge``,
            ``e`` and the absolute ``eta`` and ``phi``, all that a detector knows of a particle.
        seed: Seed of the detector.
        fixed: Whether every epoch has the same response; else it is drawn anew.
        max_target: Keep at most this number of particles of the target, the hardest ones.
            Default: all.
        max_particles: Keep at most this number of particles of GEN, the hardest ones. Default: all.
        pileup: :class:`~pyg_jets.detector.Pileup` that RECO has and GEN has not.
        common_scale: Width of a log-normal factor of mean 1, by which the momenta of all RECO
            particles of a jet are multiplied: an energy scale that they have in common.

    Shapes:
        - input: ``x [N, 6]`` the canonical columns, ``jet_id [J]``
        - output: ``x [N', K]``, ``ptr``, ``x_target [M, K]``, ``x_target_ptr [J + 1]``,
          ``x_target_batch [M]``; ``axis [J, 3]``, the pT (GeV), η and φ of the GEN jet;
          ``common_scale [J]``, the factor, if there is one

    Raises:
        ValueError: For other columns, or particles that are not canonical.

    Examples:
        >>> from pyg_jets import JetArray
        >>> jets = JetArray([[9.0, 0.1, 0.2, 0.0, 0.0, 22.0]], CANONICAL, [0, 1])
        >>> batch = Detect("cms-like", ["pt", "etarel", "phirel"])(jets.to_pyg()[0])
        >>> batch.x.shape, batch.x_target_ptr.tolist()
        (torch.Size([1, 3]), [0, 1])
    """

    pairs = True
    makes_features = True
    input_columns = CANONICAL
    detector: Detector

    def __init__(
        self,
        detector: Detector | str = "cms-like",
        names: Sequence[str] = ("px", "py", "pz"),
        seed: int = 0,
        fixed: bool = False,
        max_target: int | None = None,
        max_particles: int | None = None,
        pileup: Pileup | None = None,
        common_scale: float = 0.0,
    ):
        self.detector = Detector.preset(detector) if isinstance(detector, str) else detector
        self.name = detector if isinstance(detector, str) else repr(detector)
        choices = [name for name in _COLUMNS if derivable(name, CANONICAL)]
        self.names = check_names(names, choices, "column")
        self.seed, self.fixed, self.needs_epoch = seed, fixed, not fixed
        self.pileup = pileup
        for name, count in (("max_target", max_target), ("max_particles", max_particles)):
            if count is not None and count < 1:
                raise InputError(f"Expected {name} of at least 1, but got {count}.")
        self.max_target, self.max_particles = max_target, max_particles
        if not 0 <= common_scale < 1:
            raise InputError(f"Expected common_scale from 0 to below 1, but got {common_scale}.")
        self.common_scale = common_scale

    def forward(self, data: Data) -> Batch:
        """Return the pairs of ``data`` (one graph or a batch)."""
        x, ptr = ragged(data)
        if x.size(1) != len(CANONICAL):
            raise InputError(
                f"Expected x with the columns {', '.join(CANONICAL)}, but it has {x.size(1)}: "
                "take a data set that keeps canonical columns of before the detector."
            )
        n_jets = len(ptr) - 1
        ids = data.jet_id.reshape(-1) if "jet_id" in data else torch.arange(n_jets)
        reco, reco_ptr = self.detector.simulate_tensors(
            x, ptr, ids, torch.zeros(n_jets, 1, dtype=torch.float64, device=x.device),
            seed=self.seed, epoch=0 if self.fixed else self.epoch, pileup=self.pileup,
        )  # fmt: skip
        gen = Derived(_named_columns(x), ptr, axis=self.detector.axis)
        axis = {name: gen[f"jet_{name}"] for name in ("pt", "eta", "phi")}
        x, ptr = _hardest(x, ptr, self.max_particles)
        reco, reco_ptr = _hardest(reco, reco_ptr, self.max_target)
        per_jet = {
            name: value
            for name, value in data.to_dict().items()
            if name not in ("x", "pos", "batch", "ptr") and len(value) == n_jets
        }
        per_jet["axis"] = torch.stack(list(axis.values()), -1).float()
        if self.common_scale:
            per_jet["common_scale"] = scale = self._common_scale(ids)
            columns = [CANONICAL.index("pt"), CANONICAL.index("mass")]
            reco = reco.clone()
            reco[:, columns] *= scale.repeat_interleave(reco_ptr.diff()).unsqueeze(1)
        batch = make_batch({"x": self._select_columns(x, ptr, axis)}, per_jet, ptr)
        batch.x_target = self._select_columns(reco, reco_ptr, axis)
        batch.x_target_ptr, batch.x_target_batch = reco_ptr, ptr_to_batch(reco_ptr)
        batch._slice_dict["x_target"] = reco_ptr.cpu()
        batch._inc_dict["x_target"] = torch.zeros(n_jets, dtype=torch.int64)
        return batch

    def for_evaluation(self) -> Detect:
        """Itself: pairs are made of all jets."""
        return self

    def _select_columns(self, x: Tensor, ptr: Tensor, axis: dict[str, Any]) -> Tensor:
        """The columns ``names`` of particles, relative to the given axes."""
        particles = Derived(_named_columns(x), ptr, axis, self.detector.axis)
        return torch.stack([particles[name].to(x.dtype) for name in self.names], -1)

    def _common_scale(self, ids: Tensor) -> Tensor:
        """A factor of each jet, a function of seed, epoch and the jet's id."""
        epoch = 0 if self.fixed else self.epoch
        first, second = uniforms(ids, 2, self.seed, epoch).unbind(1)
        normal = (-2 * (1 - first).log()).sqrt() * (2 * torch.pi * second).cos()  # Box, Muller
        width = self.common_scale
        return (width * normal - width**2 / 2).exp().float()

    def __repr__(self) -> str:
        extras = f", pileup={self.pileup!r}" if self.pileup else ""
        extras += f", common_scale={self.common_scale}" if self.common_scale else ""
        return f"Detect({self.name}, {', '.join(self.names)}, seed={self.seed}{extras})"


def _named_columns(x: Tensor) -> dict[str, Tensor]:
    return dict(zip(CANONICAL, x.unbind(-1), strict=True))


def _hardest(x: Tensor, ptr: Tensor, count: int | None) -> tuple[Tensor, Tensor]:
    """The ``count`` hardest particles of each jet, in falling pT; all, in their order, for None."""
    if count is None:
        return x, ptr
    rows, kept = segment_topk(x[:, 0], ptr, count)
    return x[rows], kept
