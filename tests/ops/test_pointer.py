"""Batch vectors, counts and pointers convert into each other."""

import pytest
import torch

from pyg_jets.ops import batch_to_ptr, counts_to_ptr, ptr_to_batch


@pytest.mark.parametrize("counts", [[2, 0, 3], [0], [], [1, 1]])
def test_round_trip(counts):
    ptr = counts_to_ptr(torch.tensor(counts, dtype=torch.int64))
    assert ptr.diff().tolist() == counts
    assert batch_to_ptr(ptr_to_batch(ptr), len(counts)).tolist() == ptr.tolist()


def test_a_batch_vector_that_falls():
    with pytest.raises(ValueError, match="sorted batch vector"):
        batch_to_ptr(torch.tensor([0, 1, 0]))
