"""JetLoader against PyG's DataLoader: shuffled batches of 512 of the same data set."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.loader import DataLoader

from pyg_jets.loader import JetLoader
from tests.benchmarks.harness import Row, alternate, copy_bandwidth, pythia_jets

BATCH = 512


def passes(loader: Any, times: int = 1) -> None:
    """Go through all batches."""
    for _ in range(times):
        for _ in loader:
            pass


def bytes_per_jet(dataset: Any) -> float:
    """Bytes that a batch must read and write for a jet: its tensors, and ``batch``."""
    values = dataset._data.to_dict().values()
    tensors = sum(v.numel() * v.element_size() for v in values if isinstance(v, torch.Tensor))
    return (2 * tensors + 8 * dataset._data.num_nodes) / len(dataset)


def run(repeats: int = 9, times: int = 5) -> list[Row]:
    """Jets a second from memory."""
    dataset = pythia_jets().select(("pt", "eta", "phi", "mass", "charge", "pdgid")).to_pyg()
    ours = JetLoader(dataset, BATCH, shuffle=True)
    theirs = DataLoader(dataset, BATCH, shuffle=True)
    # Ours is through the data set in a millisecond or two, so it goes round a few times.
    seconds, peer = alternate(lambda: passes(ours, times), lambda: passes(theirs), repeats)
    rate, peer_rate = times * len(dataset) / seconds, len(dataset) / peer
    size = bytes_per_jet(dataset)
    share = rate * size / copy_bandwidth()
    note = f"{size / 1e3:.1f} kB read and written a jet, {share:.0%} of copy bandwidth"
    what = f"JetLoader, batch {BATCH}, shuffled"
    return [Row(what, rate, peer_rate, rate / peer_rate, 25, 100, "jets/s", note)]
