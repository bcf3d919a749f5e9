r"""pT, mass and multiplicity of a jet: what generated jets are given before their particles."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pyg_jets.nn.layers.jet_momentum import jet_momenta

__all__ = ["JET_GLOBALS", "JetGlobals", "jet_globals"]

#: Names of the variables of a jet.
JET_GLOBALS = ("pt", "mass", "n")
#: The least pT and mass (GeV) that a logarithm is taken of.
_LEAST = 1e-2
#: The least deviations of ln pT, ln mass and the multiplicity.
_LEAST_DEVIATION = (1e-3, 1e-3, 0.5)
#: Standardised variables are cut here.
_MOST = 6.0


def jet_globals(x: Tensor, ptr: Tensor) -> Tensor:
    """pT (GeV), mass (GeV) and number of particles of each jet.

    Args:
        x: Massless particles (pT, η, φ), in GeV and rad, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[J, 3]`` float32

    Examples:
        >>> x = torch.tensor([[4.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
        >>> jet_globals(x, torch.tensor([0, 2])).tolist()
        [[6.0, 0.0, 2.0]]
    """
    return torch.cat((jet_momenta(x, ptr)[:, :2], ptr.diff().unsqueeze(1)), 1).float()


class JetGlobals(nn.Module):
    """ln pT, ln mass and multiplicity of jets, standardised, as networks read them.

    Shapes:
        - **jet_globals:** pT (GeV), mass (GeV) and number of particles, ``[J, 3]`` → ``[J, 3]``,
          cut at six deviations

    Examples:
        >>> layer = JetGlobals()
        >>> layer.fit_statistics([torch.tensor([[500.0, 80.0, 30.0], [600.0, 90.0, 50.0]])])
        >>> layer(torch.tensor([[500.0, 90.0, 40.0]])).round(decimals=2)
        tensor([[-1.,  1.,  0.]])
    """

    shift: Tensor
    width: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor([6.3, 4.4, 40.0]))
        self.register_buffer("width", torch.tensor([0.1, 0.3, 15.0]))

    def forward(self, jet_globals: Tensor) -> Tensor:
        """The variables, standardised."""
        return ((_logarithms(jet_globals) - self.shift) / self.width).clamp(-_MOST, _MOST)

    @torch.no_grad()
    def fit_statistics(self, parts: Iterable[Tensor]) -> None:
        """Take mean and deviation from variables of jets ``[J, 3]``, a part after the other."""
        values = torch.cat([_logarithms(part.double()).cpu() for part in parts])
        self.shift.copy_(values.mean(0))
        least = values.new_tensor(_LEAST_DEVIATION)
        self.width.copy_(torch.maximum(values.std(0, unbiased=False), least))


def _logarithms(jet_globals: Tensor) -> Tensor:
    pt, mass, n = jet_globals.unbind(1)
    return torch.stack((pt.clamp(min=_LEAST).log(), mass.clamp(min=_LEAST).log(), n), 1)
