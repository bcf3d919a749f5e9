r"""The held-out score of responses: an energy score by an embedding that nothing was trained on.

For two draws :math:`a, b` of a response and the truth :math:`y`,

.. math:: S = \tfrac12 \left(\|\phi(a) - \phi(y)\| + \|\phi(b) - \phi(y)\|
          - \|\phi(a) - \phi(b)\|\right),

with :math:`\phi` the sum over particles of counts, random cosines and pT-weighted terms, each over
its deviation between two responses of the detector. Distances are roots, not squares, so that the
score is proper.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_jets.ops import segment_sum
from pyg_jets.studies.generation.gen_reco_jets import Sets

__all__ = ["HeldOutScore"]

#: Random cosines of particles, and those that are weighted by pT.
_COSINES, _WEIGHTED = 128, 32
#: Shortest and longest scale of the cosines: of ln pT, and of angles (rad).
_LOG_PT, _ANGLES = (0.5, 10.0), (0.01, 0.4)


class HeldOutScore:
    """Energy scores of responses.

    Args:
        first: Responses of the detector, which set the scale.
        second: Other ones of the same jets.
        seed: Seed of the cosines, another one than that of any loss.
    """

    def __init__(self, first: Sets, second: Sets, seed: int = 20_251):
        rng = torch.Generator().manual_seed(seed)

        def scales(low: float, high: float, n: int) -> Tensor:
            u = torch.rand(n, generator=rng)
            return low * (high / low) ** u

        frequency = torch.randn(3, _COSINES, generator=rng)
        frequency[:1] /= scales(*_LOG_PT, _COSINES)
        frequency[1:] /= scales(*_ANGLES, _COSINES)
        self.frequency, self.phase = frequency, 6.2832 * torch.rand(_COSINES, generator=rng)
        self.sign = torch.randn(3, _COSINES, generator=rng).sign()
        self.weighted = torch.randn(2, _WEIGHTED, generator=rng) / scales(*_ANGLES, _WEIGHTED)
        self.scale = torch.ones(())
        deviation = (self.embed(first) - self.embed(second)).double().std(0).float()
        blocks = torch.repeat_interleave(torch.tensor([3.0, _COSINES / 4, 3, 3, _WEIGHTED]),
                                         torch.tensor([3, _COSINES, 3, 3, _WEIGHTED]))  # fmt: skip
        self.scale = deviation.clamp(min=1e-6) * blocks.sqrt()

    def embed(self, sets: Sets) -> Tensor:
        """The embedding of each jet, ``[J, D]``."""
        pt, angles = sets.x[:, :1], sets.x[:, 1:]
        counts = torch.nn.functional.one_hot(sets.kind, 3).to(pt.dtype)
        u = torch.cat((pt.clamp(min=1e-4).log(), angles), 1)
        waves = (u @ self.frequency + self.phase).cos() * self.sign[sets.kind]
        shape = torch.cat((angles, angles.square().sum(1, keepdim=True)), 1)
        parts = (counts, waves, pt * counts, pt * shape, pt * (angles @ self.weighted).cos())
        return segment_sum(torch.cat(parts, 1), sets.ptr) / self.scale

    def __call__(self, a: Sets, b: Sets, truth: Sets) -> Tensor:
        """The score of each jet, ``[J]``; lower is better."""
        x, y, z = (self.embed(sets) for sets in (a, b, truth))
        return 0.5 * ((x - z).norm(dim=1) + (y - z).norm(dim=1) - (x - y).norm(dim=1))
