"""Generators against the convolutional one of fixed length: a training step, and sampling."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
import yaml
from torch_geometric.data import Batch

from pyg_jets import JetLoader
from pyg_jets.columns import CANONICAL
from pyg_jets.files import config_path
from pyg_jets.nn import VariationalAutoencoder
from pyg_jets.nn.protocol import PriorModel
from pyg_jets.transforms import Detect
from tests.benchmarks.harness import Row, alternate, pythia_jets

BATCH, LENGTH = 128, 50
#: Microseconds a jet that sampling may take, and that it should.
AT_MOST, GOAL = 6, 4
SIZES = (256, 512, 1024, 2048, 4096)
#: Jets out of noise, all their particles.
NOISE = ("jets_vae", "generation/noise-all")
CONV = ("generation/conv", "generation/conv-50")
#: The columns that a network reads if its configuration names none.
RELATIVE = ("pt", "etarel", "phirel")


@cache
def pairs(n_jets: int, max_target: int | None = None, columns: tuple[str, ...] = RELATIVE) -> Batch:
    """W jets before and after the detector."""
    jets = pythia_jets().select(CANONICAL)
    jets = jets[jets.labels == 1][:n_jets]
    detect = Detect("cms-like", columns, max_target=max_target)
    return next(iter(JetLoader(jets.to_pyg(), len(jets), batch_transform=detect)))


def section(*names: str) -> dict[str, Any]:
    """What is said of the model in a configuration, with overlays of the same classes."""
    model: dict[str, Any] = {}
    for name in names:
        text = config_path(name).read_text()
        for part, said in yaml.safe_load(text)["model"].items():
            if not isinstance(said, dict):  # such as the norm at which gradients are clipped
                continue
            before = model.get(part, {"init_args": {}})
            arguments = {**before["init_args"], **said["init_args"]}
            model[part] = {**before, **said, "init_args": arguments}
    return model


def columns(*names: str) -> tuple[str, ...]:
    """The columns that the network of a configuration reads."""
    return tuple(section(*names)["network"]["init_args"].get("columns", RELATIVE))


def made(spec: dict[str, Any], *args: Any) -> Any:
    """The object that a section asks for."""
    module, _, name = spec["class_path"].rpartition(".")
    arguments = {
        key: made(value) if isinstance(value, dict) and "class_path" in value else value
        for key, value in spec.get("init_args", {}).items()
    }
    return getattr(importlib.import_module(module), name)(*args, **arguments)


def network(*names: str) -> VariationalAutoencoder:
    """The network of a configuration with learned scales, random weights and a fitted prior."""
    torch.manual_seed(0)
    model = made(section(*names)["network"])
    model.fit_statistics([pairs(1000, None, columns(*names))])
    if isinstance(model, PriorModel):
        model.fit_prior([pairs(1000, None, columns(*names))])
    return model


def step(batch: Batch, gen_to_reco: bool, *names: str) -> Callable[[], None]:
    """One training step of a configuration: forward, loss, backward, optimiser."""
    said, model = section(*names), network(*names)
    loss, optimizer = made(said["loss"]), made(said["optimizer"], model.parameters())
    target = (batch.x_target, batch.x_target_ptr) if gen_to_reco else (None, None)

    def run() -> None:
        optimizer.zero_grad()
        loss(model(batch.x, batch.ptr, *target)).backward()
        optimizer.step()

    return run


def training(repeats: int) -> list[Row]:
    """Jets a second in training, of both graph networks."""
    rows = []
    for names, gen_to_reco in ((("w_gen_to_reco",), True), (NOISE, False)):
        mine, theirs = alternate(
            step(pairs(BATCH, None, columns(*names)), gen_to_reco, *names),
            step(pairs(BATCH, LENGTH), gen_to_reco, *CONV),
            repeats,
        )
        both = BATCH / mine, BATCH / theirs
        kind = section(*names)["network"]["class_path"].rpartition(".")[2]
        what = f"{kind} training step, batch {BATCH}, against `ConvVAE({LENGTH})`"
        mean = len(pairs(BATCH).x) / BATCH
        note = f"{'GEN → RECO of ' * gen_to_reco}W jets of {mean:.0f} particles"
        rows.append(Row(what, *both, both[0] / both[1], unit="jets/s", note=note))
    return rows


def sampling(
    what: str, repeats: int, names: tuple[str, ...], given: bool = False, **demand: Any
) -> Row:
    """Microseconds a jet with the best batch size; given GEN jets, or out of noise."""
    model, taken = network(*names).eval(), {}
    for n in SIZES:
        batch = pairs(n, None, columns(*names))
        if given and batch.num_graphs < n:
            break
        condition = (batch.x, batch.ptr) if given else None
        seconds, _ = alternate(partial(model.sample, n, condition), lambda: None, repeats)
        taken[n] = 1e6 * seconds / n
    best = min(taken, key=taken.__getitem__)
    batch = pairs(best, None, columns(*names))
    made_ptr = model.sample(best, (batch.x, batch.ptr) if given else None)[1]
    note = (
        f"batch {best}, the best of {', '.join(map(str, taken))}; {torch.get_num_threads()} "
        f"threads; {int(made_ptr[-1]) / best:.0f} particles a jet"
    )
    fulfilled = taken[best] <= AT_MOST if demand else None
    return Row(what, taken[best], unit="µs/jet", note=note, fulfilled=fulfilled, **demand)


def run(repeats: int = 7) -> list[Row]:
    """All figures."""
    asked = f"at most {AT_MOST} µs / {GOAL} µs"
    what = "jets out of noise by `JetVAE.sample`"
    rows = [*training(repeats), sampling(what, repeats, NOISE, asked=asked)]
    what = "RECO jets out of GEN jets by `ConditionalGraphVAE.sample`"
    rows.append(sampling(what, repeats, ("w_gen_to_reco",), given=True))
    what = f"jets out of noise by `ConvVAE({LENGTH}).sample`"
    return [*rows, sampling(what, repeats, CONV)]
