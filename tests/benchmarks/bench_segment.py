"""Reductions over jets: the kernel of the maximum and torch-scatter, against plain torch."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable

import torch
from torch import Tensor

from pyg_jets.ops import segment_expand, segment_max, segment_sum
from pyg_jets.ops.segment import torch_scatter
from tests.benchmarks.harness import Row, alternate, batch_of

BATCH, WIDTH = 512, 128


def switched(run: Callable[[], Tensor], **switches: str) -> Callable[[], Tensor]:
    """``run`` with kernels or torch-scatter switched on (1) or off (0)."""

    def inner() -> Tensor:
        before = {name: os.environ.get(name) for name in switches}
        os.environ.update(switches)
        torch_scatter.cache_clear()  # it keeps what the environment said at its first call
        try:
            return run()
        finally:
            torch_scatter.cache_clear()
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    return inner


def run(repeats: int = 9) -> list[Row]:
    """Nanoseconds a number, read and written once."""
    x, ptr, _ = batch_of(BATCH, WIDTH)
    jets = segment_sum(x, ptr)
    rows = []
    for name, by, call in (
        ("segment_max", "kernel", lambda: segment_max(x, ptr)),
        ("segment_sum", "torch-scatter", lambda: segment_sum(x, ptr)),
        ("segment_expand", "torch-scatter", lambda: segment_expand(jets, ptr, len(x))),
    ):
        if by == "torch-scatter" and importlib.util.find_spec("torch_scatter") is None:
            rows.append(Row(f"{name} by {by}", None, note="not installed"))
            continue
        ours = switched(call, PYG_JETS_KERNELS="1", PYG_JETS_SCATTER="1")
        plain = switched(call, PYG_JETS_KERNELS="0", PYG_JETS_SCATTER="0")
        torch.testing.assert_close(plain(), ours())
        mine, peer = (1e9 * s / x.numel() for s in alternate(ours, plain, repeats))
        note = f"batch {BATCH}, {WIDTH} columns; peer: plain torch"
        rows.append(Row(f"{name} by {by}", mine, peer, peer / mine, unit="ns/number", note=note))
    return rows
