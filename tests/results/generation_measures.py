"""What is measured of generated jets: distances, resolutions, bins, responses and costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from pyg_jets.losses import VAELoss
from pyg_jets.metrics.energy_flow import prime_multigraphs
from pyg_jets.metrics.energy_mover import coverage
from pyg_jets.metrics.features import feature_distances, jet_features
from pyg_jets.metrics.generation import JetSample as Checked
from pyg_jets.metrics.generation import efp_features, fpd, kpd, w1efp, w1m, w1p
from pyg_jets.nn import ConditionalGraphVAE, ConvVAE
from pyg_jets.transforms import Detect
from tests.results.generation_data import Generated, Given, Jets, leading

__all__ = [
    "Sample", "costs", "detector_cost", "detector_draws", "distances", "matched", "network_draws",
    "responses", "simple", "steps",
]  # fmt: skip

#: Jets of which energy-flow polynomials are made, and jets of a batch of the distances.
MOST = 50_000
BINS = 20


class Sample(Checked):
    """Jets whose energy-flow polynomials are made once, for all that asks for some of them."""

    def __init__(self, jets: Jets) -> None:
        super().__init__(*jets)
        self._places = {
            id(g): i for i, g in enumerate(g for d in range(1, 5) for g in prime_multigraphs(d))
        }
        self._values: np.ndarray | None = None

    def efps(self, graphs: Any) -> np.ndarray:
        """See the class that this is one of."""
        if self._values is None:
            self._values = super().efps([g for d in range(1, 5) for g in prime_multigraphs(d)])
        return self._values[:, [self._places[id(graph)] for graph in graphs]]


def distances(made: Jets, real: Jets, cache: dict[str, Sample]) -> dict[str, Any]:
    """W1M and W1P of all jets, W1EFP, FPD and KPD of the first, with pT relative to that of GEN.

    Args:
        made: The generated jets.
        real: The real jets.
        cache: Where the real jets are held from one call to the next.
    """
    if not cache:
        cache.update(all=Sample(real), first=Sample(real.first(MOST)))
    batch, ours, first = min(MOST, len(made)), Sample(made), Sample(made.first(MOST))
    features = efp_features(first, cache["first"])
    return {
        "w1m": w1m(ours, cache["all"], batch),
        "w1p": w1p(ours, cache["all"], batch),
        "w1efp": w1efp(first, cache["first"], batch),
        "fpd": fpd(*features, min_samples=min(20_000, len(first) // 2)),
        "kpd": kpd(*features),
        "batch": batch,
    }


def matched(made: Jets, real: Jets) -> dict[str, Any]:
    """COV and MMD; of few jets, by smaller batches."""
    batch = min(100, len(made) // 100)
    found = coverage(Checked(*made), Checked(*real), batch)
    return dict(zip(("cov", "mmd"), found, strict=True))


def simple(made: Jets, real: Jets, given: Given) -> dict[str, Any]:
    """What needs no batches: distances of features, resolutions and bins."""
    return {
        "emd": feature_distances(tuple(made), tuple(real)),
        "resolution": resolution(made, given),
        "bins": bins(jet_features(*made), jet_features(*real)),
    }


def resolution(jets: Jets, given: Given) -> dict[str, tuple[float, float]]:
    """Mean and deviation of (out − in) / in of pT and mass."""
    out, found = jet_features(*jets), {}
    for name, before in (("pt", given.pt), ("mass", given.mass)):
        away = (out[name] - before) / before
        found[name] = float(away.mean()), float(away.std())
    return found


def bins(made: dict[str, np.ndarray], real: dict[str, np.ndarray]) -> dict[str, Any]:
    """Ratio of the histograms of mass and pT, with its statistical error."""
    found = {}
    for name in ("mass", "pt"):
        edges = np.linspace(*np.quantile(real[name], (0.01, 0.99)), BINS + 1)
        ours, theirs = (np.histogram(jets[name], edges)[0] for jets in (made, real))
        ratio = ours / np.maximum(theirs, 1)
        some, of = np.maximum(ours, 1), np.maximum(theirs, 1)  # an empty bin has an error too
        error = some / of * np.sqrt(1 / some + 1 / of)
        found[name] = {
            "edges": edges.tolist(), "made": ours.tolist(), "real": theirs.tolist(),
            "ratio": ratio.tolist(), "error": error.tolist(),
        }  # fmt: skip
    return found


Draw = Callable[[int], Jets]


def detector_draws(given: Given, n_jets: int, most: int | None, seed: int, blind: int = 0) -> Draw:
    """Draws of the detector of the first jets, cut as the target of a network is.

    A blind one takes other particles' masses, charges and kinds; with 2 the η of another jet too,
    so that it knows what a network reads.
    """
    (batch,) = given.canonical(n_jets, n_jets)
    shuffle = torch.Generator().manual_seed(seed)
    kinds, eta, jet = batch.x[:, 3:].clone(), batch.x[:, 1].clone(), batch.batch
    axis = torch.zeros(n_jets).index_add(0, jet, eta * batch.x[:, 0])
    axis = axis / torch.zeros(n_jets).index_add(0, jet, batch.x[:, 0])
    detect = Detect("cms-like", ["pt", "etarel", "phirel"], seed, max_target=most)

    def draw(number: int) -> Jets:
        if blind:
            batch.x[:, 3:] = kinds[torch.randperm(len(kinds), generator=shuffle)]
        if blind > 1:
            other = axis[torch.randperm(n_jets, generator=shuffle)]
            batch.x[:, 1] = eta + (other - axis)[jet]
        detect.set_epoch(number)
        seen = detect(batch)
        return Jets(seen.x_target, seen.x_target_ptr)

    return draw


def network_draws(given: Given, one: Generated, n_jets: int) -> Draw:
    """Draws of a network of the first jets."""
    network, gen = one.network(), given.gen.first(n_jets)
    torch.manual_seed(0)
    return lambda number: Jets(*network.sample(n_jets, tuple(gen)))


def responses(draw: Draw, given: Given, n_jets: int, draws: int) -> dict[str, Any]:
    """Mean and deviation of RECO / GEN over the draws of each jet, of pT and mass."""
    drawn = [jet_features(*draw(number)) for number in range(1, draws + 1)]
    found = {}
    for name, before in (("pt", given.pt), ("mass", given.mass)):
        ratio = np.stack([jets[name] for jets in drawn]) / before[:n_jets]
        found[name] = {"mean": ratio.mean(0).tolist(), "width": ratio.std(0, ddof=1).tolist()}
    return found


def costs(one: Generated, given: Given, n_jets: int = 4096, batch: int = 1024) -> dict[str, float]:
    """Parameters, seconds an epoch, and µs a jet of sampling."""
    told, network = one.run.provenance, one.network()
    gen, spent = given.gen.first(n_jets), []
    for begin in range(0, len(gen), batch):
        ptr = gen.ptr[begin : begin + batch + 1]
        some = gen.x[ptr[0] : ptr[-1]], ptr - ptr[0]
        start = time.perf_counter()
        network.sample(len(ptr) - 1, some)
        spent.append((time.perf_counter() - start) / (len(ptr) - 1))
    epoch = told["wall_time_s"] / told["epochs"]
    return {"parameters": told["parameters"], "epoch_s": epoch, "us": 1e6 * float(np.median(spent))}


def detector_cost(given: Given, n_jets: int = 4096) -> dict[str, float]:
    """µs a jet of our detector."""
    detect, spent = Detect("cms-like", ["pt", "etarel", "phirel"]), []
    batches = list(given.canonical(n_jets))
    for batch in batches[:1] + batches:
        start = time.perf_counter()
        detect(batch)
        spent.append((time.perf_counter() - start) / batch.num_graphs)
    return {"us": 1e6 * float(np.median(spent[1:]))}  # the first compiles


def steps(given: Given, batch: int = 100, times: int = 4) -> dict[str, dict[str, float]]:
    """Parameters, and seconds of a training step of networks with random weights."""
    gen, target = given.gen.first(batch), given.target.first(batch)
    lists = VAELoss(chamfer=1.0, pt=0.001, mass=0.01, kl=0.01)
    networks: dict[str, tuple[Any, VAELoss]] = {
        f"ConvVAE {n}": (ConvVAE(n, latent=20), lists) for n in (30, 50, 100, 150)
    }
    ours = {"multiplicity": 0.1, "matching": 1.0, "response": 3.0, "jet": 1.0}
    networks["GraphVAE"] = ConditionalGraphVAE(), VAELoss(chamfer=0.0, kl=0.01, terms=ours)
    found = {}
    for name, (network, loss) in networks.items():
        most = getattr(network, "max_particles", None)
        adam, spent = torch.optim.Adam(network.parameters(), 1e-4), []
        for _ in range(times + 1):
            start = time.perf_counter()
            adam.zero_grad()
            loss.total(loss.terms(network(*gen, *leading(target, most)))).backward()
            adam.step()
            spent.append(time.perf_counter() - start)
        size = sum(p.numel() for p in network.parameters())
        found[name] = {"parameters": size, "step_s": float(np.median(spent[1:]))}
    return found
