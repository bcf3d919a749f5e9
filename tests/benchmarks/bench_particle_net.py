"""ParticleNet against weaver's on padded jets: a training step, inference, memory, and scaling."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from weaver.nn.model.ParticleNet import ParticleNet as WeaverParticleNet

from pyg_jets.nn import ParticleNet
from tests.benchmarks.bench_pfn import padded
from tests.benchmarks.harness import Row, alternate, batch_of, memory

BATCH, LENGTH, FEATURES = 64, 128, 7
BLOCKS = ((64, 64, 64), (128, 128, 128), (256, 256, 256))


def weaver(features: int = FEATURES, dropout: float = 0.1) -> nn.Module:
    """Weaver's ParticleNet."""
    blocks = [(16, widths) for widths in BLOCKS]
    return WeaverParticleNet(features, 2, blocks, [(256, dropout)], use_fusion=False, trim=False)


def for_weaver(x: Tensor, ptr: Tensor, pos: Tensor, length: int = LENGTH) -> tuple[Tensor, ...]:
    """The inputs of weaver's ParticleNet: points, features and mask, padded to ``length``."""
    (features, mask), (points, _) = padded(x, ptr, length), padded(pos, ptr, length)
    return tuple(t.transpose(1, 2).contiguous() for t in (points, features, mask.bool()))


def step(model: nn.Module, y: Tensor, *inputs: Tensor) -> Callable[[], None]:
    """One training step: forward, loss, backward, Adam."""
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def run() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(*inputs), y).backward()
        optimizer.step()

    return run


def infer(model: nn.Module, *inputs: Tensor) -> Callable[[], None]:
    """A function that computes the logits of a batch, without gradient."""

    def run() -> None:
        model.eval()
        with torch.no_grad():
            model(*inputs)

    return run


def one_step(whose: str, n_jets: int = BATCH) -> Callable[[], None]:
    """A training step of ``"ours"`` or ``"weaver"``, to be run in its own process."""
    x, ptr, y = batch_of(n_jets, FEATURES)
    pos = x[:, :2].contiguous()
    if whose == "ours":
        return step(ParticleNet(FEATURES, BLOCKS, out_channels=2), y, x, ptr, pos)
    return step(weaver(), y, *for_weaver(x, ptr, pos))


def flops(ptr: Tensor) -> float:
    """Floating-point operations of a step's matrix products: forward once, backward twice."""
    n, before, total = int(ptr[-1]), FEATURES, 0
    for widths in BLOCKS:
        total += n * 3 * before * widths[0]  # both ends and the shortcut
        total += sum(16 * n * a * b for a, b in pairwise(widths))
        before = widths[-1]
    return 6.0 * total


def matrix_rate(rows: int, repeats: int = 7) -> float:
    """Floating-point operations a second of a tall product, ``[rows, 256] · [256, 256]``."""
    a, b, out = torch.randn(rows, 256), torch.randn(256, 256), torch.empty(rows, 256)
    seconds, _ = alternate(lambda: torch.mm(a, b, out=out), lambda: None, repeats)
    return 2 * rows * 256**2 / seconds


def scaling() -> list[Row]:
    """Cost of ours as a function of multiplicity and batch size."""
    rows = []
    cases = [(n, BATCH) for n in (20, 50, 100, 200)] + [(66, b) for b in (32, 128, 512, 1024)]
    for n, batch in cases:
        torch.manual_seed(0)
        x, ptr = torch.randn(n * batch, FEATURES), torch.arange(batch + 1) * n
        model = ParticleNet(FEATURES, BLOCKS, out_channels=2)
        run = infer(model, x, ptr, x[:, :2].contiguous())
        seconds, _ = alternate(run, lambda: None, 3)
        rows.append(
            Row(
                f"ParticleNet inference, {n} particles a jet, batch {batch}",
                1e9 * seconds / (3 * 16 * n * batch),
                unit="ns/edge",
                note=f"{batch / seconds:,.0f} jets/s",
            )
        )
    return rows


def run(repeats: int = 5) -> list[Row]:
    """All figures."""
    x, ptr, y = batch_of(BATCH, FEATURES)
    pos = x[:, :2].contiguous()
    theirs, inputs = weaver(), for_weaver(x, ptr, pos)
    ours = ParticleNet.from_weaver(theirs.state_dict())
    note = f"{len(x) / BATCH:.0f} particles a jet; weaver's padded to {LENGTH}"
    mine, peer = alternate(step(ours, y, x, ptr, pos), step(theirs, y, *inputs), repeats)
    rate, tall = flops(ptr) / mine, matrix_rate(16 * len(x))
    both = BATCH / mine, BATCH / peer
    what = f"ParticleNet training step, batch {BATCH}, against weaver's"
    rows = [
        Row(what, *both, both[0] / both[1], 5.0, 10.0, "jets/s", note),
        Row(
            "share of a tall matrix product's rate that a ParticleNet step reaches",
            rate / 1e9, tall / 1e9, rate / tall, 0.5, 0.8, "GFLOP/s",
            f"peer: [{16 * len(x)}, 256] · [256, 256]",
        ),
    ]  # fmt: skip
    mine, peer = alternate(infer(ours, x, ptr, pos), infer(theirs, *inputs), repeats)
    both = BATCH / mine, BATCH / peer
    what = f"ParticleNet inference, batch {BATCH}, against weaver's"
    rows.append(Row(what, *both, both[0] / both[1], 5.0, 12.0, "jets/s", note))
    little, much = (memory(__name__, (whose,), (whose, 4)) for whose in ("ours", "weaver"))
    rows.append(
        Row(
            "memory of a ParticleNet step", little, much, much / little, 2.5, 4.0, "MB",
            "anonymous memory at its height, less that before; ratio: weaver's over ours",
        )
    )  # fmt: skip
    return rows + scaling()
