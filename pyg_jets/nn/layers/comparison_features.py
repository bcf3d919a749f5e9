r"""Features of jets by which two samples of jets are compared, along fresh random directions."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.ops import segment_expand, segment_max, segment_sort, segment_sum, segment_topk

__all__ = ["ComparisonFeatures", "Directions", "jet_shape"]

#: The least width of a jet, and the least dispersion, that a logarithm is taken of.
_LEAST_WIDTH, _LEAST_DISPERSION = 1e-5, 1e-6
_LEAST_SQUARE = 1e-6
#: The least mean distance to axes (rad) that a logarithm is taken of.
_LEAST_APART = 1e-4


class Directions(NamedTuple):
    """What jets are projected on.

    Args:
        projections: Unit vectors, one a column, ``[D, P]``.
        waves: Wave vectors in the plane of η and φ (1/rad), one a column, ``[2, W]``.
    """

    projections: Tensor
    waves: Tensor


def jet_shape(x: Tensor, ptr: Tensor) -> Tensor:
    r"""Width, dispersion and leading share of each jet, on scales of order one.

    .. math::
        \tfrac32 \ln \sum_i z_i \Delta R_i, \quad 2 \ln \sum_i z_i^2, \quad 5 \max_i z_i,
        \qquad z_i = p_{T,i} / \sum_k p_{T,k}

    Args:
        x: Particles (pT, η, φ) relative to the jets' axes, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[J, 3]``, finite for an empty jet too

    Examples:
        >>> x = torch.tensor([[3.0, 0.1, 0.0], [1.0, -0.3, 0.0]])
        >>> jet_shape(x, torch.tensor([0, 2])).round(decimals=2)
        tensor([[-2.8500, -0.9400,  3.7500]])
    """
    share = _shares(x[:, :1], ptr)
    apart = (x[:, 1:].square().sum(1, keepdim=True) + 1e-8).sqrt()
    sums = segment_sum(torch.cat((share * apart, share.square()), 1), ptr)
    width = 1.5 * (sums[:, 0] + _LEAST_WIDTH).log()
    dispersion = 2 * (sums[:, 1] + _LEAST_DISPERSION).log()
    return torch.stack((width, dispersion, 5 * segment_max(share, ptr)[:, 0]), 1)


def _shares(pt: Tensor, ptr: Tensor) -> Tensor:
    """Shares of the jet's pT, ``[N, 1]``."""
    total = segment_sum(pt, ptr).clamp_min(torch.finfo(pt.dtype).tiny)
    return pt / segment_expand(total, ptr, len(pt))


