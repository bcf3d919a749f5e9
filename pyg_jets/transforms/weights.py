"""`FlatWeights`: a weight for each jet, such that all classes have the same pT and η."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.ops.weighted import check_weight
from pyg_jets.transforms.base import BatchTransform

__all__ = ["FlatWeights"]


class FlatWeights(BatchTransform):
    r"""Give each jet a ``weight`` that makes its class flat in a few jet columns.

    Classes of jets differ in pT and η because they are produced differently, which is nothing that
    a tagger should learn. With these weights every class is distributed alike, so that a network
    that knows nothing but pT and η tells nothing. The weight of a jet of class c in bin b is

    .. math:: w_{cb} = \frac{n_c}{B\,n_{cb}}

    with B the number of bins in which every class has training jets; elsewhere it is 0. The mean
    over the training jets of a class is 1 where no bin is left out. Jets that have a ``weight``
    count with it in :math:`n_c` and :math:`n_{cb}`, and keep it: the new weight is the product.

    Args:
        columns: Jet columns of the data set, flattened jointly; of those named ``eta`` or ``…_eta``
            the absolute value counts.
        bins: Number of equal bins of each, between the least and the largest value of the training
            jets. Jets outside belong to the outermost bins.

    Shapes:
        - input: ``jet [J, K]``
        - output: the same and ``weight [J]``

    Raises:
        ValueError: For a column that the data set does not have, classes without a common bin, or a
            weight that is negative or not finite.

    Examples:
        >>> pt, y = torch.tensor([[1.0], [1.0], [1.0], [3.0], [1.0], [3.0]]), [0, 0, 0, 0, 1, 1]
        >>> jets = Data(jet=pt, y=torch.tensor(y))
        >>> weights = FlatWeights(["gen_pt"], bins=[2]).fit_statistics([jets], ["gen_pt"])
        >>> weights(jets).weight
        tensor([0.6667, 0.6667, 0.6667, 2.0000, 1.0000, 1.0000])
    """

    def __init__(
        self,
        columns: Sequence[str] = ("reco_pt", "reco_eta"),
        bins: Sequence[int] = (10, 8),
    ):
        self.columns, self.bins = tuple(columns), tuple(bins)
        if len(self.columns) != len(self.bins) or not self.columns or min(self.bins) < 1:
            raise InputError(
                f"Expected a number of bins of at least 1 for each of the columns "
                f"{', '.join(self.columns)}, but got {list(self.bins)}."
            )
        self.places: list[int] = []
        self.low = self.width = torch.empty(0)
        self.table = torch.empty(0)

    def fit_statistics(self, batches: Iterable[Data], jet_columns: Sequence[str]) -> FlatWeights:
        """Set the weight of each class and bin from training jets, and return these weights.

        Args:
            batches: Graphs or batches with ``jet [J, K]``, ``y [J]`` and, where jets have one,
                ``weight [J]``.
            jet_columns: Names of the K columns.
        """
        check_names(self.columns, jet_columns, "jet column")
        self.places = [list(jet_columns).index(name) for name in self.columns]
        parts = [(batch.jet, batch.y.flatten(), _weight_of(batch)) for batch in batches]
        jet, y, weight = (torch.cat(values) for values in zip(*parts, strict=True))
        values = self._values(jet)
        self.low = values.amin(0)
        self.width = (values.amax(0) - self.low).clamp_min(1e-12) / torch.tensor(self.bins)
        label, cell = y.long().numpy(), self._cell(values).numpy()
        n_classes, n_cells = int(label.max()) + 1, int(np.prod(self.bins))
        counts = np.bincount(label * n_cells + cell, weight.numpy(), n_classes * n_cells)
        counts = counts.reshape(n_classes, n_cells)
        common = (counts > 0).all(0)
        if not common.any():
            raise InputError(
                f"The classes have no bin of {', '.join(self.columns)} in common: take fewer bins."
            )
        total = counts.sum(1, keepdims=True) / common.sum()
        table = np.divide(total, counts, out=np.zeros_like(counts), where=common)
        self.table = torch.from_numpy(table).float()
        return self

    def forward(self, data: Data) -> Data:
        """Return a copy of ``data`` (one graph or a batch) with ``weight``."""
        if data.get("y") is None:
            raise InputError("Expected labels y of the jets, whose weight depends on their class.")
        out = copy.copy(data)
        out.weight = self.of(data.jet, data.y)
        if data.get("weight") is not None:
            out.weight = out.weight * data.weight.flatten()
        return out

    def of(self, jet: Tensor, y: Tensor) -> Tensor:
        """Weights ``[J]`` of jets with columns ``[J, K]`` and labels ``[J]``, without their own."""
        if not self.places:
            raise InputError("These weights have no training jets yet: call fit_statistics first.")
        return self.table.to(jet.device)[y.flatten().long(), self._cell(self._values(jet))]

    def _values(self, jet: Tensor) -> Tensor:
        parts = [jet[:, place].double() for place in self.places]
        named = zip(self.columns, parts, strict=True)
        return torch.stack([v.abs() if n.split("_")[-1] == "eta" else v for n, v in named], -1)

    def _cell(self, values: Tensor) -> Tensor:
        """The bin of each jet among all, ``[J]``; a NaN falls into the first."""
        scaled = (values - self.low.to(values)) / self.width.to(values)
        most = torch.tensor(self.bins, device=values.device) - 1
        index = torch.minimum(scaled.nan_to_num().clamp_min(0).long(), most)
        cell = index[:, 0]
        for axis in range(1, len(self.bins)):
            cell = cell * self.bins[axis] + index[:, axis]
        return cell

    def __repr__(self) -> str:
        each = ", ".join(f"{n}: {b}" for n, b in zip(self.columns, self.bins, strict=True))
        return f"FlatWeights({each})"


def _weight_of(batch: Data) -> Tensor:
    """The weight of each jet, ``[J]`` float64; 1 for jets that have none."""
    weight = batch.get("weight")
    n_jets = batch.y.numel()
    return (torch.ones(n_jets) if weight is None else check_weight(weight, n_jets)).double()
