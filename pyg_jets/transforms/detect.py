"""`Detect`: a jet before the detector, and the same jet after it as the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.detector import Detector
from pyg_jets.errors import InputError
from pyg_jets.ops import ptr_to_batch, segment_topk
from pyg_jets.transforms.base import BatchTransform, make_batch, ragged
from pyg_jets.transforms.derive import Derived, derivable

__all__ = ["Detect"]


class Detect(BatchTransform):
    """Give each jet's particles before (GEN) and after the detector (RECO), about one axis.

    The target is the same jet seen by a detector, not clustered again; coordinates of both are
    relative to the axis of GEN. A jet of which the detector sees nothing has an empty target.

    Args:
        detector: A :class:`~pyg_jets.detector.Detector`, or the name of a preset.
        names: Columns of both sets, of those that follow from the canonical ones, such as
            ``px, py, pz`` or ``pt, etarel, phirel``.
        seed: Seed of the detector.
        fixed: Whether every epoch sees the same response; else it is drawn anew.
        max_target: Keep so many particles of the target, the hardest. Default: all.
        max_particles: The same for GEN.

    Shapes:
        - input: ``x [N, 6]`` the canonical columns, ``jet_id [J]``
        - output: ``x [N', K]``, ``ptr``, ``x_target [M, K]``, ``x_target_ptr [J + 1]``,
          ``x_target_batch [M]``; ``axis [J, 3]``, the pT (GeV), η and φ of the GEN jet

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
    ):
        self.detector = Detector.preset(detector) if isinstance(detector, str) else detector
        self.name = detector if isinstance(detector, str) else repr(detector)
        known = [name for name in _COLUMNS if derivable(name, CANONICAL)]
        self.names = check_names(names, known, "column")
        self.seed, self.fixed, self.needs_epoch = seed, fixed, not fixed
        for what, most in (("max_target", max_target), ("max_particles", max_particles)):
            if most is not None and most < 1:
                raise InputError(f"Expected {what} of at least 1, but got {most}.")
        self.max_target, self.max_particles = max_target, max_particles

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
        seen, seen_ptr = self.detector.simulate_tensors(
            x, ptr, ids, torch.zeros(n_jets, 1, dtype=torch.float64, device=x.device),
            seed=self.seed, epoch=0 if self.fixed else self.epoch,
        )  # fmt: skip
        axis = Derived(_columns(x), ptr, axis=self.detector.axis)
        about = {name: axis[f"jet_{name}"] for name in ("pt", "eta", "phi")}
        x, ptr = _hardest(x, ptr, self.max_particles)
        seen, seen_ptr = _hardest(seen, seen_ptr, self.max_target)
        per_jet = {
            name: value
            for name, value in data.to_dict().items()
            if name not in ("x", "pos", "batch", "ptr") and len(value) == n_jets
        }
        per_jet["axis"] = torch.stack(list(about.values()), -1).float()
        batch = make_batch({"x": self._made(x, ptr, about)}, per_jet, ptr)
        batch.x_target, batch.x_target_ptr = self._made(seen, seen_ptr, about), seen_ptr
        batch.x_target_batch = ptr_to_batch(seen_ptr)
        batch._slice_dict["x_target"] = seen_ptr.cpu()
        batch._inc_dict["x_target"] = torch.zeros(n_jets, dtype=torch.int64)
        return batch

    def for_evaluation(self) -> Detect:
        """Itself: pairs are made of all jets."""
        return self

    def _made(self, x: Tensor, ptr: Tensor, about: dict[str, Any]) -> Tensor:
        particles = Derived(_columns(x), ptr, about, self.detector.axis)
        return torch.stack([particles[name].to(x.dtype) for name in self.names], -1)

    def __repr__(self) -> str:
        return f"Detect({self.name}, {', '.join(self.names)}, seed={self.seed})"


#: What networks take of both sets.
_COLUMNS = ("pt", "eta", "phi", "mass", "px", "py", "pz", "e", "ptrel", "etarel", "phirel",
            "logpt", "logptrel", "erel", "deltar", "charge")  # fmt: skip


def _columns(x: Tensor) -> dict[str, Tensor]:
    return dict(zip(CANONICAL, x.unbind(-1), strict=True))


def _hardest(x: Tensor, ptr: Tensor, most: int | None) -> tuple[Tensor, Tensor]:
    """The hardest particles of each jet, in falling pT; all of them, as they are, for ``None``."""
    if most is None:
        return x, ptr
    rows, kept = segment_topk(x[:, 0], ptr, most)
    return x[rows], kept
