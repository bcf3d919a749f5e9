r"""The loss of a network whose likelihood can be computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pyg_jets.losses.protocol import TermLoss
from pyg_jets.ops.weighted import weighted_mean

__all__ = ["AutoregressiveLoss"]


class AutoregressiveLoss(TermLoss):
    r"""The negative logarithm of the likelihood of jets.

    .. math::
        L = -\frac{\sum_j w_j \ln p(x_j)}{\sum_j w_j n_j}

    The terms are ``nats_per_particle``, which is minimised, and ``bits_per_jet``, the mean of
    :math:`-\log_2 p(x_j)` over jets, which is shown beside it.

    Examples:
        >>> import torch
        >>> from collections import namedtuple
        >>> output = namedtuple("Likelihood", "log_prob x ptr")
        >>> jets = output(torch.tensor([-4.0, -8.0]), None, torch.tensor([0, 1, 4]))
        >>> {name: round(float(v), 2) for name, v in AutoregressiveLoss().terms(jets).items()}
        {'nats_per_particle': 3.0, 'bits_per_jet': 8.66}
    """

    def terms(self, output: Any, batch: Any = None, epoch: int | None = None) -> dict[str, Tensor]:
        """The terms of a network's ``log_prob [J]`` of jets with a pointer ``ptr [J + 1]``."""
        weight = getattr(batch, "weight", None)
        weight = None if weight is None else weight.flatten()
        nats = -weighted_mean(output.log_prob, weight)
        n = weighted_mean(output.ptr.diff().to(nats.dtype), weight)
        return {"nats_per_particle": nats / n.clamp(min=1e-6), "bits_per_jet": nats / math.log(2)}

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """Nats of a particle."""
        return terms["nats_per_particle"]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
