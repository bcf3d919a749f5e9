"""Our ParticleNet beside weaver's: the same losses batch by batch, and equally good trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets import metrics
from pyg_jets.nn import ParticleNet
from tests.benchmarks.bench_particle_net import for_weaver, weaver
from tests.results.comparison_data import Jets, module, some

__all__ = ["losses", "training"]

BATCHES, BATCH, LENGTH = 200, 16, 40
N_EACH, EPOCHS, N_TEST = 1500, 3, 2000
Run = Callable[[Jets], Tensor]


def ours(model: nn.Module) -> Run:
    """Jets as they are."""
    return lambda jets: model(jets.x, jets.ptr, jets.pos)


def theirs(model: nn.Module, length: int) -> Run:
    """Jets padded, and cut, to a length."""
    return lambda jets: model(*for_weaver(jets.x, jets.ptr, jets.pos, length))


def losses() -> dict[str, Any]:
    """The losses of both, from the same weights, on the same batches.

    In double precision, as rounding grows from step to step; of jets of one length, as weaver's
    norms count padding; with particles moved apart by a little, as calorimeters put several at one
    point, of which either takes another for the last of its nearest neighbours.
    """
    jets = some(module(("qcd", "top")), "train", 4000)
    long = (jets.ptr.diff() >= LENGTH).nonzero().flatten()[: BATCHES * BATCH]
    jets = _cut(jets.take(long))
    torch.manual_seed(1)
    network = weaver(jets.x.size(1), dropout=0.0).double()
    copy = ParticleNet.from_weaver(network.state_dict(), dropout=0.0).double()
    curves = [
        _losses(model, run, jets)
        for model, run in ((copy, ours(copy)), (network, theirs(network, LENGTH)))
    ]
    return {"ours": curves[0], "weaver": curves[1]}


def _cut(jets: Jets) -> Jets:
    """The hardest particles of each jet, in double precision."""
    n_jets, first = len(jets.y), jets.ptr[:-1]
    rows = torch.cat(
        [
            begin + jets.x[begin:end, 0].argsort(descending=True)[:LENGTH]
            for begin, end in zip(first.tolist(), jets.ptr[1:].tolist(), strict=True)
        ]
    )
    ptr = torch.arange(n_jets + 1) * LENGTH
    pos = jets.pos[rows].double()
    apart = torch.randn(pos.shape, generator=torch.Generator().manual_seed(0)).double()
    return Jets(jets.x[rows].double(), ptr, pos + 1e-4 * apart, jets.y)


def _losses(model: nn.Module, run: Run, jets: Jets) -> list[float]:
    optimizer, found = torch.optim.Adam(model.parameters()), []
    for batch in jets.batches(BATCH):
        optimizer.zero_grad()
        loss = F.cross_entropy(run(batch), batch.y)
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    return found


def training(seed: int) -> dict[str, Any]:
    """Both trained on few jets as they are, from the same weights; AUC on the same test jets.

    Another seed is other weights, another order of the jets, and other activations dropped.
    """
    data = module(("qcd", "top"))
    train, test = some(data, "train", N_EACH), some(data, "test", N_TEST)
    torch.manual_seed(seed)
    network = weaver(train.x.size(1))
    copy = ParticleNet.from_weaver(network.state_dict(), dropout=0.1)
    scores = {}
    for name, model, run in (
        ("ours", copy, ours(copy)),
        ("weaver", network, theirs(network, 128)),
    ):
        _train(model, run, train, 1000 * (seed - 1))
        scores[name] = _scores(model, run, test)
    y = test.y
    found: dict[str, Any] = {
        name: metrics.bootstrap(metrics.auc, score, y) for name, score in scores.items()
    }
    found["difference"] = metrics.difference(metrics.auc, scores["ours"], scores["weaver"], y)
    return {name: list(value) for name, value in found.items()}


def _train(model: nn.Module, run: Run, jets: Jets, first: int) -> None:
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    for epoch in range(EPOCHS):
        generator = torch.Generator().manual_seed(first + epoch)
        shuffled = jets.take(torch.randperm(len(jets.y), generator=generator))
        for batch in shuffled.batches(64):
            optimizer.zero_grad()
            F.cross_entropy(run(batch), batch.y).backward()
            optimizer.step()


@torch.no_grad()
def _scores(model: nn.Module, run: Run, jets: Jets) -> Tensor:
    model.eval()
    logits = torch.cat([run(batch) for batch in jets.batches(64)])
    return logits[:, 1] - logits[:, 0]
