"""A PFN training step on ragged jets, and the same network on jets zero-padded to one length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.nn import PFN
from pyg_jets.ops import ptr_to_batch
from tests.benchmarks.harness import Row, alternate, pythia_jets

BATCH = 512
PHI, HIDDEN = (100, 100, 256), (100, 100, 100)


def stack(widths: tuple[int, ...], outputs: int | None = None) -> nn.Sequential:
    """Linear layers with a ReLU after each, in place as ours is."""
    layers: list[nn.Module] = []
    for before, width in pairwise(widths):
        layers += [nn.Linear(before, width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *([] if outputs is None else [nn.Linear(widths[-1], outputs)]))


class PaddedPFN(nn.Module):
    """The same network on ``[J, L, F]`` and a mask."""

    def __init__(
        self,
        in_channels: int,
        phi: Sequence[int] = PHI,
        f: Sequence[int] = HIDDEN,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.phi, self.f = stack((in_channels, *phi)), stack((phi[-1], *f), 1)
        self.norm = nn.BatchNorm1d(phi[-1]) if norm else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Logits of each jet."""
        return self.f(self.norm((self.phi(x) * mask).sum(1)))


def step(model: nn.Module, y: Tensor, *inputs: Tensor) -> Callable[[], None]:
    """One training step: forward, loss, backward, Adam."""
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def run() -> None:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(*inputs).squeeze(1), y).backward()
        optimizer.step()

    return run


def padded(x: Tensor, ptr: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The jets as ``[J, length, F]``, cut where they are longer, and the mask of real particles."""
    jet = ptr_to_batch(ptr)
    place = torch.arange(len(x)) - ptr[jet]
    kept = place < length
    full = x.new_zeros(len(ptr) - 1, length, x.size(1))
    mask = x.new_zeros(len(ptr) - 1, length, 1)
    full[jet[kept], place[kept]], mask[jet[kept], place[kept]] = x[kept], 1
    return full, mask


def check(x: Tensor, ptr: Tensor) -> None:
    """Both networks are the same function."""
    ours, peer = PFN(x.size(1), PHI, HIDDEN), PaddedPFN(x.size(1))
    for mine, yours in zip(ours.parameters(), peer.parameters(), strict=True):
        yours.data.copy_(mine.data)
    longest = int(ptr.diff().max())
    torch.testing.assert_close(ours(x, ptr), peer(*padded(x, ptr, longest)), rtol=1e-3, atol=1e-4)


def run(repeats: int = 7) -> list[Row]:
    """Jets a second in training."""
    jets = pythia_jets()
    chosen = torch.randperm(len(jets), generator=torch.Generator().manual_seed(0))[:BATCH]
    batch = jets[chosen.numpy()]
    x, ptr = torch.tensor(batch.particles), torch.tensor(batch.ptr)
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    y = torch.arange(len(batch)).remainder(2).float()
    check(x, ptr)
    rows = []
    for length, at_least, goal in ((200, 2.5, 3.5), (150, None, None)):
        ours = step(PFN(x.size(1), PHI, HIDDEN), y, x, ptr)
        peer = step(PaddedPFN(x.size(1)), y, *padded(x, ptr, length))
        mine, yours = (len(batch) / s for s in alternate(ours, peer, repeats))
        what = f"PFN training step, batch {BATCH}, against padding to {length}"
        note = f"{len(x) / len(batch):.0f} particles a jet"
        rows.append(Row(what, mine, yours, mine / yours, at_least, goal, "jets/s", note))
    return rows
