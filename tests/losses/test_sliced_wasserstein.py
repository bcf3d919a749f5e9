"""The sliced Wasserstein distance against POT in double precision."""

import copy
import pickle
from itertools import pairwise

import numpy as np
import ot
import pytest
import torch

from pyg_jets.losses import (
    SlicedWassersteinLoss,
    chamfer,
    masked_sliced_wasserstein,
    sliced_wasserstein,
)
from tests.ops.test_nearest import both, sets

SAME = [(3, 3), (1, 1), (60, 60), (7, 7)]
DIFFERENT = [(3, 2), (7, 9), (1, 1), (40, 35), (130, 3), (1, 200), (12, 12)]


@pytest.fixture(autouse=True)
def kernels(request, monkeypatch):
    if "switch" in request.fixturenames:
        monkeypatch.setenv("PYG_JETS_KERNELS", request.getfixturevalue("switch"))


def unit(n, width, seed=0):
    drawn = torch.randn(n, width, generator=torch.Generator().manual_seed(seed)).double()
    return drawn / drawn.norm(dim=1, keepdim=True)


def jets(x, ptr):
    return [x[a:b].detach().double().numpy() for a, b in pairwise(ptr.tolist())]


def pot(x, x_ptr, y, y_ptr, directions):
    """Squared distances of each jet by POT."""
    pairs = zip(jets(x, x_ptr), jets(y, y_ptr), strict=True)
    return torch.tensor(
        [
            ot.sliced_wasserstein_distance(a, b, projections=directions.numpy().T, p=2) ** 2
            for a, b in pairs
        ]
    )


@both
@pytest.mark.parametrize("sizes", [SAME, DIFFERENT])
@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_pot(sizes, width, dtype, switch):
    x, x_ptr, y, y_ptr = sets(width, sizes)
    directions = unit(20, width)
    want = pot(x, x_ptr, y, y_ptr, directions)
    got = sliced_wasserstein(x.to(dtype), x_ptr, y.to(dtype), y_ptr, directions, "none")
    assert got.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 1e-6
    torch.testing.assert_close(got.double(), want, rtol=tolerance, atol=tolerance)


def test_in_one_dimension_it_is_the_wasserstein_distance():
    x, x_ptr, y, y_ptr = sets(1, DIFFERENT, dtype=torch.float64)
    pairs = zip(jets(x, x_ptr), jets(y, y_ptr), strict=True)
    want = [float(ot.wasserstein_1d(a[:, 0], b[:, 0], p=2)) for a, b in pairs]
    got = sliced_wasserstein(x, x_ptr, y, y_ptr, 3, "none")
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)


@both
def test_the_gradient_is_that_of_the_definition(switch):
    x, x_ptr, y, y_ptr = sets(2, DIFFERENT[:4], dtype=torch.float64)
    directions = unit(4, 2)
    torch.autograd.gradcheck(
        lambda x, y: sliced_wasserstein(x, x_ptr, y, y_ptr, directions, "none"),
        (x.requires_grad_(), y.requires_grad_()),
    )
    single = [t.detach().float().requires_grad_() for t in (x, y)]
    for points in (x, y, *single):
        points.grad = None
    sliced_wasserstein(x, x_ptr, y, y_ptr, directions).backward()
    sliced_wasserstein(single[0], x_ptr, single[1], y_ptr, directions).backward()
    for exact, ours in zip((x, y), single, strict=True):
        torch.testing.assert_close(ours.grad.double(), exact.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_masked_is_ragged_and_batches_are_independent(reduction):
    x, x_ptr, y, y_ptr = sets(3, DIFFERENT)
    padded = []
    for points, ptr, length in ((x, x_ptr, 150), (y, y_ptr, 200)):
        full = torch.full((len(ptr) - 1, length, 3), torch.nan)
        mask = torch.arange(length) < ptr.diff().unsqueeze(1)
        full[mask] = points
        padded += [full, mask]
    options = {"directions": unit(8, 3), "reduction": reduction}
    got = masked_sliced_wasserstein(padded[0], padded[2], padded[1], padded[3], **options)
    want = sliced_wasserstein(x, x_ptr, y, y_ptr, **options)
    assert torch.equal(got, want)
    if reduction == "none":
        for j in range(len(DIFFERENT)):
            part = [padded[0][j : j + 1], padded[2][j : j + 1]]
            masks = [padded[1][j : j + 1], padded[3][j : j + 1]]
            alone = masked_sliced_wasserstein(*part, *masks, **options)
            torch.testing.assert_close(alone[0], want[j])


@both
def test_order_and_where_a_set_is_empty(switch):
    x, x_ptr, y, y_ptr = sets(2, [(2, 0), (0, 3), (0, 0), (3, 2)])
    x.requires_grad_()
    options = {"directions": unit(5, 2), "reduction": "none"}
    plain = sliced_wasserstein(x, x_ptr, y, y_ptr, **options)
    assert plain[:3].tolist() == [0, 0, 0]
    assert plain[3] > 0
    shuffled = x.detach()[[1, 0, 4, 2, 3]]
    torch.testing.assert_close(
        sliced_wasserstein(shuffled, x_ptr, y, y_ptr, **options), plain.detach()
    )
    counted = sliced_wasserstein(x, x_ptr, y, y_ptr, unmatched=0.5, **options)
    assert counted[:3].tolist() == [0.5, 0.5, 0.0]
    counted.sum().backward()
    assert (x.grad[:2] == 0).all()
    assert (x.grad[2:] != 0).any()
    assert sliced_wasserstein(*sets(2, [(2, 0)]), unmatched=1.0) == 1
    assert sliced_wasserstein(*sets(2, [(0, 0)])) == 0
    none, no_jets = torch.zeros(0, 2), torch.tensor([0])
    assert sliced_wasserstein(none, no_jets, none, no_jets) == 0


def test_duplicates_count_unlike_in_chamfer():
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [0.0], [0.0], [1.0]])
    two, four = torch.tensor([0, 2]), torch.tensor([0, 4])
    assert chamfer(x, two, y, four) == 0
    assert float(sliced_wasserstein(x, two, y, four)) == pytest.approx(0.25)
    assert float(sliced_wasserstein(x, two, torch.cat((x, x)), four)) == 0


