r"""The sliced Wasserstein distance of two sets of particles, jet by jet, ragged or masked."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.losses.masks import ragged_of_mask
from pyg_jets.ops import check_pointer, check_ragged, ptr_to_batch, segment_sort
from pyg_jets.ops.distances import check_finite
from pyg_jets.ops.weighted import reduce_jets

__all__ = ["SlicedWassersteinLoss", "masked_sliced_wasserstein", "sliced_wasserstein"]


def sliced_wasserstein(
    x: Tensor,
    x_ptr: Tensor,
    y: Tensor,
    y_ptr: Tensor,
    directions: int | Tensor = 16,
    reduction: str = "mean",
    unmatched: float = 0.0,
    weight: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""The squared sliced Wasserstein distance of two sets of particles, jet by jet.

    .. math::
        SW_2^2 = \frac{1}{L} \sum_{l=1}^{L} \int_0^1
        \left( F_{l}^{-1}(t) - G_{l}^{-1}(t) \right)^2 \mathrm{d}t

    with the quantile functions :math:`F_l^{-1}, G_l^{-1}` of the two sets projected on a direction.
    Each particle of a set carries the same share, so that a duplicate of a particle counts, unlike
    in :func:`chamfer`, and the numbers of particles may differ: the integral of the two step
    functions is exact. Two sets whose particles have the same shares at the same places, such as a
    set and the same set twice over, have distance 0: the multiplicity needs a term of its own.

    Time is :math:`n \log n`, and memory linear in the particles; nothing is padded.

    Paper: `Bonneel et al. (2015) <https://doi.org/10.1007/s10851-014-0506-3>`_.

    Args:
        x: Particles of one set, ``[N, D]``.
        x_ptr: Ragged pointer ``[J + 1]`` int64.
        y: Particles of the other set, ``[M, D]``.
        y_ptr: Ragged pointer ``[J + 1]`` int64.
        directions: Number of random directions, the same for all jets of the batch, or the
            directions themselves, ``[L, D]``, which are used as they are.
        reduction: Over the jets: ``"mean"``, ``"sum"``, or ``"none"`` for a value of each jet.
        unmatched: Distance of a jet of which one set alone is empty. Two empty sets have
            distance 0.
        weight: Weight of each jet in the mean or the sum over jets, ``[J]``. Default: 1.
        generator: Draws the directions. Default: torch's own.

    Returns:
        A scalar, or ``[J]`` with ``reduction="none"``, in squared units of the coordinates. In half
        precision it is computed in float32.

    Raises:
        ValueError: If shapes do not fit together, a coordinate is not finite (the jet is named), or
            an option is unknown.

    Examples:
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5]])
        >>> sliced_wasserstein(x, torch.tensor([0, 2]), y, torch.tensor([0, 1]))
        tensor(0.2500)
    """
    for points, ptr in ((x, x_ptr), (y, y_ptr)):
        check_ragged(points, ptr)
        check_pointer(ptr, len(points))
        check_finite(points, ptr)
    if x.size(1) != y.size(1) or x.size(1) == 0:
        raise InputError(
            f"Expected x and y with the same coordinates, but x has {x.size(1)} and y {y.size(1)}."
        )
    if len(x_ptr) != len(y_ptr):
        raise InputError(
            f"Expected x and y of the same jets, but x has {len(x_ptr) - 1} and y {len(y_ptr) - 1}."
        )
    _check_unmatched(unmatched)
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y = x.to(dtype), y.to(dtype)
    onto = _directions(directions, x, generator)
    one_is_empty = (x_ptr.diff() == 0) ^ (y_ptr.diff() == 0)
    distance = unmatched * one_is_empty.to(dtype)
    if len(x) and len(y):
        x_rows, y_rows, share = quantile_pairs(x_ptr, y_ptr)
        a, b = segment_sort(x @ onto, x_ptr), segment_sort(y @ onto, y_ptr)
        cost = (a[x_rows] - b[y_rows]).square().mean(1) * share.to(dtype)
        distance = distance.index_add(0, ptr_to_batch(x_ptr, len(x))[x_rows], cost)
    return reduce_jets(distance, reduction, weight)


