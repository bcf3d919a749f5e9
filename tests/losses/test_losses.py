"""The losses of taggers against numpy and scikit-learn."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch_geometric.data import Data

from pyg_jets.losses import (
    ClassificationLoss,
    InvarianceLoss,
    classification_loss,
    invariance_loss,
    variant_variance,
)

TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


def variants(seed=0):
    """Logits, labels and jets of variants in mixed order, 4, 1, 2 and 3 of each."""
    rng = np.random.default_rng(seed)
    jet = rng.permutation(np.repeat([7, 2, 100, -3], [4, 1, 2, 3]))
    y = (jet > 5).astype(int)
    return tuple(torch.tensor(v) for v in (rng.normal(size=10).astype("f4"), y, jet))


def batch(y, jet=None, weight=None):
    return Data(y=y, variant_of=jet, weight=weight)


def expected(logits, y, jet, a, b):
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    spread = [
        np.std(p[jet.numpy() == j], ddof=1) ** 2 if (jet == j).sum() > 1 else 0.0
        for j in np.unique(jet.numpy())
    ]
    return a * log_loss(y.numpy(), p) + b * np.mean(spread)


@pytest.mark.parametrize(("a", "b"), [(1.0, 200.0), (0.01, 300.0), (0.0, 1.0), (1.0, 0.0)])
def test_against_numpy(a, b):
    logits, y, jet = variants()
    want = expected(logits, y, jet, a, b)
    for got in (
        InvarianceLoss(a, b)(logits, batch(y, jet)),
        InvarianceLoss(a, b)(logits.unsqueeze(1), batch(y.unsqueeze(1).float(), jet.int())),
        invariance_loss(logits, y, jet, a, b),
    ):
        assert got.dim() == 0
        assert float(got) == pytest.approx(want, rel=1e-5)
    terms = InvarianceLoss(a, b).terms(logits, batch(y, jet))
    assert float(a * terms["bce"] + b * terms["invariance"]) == pytest.approx(want, rel=1e-5)
    assert float(InvarianceLoss(a, b).total(terms)) == pytest.approx(want, rel=1e-5)


def test_order_does_not_matter():
    logits, y, jet = variants()
    mixed = torch.randperm(len(y))
    torch.testing.assert_close(
        InvarianceLoss()(logits, batch(y, jet)),
        InvarianceLoss()(logits[mixed], batch(y[mixed], jet[mixed])),
        **TOLERANCE,
    )


def test_one_variant_counts_zero():
    logits, y, _ = variants()
    each = torch.arange(len(y))
    plain = classification_loss(logits, y)
    torch.testing.assert_close(InvarianceLoss()(logits, batch(y, each)), plain)
    values, jet = torch.tensor([1.0, 3.0, 9.0]), torch.tensor([0, 0, 1])
    assert variant_variance(values, jet).tolist() == [2.0, 0.0]
    assert variant_variance(values, jet).mean() == 1.0  # the single one counts in the mean


def test_gradients_are_finite_at_zero_spread():
    for value in (0.0, 3.0, 200.0, -200.0):
        logits = torch.full((6,), value, requires_grad=True)
        y, jet = torch.tensor([1, 1, 1, 0, 0, 0]), torch.tensor([0, 0, 0, 1, 1, 2])
        (grad,) = torch.autograd.grad(InvarianceLoss()(logits, batch(y, jet)), logits)
        assert grad.isfinite().all()
    logits = variants()[0].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: InvarianceLoss()(z, batch(*variants()[1:])), logits)


def test_several_classes():
    torch.manual_seed(0)
    logits, y, jet = torch.randn(6, 3), torch.tensor([0, 0, 2, 2, 1, 1]), torch.arange(6) // 2
    p = logits.softmax(-1).view(3, 2, 3)
    want = torch.nn.functional.cross_entropy(logits, y) + 5 * p.var(1).mean()
    torch.testing.assert_close(InvarianceLoss(1, 5)(logits, batch(y, jet)), want)
    want = torch.nn.functional.cross_entropy(logits, y)
    torch.testing.assert_close(ClassificationLoss()(logits, batch(y, jet)), want)


def test_classification():
    logits, y, jet = variants()
    want = log_loss(y.numpy(), torch.sigmoid(logits.double()).numpy())
    for got in (
        ClassificationLoss()(logits, batch(y)),
        ClassificationLoss()(logits.unsqueeze(1), batch(y.float(), jet)),
        ClassificationLoss().terms(logits, batch(y, jet))["bce"],
    ):
        assert float(got) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("loss", [InvarianceLoss(2, 3), ClassificationLoss()])
def test_pickled_and_compiled(loss):
    logits, y, jet = variants()
    for again in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert again(logits, batch(y, jet)) == loss(logits, batch(y, jet))
    assert not loss.state_dict()


def test_repr():
    assert repr(InvarianceLoss()) == "InvarianceLoss(a=1.0, b=200.0)"
    assert repr(ClassificationLoss()) == "ClassificationLoss()"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda z, y, j: InvarianceLoss(a=-1), "Expected a as a number of at least 0, but got -1"),
        (lambda z, y, j: InvarianceLoss(b=float("inf")), "Expected b"),
        (lambda z, y, j: InvarianceLoss(b=float("nan")), "Expected b"),
        (lambda z, y, j: InvarianceLoss()(z, batch(y[:3], j)), "label for each of the 10 rows"),
        (lambda z, y, j: InvarianceLoss()(z, batch(y, j[:3])), "variant_of as 10 integers"),
        (lambda z, y, j: InvarianceLoss()(z, batch(y, j.float())), "variant_of as 10 integers"),
        (lambda z, y, j: InvarianceLoss()(z.view(1, 1, 10), batch(y, j)), "Expected logits"),
        (lambda z, y, j: ClassificationLoss()(z, batch(y + 1)), "labels from 0 to 1 for 2 classes"),
        (lambda z, y, j: ClassificationLoss()(z, batch(y - 1)), "from -1 to 0"),
        (
            lambda z, y, j: ClassificationLoss()(z.expand(3, 10).T, batch(y + 2)),
            "from 0 to 2 for 3",
        ),
        (lambda z, y, j: ClassificationLoss()(z.expand(3, 10).T, batch(y + 0.5)), "for 3 classes"),
        (lambda z, y, j: ClassificationLoss()(z, batch(y * float("nan"))), "labels from 0 to 1"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build(*variants())


@pytest.mark.parametrize("n_classes", [1, 3])
def test_weights_are_those_of_a_weighted_mean(n_classes):
    rng = np.random.default_rng(1)
    logits = torch.tensor(rng.normal(size=(50, n_classes)).astype("f4"))
    y, weight = torch.arange(50) % max(n_classes, 2), torch.tensor(rng.exponential(size=50))
    p = logits.double().sigmoid() if n_classes == 1 else logits.double().softmax(1)
    want = log_loss(y.numpy(), p.squeeze(1).numpy(), sample_weight=weight.numpy())
    assert float(ClassificationLoss()(logits, batch(y, weight=weight))) == pytest.approx(
        want, rel=1e-5
    )
    variant_of = torch.arange(50)
    found = InvarianceLoss(a=2.0)(logits, batch(y, variant_of, weight))
    assert float(found) == pytest.approx(2 * want, rel=1e-5)


def test_weights_of_another_length_are_refused():
    with pytest.raises(ValueError, match="Expected 3 weights, one a jet, but got 2"):
        classification_loss(torch.zeros(3), torch.zeros(3), torch.ones(2))
