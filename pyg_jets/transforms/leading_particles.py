"""`LeadingParticles`: the n particles of highest pT of each jet."""

from __future__ import annotations

from collections.abc import Sequence

from torch_geometric.data import Data

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.errors import InputError
from pyg_jets.ops import segment_topk
from pyg_jets.transforms.base import BatchTransform, ragged, select_particles

__all__ = ["LeadingParticles"]


class LeadingParticles(BatchTransform):
    """Keep the n particles of highest pT of each jet, the hardest first.

    Args:
        n_particles: How many particles are kept; a jet with fewer is kept whole.
        columns: The columns that ``x`` holds, with ``pt`` among them.

    Shapes:
        - input: ``x [N, len(columns)]``, and ``pos [N, 2]`` if there is one
        - output: ``x [M, len(columns)]``, ``pos [M, 2]``

    Raises:
        InputError: If ``n_particles`` is below 1, or there is no pT.

    Examples:
        >>> import torch
        >>> jet = Data(x=torch.tensor([[1.0, 0.1], [5.0, 0.2], [3.0, 0.3]]))
        >>> LeadingParticles(2, columns=("pt", "eta"))(jet).x[:, 0]
        tensor([5., 3.])
    """

    def __init__(self, n_particles: int = 30, columns: Sequence[str] = CANONICAL):
        if isinstance(n_particles, bool) or n_particles < 1:
            raise InputError(f"Expected n_particles of at least 1, but got {n_particles!r}.")
        self.n_particles = n_particles
        self.columns = self.input_columns = tuple(columns)
        check_names(("pt",), self.columns, "column of particles")

    def forward(self, data: Data) -> Data:
        """Return ``data`` (one graph or a batch) with the leading particles of each jet."""
        x, ptr = ragged(data)
        if x.size(1) != len(self.columns):
            raise InputError(
                f"Expected x with the columns {', '.join(self.columns)}, but got {data}: take the "
                "leading particles before Features."
            )
        pt = x[:, self.columns.index("pt")]
        rows, kept = segment_topk(pt, ptr, self.n_particles)
        return select_particles(data, rows, kept)

    def for_evaluation(self) -> LeadingParticles:
        """The same."""
        return self

    def __repr__(self) -> str:
        return f"LeadingParticles({self.n_particles})"
