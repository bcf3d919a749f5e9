"""`BrightestPixels`: the n brightest pixels of each digit, ties drawn anew in each epoch."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch_geometric.data import Data

from pyg_jets.columns import check_names
from pyg_jets.detector.random import TIES, particle_words
from pyg_jets.errors import InputError
from pyg_jets.ops import segment_topk
from pyg_jets.transforms.base import BatchTransform, ragged, select_particles

__all__ = ["BrightestPixels"]

_COLUMNS = ("eta", "phi", "pt")


class BrightestPixels(BatchTransform):
    """Keep the n brightest pixels of each digit; of equally bright ones, others in each epoch.

    Which ones is a function of ``(seed, epoch, jet_id, pixel)`` alone. For validation and test it
    is that of epoch 0, which with ``seed=0`` are the pixels that
    :class:`~pyg_jets.datasets.SparseMNIST` keeps itself with as many ``n_pixels``.

    Args:
        n_pixels: How many pixels of each digit are kept; a digit with fewer is kept whole.
        seed: Seed of the draws.
        columns: The columns that ``x`` holds, with the brightness as ``pt``.

    Shapes:
        - input: ``x [N, len(columns)]``, ``jet_id [J]``, of digits with all their pixels
        - output: ``x [M, len(columns)]``, ``pos [M, 2]``, pixels in their order

    Raises:
        InputError: If ``n_pixels`` is below 1, there is no brightness, or digits have no ids.

    Examples:
        >>> x = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.5], [2.0, 0.0, 1.0], [3.0, 0.0, 1.0]])
        >>> digit = Data(x=x, jet_id=torch.tensor([5]))
        >>> draw = BrightestPixels(2)
        >>> for epoch in range(3):
        ...     draw.set_epoch(epoch)
        ...     draw(digit).x[:, 0].tolist()
        [0.0, 3.0]
        [0.0, 2.0]
        [0.0, 2.0]
    """

    needs_epoch = True

    def __init__(self, n_pixels: int = 25, seed: int = 0, columns: Sequence[str] = _COLUMNS):
        if isinstance(n_pixels, bool) or n_pixels < 1:
            raise InputError(f"Expected n_pixels of at least 1, but got {n_pixels!r}.")
        self.n_pixels, self.seed = n_pixels, seed
        self.columns = self.input_columns = tuple(columns)
        check_names(("pt",), self.columns, "column of pixels")

    def forward(self, data: Data) -> Data:
        """Return ``data`` (one graph or a batch) with the brightest pixels of each digit."""
        x, ptr = ragged(data)
        if x.size(1) != len(self.columns) or data.get("jet_id") is None:
            raise InputError(
                f"Expected digits with jet_id and the columns {', '.join(self.columns)} of x, but "
                f"got {data}: draw pixels before Features, from SparseMNIST."
            )
        epoch = self.epoch if self.needs_epoch else 0
        words = particle_words(data.jet_id, ptr, TIES, self.seed, epoch)
        # bits of positive floats are ordered as the floats; the least word comes first, as above
        brightness = x[:, self.columns.index("pt")].contiguous()
        bits = brightness.float().view(torch.int32).long()
        rows, kept = segment_topk((bits << 32) | (0xFFFFFFFF - words), ptr, self.n_pixels)
        rows = rows.sort().values  # jets stand one after the other, so this is the image's order
        return select_particles(data, rows, kept)

    def for_evaluation(self) -> BrightestPixels:
        """The pixels of epoch 0, in every epoch."""
        other = copy.copy(self)
        other.needs_epoch = False
        return other

    def __repr__(self) -> str:
        return f"BrightestPixels({self.n_pixels}, seed={self.seed})"
