"""What batch transforms share: the ragged view of a ``Data`` or ``Batch``, and how one is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from pyg_jets.errors import InputError, InputTypeError
from pyg_jets.ops.pointer import ptr_to_batch

__all__ = ["Compose", "make_batch", "ragged"]


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
        particles: Attributes with a row a particle, ``[N, …]``.
        per_jet: Attributes with a row a jet, ``[J, …]``, or lists of ``J``.
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


class Compose(BaseTransform):
    """Batch transforms one after the other, each with the epoch if it wants it.

    Args:
        transforms: Callables from batch to batch; one with ``needs_epoch = True`` is called with
            ``epoch=`` as well.

    Examples:
        >>> from pyg_jets.transforms import Features
        >>> Compose([Features(["ptrel"])])
        Compose([Features(ptrel)])
    """

    needs_epoch = True

    def __init__(self, transforms: Sequence[Any]):
        for transform in transforms:
            if not callable(transform):
                raise InputTypeError(f"Expected callable transforms, but got {transform!r}.")
        self.transforms = list(transforms)

    def __call__(self, data: Data, epoch: int = 0) -> Data:
        for transform in self.transforms:
            wants = getattr(transform, "needs_epoch", False)
            data = transform(data, epoch=epoch) if wants else transform(data)
        return data

    def forward(self, data: Data) -> Data:
        """The transforms at epoch 0, as PyG's own ``Compose`` has it."""
        return self(data)

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"
