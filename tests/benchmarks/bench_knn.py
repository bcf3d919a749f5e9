"""Nearest neighbours within jets, against padded distances and against torch-cluster."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pyg_jets.ops import knn, ptr_to_batch
from tests.benchmarks.bench_pfn import padded
from tests.benchmarks.harness import Row, alternate, batch_of

BATCH, K, LENGTH = 512, 16, 128


def padded_knn(full: Tensor, mask: Tensor) -> Callable[[], Tensor]:
    """The usual way with padded arrays: all distances, then ``topk``."""

    def run() -> Tensor:
        square = full.square().sum(-1)
        distance = square.unsqueeze(2) + square.unsqueeze(1) - 2 * full @ full.transpose(1, 2)
        distance = distance.masked_fill(~mask.transpose(1, 2).bool(), torch.inf)
        return distance.topk(K + 1, largest=False)[1][:, :, 1:]

    return run


def cluster() -> Any:
    """The module torch-cluster, or None if it is not installed."""
    try:
        return importlib.import_module("torch_cluster")
    except (ImportError, OSError):
        return None


def run(repeats: int = 9) -> list[Row]:
    """Jets a second at two widths."""
    rows, theirs = [], cluster()
    for width, asked in ((2, (3.0, 6.0)), (64, (6.0, 12.0))):
        x, ptr, _ = batch_of(BATCH, width)
        n_jets, pairs = len(ptr) - 1, int(ptr.diff().square().sum())
        what, note = f"kNN, k = {K}, batch {BATCH}, D = {width}", f"{len(x) / n_jets:.0f} a jet"
        ours = partial(knn, x, ptr, K)
        peer = padded_knn(*padded(x, ptr, LENGTH))
        mine, other = (n_jets / s for s in alternate(ours, peer, repeats))
        rate = 3 * width * pairs / n_jets * mine / 1e9
        rows.append(
            Row(
                f"{what}, against padded distances and topk",
                mine, other, mine / other, 4.0, 10.0, "jets/s",
                f"{note}, padded to {LENGTH}; {rate:.1f} GFLOP/s in differences alone",
            )
        )  # fmt: skip
        if theirs is None:
            rows.append(Row(f"{what}, torch-cluster", mine, note="torch-cluster is not installed"))
            continue
        peer = partial(theirs.knn_graph, x, K, ptr_to_batch(ptr))
        mine, other = (n_jets / s for s in alternate(ours, peer, repeats))
        rows.append(
            Row(f"{what}, against torch-cluster", mine, other, mine / other, *asked, "jets/s", note)
        )
    return rows
