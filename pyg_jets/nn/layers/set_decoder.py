r"""The decoder of a response: particles after a detector from those before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.ops import check_pointer, segment_expand, segment_topk
from pyg_jets.ops.kernel import in_threads, split_jets, use_inference_kernels
from pyg_jets.ops.segment_relu import expand_relu_

__all__ = ["ResponseDecoder", "sample_particles"]

#: Particles of a chunk without a gradient, so that their activations stay in a core's cache; with
#: fewer, the calls take longer than the work.
_PARTICLES = 1 << 13


class ConditionalMLP(nn.Module):
    r"""An MLP on particles whose layers also see features of their jet.

    .. math::
        h_i^{(l+1)} = \operatorname{ReLU}(W_l h_i^{(l)} + b_l + V_l c_{j(i)})

    :math:`V_l c` is computed once for each jet, not for each particle.

    Args:
        particle: Number of features of a particle.
        jet: Number of features of a jet.
        hidden: Width of the hidden layers.
        layers: Number of hidden layers.
        out: Number of outputs for each particle.

    Shapes:
        - **x:** ``[N, particle]``, **jet:** ``[J, jet]``, **ptr:** ``[J + 1]`` → ``[N, out]``

    Examples:
        >>> mlp = ConditionalMLP(3, 4, hidden=8, layers=2, out=2)
        >>> mlp(torch.ones(5, 3), torch.ones(2, 4), torch.tensor([0, 2, 5])).shape
        torch.Size([5, 2])
    """

    def __init__(self, particle: int, jet: int, hidden: int, layers: int, out: int) -> None:
        super().__init__()
        widths = (particle, *[hidden] * (layers - 1))
        self.particle = nn.ModuleList(nn.Linear(w, hidden) for w in widths)
        self.jet = nn.ModuleList(nn.Linear(jet, hidden, bias=False) for _ in widths)
        self.out = nn.Linear(hidden, out)

    def forward(self, x: Tensor, jet: Tensor, ptr: Tensor) -> Tensor:
        of_jet = [layer(jet) for layer in self.jet]
        if use_inference_kernels(x, *of_jet):
            return self._in_chunks(x, of_jet, ptr)
        for layer, shared in zip(self.particle, of_jet, strict=True):
            x = F.relu(layer(x) + segment_expand(shared, ptr, len(x)))
        return self.out(x)

    def _in_chunks(self, x: Tensor, of_jet: list[Tensor], ptr: Tensor) -> Tensor:
        """The same without a gradient, for one chunk of jets after another, on threads."""
        check_pointer(ptr, len(x))
        out = x.new_empty(len(x), self.out.out_features)

        def run(jets: tuple[int, int]) -> None:
            rows = slice(*ptr[list(jets)].tolist())
            h = x[rows]
            for layer, shared in zip(self.particle, of_jet, strict=True):
                h = expand_relu_(layer(h), shared, ptr, *jets)
            torch.addmm(self.out.bias, h, self.out.weight.t(), out=out[rows])

        in_threads(run, split_jets(ptr, _PARTICLES))
        return out


class ResponseDecoder(nn.Module):
    r"""The detector response of each GEN particle, and its probability to have a RECO particle.

    .. math::
        u'_i = b_i + f(h_i, b_i, c_j, \varepsilon_i), \quad (p_i, q_i) = \sigma(g(h_i, c_j))

    where p is the probability to be matched to a RECO particle, q that of being merged into a
    neighbour otherwise, and b the sum of the particle and those merged into it.

    Args:
        out_channels: Number of coordinates of a particle.
        particle_channels: Number of features of a particle.
        jet_channels: Number of features of its jet.
        hidden: Width of the layers.
        layers: Number of layers before the last.
        noise: Number of Gaussian numbers of a particle.

    Shapes:
        - **base:** ``[N, out_channels]``, **h:** ``[N, particle_channels]``,
          **jet:** ``[J, jet_channels]``, **ptr:** ``[J + 1]``
        - **output:** ``[N, out_channels]``

    Examples:
        >>> h, jet, ptr = torch.randn(5, 8), torch.randn(2, 4), torch.tensor([0, 2, 5])
        >>> decoder = ResponseDecoder(3, 8, 4)
        >>> decoder(h[:, :3], h, jet, ptr).shape, decoder.matching_logits(h, jet, ptr).shape
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
        self.mlp = ConditionalMLP(own, jet_channels, hidden, layers, out_channels)
        self.matching = ConditionalMLP(particle_channels, jet_channels, hidden, 1, 2)
        nn.init.zeros_(self.mlp.out.bias)
        with torch.no_grad():
            self.mlp.out.weight.mul_(0.1)  # at first the response is nearly the identity

    def matching_logits(self, h: Tensor, jet: Tensor, ptr: Tensor) -> Tensor:
        """Logits that a particle is matched, and that it is merged if it is not, ``[N, 2]``."""
        return self.matching(h, jet, ptr)

    def forward(
        self,
        base: Tensor,
        h: Tensor,
        jet: Tensor,
        ptr: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw the response of each particle."""
        drawn = torch.randn(len(h), self.noise, generator=generator, device=h.device)
        return base + self.mlp(torch.cat((base, h, drawn.to(h.dtype)), 1), jet, ptr)


def sample_particles(
    logit: Tensor, ptr: Tensor, n: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw ``n`` particles of each jet without replacement, with odds of ``exp(logit)``.

    The ``n`` largest logits after adding logistic noise are drawn, as in Gumbel top-k sampling.

    Args:
        logit: The logit of each particle ``[N]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        n: Number of particles to draw from each jet ``[J]``; all where there are fewer.
        generator: Random number generator. Default: torch's own.

    Returns:
        Rows of the drawn particles, in their order, and their pointer.

    Examples:
        >>> logit = torch.tensor([-50.0, 50.0, 60.0])
        >>> sample_particles(logit, torch.tensor([0, 3]), torch.tensor([2]))
        (tensor([1, 2]), tensor([0, 2]))
    """
    uniform = torch.rand(len(logit), generator=generator, device=logit.device)
    key = logit.detach() + torch.logit(uniform, eps=1e-6)
    rows, kept = segment_topk(key, ptr, n)
    return rows.sort().values, kept
