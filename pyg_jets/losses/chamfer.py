r"""The Chamfer distance of two sets of particles, jet by jet, ragged or masked."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.losses.masks import ragged_of_mask
from pyg_jets.ops import (
    matched_distance,
    nearest,
    nearest_distance,
    segment_mean,
    segment_sum,
)
from pyg_jets.ops.weighted import REDUCTIONS, reduce_jets

__all__ = ["ChamferLoss", "chamfer", "masked_chamfer"]

_PARTICLES = ("sum", "mean")


def chamfer(
    x: Tensor,
    x_ptr: Tensor,
    y: Tensor,
    y_ptr: Tensor,
    reduction: str = "mean",
    particles: str = "sum",
    squared: bool = True,
    match: int | None = None,
    x_weight: Tensor | None = None,
    y_weight: Tensor | None = None,
    unmatched: float = 0.0,
    weight: Tensor | None = None,
) -> Tensor:
    r"""The Chamfer distance of two sets of particles, jet by jet, as a function.

    Args:
        x: Particles of one set, ``[N, D]``.
        x_ptr: Ragged pointer ``[J + 1]`` int64.
        y: Particles of the other set, ``[M, D]``.
        y_ptr: Ragged pointer ``[J + 1]`` int64.
        reduction: Over the jets: ``"mean"``, ``"sum"``, or ``"none"`` for a value of each jet.
        particles: Over the particles of a jet, in each direction: ``"sum"`` or ``"mean"``.
        squared: Whether distances are squared.
        match: Number of leading columns by which the nearest particle is found. Default: all.
        x_weight: Weight of each particle of ``x``, ``[N]``. Default: 1.
        y_weight: Weight of each particle of ``y``, ``[M]``. Default: 1.
        unmatched: Distance of a particle whose jet has no particle in the other set.
        weight: Weight of each jet in the mean or the sum over jets, ``[J]``. Default: 1.

    Returns:
        A scalar, or ``[J]`` with ``reduction="none"``.

    Raises:
        ValueError: If shapes do not fit together, a coordinate is not finite (the jet is named), or
            an option is unknown.

    Examples:
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5]])
        >>> chamfer(x, torch.tensor([0, 2]), y, torch.tensor([0, 1]))
        tensor(0.7500)
    """
    _check(reduction, particles, match, x.size(-1), unmatched)
    if match is None or match == x.size(-1):
        of_x, of_y, to_y, to_x = nearest_distance(x, x_ptr, y, y_ptr)
    else:
        to_y, to_x = nearest(x[:, :match], x_ptr, y[:, :match], y_ptr)
        of_x = matched_distance(x, x_ptr, y, y_ptr, to_y)
        of_y = matched_distance(y, y_ptr, x, x_ptr, to_x)
    sets = (
        (_weighted_distance(of_x, to_y, x_weight, squared, unmatched), x_ptr),
        (_weighted_distance(of_y, to_x, y_weight, squared, unmatched), y_ptr),
    )
    if particles == "sum" and reduction != "none" and weight is None:  # no sum of each jet
        total = sets[0][0].sum() + sets[1][0].sum()
        return total / max(len(x_ptr) - 1, 1) if reduction == "mean" else total
    reduce = segment_sum if particles == "sum" else segment_mean
    x_to_y, y_to_x = (reduce(distance.unsqueeze(1), ptr).squeeze(1) for distance, ptr in sets)
    return reduce_jets(x_to_y + y_to_x, reduction, weight)


def _check(reduction: str, particles: str, match: int | None, width: int, unmatched: float) -> None:
    for name, value, known in (
        ("reduction", reduction, REDUCTIONS),
        ("particles", particles, _PARTICLES),
    ):
        if value not in known:
            raise InputError(f"Unknown {name} {value!r}: choose from {', '.join(known)}.")
    if match is not None and not 1 <= match <= width:
        raise InputError(f"Expected match from 1 to the {width} columns of x, but got {match}.")
    if not 0 <= unmatched < math.inf:
        raise InputError(f"Expected unmatched as a number of at least 0, but got {unmatched}.")


def _weighted_distance(
    square: Tensor, index: Tensor, weight: Tensor | None, squared: bool, unmatched: float
) -> Tensor:
    """The distance of each particle to its match, which ``index`` gives, -1 for none."""
    distance = square
    if not squared:  # a root has no gradient at 0, where two particles agree
        distance = torch.where(square > 0, square, 1).sqrt() * (square > 0)
    if unmatched > 0:
        distance = torch.where(index >= 0, distance, unmatched)
    if weight is not None:
        if weight.shape != distance.shape:
            raise InputError(f"Expected {len(distance)} weights, but got {list(weight.shape)}.")
        distance = distance * weight
    return distance


def masked_chamfer(
    x: Tensor, y: Tensor, x_mask: Tensor, y_mask: Tensor, **options: object
) -> Tensor:
    r"""The Chamfer distance of padded arrays; padding is dropped, whatever its values.

    Args:
        x: Particles of one set, padded, ``[J, P, D]``.
        y: Particles of the other set, padded, ``[J, Q, D]``.
        x_mask: True for the particles of ``x``, ``[J, P]``.
        y_mask: True for the particles of ``y``, ``[J, Q]``.
        **options: Options of :func:`chamfer`, with weights ``[J, P]`` and ``[J, Q]``.

    Examples:
        >>> x, y = torch.tensor([[[0.0], [1.0]]]), torch.tensor([[[0.5], [9.0]]])
        >>> masked_chamfer(x, y, torch.ones(1, 2), torch.tensor([[1, 0]]))
        tensor(0.7500)
    """
    sets: list[Tensor] = []
    for name, points, mask in (("x", x, x_mask), ("y", y, y_mask)):
        sets += ragged_of_mask(name, points, mask)
        weight = options.get(f"{name}_weight")
        if isinstance(weight, Tensor):
            options[f"{name}_weight"] = weight[mask.bool()]
    return chamfer(*sets, **options)  # type: ignore[arg-type]


class ChamferLoss(nn.Module):
    r"""The Chamfer distance of two sets of particles of each jet, of any sizes.

    .. math::
        L_j = \sum_{i} w_i\, |x_i - y_{k(i)}|^2 + \sum_{k} v_k\, |y_k - x_{i(k)}|^2, \quad
        k(i) = \operatorname{argmin}_k |x_i - y_k|

    The nearest particles are found without a gradient, which flows through the differences alone.
    The unit is that of the coordinates, squared. If one set of a jet is empty, the particles of the
    other have no match.

    The papers compare positions alone (give these columns only), the intensities of the particles
    that are nearest in position (``match=2`` of three columns), or all three as coordinates (the
    default).

    Args:
        reduction: Over the jets: ``"mean"``, ``"sum"``, or ``"none"`` for a value of each jet.
        particles: Over the particles of a jet, in each direction: ``"sum"`` or ``"mean"``.
        squared: Whether distances are squared.
        match: Number of leading columns by which the nearest particle is found. Default: all.
        unmatched: Distance of a particle without a match. Two empty sets have distance 0.

    Shapes:
        - **x:** ``[N, D]``, **x_ptr:** ``[J + 1]``, **y:** ``[M, D]``, **y_ptr:** ``[J + 1]``;
          weights of particles **x_weight:** ``[N]``, **y_weight:** ``[M]``, of jets **weight:**
          ``[J]``
        - **output:** a scalar, or ``[J]``

    Papers: `arXiv:2109.15197 <https://arxiv.org/abs/2109.15197>`_,
    `arXiv:2203.00520 <https://arxiv.org/abs/2203.00520>`_.

    Examples:
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5]])
        >>> ChamferLoss("sum")(x, torch.tensor([0, 2]), y, torch.tensor([0, 1]))
        tensor(0.7500)
    """

    def __init__(
        self,
        reduction: str = "mean",
        particles: str = "sum",
        squared: bool = True,
        match: int | None = None,
        unmatched: float = 0.0,
    ) -> None:
        super().__init__()
        _check(reduction, particles, match, 2**31, unmatched)
        self.options = {
            "reduction": reduction,
            "particles": particles,
            "squared": squared,
            "match": match,
            "unmatched": unmatched,
        }

    def forward(
        self,
        x: Tensor,
        x_ptr: Tensor,
        y: Tensor,
        y_ptr: Tensor,
        x_weight: Tensor | None = None,
        y_weight: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """The distance of a batch."""
        weights = {"x_weight": x_weight, "y_weight": y_weight, "weight": weight}
        return chamfer(x, x_ptr, y, y_ptr, **self.options, **weights)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self.options.items())})"
