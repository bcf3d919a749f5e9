"""Sums over jets: kernels, torch-scatter where it is installed, and plain torch."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable

import torch
from torch import Tensor

from pyg_jets.ops import segment_expand, segment_sum
from tests.benchmarks.harness import Row, alternate, batch_of

BATCH, WIDTH = 512, 128


def switched(run: Callable[[], Tensor], **switches: str) -> Callable[[], Tensor]:
    """``run`` with kernels or torch-scatter switched off."""

    def inner() -> Tensor:
        before = {name: os.environ.get(name) for name in switches}
        os.environ.update(switches)
        try:
            return run()
        finally:
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
    rows, off = [], {"PYG_JETS_KERNELS": "0"}
    for name, call in (
        ("segment_sum", lambda: segment_sum(x, ptr)),
        ("segment_expand", lambda: segment_expand(jets, ptr, len(x))),
    ):
        torch.testing.assert_close(switched(call, PYG_JETS_SCATTER="0", **off)(), call())
        plain = switched(call, PYG_JETS_SCATTER="0", **off)
        cases = [("kernel", call)]
        if importlib.util.find_spec("torch_scatter") is not None:
            cases.append(("torch-scatter", switched(call, PYG_JETS_SCATTER="1", **off)))
        for by, ours in cases:
            mine, peer = (1e9 * s / x.numel() for s in alternate(ours, plain, repeats))
            note = f"batch {BATCH}, {WIDTH} columns; peer: plain torch"
            rows.append(
                Row(f"{name} by {by}", mine, peer, peer / mine, unit="ns/number", note=note)
            )
        if len(cases) == 1:
            rows.append(Row(f"{name} by torch-scatter", None, note="not installed"))
    return rows
