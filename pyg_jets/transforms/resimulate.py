"""`Resimulate`: each jet's rotated variants as a detector sees them, made on the fly."""

from __future__ import annotations

import copy
import math
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.detector import Detector, Pileup, rotate_image
from pyg_jets.detector.random import uniforms
from pyg_jets.errors import InputError
from pyg_jets.jets import JetArray
from pyg_jets.transforms.base import BatchTransform, make_batch, ragged
from pyg_jets.transforms.derive import positions

__all__ = ["Resimulate"]

_STRUCTURE = ("x", "pos", "batch", "ptr")


class Resimulate(BatchTransform):
    """Rotate each jet before the detector, and simulate the detector for every variant anew.

    Variants of a jet stand together; ``variant_of`` is the index of their jet in the incoming
    batch, ``angle`` their rotation. Random numbers depend on ``(seed, epoch, jet_id, variant,
    particle)`` alone, so neither the order of the batch nor the number of workers changes a jet.

    Source: arXiv 2311.05952.

    Args:
        detector: A :class:`~pyg_jets.detector.Detector`, or the name of a preset.
        angles: How many variants, at equal steps over the full turn and starting un-rotated, or
            ``"random"``: fresh angles, and a fresh response of the detector, every epoch.
        variants: Number of variants with ``angles="random"``.
        seed: Seed of the detector and of the random angles.
        rotate: ``"before"`` the detector; or ``"after"`` it, by interpolation of the un-rotated
            jet's image (:func:`~pyg_jets.detector.rotate_image`). The latter is what can be done
            with jets that were measured, and it leaves artefacts.
        image: Whether every variant becomes an image, its particles the pixels that are not zero;
            rotation after the detector always gives images. For jets on a plane the cells already
            are the pixels.
        radius: Half the width of an image about the jet axis; 1 for jets on a plane.
        pileup: :class:`~pyg_jets.detector.Pileup` that is laid over each jet before it is rotated;
            with random angles it is drawn anew every epoch.

    Shapes:
        - input: ``x [N, 6]`` the canonical columns, ``jet_id [J]``
        - output: ``x [M, 6]``, ``pos [M, 2]``, all else with a row for each variant, ``[J * V]``

    Examples:
        >>> from pyg_jets.events import toy
        >>> from torch_geometric.data import Batch
        >>> batch = Batch.from_data_list(list(toy.generate(3, seed=1).to_pyg("origin")))
        >>> variants = Resimulate("toy-uniform", angles=8)(batch)
        >>> variants.num_graphs, variants.variant_of[:9].tolist()
        (24, [0, 0, 0, 0, 0, 0, 0, 0, 1])
    """

    input_columns = CANONICAL
    detector: Detector

    def __init__(
        self,
        detector: Detector | str = "cms-like",
        angles: int | Literal["random"] = 8,
        variants: int = 8,
        seed: int = 0,
        rotate: Literal["before", "after"] = "before",
        image: bool = False,
        radius: float = 0.8,
        pileup: Pileup | None = None,
    ):
        (self.rotate,) = check_names((rotate,), ("before", "after"), "moment to rotate")
        self.image, self.radius = image or rotate == "after", radius
        if not 0 < radius < math.inf:
            raise InputError(f"Expected a positive radius of the image, but got {radius}.")
        self.detector = Detector.preset(detector) if isinstance(detector, str) else detector
        self.name = detector if isinstance(detector, str) else repr(detector)
        count = variants if angles == "random" else angles
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InputError(
                f"Expected angles as a number of variants of at least 1, or 'random', but got "
                f"angles={angles!r}, variants={variants!r}."
            )
        self.angles, self.variants, self.seed = angles, count, seed
        self.pileup = pileup
        self.needs_epoch = angles == "random"

    def forward(self, data: Data) -> Batch:
        """Return the variants of ``data`` (one graph or a batch), those of a jet together."""
        x, ptr = ragged(data)
        if x.size(1) != len(CANONICAL):
            raise InputError(
                f"Expected x with the columns {', '.join(CANONICAL)}, but it has {x.size(1)}: "
                "re-simulate before Features, and from a data set that keeps canonical columns."
            )
        n_jets = len(ptr) - 1
        ids = data.jet_id if "jet_id" in data else torch.arange(n_jets, device=x.device)
        epoch = self.epoch if self.needs_epoch else 0
        angles = self._angles(ids, epoch)
        out, out_ptr = self._simulate(x, ptr, ids.reshape(-1), angles, epoch)
        per_jet = self._repeat(data, n_jets)
        per_jet["variant_of"] = torch.arange(n_jets, device=x.device).repeat_interleave(
            self.variants
        )
        per_jet["angle"] = angles.reshape(-1).float()
        pos = positions(out, out_ptr, CANONICAL, self.detector.axis)
        return make_batch({"x": out, "pos": pos}, per_jet, out_ptr)

    def for_evaluation(self) -> Resimulate:
        """The un-rotated jet as the detector sees it."""
        return self.with_angles(1)

    def with_angles(self, angles: int, rotate: str | None = None) -> Resimulate:
        """The same view at equal steps over the full turn, un-rotated first."""
        other = copy.copy(self)
        other.angles, other.variants, other.needs_epoch = angles, angles, False
        rotate = rotate or self.rotate
        (other.rotate,) = check_names((rotate,), ("before", "after"), "moment to rotate")
        return other

    def _simulate(
        self, x: Tensor, ptr: Tensor, ids: Tensor, angles: Tensor, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """The variants as particles ``[M, 6]`` and pointer ``[J * V + 1]``."""
        is_before = self.rotate == "before"
        angles_before = angles if is_before else torch.zeros_like(angles[:, :1])
        out, out_ptr = self.detector.simulate_tensors(
            x, ptr, ids, angles_before, seed=self.seed, epoch=epoch, pileup=self.pileup
        )
        angles_after = torch.zeros_like(angles.reshape(-1, 1)) if is_before else angles
        # where the cells are the pixels, the image of an un-rotated jet is what the detector gives
        if not self.image or (self.detector.sees_pixels and not angles_after.any()):
            return out, out_ptr
        images = rotate_image(
            JetArray(out.cpu().numpy(), CANONICAL, out_ptr.cpu().numpy()),
            angles_after.cpu().numpy(),
            self.detector.image,
            1.0 if self.detector.axis == "origin" else self.radius,
            self.detector.axis,
        )
        return (
            torch.tensor(images.particles, device=x.device),
            torch.tensor(images.ptr, device=x.device),
        )

    def _angles(self, ids: Tensor, epoch: int) -> Tensor:
        """The angle of each variant, ``[J, V]`` float64 (rad)."""
        full_turn = 2 * math.pi
        if self.angles != "random":
            steps = torch.arange(self.variants, device=ids.device, dtype=torch.float64)
            return (steps * (full_turn / self.variants)).expand(ids.numel(), -1)
        drawn = uniforms(ids.reshape(-1), self.variants, seed=self.seed, epoch=epoch)
        return drawn.double() * full_turn

    def _repeat(self, data: Data, n_jets: int) -> dict[str, Any]:
        """What belongs to a jet, once for each of its variants."""
        repeated: dict[str, Any] = {}
        for name, value in data.to_dict().items():
            if name in _STRUCTURE or (name.endswith(("_batch", "_ptr"))):
                continue
            if len(value) != n_jets:
                raise InputError(
                    f"Resimulate makes new particles, so it cannot carry {name} with {len(value)} "
                    f"rows for {n_jets} jets: add particle attributes after it."
                )
            if isinstance(value, Tensor):
                repeated[name] = value.repeat_interleave(self.variants, 0)
            else:
                repeated[name] = [item for item in value for _ in range(self.variants)]
        return repeated

    def __repr__(self) -> str:
        angles = f"'random', variants={self.variants}" if self.angles == "random" else self.angles
        extras = "" if self.rotate == "before" else ", rotate='after'"
        if self.image and self.detector.axis == "jet":
            extras += f", image={self.detector.image}, radius={self.radius}"
        extras += f", pileup={self.pileup!r}" if self.pileup else ""
        return f"Resimulate({self.name}, angles={angles}, seed={self.seed}{extras})"