def test_a_common_shift_is_its_square_over_the_dimension():
    generator = torch.Generator().manual_seed(0)
    x, ptr = torch.randn(300, 2, generator=generator).double(), torch.tensor([0, 300])
    shift = torch.tensor([0.3, -0.4]).double()
    got = sliced_wasserstein(x, ptr, x + shift, ptr, 20_000, generator=generator)
    assert float(got) == pytest.approx(0.25 / 2, rel=0.02)


def test_weights_of_jets_and_seeds():
    table = sets(2, DIFFERENT)
    directions, weight = unit(8, 2), torch.rand(len(DIFFERENT))
    each = sliced_wasserstein(*table, directions, "none")
    for reduction, want in (("sum", each @ weight), ("mean", each @ weight / weight.sum())):
        got = sliced_wasserstein(*table, directions, reduction, weight=weight)
        torch.testing.assert_close(got, want)
    draws = [
        sliced_wasserstein(*table, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_a_module_is_the_function():
    table, loss = sets(3, DIFFERENT), SlicedWassersteinLoss(5, "sum", 0.1)
    for module in (loss, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        got = module(*table, generator=torch.Generator().manual_seed(3))
        generator = torch.Generator().manual_seed(3)
        assert got == sliced_wasserstein(*table, 5, "sum", 0.1, generator=generator)
    assert repr(loss) == "SlicedWassersteinLoss(directions=5, reduction=sum, unmatched=0.1)"
    assert loss.state_dict() == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reduction": "max"}, "Unknown reduction 'max': choose from mean, sum, none"),
        ({"directions": 0}, "at least 1 direction, but got 0"),
        ({"directions": torch.ones(4, 2)}, r"directions \[L, 3\], one a row, but got \[4, 2\]"),
        ({"unmatched": -1.0}, "unmatched as a number of at least 0"),
        ({"weight": torch.ones(3)}, "Expected 7 weights, one a jet, but got 3"),
        ({"weight": torch.ones(7), "reduction": "none"}, "weights of jets with reduction 'mean'"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(ValueError, match=said):
        sliced_wasserstein(*sets(3, DIFFERENT), **options)


def test_bad_sets():
    x, x_ptr, y, y_ptr = sets(2, DIFFERENT)
    with pytest.raises(ValueError, match=r"x \[J, P, D\] and its mask \[J, P\]"):
        masked_sliced_wasserstein(x, y, x, y)
    with pytest.raises(ValueError, match="the same coordinates, but x has 2 and y 1"):
        sliced_wasserstein(x, x_ptr, y[:, :1], y_ptr)
    with pytest.raises(ValueError, match="the same jets, but x has 7 and y 6"):
        sliced_wasserstein(x, x_ptr, y[: y_ptr[-2]], y_ptr[:-1])
    with pytest.raises(ValueError, match="ptr to rise from 0 to the number of particles"):
        sliced_wasserstein(x[:-1], x_ptr, y, y_ptr)
    for value in (torch.nan, torch.inf):
        wrong = x.clone()
        wrong[4] = value
        with pytest.raises(ValueError, match="Jet 1, particle 1"):
            sliced_wasserstein(wrong, x_ptr, y, y_ptr)
    with pytest.raises(ValueError, match="at least 1 direction"):
        SlicedWassersteinLoss(0)
    with pytest.raises(ValueError, match="Unknown reduction"):
        SlicedWassersteinLoss(reduction="max")
