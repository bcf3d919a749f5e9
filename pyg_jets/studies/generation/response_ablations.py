"""Networks of the response that lack a part of the design, as ablations."""

from __future__ import annotations

from typing import Any

import torch

from pyg_jets.nn import ConditionalGraphVAE

__all__ = ["NeverMerging", "WithoutHats"]

#: A logit by which particles never merge.
_NEVER = -20.0
#: Where no particle is, in the unit of any knot.
_FAR = 1e4


class NeverMerging(ConditionalGraphVAE):
    """:class:`~pyg_jets.nn.ConditionalGraphVAE` whose particles are measured one by one.

    Args:
        **options: Those of :class:`~pyg_jets.nn.ConditionalGraphVAE`.

    Examples:
        >>> float(NeverMerging(hidden=8).steps.merging.layers[-1].bias)
        -20.0
    """

    def reset_parameters(self) -> None:
        """Draw the weights again, but for those of merging, which are not trained."""
        super().reset_parameters()
        last: Any = self.steps.merging.layers[-1]
        with torch.no_grad():
            last.weight.zero_()
            last.bias.fill_(_NEVER)
        self.steps.merging.requires_grad_(False)


class WithoutHats(ConditionalGraphVAE):
    r"""A :class:`~pyg_jets.nn.ConditionalGraphVAE` that reads ln pT and \|η\| as plain numbers.

    Args:
        **options: Those of :class:`~pyg_jets.nn.ConditionalGraphVAE`.

    Examples:
        >>> x, ptr = torch.rand(5, 3) + 0.1, torch.tensor([0, 5])
        >>> network = WithoutHats(hidden=8)
        >>> particles = network.inputs.read(x, ptr)
        >>> features = network.inputs.features(particles, particles.kind)
        >>> int((features != 0).any(0).sum()) <= 4  # ln pT, η, φ and ln pT of the jet
        True
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("pt_hats", "eta_hats"):
            self.inputs.get_buffer(name).add_(_FAR)  # all hat functions are 0 there
