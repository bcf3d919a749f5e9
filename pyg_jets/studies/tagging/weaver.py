"""The ParticleNet of this package beside weaver's: equal losses step by step, equal AUCs.

It needs weaver (``pip install 'pyg-jets[bench]'``), so a quick run leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.utils import to_dense_batch

from pyg_jets import metrics
from pyg_jets.files import require
from pyg_jets.nn import ParticleNet
from pyg_jets.ops import gather, ptr_to_batch
from pyg_jets.runs import load_run
from pyg_jets.studies.trained import data_module
from pyg_jets.training import JetDataModule

__all__ = ["same_losses", "same_training"]

_BLOCKS = ((64, 64, 64), (128, 128, 128), (256, 256, 256))
#: Jets of a class to choose from for the losses; batches, jets in a batch, particles in a jet.
_CHOICE, _BATCHES, _BATCH, _LENGTH = 4000, 200, 16, 40
#: Training and test jets of a class, epochs, jets in a batch, and particles in a padded jet.
_N_TRAIN, _N_TEST, _EPOCHS, _TRAIN_BATCH, _PADDED = 1500, 2000, 3, 64, 128


class Jets(NamedTuple):
    """Jets as a network reads them: features, pointer, (Δη, Δφ) and class."""

    x: Tensor
    ptr: Tensor
    pos: Tensor
    y: Tensor

    def take(self, rows: Tensor) -> Jets:
        """The jets with these numbers."""
        x, ptr = gather(self.x, self.ptr, rows)
        return Jets(x, ptr, gather(self.pos, self.ptr, rows)[0], self.y[rows])

    def batches(self, size: int) -> Iterator[Jets]:
        """All jets in their order, ``size`` at a time."""
        for rows in torch.arange(len(self.y)).split(size):
            yield self.take(rows)


Forward = Callable[[Jets], Tensor]


def weaver_network(in_channels: int, dropout: float = 0.1) -> nn.Module:
    """Weaver's ParticleNet with the widths of the paper, for two classes."""
    network = require("weaver.nn.model.ParticleNet", "bench").ParticleNet
    blocks = [(16, widths) for widths in _BLOCKS]
    return network(in_channels, 2, blocks, [(256, dropout)], use_fusion=False, trim=False)


def on_ragged(model: nn.Module) -> Forward:
    """Call our network."""
    return lambda jets: model(jets.x, jets.ptr, jets.pos)


def on_padded(model: nn.Module, length: int) -> Forward:
    """Call weaver's network, on jets padded with zeros and cut to ``length`` particles."""

    def forward(jets: Jets) -> Tensor:
        batch, n_jets = ptr_to_batch(jets.ptr), len(jets.y)
        x, mask = to_dense_batch(jets.x, batch, max_num_nodes=length, batch_size=n_jets)
        pos, _ = to_dense_batch(jets.pos, batch, max_num_nodes=length, batch_size=n_jets)
        return model(*(v.transpose(1, 2).contiguous() for v in (pos, x, mask.unsqueeze(2))))

    return forward


def same_losses(folder: str | Path) -> dict[str, list[float]]:
    """Losses of both networks, from the same weights, over the same batches.

    In double precision, as rounding errors grow from step to step; on jets cut to their 40 hardest
    particles, as weaver's batch norms include padding; and with particles displaced at random by
    1e-4, as several in one calorimeter cell are equally near, and the two networks choose different
    ones as the last neighbour.

    Args:
        folder: A run folder of top against QCD jets.
    """
    jets = _shuffled(data_module(load_run(folder), sample=None), "train", _CHOICE)
    long = (jets.ptr.diff() >= _LENGTH).nonzero().flatten()[: _BATCHES * _BATCH]
    jets = _hardest(jets.take(long), _LENGTH)
    torch.manual_seed(1)
    theirs = weaver_network(jets.x.size(1), dropout=0.0).double()
    ours = ParticleNet.from_weaver(theirs.state_dict(), dropout=0.0).double()
    losses: dict[str, list[float]] = {}
    for name, model, forward in (
        ("ours", ours, on_ragged(ours)),
        ("weaver", theirs, on_padded(theirs, _LENGTH)),
    ):
        optimizer, losses[name] = torch.optim.Adam(model.parameters()), []
        for batch in jets.batches(_BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(forward(batch), batch.y)
            loss.backward()
            optimizer.step()
            losses[name].append(float(loss.detach()))
    return losses


def same_training(folder: str | Path, seed: int) -> dict[str, Any]:
    """AUCs of both networks, trained from the same weights and tested on the same jets.

    Args:
        folder: A run folder of top against QCD jets.
        seed: Seed of the weights, of the order of the jets and of dropout.

    Returns:
        ``ours``, ``weaver`` and ``difference``, each as value and standard error.
    """
    data = data_module(load_run(folder), sample=None)
    train, test = _shuffled(data, "train", _N_TRAIN), _shuffled(data, "test", _N_TEST)
    torch.manual_seed(seed)
    theirs = weaver_network(train.x.size(1))
    ours = ParticleNet.from_weaver(theirs.state_dict(), dropout=0.1)
    scores = {}
    for name, model, forward in (
        ("ours", ours, on_ragged(ours)),
        ("weaver", theirs, on_padded(theirs, _PADDED)),
    ):
        _train(model, forward, train, 1000 * (seed - 1))
        model.eval()
        with torch.no_grad():
            logits = torch.cat([forward(batch) for batch in test.batches(_TRAIN_BATCH)])
        scores[name] = logits[:, 1] - logits[:, 0]
    aucs = {name: metrics.bootstrap(metrics.auc, s, test.y) for name, s in scores.items()}
    difference = metrics.difference(metrics.auc, scores["ours"], scores["weaver"], test.y)
    return {**aucs, "difference": difference}


def _train(model: nn.Module, forward: Forward, jets: Jets, seed: int) -> None:
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    for epoch in range(_EPOCHS):
        generator = torch.Generator().manual_seed(seed + epoch)
        shuffled = jets.take(torch.randperm(len(jets.y), generator=generator))
        for batch in shuffled.batches(_TRAIN_BATCH):
            optimizer.zero_grad()
            F.cross_entropy(forward(batch), batch.y).backward()
            optimizer.step()


def _shuffled(data: JetDataModule, split: str, n_each: int) -> Jets:
    """So many jets of each class, as a network reads them, shuffled."""
    labels = data.splits[split].y.flatten()
    rows = torch.cat([(labels == label).nonzero().flatten()[:n_each] for label in (0, 1)])
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
    jets = data.splits[split].index_select(rows)
    batches = list(data.loader(jets, data.eval_transform))
    counts = torch.cat([batch.ptr.diff() for batch in batches])
    ptr = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
    x, pos, y = (torch.cat([batch[name] for batch in batches]) for name in ("x", "pos", "y"))
    return Jets(x, ptr, pos, y.flatten())


def _hardest(jets: Jets, length: int) -> Jets:
    """The hardest particles of each jet, in double precision and displaced a little."""
    rows = torch.cat(
        [
            begin + jets.x[begin:end, 0].argsort(descending=True)[:length]
            for begin, end in zip(jets.ptr[:-1].tolist(), jets.ptr[1:].tolist(), strict=True)
        ]
    )
    ptr, pos = torch.arange(len(jets.y) + 1) * length, jets.pos[rows].double()
    noise = torch.randn(pos.shape, generator=torch.Generator().manual_seed(0)).double()
    return Jets(jets.x[rows].double(), ptr, pos + 1e-4 * noise, jets.y)
