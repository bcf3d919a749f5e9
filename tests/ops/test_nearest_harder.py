"""The nearest harder particle of a group: against loops, empty jets, ties, and the dispatcher."""

import numpy as np
import pytest
import torch

from pyg_jets.ops import nearest_harder
from pyg_jets.ops.nearest_harder import nearest_harder_reference


def particles(counts=(5, 0, 1, 40, 3), seed=0, dtype=torch.float32):
    rng = np.random.default_rng(seed)
    ptr = torch.tensor(np.concatenate(([0], np.cumsum(counts))))
    n = int(ptr[-1])
    pos = torch.tensor(rng.integers(0, 6, (n, 2)) * 0.1, dtype=dtype)  # with equal distances
    pt = torch.tensor(rng.integers(1, 9, n), dtype=dtype)  # with equal pT
    return pos, pt, torch.tensor(rng.integers(-1, 3, n)), ptr


def by_loops(pos, pt, group, ptr):
    out = list(range(len(pos)))
    for first, last in zip(ptr[:-1].tolist(), ptr[1:].tolist(), strict=True):
        for i in range(first, last):
            if group[i] < 0:
                continue
            harder = [
                k for k in range(first, last)
                if group[k] == group[i] and (pt[k] > pt[i] or (pt[k] == pt[i] and k < i))
            ]  # fmt: skip
            key = {k: (float((pos[i] - pos[k]).square().sum()), -float(pt[k]), k) for k in harder}
            out[i] = min(harder, key=key.get) if harder else i
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_loops_give(seed, dtype):
    jets = particles(seed=seed, dtype=dtype)
    assert nearest_harder(*jets).tolist() == by_loops(*jets)
    assert nearest_harder_reference(*jets).tolist() == by_loops(*jets)


def test_following_the_neighbours_ends():
    pos, pt, group, ptr = particles((60,), dtype=torch.float32)
    rows = nearest_harder(pos, pt, group, ptr)
    ends = rows
    for _ in range(60):
        ends = rows[ends]
    assert bool((rows[ends] == ends).all())
    for g in range(3):
        assert len(ends[group == g].unique()) == 1


def test_no_jets_and_wrong_shapes():
    none = torch.zeros(0, 2), torch.zeros(0), torch.zeros(0, dtype=torch.int64)
    assert nearest_harder(*none, torch.tensor([0, 0, 0])).tolist() == []
    pos, pt, group, ptr = particles()
    with pytest.raises(ValueError, match=r"pt \[49\] and group \[49\] int64"):
        nearest_harder(pos, pt[1:], group, ptr)
    with pytest.raises(ValueError, match="int64"):
        nearest_harder(pos, pt, group.float(), ptr)


def test_opcheck():
    torch.library.opcheck(torch.ops.pyg_jets.nearest_harder.default, particles())
