"""Losses of weighted jets: one of weight 2 is there twice, one of weight 0 is not there."""

import pytest
import torch
from torch_geometric.data import Data

from pyg_jets.losses import (
    ChamferLoss,
    ClassificationLoss,
    InvarianceLoss,
    ResponseLoss,
    VAELoss,
    chamfer,
    classification_loss,
    gaussian_kl,
    invariance_loss,
    jet_terms,
)
from pyg_jets.nn import AUTOENCODERS, ConditionalGraphVAE, Reconstruction
from pyg_jets.ops import gather

N = 7
EVERY = torch.arange(N)
WEIGHTS = torch.tensor([1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 1.0])
TWICE = EVERY.repeat_interleave(WEIGHTS.long())


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def jets(seed, most=6):
    counts = torch.arange(N) * seed % most  # one of them is empty
    ptr = torch.cat((torch.zeros(1, dtype=torch.long), counts.cumsum(0)))
    return drawn(int(ptr[-1]), 3, seed=seed).abs() + 0.1, ptr


LOGITS, CLASSES, Y = drawn(N), drawn(N, 3), EVERY % 2
X, TARGET = jets(2), jets(3)
MEAN, LOG_VAR = drawn(N, 4, seed=5), drawn(N, 4, seed=6)
VARIANTS = drawn(N, 2, seed=7)


def of_sets(function, rows, *rest, **options):
    return function(*gather(*X, rows), *gather(*TARGET, rows), *rest, **options)


def invariance(rows, weight, loss):
    """Two variants of each jet, which have its weight."""
    both = None if weight is None else weight.repeat_interleave(2)
    logits, y = VARIANTS[rows].flatten(), Y[rows].repeat_interleave(2)
    variant_of = torch.arange(len(rows)).repeat_interleave(2)
    if loss is None:
        return invariance_loss(logits, y, variant_of, weight=both)
    return loss(logits, Data(y=y, variant_of=variant_of, weight=both))


def vae(rows, weight):
    x, target = gather(*X, rows), gather(*TARGET, rows)
    output = Reconstruction(*x, *target, *x, *target, MEAN[rows], LOG_VAR[rows], {})
    return VAELoss(pt=0.1, mass=0.2, kl=0.3)(output, Data(weight=weight))


LOSSES = {
    "binary": lambda r, w: ClassificationLoss()(LOGITS[r], Data(y=Y[r], weight=w)),
    "several": lambda r, w: classification_loss(CLASSES[r], Y[r], w),
    "invariance": lambda r, w: invariance(r, w, InvarianceLoss()),
    "invariance_loss": lambda r, w: invariance(r, w, None),
    "chamfer": lambda r, w: of_sets(chamfer, r, weight=w),
    "chamfer_of_means": lambda r, w: of_sets(ChamferLoss(particles="mean", match=2), r, weight=w),
    "pt": lambda r, w: of_sets(jet_terms, r, "ptetaphi", w)[0],
    "mass": lambda r, w: of_sets(jet_terms, r, "pxpypz", w)[1],
    "kl": lambda r, w: gaussian_kl(MEAN[r], LOG_VAR[r], weight=w),
    "free_bits": lambda r, w: gaussian_kl(MEAN[r], LOG_VAR[r], 0.9, w),
    "vae": vae,
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_weighted_jets(name):
    loss = LOSSES[name]
    weighted, plain = loss(EVERY, WEIGHTS.double()), loss(EVERY, None)
    torch.testing.assert_close(weighted, loss(TWICE, None))
    assert not torch.isclose(weighted, plain)
    torch.testing.assert_close(loss(EVERY, torch.full((N,), 3.0)), plain)
    torch.testing.assert_close(loss(EVERY, 0.5 * WEIGHTS), weighted)
    left, weights = EVERY[WEIGHTS < 2], torch.where(WEIGHTS < 2, 1.5, 0.0)
    torch.testing.assert_close(loss(EVERY, weights), loss(left, None))
    assert loss(EVERY, torch.zeros(N)) == (4 * 0.9 if name == "free_bits" else 0)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("wrong", [-1.0, torch.nan, torch.inf])
def test_losses_refuse_negative_and_infinite_weights(name, wrong):
    with pytest.raises(ValueError, match=r"weights of 0 or more, but they go .*leave jets"):
        LOSSES[name](EVERY, torch.where(EVERY == 2, wrong, 1.0))
    with pytest.raises(ValueError, match="weights, one a jet, but got"):
        LOSSES[name](EVERY, torch.ones(N + 1))


def test_a_sum_of_chamfer_distances_is_weighted_and_that_of_each_jet_refused():
    each = of_sets(chamfer, EVERY, reduction="none")
    torch.testing.assert_close(
        of_sets(chamfer, EVERY, reduction="sum", weight=WEIGHTS), (each * WEIGHTS).sum()
    )
    with pytest.raises(ValueError, match="reduction 'mean' or 'sum'"):
        of_sets(chamfer, EVERY, reduction="none", weight=WEIGHTS)


@pytest.mark.parametrize("kind", AUTOENCODERS)
def test_a_target_of_weight_zero_moves_no_term(kind):
    generator = torch.Generator().manual_seed(1)
    ptr = torch.tensor([0, 9, 20, 28])
    x = torch.rand(28, 3, generator=generator) + 0.1
    other = x * torch.where(torch.arange(28) < 20, 1.0, 1.1).unsqueeze(1)  # the last jet
    torch.manual_seed(0)
    model = kind()
    model.fit_statistics([Data(x=x, ptr=ptr, x_target=x, x_target_ptr=ptr)])
    loss = ResponseLoss() if kind is ConditionalGraphVAE else VAELoss(pt=1.0, mass=1.0)

    def terms(target, *weights):
        torch.manual_seed(3)
        weight = torch.tensor(weights) if weights else None
        output = model(x, ptr, target, ptr, weight=weight)
        return loss.terms(output, Data(weight=weight))

    plain, none, some = (terms(x, *w) for w in ((), (1.0, 1.0, 0.0), (1.0, 1.0, 1.0)))
    moved, same = terms(other, 1.0, 1.0, 1.0), terms(other, 1.0, 1.0, 0.0)
    for name in plain:
        torch.testing.assert_close(some[name], plain[name], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(same[name], none[name], rtol=1e-4, atol=1e-6)
        # of other numbers, or of labels that may be the same
        if name not in ("kl", "matching", "multiplicity", "marginal", "fate", "merging"):
            assert not torch.isclose(moved[name], some[name])