def quantile_pairs(x_ptr: Tensor, y_ptr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Which particles of two sorted sets have the same quantiles, and for which share of them.

    The quantile function of ``n`` particles has steps at :math:`k/n`. Between two steps of the
    functions of the two sets both are constant: there are at most ``n + m - 1`` such intervals.
    Steps are compared as integers, in units of :math:`1/nm`.

    Args:
        x_ptr: Ragged pointer of one set, ``[J + 1]`` int64.
        y_ptr: Ragged pointer of the other, ``[J + 1]`` int64.

    Returns:
        Rows of the two sets and the length of the interval, in float64, ``[P]`` each. Lengths of a
        jet without an empty set add up to 1; on an accelerator some may be 0.

    Examples:
        >>> x_rows, y_rows, share = quantile_pairs(torch.tensor([0, 2]), torch.tensor([0, 3]))
        >>> x_rows, y_rows, share.float()
        (tensor([0, 0, 1, 1]), tensor([0, 1, 1, 2]), tensor([0.3333, 0.1667, 0.1667, 0.3333]))
    """
    n, m, on_cpu = x_ptr.diff(), y_ptr.diff(), x_ptr.device.type == "cpu"
    if on_cpu and torch.equal(x_ptr, y_ptr):
        rows = torch.arange(int(x_ptr[-1]))
        return rows, rows, n.double().reciprocal().repeat_interleave(n)
    before = (n * m).cumsum(0) - n * m  # units of all jets before this one
    ends = []
    for ptr, step in ((x_ptr, m), (y_ptr, n)):
        jet = ptr_to_batch(ptr)
        number = torch.arange(len(jet), device=ptr.device) - ptr[jet] + 1
        ends.append(before[jet] + number * step[jet])
    end = torch.cat(ends).sort().values
    length = end.diff(prepend=end.new_zeros(1))
    if on_cpu:  # the steps of both sets at one place, and jets without one of the sets
        end, length = end[length > 0], length[length > 0]
    x_rows, y_rows = (torch.searchsorted(steps, end) for steps in ends)
    units = (n * m)[ptr_to_batch(x_ptr)[x_rows]].clamp(min=1)
    return x_rows, y_rows, length.double() / units


def _directions(directions: int | Tensor, x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Unit vectors as columns, ``[D, L]``."""
    if isinstance(directions, Tensor):
        if directions.dim() != 2 or directions.size(1) != x.size(1) or not len(directions):
            raise InputError(
                f"Expected directions [L, {x.size(1)}], one a row, but got "
                f"{list(directions.shape)}."
            )
        return directions.to(x).T
    if directions < 1:
        raise InputError(f"Expected at least 1 direction, but got {directions}.")
    device = x.device if generator is None else generator.device
    drawn = torch.randn(directions, x.size(1), generator=generator, device=device, dtype=x.dtype)
    return nn.functional.normalize(drawn, dim=1).to(x.device).T


def _check_unmatched(unmatched: float) -> None:
    if not 0 <= unmatched < math.inf:
        raise InputError(f"Expected unmatched as a number of at least 0, but got {unmatched}.")


def masked_sliced_wasserstein(
    x: Tensor, y: Tensor, x_mask: Tensor, y_mask: Tensor, **options: object
) -> Tensor:
    r"""The sliced Wasserstein distance of padded arrays; padding is dropped, whatever its values.

    Args:
        x: Particles of one set, padded, ``[J, P, D]``.
        y: Particles of the other set, padded, ``[J, Q, D]``.
        x_mask: True for the particles of ``x``, ``[J, P]``.
        y_mask: True for the particles of ``y``, ``[J, Q]``.
        **options: Options of :func:`sliced_wasserstein`.

    Examples:
        >>> x, y = torch.tensor([[[0.0], [1.0]]]), torch.tensor([[[0.5], [9.0]]])
        >>> masked_sliced_wasserstein(x, y, torch.ones(1, 2), torch.tensor([[1, 0]]))
        tensor(0.2500)
    """
    sets = (*ragged_of_mask("x", x, x_mask), *ragged_of_mask("y", y, y_mask))
    return sliced_wasserstein(*sets, **options)  # type: ignore[arg-type]


class SlicedWassersteinLoss(nn.Module):
    r"""The squared sliced Wasserstein distance of two sets of particles of each jet.

    See :func:`sliced_wasserstein`, whose directions are drawn anew in each call.

    Args:
        directions: Number of random directions.
        reduction: Over the jets: ``"mean"``, ``"sum"``, or ``"none"`` for a value of each jet.
        unmatched: Distance of a jet of which one set alone is empty.

    Shapes:
        - **x:** ``[N, D]``, **x_ptr:** ``[J + 1]``, **y:** ``[M, D]``, **y_ptr:** ``[J + 1]``;
          weights of jets **weight:** ``[J]``
        - **output:** a scalar, or ``[J]``

    Examples:
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5]])
        >>> SlicedWassersteinLoss(4)(x, torch.tensor([0, 2]), y, torch.tensor([0, 1]))
        tensor(0.2500)
    """

    def __init__(
        self, directions: int = 16, reduction: str = "mean", unmatched: float = 0.0
    ) -> None:
        super().__init__()
        _check_unmatched(unmatched)
        if directions < 1:
            raise InputError(f"Expected at least 1 direction, but got {directions}.")
        reduce_jets(torch.zeros(0), reduction)
        self.options = {
            "directions": directions,
            "reduction": reduction,
            "unmatched": unmatched,
        }

    def forward(
        self,
        x: Tensor,
        x_ptr: Tensor,
        y: Tensor,
        y_ptr: Tensor,
        weight: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The distance of a batch."""
        options = {**self.options, "weight": weight, "generator": generator}
        return sliced_wasserstein(x, x_ptr, y, y_ptr, **options)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self.options.items())})"
