"""`VariantCache`: rotated variants of jets, made once and kept in memory."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.transforms import BaseTransform

from pyg_jets.ops import gather
from pyg_jets.transforms.base import make_batch

__all__ = ["VariantCache"]

_PER_PARTICLE = ("x", "pos", "batch", "ptr")


class VariantCache(BaseTransform):
    """Replace a batch of jets by their variants, made beforehand and found by ``jet_id``.

    Args:
        batches: The variants of all jets, batch by batch. The variants of a jet stand together,
            and all jets have equally many.
    """

    def __init__(self, batches: Iterable[Batch]):
        made = list(batches)
        names = [n for n in made[0].to_dict() if n not in _PER_PARTICLE and n != "variant_of"]
        self.x = torch.cat([batch.x for batch in made])
        self.pos = torch.cat([batch.pos for batch in made])
        counts = torch.cat([batch.ptr.diff() for batch in made])
        self.ptr = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
        self.columns = {name: torch.cat([batch[name] for batch in made]) for name in names}
        ids = self.columns["jet_id"].flatten()
        self.variants = int((made[0].variant_of == 0).sum())
        self.ids, order = torch.unique(ids, return_inverse=True)
        self.first = torch.empty_like(self.ids)
        starts = torch.arange(0, len(ids), self.variants)
        self.first[order[:: self.variants]] = starts

    def __call__(self, batch: Batch) -> Batch:
        ids = batch.jet_id.flatten()
        first = self.first[torch.searchsorted(self.ids, ids)]
        rows = (first[:, None] + torch.arange(self.variants)).flatten()
        x, ptr = gather(self.x, self.ptr, rows)
        pos, _ = gather(self.pos, self.ptr, rows)
        per_jet: dict[str, Tensor] = {name: value[rows] for name, value in self.columns.items()}
        per_jet["variant_of"] = torch.arange(len(ids)).repeat_interleave(self.variants)
        return make_batch({"x": x, "pos": pos}, per_jet, ptr)

    forward = __call__
