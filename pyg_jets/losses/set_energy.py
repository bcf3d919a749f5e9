r"""The energy score of two draws of a set of particles, by which a response is learned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.losses.chamfer import chamfer
from pyg_jets.losses.set_embedding import SetEmbedding
from pyg_jets.ops import check_ragged, segment_expand, segment_sum
from pyg_jets.ops.weighted import reduce_jets

__all__ = [
    "SetEnergyLoss",
    "chamfer_energy_score",
    "set_energy_score",
    "survival_change",
    "survival_term",
]


def set_energy_score(
    a: Tensor,
    b: Tensor,
    target: Tensor,
    totals: Tensor | None = None,
    totals_weight: float = 0.15,
) -> Tensor:
    r"""The energy score of two draws of each jet for what came out, on embeddings of the sets.

    .. math::
        S = \tfrac12 \left[ d(a, y) + d(b, y) - d(a, b) \right]
        + \tfrac{\lambda}{2} \sum_t \left[ |a_t - y_t| + |b_t - y_t| - |a_t - b_t| \right],
        \quad d(a, b) = |\varphi(a) - \varphi(b)|

    The distance is not squared: with the root the score is proper, that is smallest in expectation
    if draws and targets have one distribution of embeddings; with the square it would compare means
    alone. The second sum is the score (CRPS) of single totals of a jet, such as its multiplicity.

    Paper: `Gneiting and Raftery (2007) <https://doi.org/10.1198/016214506000001437>`_.

    Args:
        a: Embeddings of a draw, ``[J, D]``, see :class:`~pyg_jets.losses.SetEmbedding`.
        b: Those of another, independent draw.
        target: Those of what came out.
        totals: A matrix ``[D, T]`` from embeddings to totals, such as ``SetEmbedding.totals``.
            Default: no totals.
        totals_weight: The factor λ.

    Returns:
        The score of each jet, ``[J]``. Its gradient is finite where two sets agree.

    Raises:
        InputError: If shapes differ, or a value is not finite (the jet is named).

    Examples:
        >>> a, b, y = torch.tensor([[0.0]]), torch.tensor([[2.0]]), torch.tensor([[3.0]])
        >>> set_energy_score(a, b, y)
        tensor([1.])
    """
    _check(a, b, target, totals)
    score = _length(a - target) + _length(b - target) - _length(a - b)
    if totals is not None:
        first, second, wanted = (phi @ totals.to(phi) for phi in (a, b, target))
        errors = (first - wanted).abs() + (second - wanted).abs() - (first - second).abs()
        score = score + totals_weight * errors.sum(1)
    return score / 2


def _check(a: Tensor, b: Tensor, target: Tensor, totals: Tensor | None) -> None:
    for name, phi in (("a", a), ("b", b), ("target", target)):
        if phi.dim() != 2 or phi.shape != target.shape:
            raise InputError(
                f"Expected embeddings [J, D] like those of the target, {list(target.shape)}, but "
                f"{name} is {list(phi.shape)}."
            )
        if phi.device.type == "cpu" and not bool(torch.isfinite(phi.detach().sum())):
            wrong = ~torch.isfinite(phi).all(1)
            if wrong.any():
                raise InputError(
                    f"Jet {int(wrong.nonzero()[0])} has an embedding {name} that is not finite: "
                    "look for particles of infinite pT or without coordinates."
                )
    if totals is not None and (totals.dim() != 2 or len(totals) != target.size(1)):
        raise InputError(
            f"Expected totals [{target.size(1)}, T], but got {list(totals.shape)}: give those of "
            "the SetEmbedding that made the embeddings."
        )


def _length(x: Tensor) -> Tensor:
    """|x| of each row, with gradient 0 where it is 0."""
    square = x.square().sum(1)
    return torch.where(square > 0, square, 1).sqrt() * (square > 0)


@torch.no_grad()
def survival_change(
    features: Tensor,
    ptr: Tensor,
    alive: Tensor,
    a: Tensor,
    b: Tensor,
    target: Tensor,
    totals: Tensor | None = None,
    totals_weight: float = 0.15,
) -> Tensor:
    r"""How much higher the score of a draw is with a particle than without, for each particle.

    .. math::
        \Delta_i = S(\varphi(a) \text{ with } f_i) - S(\varphi(a) \text{ without } f_i)

    Since the embedding is a sum, both are known for all particles, those that are there and those
    that are not, in one pass of time :math:`O(ND)`:
    :math:`|\varphi \pm f_i - y|^2 = |\varphi - y|^2 \pm 2 f_i (\varphi - y) + |f_i|^2`.

    Args:
        features: Features of all particles that may be in draw ``a``, ``[N, D]``, from
            :meth:`SetEmbedding.features <pyg_jets.losses.SetEmbedding.features>`.
        ptr: Ragged pointer of all of them, ``[J + 1]`` int64.
        alive: Whether each is in the draw, ``[N]``.
        a: Embeddings of the draw, the sums of the features of those that are, ``[J, D]``.
        b: Embeddings of the other draw, which does not depend on these particles.
        target: Embeddings of what came out.
        totals: As in :func:`set_energy_score`.
        totals_weight: As in :func:`set_energy_score`.

    Returns:
        ``[N]``, without a gradient.

    Examples:
        >>> features, ptr = torch.tensor([[1.0], [1.0]]), torch.tensor([0, 2])
        >>> a, b, y = torch.tensor([[1.0]]), torch.tensor([[2.0]]), torch.tensor([[2.0]])
        >>> survival_change(features, ptr, torch.tensor([True, False]), a, b, y)
        tensor([0., 0.])
    """
    check_ragged(features, ptr)
    _check(a, b, target, totals)
    if len(ptr) != len(a) + 1 or features.size(1) != a.size(1):
        raise InputError(
            f"Expected features [N, {a.size(1)}] of {len(a)} jets, but got "
            f"{list(features.shape)} of {len(ptr) - 1}."
        )
    if alive.shape != features.shape[:1]:
        raise InputError(f"Expected alive [{len(features)}], but got {list(alive.shape)}.")
    alive = alive.bool()
    own = features.square().sum(1)
    columns = None if totals is None else totals.to(features)
    change = features.new_zeros(len(features))
    for other, sign in ((target, 0.5), (b, -0.5)):
        away = (a - other).to(features)
        here = segment_expand(away, ptr, len(features))
        square, product = here.square().sum(1), (here * features).sum(1)
        present = torch.where(alive, square, square + 2 * product + own)
        absent = torch.where(alive, square - 2 * product + own, square)
        change += sign * (present.clamp(min=0).sqrt() - absent.clamp(min=0).sqrt())
        if columns is not None:
            adds = features @ columns
            rest = segment_expand(away @ columns, ptr, len(features)) - adds * alive.unsqueeze(1)
            change += sign * totals_weight * ((rest + adds).abs() - rest.abs()).sum(1)
    return change


def survival_term(
    features: Tensor,
    ptr: Tensor,
    alive: Tensor,
    probability: Tensor,
    a: Tensor,
    b: Tensor,
    target: Tensor,
    totals: Tensor | None = None,
    totals_weight: float = 0.15,
) -> Tensor:
    r"""A term whose gradient in the probabilities of survival is that of the expected score.

    .. math::
        \sum_{i \in j} p_i \Delta_i

    Particles survive independently, with probabilities :math:`p_i`, so that
    :math:`\partial E[S] / \partial p_i = E[\Delta_i]` exactly, with Δ from :func:`survival_change`
    without a gradient. Add it to :func:`set_energy_score`, whose own gradient goes to the places of
    the particles that survived; and likewise for draw ``b``, with ``a`` and ``b`` exchanged. Its
    value means nothing. Relaxed or straight-through survival is biased, and a network learns wrong
    spreads from it.

    Args:
        features: As in :func:`survival_change`.
        ptr: As in :func:`survival_change`.
        alive: As in :func:`survival_change`.
        probability: Of survival, of each particle, ``[N]``; takes the gradient.
        a: As in :func:`survival_change`.
        b: As in :func:`survival_change`.
        target: As in :func:`survival_change`.
        totals: As in :func:`set_energy_score`.
        totals_weight: As in :func:`set_energy_score`.

    Returns:
        ``[J]``.
    """
    if probability.shape != alive.shape:
        raise InputError(
            f"Expected probability {list(alive.shape)}, but got {list(probability.shape)}."
        )
    change = survival_change(features, ptr, alive, a, b, target, totals, totals_weight)
    return segment_sum((probability * change.to(probability)).unsqueeze(1), ptr).squeeze(1)


def chamfer_energy_score(
    a: Tensor,
    a_ptr: Tensor,
    b: Tensor,
    b_ptr: Tensor,
    target: Tensor,
    target_ptr: Tensor,
    reduction: str = "mean",
    unmatched: float = 0.0,
    weight: Tensor | None = None,
) -> Tensor:
    r"""An energy score with the Chamfer distance of sets. **It is not a proper score.**

    .. math::
        c(a, y) + c(b, y) - c(a, b)

    with the distance :math:`c` of :func:`~pyg_jets.losses.chamfer`, not squared, means over the
    particles of each set. An energy score is proper if and only if its distance is conditionally
    negative definite, which :math:`c` is not. On the one-dimensional sets {−1, 1, 1}, {0},
    {−1, −1, −1} and {1, 1}, targets of the probabilities P = (0, 0, .44, .56) have a lower expected
    score with draws from Q = (.73, .27, 0, 0) (1.70) than with draws from P itself (1.97). A
    duplicate costs nothing, so that the loss of particles cannot be learned from it. It learns the
    spread of a response where the particles of both sets correspond; :func:`set_energy_score` is
    proper.

    Args:
        a: Particles of a draw, ``[N, D]``.
        a_ptr: Ragged pointer ``[J + 1]`` int64.
        b: Particles of another, independent draw.
        b_ptr: Their pointer.
        target: Particles of what came out.
        target_ptr: Their pointer.
        reduction: Over the jets: ``"mean"``, ``"sum"``, or ``"none"`` for a value of each jet.
        unmatched: Distance of a particle whose jet has no particle in the other set.
        weight: Weight of each jet in the mean or the sum over jets, ``[J]``. Default: 1.

    Returns:
        A scalar, or ``[J]`` with ``reduction="none"``.

    Examples:
        >>> ptr = torch.tensor([0, 1])
        >>> a, b, y = torch.tensor([[0.0]]), torch.tensor([[2.0]]), torch.tensor([[3.0]])
        >>> chamfer_energy_score(a, ptr, b, ptr, y, ptr)
        tensor(4.)
    """

    def distance(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> Tensor:
        return chamfer(x, x_ptr, y, y_ptr, "none", "mean", squared=False, unmatched=unmatched)

    score = distance(a, a_ptr, target, target_ptr) + distance(b, b_ptr, target, target_ptr)
    return reduce_jets(score - distance(a, a_ptr, b, b_ptr), reduction, weight)


class SetEnergyLoss(nn.Module):
    """The energy score of two draws of sets of particles, a mean over jets.

    See :func:`set_energy_score`. Where particles may be lost, add :func:`survival_term`.

    Args:
        embedding: Of the sets, with scales from
            :meth:`SetEmbedding.fit_scale <pyg_jets.losses.SetEmbedding.fit_scale>`.
        totals_weight: Factor of the scores of single totals.
        reduction: Over the jets: ``"mean"``, ``"sum"``, or ``"none"`` for a value of each jet.

    Shapes:
        - **first**, **second**, **target:** ``(u, kind, ptr)`` each, see
          :class:`~pyg_jets.losses.SetEmbedding`; **jet_pt:** ``[J]``; **weight:** ``[J]``
        - **output:** a scalar, or ``[J]``

    Examples:
        >>> u, kind, ptr = torch.tensor([[2.0, 0.1, 0.0]]), torch.tensor([0]), torch.tensor([0, 1])
        >>> SetEnergyLoss(SetEmbedding(1))((u, kind, ptr), (u, kind, ptr), (u, kind, ptr))
        tensor(0.)
    """

    def __init__(
        self, embedding: SetEmbedding, totals_weight: float = 0.15, reduction: str = "mean"
    ) -> None:
        super().__init__()
        reduce_jets(torch.zeros(0), reduction)
        self.embedding, self.totals_weight, self.reduction = embedding, totals_weight, reduction

    def forward(
        self,
        first: tuple[Tensor, Tensor, Tensor],
        second: tuple[Tensor, Tensor, Tensor],
        target: tuple[Tensor, Tensor, Tensor],
        jet_pt: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """The score of a batch."""
        a, b, y = (self.embedding(*draw, jet_pt=jet_pt) for draw in (first, second, target))
        score = set_energy_score(a, b, y, self.embedding.totals, self.totals_weight)
        return reduce_jets(score, self.reduction, weight)
