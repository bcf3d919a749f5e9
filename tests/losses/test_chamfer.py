"""The Chamfer distance against dense distances in double precision."""

import copy
import pickle
from itertools import pairwise

import pytest
import torch

from pyg_jets.losses import ChamferLoss, chamfer, masked_chamfer
from tests.ops.test_nearest import both, sets

SIZES = [(3, 2), (7, 9), (1, 1), (40, 35), (130, 3)]


@pytest.fixture(autouse=True)
def kernels(request, monkeypatch):
    if "switch" in request.fixturenames:
        monkeypatch.setenv("PYG_JETS_KERNELS", request.getfixturevalue("switch"))


def dense(x, x_ptr, y, y_ptr, v, w, match, squared, particles):
    """Jet by jet, from all distances."""
    found = []
    for (a, b), (c, d) in zip(pairwise(x_ptr.tolist()), pairwise(y_ptr.tolist()), strict=True):
        distance = torch.cdist(x[a:b, :match], y[c:d, :match])
        sides = (
            (x[a:b], y[c:d][distance.argmin(1)], v[a:b]),
            (y[c:d], x[a:b][distance.argmin(0)], w[c:d]),
        )
        total = 0
        for own, other, weight in sides:
            away = (own - other).square().sum(1)
            away = weight * (away if squared else away.sqrt())
            total = total + (away.sum() if particles == "sum" else away.mean())
        found.append(total)
    return torch.stack(found)


@both
@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("particles", ["sum", "mean"])
@pytest.mark.parametrize(("width", "match"), [(2, None), (3, 2), (3, None)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_all_distances(squared, particles, width, match, dtype, switch):
    x, x_ptr, y, y_ptr = sets(width, SIZES)
    v, w = torch.rand(len(x)) + 0.5, torch.rand(len(y)) + 0.5
    exact = [t.double().requires_grad_() for t in (x, y)]
    want = dense(exact[0], x_ptr, exact[1], y_ptr, v, w, match or width, squared, particles)
    mine = [t.to(dtype).requires_grad_() for t in (x, y)]
    found = chamfer(
        mine[0], x_ptr, mine[1], y_ptr, "none", particles, squared, match, v.to(dtype), w.to(dtype)
    )
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {}
    torch.testing.assert_close(found.double(), want, **tolerance)
    slope = torch.rand(len(want)).double()
    for one, other in zip(
        torch.autograd.grad((found * slope).sum(), mine),
        torch.autograd.grad((want * slope).sum(), exact),
        strict=True,
    ):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_masked_is_ragged(reduction):
    x, x_ptr, y, y_ptr = sets(3, SIZES)
    padded = []
    for points, ptr, length in ((x, x_ptr, 150), (y, y_ptr, 40)):
        full = torch.full((len(ptr) - 1, length, 3), torch.nan)
        mask = torch.arange(length) < ptr.diff().unsqueeze(1)
        full[mask] = points
        padded += [full, mask]
    found = masked_chamfer(padded[0], padded[2], padded[1], padded[3], reduction=reduction)
    assert torch.equal(found, chamfer(x, x_ptr, y, y_ptr, reduction))
    weights = {name: torch.rand(len(SIZES), n) for name, n in (("x_weight", 150), ("y_weight", 40))}
    found = masked_chamfer(padded[0], padded[2], padded[1], padded[3], **weights)
    flat = [weights["x_weight"][padded[1]], weights["y_weight"][padded[3]]]
    assert torch.equal(found, chamfer(x, x_ptr, y, y_ptr, x_weight=flat[0], y_weight=flat[1]))


@both
def test_where_a_set_is_empty(switch):
    sizes = [(2, 0), (0, 3), (0, 0), (1, 1)]
    x, x_ptr, y, y_ptr = sets(2, sizes)
    x.requires_grad_()
    plain = chamfer(x, x_ptr, y, y_ptr, "none")
    assert plain[:3].tolist() == [0, 0, 0]
    assert plain[3] == 2 * (x[2] - y[3]).square().sum()
    counted = chamfer(x, x_ptr, y, y_ptr, "none", unmatched=0.5)
    assert counted[:3].tolist() == [1.0, 1.5, 0.0]
    counted.sum().backward()
    assert (x.grad[:2] == 0).all()
    lonely = sets(2, [(2, 0)])
    assert chamfer(*lonely, unmatched=1.0) == 2
    assert chamfer(*sets(2, [(0, 0)])) == 0


@both
def test_equal_sets_have_no_distance_and_a_finite_gradient(switch):
    x, x_ptr, _, _ = sets(2, SIZES)
    x.requires_grad_()
    for squared in (True, False):
        loss = chamfer(x, x_ptr, x.detach().clone(), x_ptr, squared=squared)
        assert loss == 0
        (slope,) = torch.autograd.grad(loss, x)
        assert (slope == 0).all()


def test_gradcheck():
    x, x_ptr, y, y_ptr = sets(2, SIZES[:3], dtype=torch.float64)
    for squared in (True, False):
        torch.autograd.gradcheck(
            lambda x, y, squared=squared: chamfer(x, x_ptr, y, y_ptr, "none", squared=squared),
            (x.requires_grad_(), y.requires_grad_()),
        )


def test_a_module_is_the_function():
    table = sets(3, SIZES)
    loss = ChamferLoss("sum", "mean", squared=False, match=2)
    for one in (loss, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert one(*table) == chamfer(*table, "sum", "mean", False, 2)
    assert repr(loss) == (
        "ChamferLoss(reduction=sum, particles=mean, squared=False, match=2, unmatched=0.0)"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reduction": "max"}, "Unknown reduction 'max': choose from mean, sum, none"),
        ({"particles": "none"}, "Unknown particles 'none': choose from sum, mean"),
        ({"match": 4}, "match from 1 to the 3 columns of x, but got 4"),
        ({"unmatched": -1.0}, "unmatched as a number of at least 0"),
        ({"x_weight": torch.ones(3)}, r"Expected 181 weights, but got \[3\]"),
    ],
)
def test_bad_input(options, said):
    with pytest.raises(ValueError, match=said):
        chamfer(*sets(3, SIZES), **options)


def test_bad_masks_and_coordinates():
    x, x_ptr, y, y_ptr = sets(2, SIZES)
    with pytest.raises(ValueError, match=r"x \[J, P, D\] and its mask \[J, P\]"):
        masked_chamfer(x, y, x, y)
    x[4] = float("inf")
    with pytest.raises(ValueError, match="Jet 1, particle 1"):
        chamfer(x, x_ptr, y, y_ptr)