class ComparisonFeatures(nn.Module):
    r"""Blocks of features of each jet, linear in its particles but for a sort.

    ============  ================================================================================
    block         features
    ============  ================================================================================
    ``spectrum``  quantile functions of the particles' coordinates on random directions, as in the
                  sliced Wasserstein distance
    ``shape``     :func:`jet_shape`
    ``globals``   the numbers of the jet as a whole that it was made for
    ``waves``     :math:`\sum_i z_i\, e^{i k \cdot (\eta_i, \phi_i)}` and the same with
                  :math:`1 / n` in place of the share of pT :math:`z_i`, of random wave vectors k
    ``moduli``    their moduli, which tell how many pairs of particles are closer than 1/k
    ``axes``      logarithms of :math:`D_1, D_2 / D_1, D_3 / D_2, \dots` where :math:`D_N =
                  \sum_i z_i \min_{a \le N} \Delta R_{ia}` is the distance to N hard particles
                  that are far apart: the hardest, then each time the one of largest
                  :math:`z_i \min_a \Delta R_{ia}`
    ============  ================================================================================

    Args:
        columns: Coordinates of a particle.
        projections: Number of random directions.
        quantiles: Number of points of a quantile function.
        waves: Number of wave vectors.
        scales: The least and the largest 1/k (rad).
        axes: Number of hard particles; 0 for no such block.

    Shapes:
        - **u:** coordinates of unit size ``[N, columns]``, **x:** (pT, η, φ) ``[N, 3]``,
          **ptr:** ``[J + 1]``, **jet_globals:** ``[J, G]``

    Examples:
        >>> features = ComparisonFeatures(3, projections=2, quantiles=5, waves=4)
        >>> x, ptr = torch.rand(7, 3), torch.tensor([0, 3, 7])
        >>> blocks = features(x, x, ptr, torch.zeros(2, 1), features.directions())
        >>> {name: block.size(1) for name, block in blocks.items()}
        {'spectrum': 10, 'shape': 3, 'globals': 1, 'waves': 16, 'moduli': 8, 'axes': 4}
    """

    def __init__(
        self,
        columns: int = 3,
        projections: int = 24,
        quantiles: int = 30,
        waves: int = 40,
        scales: tuple[float, float] = (0.006, 0.5),
        axes: int = 4,
    ) -> None:
        super().__init__()
        numbers = {"columns": columns, "projections": projections, "quantiles": quantiles,
                   "waves": waves}  # fmt: skip
        for name, value in numbers.items():
            if value < 1:
                raise InputError(f"Expected {name} of at least 1, but got {value}.")
        if not 0 < scales[0] <= scales[1]:
            raise InputError(f"Expected scales as two rising lengths above 0, but got {scales}.")
        if axes < 0:
            raise InputError(f"Expected axes of at least 0, but got {axes}.")
        self.columns, self.projections, self.quantiles = columns, projections, quantiles
        self.axes = axes
        self.waves, self.scales = waves, (float(scales[0]), float(scales[1]))

    def directions(
        self, generator: torch.Generator | None = None, device: torch.device | None = None
    ) -> Directions:
        """Random directions, and waves whose lengths are spread evenly in the logarithm."""
        drawn = torch.randn(self.columns, self.projections, generator=generator, device=device)
        angle = 2 * math.pi * torch.rand(self.waves, generator=generator, device=device)
        first, last = (math.log(scale) for scale in self.scales)
        length = torch.linspace(first, last, self.waves, device=device).exp()
        waves = torch.stack((angle.cos(), angle.sin())) / length
        return Directions(drawn / drawn.norm(dim=0).clamp_min(1e-12), waves)

    def forward(
        self, u: Tensor, x: Tensor, ptr: Tensor, jet_globals: Tensor, directions: Directions
    ) -> dict[str, Tensor]:
        """The blocks, each ``[J, …]``."""
        sums = self._waves(x, ptr, directions.waves)
        real, imaginary = sums.view(len(sums), 2, 2, -1).unbind(2)
        moduli = (real.square() + imaginary.square() + _LEAST_SQUARE).sqrt()
        blocks = {
            "spectrum": self._spectrum(u, ptr, directions.projections),
            "shape": jet_shape(x, ptr),
            "globals": jet_globals,
            "waves": sums,
            "moduli": moduli.flatten(1),
        }
        return blocks | ({"axes": self._axes(x, ptr)} if self.axes else {})

    def _axes(self, x: Tensor, ptr: Tensor) -> Tensor:
        """Logarithms of mean distances to 1, 2, … hard particles, each over the one before."""
        share, position = _shares(x[:, :1], ptr)[:, 0], x[:, 1:]
        places = torch.cat((position, position.new_zeros(1, 2)))
        sums, of_share, near = [], share, torch.full_like(share, torch.inf)
        for _ in range(self.axes):
            rows, kept = segment_topk(of_share.detach(), ptr, 1)
            # an empty jet gets the axis of another, which none of its particles reads
            axis = torch.cat((rows, rows.new_full((1,), len(x))))[kept[:-1]]
            apart = position - segment_expand(places[axis], ptr, len(x))
            near = torch.minimum(near, (apart.square().sum(1) + 1e-8).sqrt())
            of_share = share * near
            sums.append(of_share)
        logarithms = (segment_sum(torch.stack(sums, 1), ptr) + _LEAST_APART).log()
        ratios = torch.cat((logarithms[:, :1], logarithms.diff(dim=1)), 1)
        return 2 * ratios * torch.arange(1, self.axes + 1, device=x.device)

    def _waves(self, x: Tensor, ptr: Tensor, waves: Tensor) -> Tensor:
        """Cosines and sines by the share of pT, then by number, ``[J, 4 W]``."""
        phase = x[:, 1:] @ waves
        phases = torch.cat((phase.cos(), phase.sin()), 1)
        by_number = segment_sum(phases, ptr) / ptr.diff().clamp(min=1).unsqueeze(1)
        return torch.cat((segment_sum(phases * _shares(x[:, :1], ptr), ptr), by_number), 1)

    def _spectrum(self, u: Tensor, ptr: Tensor, projections: Tensor) -> Tensor:
        """Quantile functions, linear between the particles, ``[J, P · Q]``; 0 for an empty jet."""
        values = segment_sort(u @ projections, ptr)
        values = torch.cat((values, values.new_zeros(1, values.size(1))))
        levels = (torch.arange(self.quantiles, device=u.device) + 0.5) / self.quantiles
        n = ptr.diff().unsqueeze(1)
        place = (levels * n - 0.5).clamp(min=0)
        below = place.floor()
        above = torch.minimum(below.long() + 1, (n - 1).clamp(min=0))
        first = torch.where(n > 0, ptr[:-1].unsqueeze(1), len(u))
        share = (place - below).unsqueeze(2).to(values.dtype)
        rows = [(first + at).clamp(max=len(u)).flatten() for at in (below.long(), above)]
        low, high = (values[row].view(len(n), self.quantiles, -1) for row in rows)
        return torch.lerp(low, high, share).flatten(1)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.columns}, projections={self.projections}, "
            f"quantiles={self.quantiles}, waves={self.waves}, scales={self.scales}, "
            f"axes={self.axes})"
        )
