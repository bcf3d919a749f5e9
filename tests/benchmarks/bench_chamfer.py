"""The ragged Chamfer distance against padded distances with masks, forward and backward."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pyg_jets.losses import chamfer
from tests.benchmarks.bench_pfn import padded
from tests.benchmarks.harness import Row, alternate, batch_of, memory

BATCH, WIDTH = 512, 3
#: Jets, and particles of each, whose memory is compared.
MANY, FEWER, MORE = 2048, 100, 400


def sets() -> tuple[Tensor, Tensor, Tensor]:
    """Top and QCD jets, and the same with noise, as a generator could reconstruct them."""
    x, ptr, _ = batch_of(BATCH, WIDTH)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    return x, x + 0.05 * noise, ptr


def dense(x: Tensor, y: Tensor, x_mask: Tensor, y_mask: Tensor, exact: bool = False) -> Tensor:
    """The Chamfer distance of padded arrays: all distances, and the minimum of each row and column.

    By default ``cdist`` computes them by a matrix product, which is faster and less precise.
    """
    mode = "donot_use_mm" if exact else "use_mm"
    distance = torch.cdist(x, y, compute_mode=f"{mode}_for_euclid_dist").square()
    real = (x_mask * y_mask.transpose(1, 2)).bool()
    distance = torch.where(real, distance, torch.inf)
    total = x.new_zeros(())
    for axis, mask in ((2, x_mask), (1, y_mask)):
        least = distance.min(axis).values
        total = total + torch.where(mask.squeeze(2).bool(), least, 0).sum()
    return total / len(x)


def with_gradient(loss: Callable[[], Tensor], *points: Tensor) -> Callable[[], Tensor]:
    """A function that runs the loss forward and backward, and returns its value."""

    def run() -> Tensor:
        for point in points:
            point.grad = None
        value = loss()
        value.backward()
        return value.detach()

    return run


def one_step(n_particles: int, n_jets: int = MANY) -> Callable[[], Tensor]:
    """Forward and backward of jets of one size, to be run in its own process."""
    x = torch.randn(n_jets * n_particles, WIDTH, requires_grad=True)
    y = torch.randn(n_jets * n_particles, WIDTH, requires_grad=True)
    ptr = torch.arange(n_jets + 1) * n_particles
    return with_gradient(lambda: chamfer(x, ptr, y, ptr), x, y)


def growth() -> Row:
    """Memory per particle of large jets, compared with small ones."""
    few, many = (memory(__name__, (n,), (n, 4)) * 2**20 / (MANY * n) for n in (FEWER, MORE))
    note = (
        f"two sets of each jet; {few:.0f} in jets of {FEWER}, {many / few:.2f} times as much; "
        f"all distances would take {MORE / FEWER:g} times as much"
    )
    return Row(
        f"memory of Chamfer forward and backward, {MANY} jets of {MORE}", many,
        unit="bytes/particle", note=note, asked="linear in particles", fulfilled=many < 1.3 * few,
    )  # fmt: skip


def run(repeats: int = 7) -> list[Row]:
    """Milliseconds a batch."""
    x, y, ptr = sets()
    longest = int(ptr.diff().max())
    (full, mask), (other, _) = padded(x, ptr, longest), padded(y, ptr, longest)
    leaves = [t.requires_grad_() for t in (x, y, full, other)]
    ours = with_gradient(lambda: chamfer(x, ptr, y, ptr), *leaves[:2])
    peer = with_gradient(lambda: dense(full, other, mask, mask), *leaves[2:])
    exact = dense(full, other, mask, mask, exact=True)
    torch.testing.assert_close(ours(), exact.detach(), rtol=1e-4, atol=0)
    mine, theirs = alternate(ours, peer, repeats)
    note = f"{len(x) / BATCH:.0f} particles a jet, padded to {longest}; three coordinates"
    what = f"Chamfer forward and backward, {BATCH} jets, against padded `cdist`"
    return [Row(what, 1e3 * mine, 1e3 * theirs, theirs / mine, 60.0, 80.0, "ms", note), growth()]
