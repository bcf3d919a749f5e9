"""The decoder of the previous version, as an ablation: points out of noise."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.nn import GraphVAE
from pyg_jets.ops import ptr_to_batch, segment_expand

__all__ = ["NoiseSeedVAE", "NoiseSeeds"]


class NoiseSeeds(nn.Module):
    r"""Points of a set, each decoded from its own noise (as in arXiv:1802.05384).

    .. math::
        h^{(l+1)}_i = \operatorname{ReLU}(A_l h^{(l)}_i + B_l c_j), \quad
        h^{(0)}_i = (v_i, \varepsilon_i)

    The first number v of the noise is spread evenly over the points of a set, the others are
    Gaussian.

    Args:
        in_channels: Number of numbers c of a set.
        out_channels: Number of coordinates of a point.
        max_particles: Largest number of points.
        hidden: Width of the layers.
        layers: Number of layers before the last.
        noise: Gaussian numbers of a point.

    Shapes:
        - **c:** ``[J, in_channels]``, **ptr:** ``[J + 1]`` → ``[N, out_channels]``

    Examples:
        >>> NoiseSeeds(4, 3)(torch.randn(2, 4), torch.tensor([0, 5, 7])).shape
        torch.Size([7, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 3,
        max_particles: int = 100,
        hidden: int = 128,
        layers: int = 3,
        noise: int = 7,
    ) -> None:
        super().__init__()
        self.max_particles, self.noise = max_particles, noise
        widths = (1 + noise, *[hidden] * (layers - 1))
        self.point = nn.ModuleList(nn.Linear(width, hidden) for width in widths)
        self.whole = nn.ModuleList(nn.Linear(in_channels, hidden, bias=False) for _ in widths)
        self.out = nn.Linear(hidden, out_channels)

    def forward(self, c: Tensor, ptr: Tensor, n_particles: int | None = None) -> Tensor:
        """The points of sets."""
        n = int(ptr[-1]) if n_particles is None else n_particles
        jet = ptr_to_batch(ptr, n)
        place = (
            torch.arange(n, device=c.device) - ptr[jet] + torch.rand(len(c), device=c.device)[jet]
        )
        h = torch.randn(n, 1 + self.noise, device=c.device)
        h[:, 0] = 3.46 * place / ptr.diff().clamp(min=1)[jet] - 1.73
        for point, whole in zip(self.point, self.whole, strict=True):
            h = F.relu(point(h) + segment_expand(whole(c), ptr, n))
        return self.out(h)


class NoiseSeedVAE(GraphVAE):
    """:class:`~pyg_jets.nn.GraphVAE` with :class:`NoiseSeeds` instead of the table of seeds.

    Args:
        **options: Those of :class:`~pyg_jets.nn.GraphVAE`.

    Examples:
        >>> NoiseSeedVAE(latent=4).decoder.noise
        7
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        columns, most = self.scale.columns, self.decoder.max_particles
        self.decoder: Any = NoiseSeeds(self.latent + self.n_globals, columns, most)
