"""Generators: a training step against the convolutional one of fixed length, and sampling."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Batch, Data

from pyg_jets.files import read_config
from pyg_jets.nn import VariationalAutoencoder
from pyg_jets.nn.protocol import PriorModel
from pyg_jets.transforms import Detect
from tests.benchmarks.harness import Row, alternate

BATCH, LENGTH = 128, 50
#: Microseconds a jet that sampling may take, and that it should: out of noise, and of GEN jets.
NOISE, RESPONSE = (6, 4), (20, 12)
SIZES = (512, 1024, 2048, 4096)
#: Particles of a jet: mean and deviation, as of W jets of 500–600 GeV before a detector.
PARTICLES = (53, 13)
#: The columns that a network reads if its configuration names none.
RELATIVE = ("pt", "etarel", "phirel")
JETS = ("jets_vae", "generation/noise", "generation/noise-all")
CONV = ("generation/conv", "generation/conv-50")
GEN_TO_RECO = ("w_gen_to_reco",)


@cache
def toy_jets(n_jets: int, seed: int = 0) -> Batch:
    """Jets with canonical columns: falling pT about two axes, and the usual kinds of particles."""
    rng, graphs = np.random.default_rng(seed), []
    counts = np.clip(rng.normal(*PARTICLES, n_jets).round(), 5, 150).astype(int)
    for jet, n in enumerate(counts):
        share = rng.lognormal(0, 1.4, n)
        axis, prong = rng.uniform((-2, -3), (2, 3)), rng.normal(0, 0.15, (2, 2))
        kind = rng.choice(3, n, p=(0.6, 0.25, 0.15))
        x = np.zeros((n, 6), np.float32)
        x[:, 0] = rng.uniform(500, 600) * share / share.sum()
        x[:, 1:3] = axis + prong[rng.integers(0, 2, n)] + rng.normal(0, 0.06, (n, 2))
        x[:, 3] = np.choose(kind, (0.13957, 0.0, 0.93957))
        x[:, 4] = (kind == 0) * rng.choice((-1, 1), n)
        x[:, 5] = np.choose(kind, (211 * np.where(x[:, 4] == 0, 1, x[:, 4]), 22, 2112))
        graphs.append(Data(x=torch.from_numpy(x), jet_id=torch.tensor([jet])))
    return Batch.from_data_list(graphs)


@cache
def pairs(n_jets: int, max_target: int | None = None, columns: tuple[str, ...] = RELATIVE) -> Batch:
    """Jets before and after the detector."""
    return Detect("cms-like", columns, max_target=max_target)(toy_jets(n_jets))


def section(*names: str) -> dict[str, Any]:
    """What configurations say of the model; later ones override, or are laid over, earlier ones."""
    model: dict[str, Any] = {}
    for tree in (tree for name in names for tree in read_config(name)):
        for part, said in tree.get("model", {}).items():
            if not isinstance(said, dict):  # such as the norm at which gradients are clipped
                continue
            before = model.get(part, {})
            options = {**before.get("init_args", {}), **said.get("init_args", {})}
            model[part] = {**before, **said, "init_args": options}
    return model


def columns(*names: str) -> tuple[str, ...]:
    """The columns that the network of a configuration reads."""
    return tuple(section(*names)["network"]["init_args"].get("columns", RELATIVE))


def made(spec: Any, *args: Any) -> Any:
    """The object that a section asks for, with those that its arguments ask for."""
    if not (isinstance(spec, dict) and "class_path" in spec):
        return spec
    module, _, name = spec["class_path"].rpartition(".")
    options = {key: made(value) for key, value in spec.get("init_args", {}).items()}
    return getattr(importlib.import_module(module), name)(*args, **options)


def network(*names: str) -> VariationalAutoencoder:
    """The network of a configuration with learned scales and random weights."""
    torch.manual_seed(0)
    model, batches = made(section(*names)["network"]), [pairs(1024, None, columns(*names))]
    model.fit_statistics(batches)
    if isinstance(model, PriorModel):
        model.fit_prior(batches)
    return model


def step(batch: Batch, gen_to_reco: bool, *names: str) -> Callable[[], None]:
    """One training step of a configuration: forward, loss, backward, optimiser."""
    said, model = section(*names), network(*names)
    loss = made(said["loss"])
    if hasattr(loss, "fit_statistics"):
        loss.fit_statistics(model, [pairs(1024, None, columns(*names))])
    optimizer = made(said["optimizer"], model.parameters())
    target = (batch.x_target, batch.x_target_ptr) if gen_to_reco else (None, None)

    def run() -> None:
        optimizer.zero_grad()
        loss(model(batch.x, batch.ptr, *target)).backward()
        optimizer.step()

    return run


def training(repeats: int) -> list[Row]:
    """Jets a second in training, of both graph networks."""
    rows = []
    for names, gen_to_reco in ((GEN_TO_RECO, True), (JETS, False)):
        mine, theirs = alternate(
            step(pairs(BATCH, None, columns(*names)), gen_to_reco, *names),
            step(pairs(BATCH, LENGTH), True, *CONV),
            repeats,
        )
        both = BATCH / mine, BATCH / theirs
        kind = section(*names)["network"]["class_path"].rpartition(".")[2]
        what = f"{kind} training step, batch {BATCH}, against `ConvVAE({LENGTH})`"
        mean = len(pairs(BATCH).x) / BATCH
        note = f"{'GEN → RECO of ' * gen_to_reco}toy jets of {mean:.0f} particles"
        rows.append(Row(what, *both, both[0] / both[1], unit="jets/s", note=note))
    return rows


def sampling(
    what: str,
    repeats: int,
    names: tuple[str, ...],
    given: bool = False,
    limits: tuple[int, int] | None = None,
) -> Row:
    """Microseconds a jet with the best batch size; given GEN jets, or out of noise."""
    model, taken, particles = network(*names).eval(), {}, {}
    for n in SIZES:
        batch = pairs(n, None, columns(*names)) if given else None
        draw = partial(model.sample, n, None if batch is None else (batch.x, batch.ptr))
        with torch.no_grad():
            seconds, _ = alternate(draw, lambda: None, repeats)
            particles[n] = int(draw()[1][-1]) / n
        taken[n] = 1e6 * seconds / n
    best = min(taken, key=taken.__getitem__)
    note = (
        f"batch {best}, the best of {', '.join(map(str, taken))}; {torch.get_num_threads()} "
        f"threads; {particles[best]:.0f} particles a jet"
    )
    asked = f"at most {limits[0]} µs / {limits[1]} µs" if limits else ""
    fulfilled = taken[best] <= limits[0] if limits else None
    return Row(what, taken[best], unit="µs/jet", note=note, asked=asked, fulfilled=fulfilled)


def run(repeats: int = 5) -> list[Row]:
    """All figures."""
    noise = sampling("jets out of noise by `JetVAE.sample`", repeats, JETS, limits=NOISE)
    response = sampling(
        "RECO jets out of GEN jets by `ConditionalGraphVAE.sample`",
        repeats,
        GEN_TO_RECO,
        given=True,
        limits=RESPONSE,
    )
    what = f"RECO jets out of GEN jets by `ConvVAE({LENGTH}).sample`"
    return [*training(repeats), noise, response, sampling(what, 2, CONV, given=True)]
