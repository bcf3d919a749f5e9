r"""The loss of a network of a detector's response: likelihood of links, and a set energy score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.losses.protocol import TermLoss
from pyg_jets.losses.set_embedding import SetEmbedding
from pyg_jets.losses.set_energy import set_energy_score, survival_term
from pyg_jets.ops import counts_to_ptr, segment_expand, segment_sum
from pyg_jets.ops.weighted import weighted_mean

__all__ = ["ResponseLoss", "gaussian_divergence"]

#: Jets whose two responses give the scales of the embedding, at most.
_STATISTICS = 1500


class ResponseLoss(TermLoss):
    r"""How likely the response of each particle is, and how good two draws of each jet are.

    .. math::
        L = \frac{a(t)}{50} \Big(\sum_k -\ln p_k + \beta(t)\, D_\text{KL}\big(q(z | x, y)
        \,\big|\, p(z | x)\big)\Big) + s(t)\, S(A, B, y)

    =========================================== ======================== =======================
    term                                        unit                     reduction
    =========================================== ======================== =======================
    ``fate, merging, survival, smearing``       nats                     sum over the particles
                                                                         of a jet, mean over jets
    ``kl``                                      nats                     sum over latents, mean
                                                                         over jets
    ``score``                                   spread of the detector   mean over jets
    =========================================== ======================== =======================

    In the first ``link_epochs`` only the likelihood counts (a = 1, s = 0): particles before and
    after the detector are matched, so that each step of the response has its own label. After them
    the energy score of two draws A, B of the network against the target y is minimised, which sees
    whole jets, and the likelihood keeps a small part (a = ``later``), by which the latent keeps its
    meaning. The score's gradient through the survival of particles is exact, see
    :func:`~pyg_jets.losses.survival_term`. Terms are weighted means if the batch has
    ``weight [J]``.

    Args:
        kinds: Number of kinds of particles that the network tells apart.
        link_epochs: Number of epochs with the likelihood alone.
        later: Coefficient of the likelihood after them.
        score: Coefficient of the score after them.
        kl: Coefficient β of the divergence of the latent.
        warmup_epochs: Number of epochs in which β rises from 0.
        choices: Coefficient of the score's gradient through the merging and the fates that were
            drawn, by the score function (arXiv 1506.05254, section 3): unbiased, but noisy. Needed
            only where links say little about them.
        seed: Seed of the embedding.

    Shapes:
        - **output:** a :class:`~pyg_jets.nn.Response`

    Examples:
        >>> from pyg_jets.nn import ConditionalGraphVAE
        >>> x, ptr = torch.rand(7, 3) + 0.1, torch.tensor([0, 3, 7])
        >>> output = ConditionalGraphVAE()(x, ptr, x, ptr)
        >>> sorted(ResponseLoss(link_epochs=1).terms(output, epoch=0))
        ['fate', 'kl', 'merging', 'smearing', 'survival']
        >>> "score" in ResponseLoss(link_epochs=1).terms(output, epoch=1)
        True
    """

    def __init__(
        self,
        kinds: int = 1,
        link_epochs: int = 10,
        later: float = 0.1,
        score: float = 1.0,
        kl: float = 1.0,
        warmup_epochs: int = 2,
        choices: float = 0.0,
        seed: int = 5,
    ) -> None:
        super().__init__()
        if kinds < 1:
            raise InputError(f"Expected kinds of at least 1, but got {kinds}.")
        numbers = {"later": later, "score": score, "kl": kl, "choices": choices}
        numbers |= {"link_epochs": link_epochs, "warmup_epochs": warmup_epochs}
        for name, value in numbers.items():
            if not 0 <= value < float("inf"):
                raise InputError(f"Expected {name} of at least 0, but got {value}.")
        self.link_epochs, self.warmup_epochs = link_epochs, warmup_epochs
        self.later, self.score, self.kl, self.choices = later, score, kl, choices
        self.embedding = SetEmbedding(kinds, seed=seed)

    @torch.no_grad()
    def fit_statistics(self, network: Any, batches: Iterable[Any]) -> None:
        """Set the scales of the embedding: how far two responses of one jet are apart.

        Args:
            network: The network.
            batches: PyG batches of pairs, the same jets with another response each time.
        """
        draws, jet_pt = [], torch.zeros(0)
        for _ in range(2):
            seen: list[Any] = []
            for batch in batches:
                seen.append(network(batch.x, batch.ptr, batch.x_target, batch.x_target_ptr))
                if sum(len(output.jet_pt) for output in seen) >= _STATISTICS:
                    break
            ptr = counts_to_ptr(torch.cat([output.ptr.diff() for output in seen]))
            points, kind = (torch.cat([getattr(o, n) for o in seen]) for n in ("points", "kind"))
            draws.append((points, kind, ptr))
            jet_pt = torch.cat([output.jet_pt for output in seen])
        first, second = draws
        self.embedding.fit_scale(first, second, jet_pt)

    def terms(self, output: Any, batch: Any = None, epoch: int | None = None) -> dict[str, Tensor]:
        """The terms of a :class:`~pyg_jets.nn.Response`; the score only where it counts."""
        if not hasattr(output, "likelihood"):
            raise InputError(
                f"Expected a Response, but got a {type(output).__name__}: ResponseLoss is for "
                "ConditionalGraphVAE, VAELoss for other generators."
            )
        weight = getattr(batch, "weight", None)
        of_jets = {**output.likelihood}
        of_jets["kl"] = gaussian_divergence(
            output.mean, output.log_var, output.prior_mean, output.prior_log_var
        )
        if self.score and (epoch is None or epoch >= self.link_epochs):
            of_jets["score"] = self._score(output)
        return {name: weighted_mean(values, weight) for name, values in of_jets.items()}

    def _score(self, output: Any) -> Tensor:
        """The score of each jet, with the gradient of its expectation."""
        embedding, totals = self.embedding, self.embedding.totals
        target = embedding(output.points, output.kind, output.ptr, jet_pt=output.jet_pt)
        features, sums = [], []
        for draw in output.draws:
            unit = segment_expand(output.jet_pt.unsqueeze(1), draw.ptr, len(draw.kind)).squeeze(1)
            features.append(embedding.features(draw.points, draw.kind, unit))
            sums.append(segment_sum(features[-1] * draw.seen.unsqueeze(1), draw.ptr))
        score = set_energy_score(sums[0], sums[1], target, totals)
        extra = torch.zeros_like(score)
        for i, draw in enumerate(output.draws):
            own, other = sums[i].detach(), sums[1 - i].detach()
            sets = features[i].detach(), draw.ptr, draw.seen
            extra = extra + survival_term(*sets, draw.survival, own, other, target, totals)
            if self.choices:
                above = score.detach() - score.detach().mean()
                extra = extra + self.choices * above * draw.log_prob
        return score + extra - extra.detach()

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """The terms times their coefficients; without an epoch those at the end of a training."""
        later = epoch is None or epoch >= self.link_epochs
        rise = 1.0
        if epoch is not None and self.warmup_epochs:
            rise = min(1.0, epoch / self.warmup_epochs)
        total: Any = 0.0
        for name, value in terms.items():
            if name == "score":
                total = total + self.score * later * value
            else:
                coefficient = self.kl * rise if name == "kl" else 1.0
                # some fifty particles: the likelihood is that of a particle, about
                total = total + (self.later if later else 1.0) / 50 * coefficient * value
        return total

    def extra_repr(self) -> str:
        """The coefficients."""
        return (
            f"link_epochs={self.link_epochs}, later={self.later}, score={self.score}, kl={self.kl}"
            f", choices={self.choices}"
        )


def gaussian_divergence(
    mean: Tensor, log_var: Tensor, prior_mean: Tensor, prior_log_var: Tensor
) -> Tensor:
    r"""Divergence of one Gaussian from another for each jet (nats), summed over the latents.

    .. math::
        D_j = \sum_l \frac12 \Big(\frac{(\mu - m)^2 + \sigma^2}{s^2} - 1
        + \ln \frac{s^2}{\sigma^2}\Big)_{jl}

    Args:
        mean: μ, ``[J, L]``.
        log_var: ln σ², ``[J, L]``.
        prior_mean: m, ``[J, L]``.
        prior_log_var: ln s², ``[J, L]``.

    Returns:
        ``[J]``.

    Examples:
        >>> zero = torch.zeros(1, 2)
        >>> gaussian_divergence(torch.tensor([[1.0, 0.0]]), zero, zero, zero)
        tensor([0.5000])
    """
    away = ((mean - prior_mean).square() + log_var.exp()) * (-prior_log_var).exp()
    return 0.5 * (away - 1 + prior_log_var - log_var).sum(1)
