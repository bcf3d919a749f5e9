r"""Particles from a latent: out of noise, or out of the particles of before a detector."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.ops import check_rising, highest, ptr_to_batch, segment_expand
from pyg_jets.ops.expand_relu import cut_jets, expand_relu_, without_gradient
from pyg_jets.ops.kernel import in_threads

__all__ = ["ResponseDecoder", "SetDecoder", "keep_most_likely"]

#: Particles that are worked on at once without a gradient, so that what is made of them stays in a
#: cache; with fewer, the calls take longer than the work.
_PARTICLES = 1 << 13


class _Lines(nn.Module):
    """Linear layers on particles; what is known of their jet is added to each."""

    def __init__(self, particle: int, jet: int, hidden: int, layers: int, out: int) -> None:
        super().__init__()
        widths = (particle, *[hidden] * (layers - 1))
        self.particle = nn.ModuleList(nn.Linear(w, hidden) for w in widths)
        self.jet = nn.ModuleList(nn.Linear(jet, hidden, bias=False) for _ in widths)
        self.out = nn.Linear(hidden, out)

    def forward(self, x: Tensor, jet: Tensor, ptr: Tensor) -> Tensor:
        shared = [line(jet) for line in self.jet]
        if without_gradient(x, *shared):
            return self._in_parts(x, shared, ptr)
        for own, known in zip(self.particle, shared, strict=True):
            x = F.relu(own(x) + segment_expand(known, ptr, len(x)))
        return self.out(x)

    def _in_parts(self, x: Tensor, shared: list[Tensor], ptr: Tensor) -> Tensor:
        """The same for some jets after the other, on threads."""
        check_rising(ptr, len(x))
        out = x.new_empty(len(x), self.out.out_features)

        def run(jets: tuple[int, int]) -> None:
            rows = slice(*ptr[list(jets)].tolist())
            h = x[rows]
            for own, known in zip(self.particle, shared, strict=True):
                h = expand_relu_(own(h), known, ptr, *jets)
            torch.addmm(self.out.bias, h, self.out.weight.t(), out=out[rows])

        in_threads(run, cut_jets(ptr, _PARTICLES))
        return out


class SetDecoder(nn.Module):
    r"""n particles of each jet out of n seeds of noise.

    .. math::
        u_i = f(s_i, c_j), \quad s_i = (v_i, \varepsilon_i)

    The first number v of a seed is uniform, and those of a jet are spread evenly over its range, as
    ranks are; the others are Gaussian. The same function makes each particle: in whatever order
    seeds come, particles come in it.

    Args:
        out_channels: Numbers of a particle.
        jet_channels: Numbers of a jet.
        hidden: Width of the layers.
        layers: Number of layers before the last.
        noise: Gaussian numbers of a seed.

    Shapes:
        - **jet:** ``[J, jet_channels]``, **ptr:** ``[J + 1]`` → ``[N, out_channels]``

    Examples:
        >>> SetDecoder(3, 4)(torch.zeros(2, 4), torch.tensor([0, 2, 5])).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        out_channels: int,
        jet_channels: int,
        hidden: int = 64,
        layers: int = 2,
        noise: int = 7,
    ) -> None:
        super().__init__()
        self.noise = noise
        self.lines = _Lines(1 + noise, jet_channels, hidden, layers, out_channels)

    def seeds(self, ptr: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Seeds of particles, ``[N, 1 + noise]``."""
        n, device = int(ptr[-1]), self.lines.out.weight.device
        jet = ptr_to_batch(ptr)
        drawn = torch.randn(n, 1 + self.noise, generator=generator, device=device)
        place = torch.arange(n, device=device) - ptr[jet]
        shift = torch.rand(len(ptr) - 1, generator=generator, device=device)
        drawn[:, 0] = (place + shift[jet]) * (3.46 / ptr.diff().clamp(min=1)[jet]) - 1.73
        return drawn

    def forward(self, jet: Tensor, ptr: Tensor, seeds: Tensor | None = None) -> Tensor:
        """Particles of each jet."""
        seeds = self.seeds(ptr) if seeds is None else seeds
        return self.lines(seeds, jet, ptr)


class ResponseDecoder(nn.Module):
    r"""What a detector makes of each particle, and what becomes of it.

    .. math::
        u'_i = b_i + f(h_i, b_i, c_j, \varepsilon_i), \quad (p_i, q_i) = \sigma(g(h_i, c_j))

    where p is the chance to be seen, q that of merging into another if it is not, and b what comes
    of the particle with those that are merged into it.

    Args:
        out_channels: Numbers of a particle.
        particle_channels: Numbers known of a particle.
        jet_channels: Numbers known of its jet.
        hidden: Width of the layers.
        layers: Number of layers before the last.
        noise: Gaussian numbers of a particle.

    Shapes:
        - **base:** ``[N, out_channels]``, **h:** ``[N, particle_channels]``,
          **jet:** ``[J, jet_channels]``, **ptr:** ``[J + 1]``
        - **output:** ``[N, out_channels]``

    Examples:
        >>> h, jet, ptr = torch.randn(5, 8), torch.randn(2, 4), torch.tensor([0, 2, 5])
        >>> decoder = ResponseDecoder(3, 8, 4)
        >>> decoder(h[:, :3], h, jet, ptr).shape, decoder.fates(h, jet, ptr).shape
        (torch.Size([5, 3]), torch.Size([5, 2]))
    """

    def __init__(
        self,
        out_channels: int,
        particle_channels: int,
        jet_channels: int,
        hidden: int = 64,
        layers: int = 2,
        noise: int = 4,
    ) -> None:
        super().__init__()
        self.noise = noise
        own = out_channels + particle_channels + noise
        self.lines = _Lines(own, jet_channels, hidden, layers, out_channels)
        self.fate = _Lines(particle_channels, jet_channels, hidden, 1, 2)
        nn.init.zeros_(self.lines.out.bias)
        with torch.no_grad():
            self.lines.out.weight.mul_(0.1)  # at first nearly what was before

    def fates(self, h: Tensor, jet: Tensor, ptr: Tensor) -> Tensor:
        """Logits that a particle is seen, and that it is merged if not, ``[N, 2]``."""
        return self.fate(h, jet, ptr)

    def forward(
        self,
        base: Tensor,
        h: Tensor,
        jet: Tensor,
        ptr: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """What is seen of each particle; another draw at each call."""
        drawn = torch.randn(len(h), self.noise, generator=generator, device=h.device)
        return base + self.lines(torch.cat((base, h, drawn.to(h.dtype)), 1), jet, ptr)


def keep_most_likely(
    logit: Tensor, ptr: Tensor, n: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw ``n`` particles of each jet, those with high logits more often than others.

    Args:
        logit: Of each particle ``[N]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        n: Particles to keep of each jet ``[J]``; all where there are not as many.
        generator: Of the draws.

    Returns:
        Rows of the particles, in their order, and the pointer of what is kept.

    Examples:
        >>> logit = torch.tensor([-50.0, 50.0, 60.0])
        >>> keep_most_likely(logit, torch.tensor([0, 3]), torch.tensor([2]))
        (tensor([1, 2]), tensor([0, 2]))
    """
    uniform = torch.rand(len(logit), generator=generator, device=logit.device)
    key = logit.detach() + torch.logit(uniform, eps=1e-6)
    rows, kept = highest(key, ptr, n)
    return rows.sort().values, kept
