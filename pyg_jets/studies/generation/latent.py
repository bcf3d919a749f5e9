r"""What the latent of a response is for: its divergence, and what it knows of what is hidden.

A latent is common to all particles of a jet. It has nothing to say where the response of each
particle is independent of the others' given the inputs (:func:`factorisation` tests that on the
detector itself), and it has where an input is hidden (:func:`hidden_eta`) or where a detector has
an energy scale that the particles of a jet have in common (:func:`common_scale`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import cross_val_predict
from torch import Tensor

from pyg_jets.losses import gaussian_divergence
from pyg_jets.nn import ConditionalGraphVAE
from pyg_jets.ops import ptr_to_batch

__all__ = ["common_scale", "divergence", "factorisation", "hidden_eta"]

#: Nats from which on a latent counts as used.
_USED = 0.05


@torch.no_grad()
def divergence(network: ConditionalGraphVAE, batches: Iterable[Any]) -> dict[str, float]:
    """Divergence of q(z | GEN, RECO) from p(z | GEN), in nats a jet.

    Args:
        network: A trained network.
        batches: Pairs of jets, as :class:`~pyg_jets.transforms.Detect` makes them.

    Returns:
        ``kl`` and its error, and ``active``, how many latents have more than 0.05 nats.
    """
    each = []
    for batch in batches:
        posterior = _posterior(network, batch)
        prior = network.encode(batch.x, batch.ptr)
        parts = [v.reshape(-1, 1) for v in (*posterior, *prior)]
        each.append(gaussian_divergence(*parts).view(len(posterior[0]), -1))
    of_latents = torch.cat(each).double()
    total = of_latents.sum(1)
    return {
        "kl": float(total.mean()),
        "kl_error": float(total.std()) / len(total) ** 0.5,
        "active": int((of_latents.mean(0) > _USED).sum()),
    }


@torch.no_grad()
def hidden_eta(network: ConditionalGraphVAE, batches: Iterable[Any]) -> dict[str, float]:
    r"""How much the latent knows of the jets' \|η\|, by R² of a regression on held-out jets.

    Args:
        network: A trained network that reads no η.
        batches: Pairs of jets with their ``axis``.

    Returns:
        ``r2`` from the mean of q(z | GEN, RECO), ``r2_gen`` from that of p(z | GEN), and the
        correlation of \|η\| with the best single latent.
    """
    latent, prior, eta = [], [], []
    for batch in batches:
        latent.append(_posterior(network, batch)[0])
        prior.append(network.encode(batch.x, batch.ptr)[0])
        eta.append(batch.axis[:, 1].abs())
    wanted = torch.cat(eta).double().numpy()
    means = torch.cat(latent).double().numpy()
    best = max(abs(np.corrcoef(z, wanted)[0, 1]) for z in means.T)
    return {
        "r2": _r2(means, wanted),
        "r2_gen": _r2(torch.cat(prior).double().numpy(), wanted),
        "largest_correlation": float(best),
    }


@torch.no_grad()
def common_scale(network: ConditionalGraphVAE, batches: Iterable[Any]) -> dict[str, float]:
    """How much the latent knows of an energy scale that the particles of each jet have in common.

    Args:
        network: A trained network.
        batches: Pairs of jets with their ``common_scale``.

    Returns:
        ``r2`` of a regression on held-out jets, ``correlation`` with the best single latent, and
        ``spread_ratio``: the spread of the scale that draws from the prior put on jets, by the mean
        response of their tracks, over the spread that RECO has.
    """
    latent: list[Tensor] = []
    scale: list[Tensor] = []
    made: list[Tensor] = []
    true: list[Tensor] = []
    for i, batch in enumerate(batches):
        latent.append(_posterior(network, batch)[0])
        scale.append(batch.common_scale.log())
        generator = torch.Generator().manual_seed(i)
        jets = network.sample(len(batch.ptr) - 1, (batch.x, batch.ptr), generator=generator)
        target = batch.x_target, batch.x_target_ptr
        for sums, sets in ((made, jets), (true, target)):
            sums.append(_track_response(network, (batch.x, batch.ptr), sets))
    wanted, means = (torch.cat(v).double().numpy() for v in (scale, latent))
    spreads = [float(torch.cat(v)[torch.cat(v).isfinite()].std()) for v in (made, true)]
    return {
        "r2": _r2(means, wanted),
        "correlation": float(max(abs(np.corrcoef(z, wanted)[0, 1]) for z in means.T)),
        "spread_ratio": spreads[0] / spreads[1],
    }


@torch.no_grad()
def factorisation(network: ConditionalGraphVAE, draws: Sequence[Iterable[Any]]) -> dict[str, float]:
    r"""Whether a detector measures each particle of a jet independently of the others.

    Of each GEN particle that is measured as itself, alone, the deviation of ln pT from its mean
    over the draws is taken in units of its spread. Given GEN, sums of them over the particles of
    one kind do not correlate with those of another if nothing is common to the jet.

    Args:
        network: A network that reads kinds, whose matching is used; it need not be trained.
        draws: The same jets through the detector again and again: some tens of draws.

    Returns:
        ``largest``, the largest absolute correlation of two kinds' sums, ``pairs``, the mean
        correlation of two particles of a jet, and their errors.
    """
    residuals = [[_residuals(network, batch) for batch in batches] for batches in draws]
    n_kinds = len(network.inputs.kinds)
    products = torch.zeros(n_kinds, n_kinds, dtype=torch.float64)
    own, pairs, n_pairs, n_jets = torch.zeros(n_kinds, dtype=torch.float64), 0.0, 0.0, 0
    for of_batch in zip(*residuals, strict=True):
        value = torch.stack([v for v, *_ in of_batch])  # [draws, N], NaN where not measured alone
        kind, jet = of_batch[0][1:]
        there = value.isfinite()
        count = there.sum(0)
        mean = value.nan_to_num().sum(0) / count.clamp(min=1)
        away = torch.where(there, value - mean, 0)
        sigma = (away.square().sum(0) / (count - 1).clamp(min=1)).sqrt()
        use = there & (count > 5) & (sigma > 0)
        unit = torch.where(use, away / sigma.clamp(min=1e-9), 0).clamp(-5, 5)
        jets = int(jet.max()) + 1 if len(jet) else 0
        sums = unit.new_zeros(len(unit), jets * n_kinds).index_add(1, jet * n_kinds + kind, unit)
        squares = unit.new_zeros(len(unit), jets).index_add(1, jet, unit.square())
        counts = unit.new_zeros(len(unit), jets).index_add(1, jet, use.to(unit.dtype))
        sums = sums.view(-1, n_kinds)
        products += sums.T @ sums
        own += sums.square().sum(0)
        total = sums.sum(1)
        pairs += float((total.square() - squares.flatten()).sum())
        n_pairs += float((counts * (counts - 1)).sum())
        n_jets += jets * len(unit)
    used = own > 0.01 * own.max()
    correlation = products / own.clamp(min=1e-12).sqrt().outer(own.clamp(min=1e-12).sqrt())
    off = correlation[used][:, used].fill_diagonal_(0)
    return {
        "largest": float(off.abs().max()),
        "largest_error": n_jets**-0.5,
        "pairs": pairs / max(n_pairs, 1),
        "pairs_error": max(n_pairs / 2, 1) ** -0.5,
    }


def _posterior(network: ConditionalGraphVAE, batch: Any) -> tuple[Tensor, Tensor]:
    return network.encode(batch.x, batch.ptr, None, batch.x_target, batch.x_target_ptr)


def _r2(features: np.ndarray, wanted: np.ndarray) -> float:
    """R² of a tree regression whose predictions are for jets that it was not fitted to."""
    model = HistGradientBoostingRegressor(max_iter=100, learning_rate=0.08, random_state=0)
    predicted = cross_val_predict(model, features, wanted, cv=2)
    return float(1 - np.square(predicted - wanted).mean() / wanted.var())


def _residuals(network: ConditionalGraphVAE, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
    """ln of RECO over GEN pT of particles that are measured alone, else NaN; kinds; jets."""
    gen = network.inputs.read(batch.x, batch.ptr)
    reco = network.inputs.read(batch.x_target, batch.x_target_ptr)
    features = network.inputs.features(gen, gen.kind)
    pairs = network.steps.pairs(gen, features, batch.ptr, reco, batch.x_target_ptr)
    clusters = pairs.clusters
    alone = (clusters.log_pt - gen.pt[clusters.row].log()).abs() < 1e-6
    alone &= pairs.seen & (clusters.kind == gen.kind[clusters.row])
    value = torch.full((len(gen.pt),), torch.nan, dtype=torch.float64)
    ratio = reco.pt[pairs.reco_row[alone]].log() - clusters.log_pt[alone]
    value[clusters.row[alone]] = ratio.double()
    return value, gen.kind, ptr_to_batch(batch.ptr)


def _track_response(network: ConditionalGraphVAE, gen: Any, reco: Any) -> Tensor:
    """Mean ln of RECO over GEN pT of the particles of each jet that keep their direction."""
    x, ptr = gen
    before, after = network.inputs.read(x, ptr), network.inputs.read(*reco)
    features = network.inputs.features(before, before.kind)
    pairs = network.steps.pairs(before, features, ptr, after, reco[1])
    row = pairs.clusters.row[pairs.undisplaced]
    own = pairs.undisplaced & (pairs.clusters.kind == 0)
    row = pairs.clusters.row[own]
    ratio = after.pt[pairs.reco_row[own]].log() - pairs.clusters.log_pt[own]
    jet, jets = ptr_to_batch(ptr)[row], len(ptr) - 1
    total = ratio.new_zeros(jets).index_add(0, jet, ratio)
    count = ratio.new_zeros(jets).index_add(0, jet, torch.ones_like(ratio))
    return torch.where(count > 4, total / count.clamp(min=1), torch.nan)
