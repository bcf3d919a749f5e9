"""`BatchTransform`: the base class of our transforms, with the facts that a loader asks for."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from pyg_jets.detector import Detector
from pyg_jets.errors import InputError, InputTypeError
from pyg_jets.ops.pointer import ptr_to_batch

__all__ = [
    "BatchTransform",
    "Compose",
    "as_batch_transform",
    "make_batch",
    "ragged",
    "select_particles",
]


class BatchTransform(BaseTransform):
    """Base class of PyG transforms that take a whole ``Batch`` at once, or one graph.

    A subclass implements ``forward(data)`` and states in attributes what a data module or a loader
    has to know. They are facts of the class, or of an object where they depend on its arguments.

    Attributes:
        needs_epoch: Whether the output depends on the epoch; then ``set_epoch(epoch)`` is called
            before each batch.
        pairs: Whether the output has a second particle set ``x_target``.
        variants: Number of graphs that are made of each jet.
        makes_features: Whether ``x`` holds what a network reads, so that no
            :class:`~pyg_jets.transforms.Features` follow.
        input_columns: The columns that ``x`` must have on entry, or ``None`` if any will do.
        detector: The detector that is simulated, or ``None``.
        epoch: The epoch that was set last, from 0.

    Examples:
        >>> class Shuffle(BatchTransform):
        ...     needs_epoch = True
        ...
        ...     def forward(self, data):
        ...         generator = torch.Generator().manual_seed(self.epoch)
        ...         data.y = data.y[torch.randperm(len(data.y), generator=generator)]
        ...         return data
        >>> shuffle = Shuffle()
        >>> shuffle.set_epoch(3)
        >>> shuffle(Data(y=torch.arange(4))).y
        tensor([2, 3, 1, 0])
    """

    needs_epoch: bool = False
    pairs: bool = False
    variants: int = 1
    makes_features: bool = False
    input_columns: tuple[str, ...] | None = None
    detector: Detector | None = None
    epoch: int = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the batches that follow.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self.epoch = int(epoch)

    def for_evaluation(self) -> BatchTransform | None:
        """The transform of validation and test jets if this one is of training jets.

        Returns:
            ``None`` if those jets stay as they are: what is done to training jets alone, such as
            augmentation, is the default.
        """
        return None

    def with_angles(self, angles: int, rotate: str | None = None) -> BatchTransform | None:
        """The transform that makes rotated variants at equal steps over the full turn.

        Args:
            angles: Number of variants of each jet; 1 is the un-rotated jet alone.
            rotate: ``"before"`` or ``"after"`` the detector. Default: as in this transform.

        Returns:
            ``None`` if this transform makes no rotated variants.
        """
        return None


class Compose(BatchTransform):
    """Transforms of a batch one after the other.

    Its attributes follow from those of its transforms: it needs the epoch if one of them does, and
    makes as many variants as all of them together.

    Args:
        transforms: Callables from batch to batch: transforms of this package, PyG's, or functions.

    Raises:
        TypeError: For a transform that cannot be called.

    Examples:
        >>> from pyg_jets.transforms import Features, Resimulate
        >>> steps = Compose([Resimulate(angles=4), Features(["ptrel"])])
        >>> steps
        Compose([Resimulate(cms-like, angles=4, seed=0), Features(ptrel)])
        >>> steps.variants, steps.makes_features
        (4, True)
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        for transform in transforms:
            if not callable(transform):
                raise InputTypeError(f"Expected callable transforms, but got {transform!r}.")
        self.transforms = list(transforms)
        ours = [step for step in transforms if isinstance(step, BatchTransform)]
        first = self.transforms[0] if self.transforms else None
        self.needs_epoch = any(step.needs_epoch for step in ours)
        self.pairs = any(step.pairs for step in ours)
        self.variants = math.prod(step.variants for step in ours)
        self.makes_features = any(step.makes_features for step in ours)
        self.input_columns = first.input_columns if isinstance(first, BatchTransform) else None
        self.detector = next((step.detector for step in ours if step.detector), None)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of all transforms that need it."""
        super().set_epoch(epoch)
        for transform in self.transforms:
            if isinstance(transform, BatchTransform) and transform.needs_epoch:
                transform.set_epoch(epoch)

    def forward(self, data: Data) -> Data:
        """Return what the last transform makes of ``data`` (one graph or a batch)."""
        for transform in self.transforms:
            data = transform(data)
        return data

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"


def as_batch_transform(transform: Callable[[Any], Any]) -> BatchTransform:
    """A transform with the attributes of :class:`BatchTransform`.

    Args:
        transform: One of them, returned as it is, or another callable from batch to batch, such as
            a transform of PyG, for which the defaults hold.

    Examples:
        >>> from torch_geometric.transforms import NormalizeFeatures
        >>> as_batch_transform(NormalizeFeatures()).needs_epoch
        False
    """
    return transform if isinstance(transform, BatchTransform) else Compose([transform])


def ragged(data: Data) -> tuple[Tensor, Tensor]:
    """``(x [N, F], ptr [J + 1])`` of a ``Batch``, or of one graph.

    Raises:
        ValueError: If there are no particles ``x``.
    """
    if getattr(data, "x", None) is None or data.x.dim() != 2:
        raise InputError(
            f"Expected particles x of shape [N, F], but got {data}: use a data set of this package "
            "or JetArray.to_pyg()."
        )
    ptr = getattr(data, "ptr", None)
    if ptr is None:
        ptr = torch.tensor([0, data.x.size(0)], device=data.x.device)
    return data.x, ptr


def make_batch(particles: dict[str, Tensor], per_jet: dict[str, Any], ptr: Tensor) -> Batch:
    """A PyG ``Batch`` with its metadata, so that ``to_data_list()`` and indexing work.

    Args:
        particles: Attributes with a row for each particle, ``[N, …]``.
        per_jet: Attributes with a row for each jet, ``[J, …]``, or lists of ``J``.
        ptr: The ragged pointer ``[J + 1]``.
    """
    n_jets = len(ptr) - 1
    batch: Any = Batch(_base_cls=Data, batch=ptr_to_batch(ptr), ptr=ptr)
    batch._num_graphs = n_jets
    batch._slice_dict, batch._inc_dict = {}, {}
    host = ptr.cpu()
    for name, value in {**particles, **per_jet}.items():
        batch[name] = value
        batch._slice_dict[name] = host if name in particles else torch.arange(n_jets + 1)
        batch._inc_dict[name] = torch.zeros(n_jets, dtype=torch.int64)
    return batch


def select_particles(data: Data, rows: Tensor, ptr: Tensor) -> Data:
    """A graph, or a batch, with some of its particles; all else of each jet is kept.

    Args:
        data: One graph or a batch.
        rows: Rows of the particles that are kept, those of one jet after the other, ``[M]``.
        ptr: Their ragged pointer ``[J + 1]``.
    """
    particles = {name: data[name][rows] for name in ("x", "pos") if data.get(name) is not None}
    if not isinstance(data, Batch):
        out = copy.copy(data)
        for name, value in particles.items():
            out[name] = value
        return out
    structure = ("x", "pos", "batch", "ptr")
    per_jet: dict[str, Any] = {k: v for k, v in data.to_dict().items() if k not in structure}
    return make_batch(particles, per_jet, ptr)
