"""The runs, jets and networks of the comparison of taggers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pyg_jets.datasets import PythiaJets
from pyg_jets.files import read_json, write_json
from pyg_jets.ops import gather
from pyg_jets.runs import Run, load_run
from pyg_jets.training import JetDataModule
from pyg_jets.transforms import FlatWeights, Resimulate

__all__ = ["FOLDER", "Jets", "kept", "module", "network_of", "runs"]

SCANS = Path("runs/scans")
#: Where everything is kept that the scans do not make, so that nothing is made twice.
FOLDER = Path("runs/comparison")


class Jets(NamedTuple):
    """Jets as a network reads them."""

    x: Tensor
    ptr: Tensor
    pos: Tensor
    y: Tensor

    def take(self, rows: Tensor) -> Jets:
        """Some of them."""
        x, ptr = gather(self.x, self.ptr, rows)
        pos, _ = gather(self.pos, self.ptr, rows)
        return Jets(x, ptr, pos, self.y[rows])

    def batches(self, size: int) -> Iterator[Jets]:
        """All of them in their order, some at a time."""
        for rows in torch.arange(len(self.y)).split(size):
            yield self.take(rows)


def kept(name: str, make: Callable[[], Any], folder: Path = FOLDER) -> Any:
    """What ``make`` gives, made once and kept as JSON."""
    path = folder / f"{name}.json"
    if not path.exists():
        print(f"measuring {path.stem}", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, make())
    return read_json(path)


def runs(scan: str) -> list[Run]:
    """The finished runs of a scan, in the order of its file."""
    folder = SCANS / scan / "points"
    found = [load_run(point) for point in sorted(folder.iterdir()) if point.name[0] != "."]
    order = ["FCN", "PFN", "EFN", "ParticleNet-Lite", "ParticleNet"]
    return sorted(
        (run for run in found if run.predictions is not None),
        key=lambda run: (
            run.classes[1] != "top",
            run.facts["shower"] != "simple",
            order.index(run.title),
        ),
    )


def module(
    processes: tuple[str, ...], features: list[str] | None = None, **options: Any
) -> JetDataModule:
    """The data of ``comparison.yaml``."""
    dataset = PythiaJets(
        "data/pythia", processes, 50000, (500, 600), split_fractions=(0.478, 0.042, 0.48)
    )
    seen, weights = Resimulate("cms-like", angles=1), FlatWeights()
    return JetDataModule(
        dataset, features, seen, spread_angles=0, weights=weights, cache_variants=False, **options
    )


def some(data: JetDataModule, split: str, n_each: int) -> Jets:
    """So many jets of each class, as a network reads them, shuffled."""
    labels = data.splits[split].y.flatten()
    classes = range(len(data.dataset.classes))
    rows = torch.cat([(labels == label).nonzero().flatten()[:n_each] for label in classes])
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
    chosen = data.splits[split].index_select(rows)
    batches = list(data.loader(chosen, data.eval_transform))
    counts = torch.cat([batch.ptr.diff() for batch in batches])
    ptr = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
    x, pos, y = (torch.cat([batch[name] for batch in batches]) for name in ("x", "pos", "y"))
    return Jets(x, ptr, pos, y.flatten())


def network_of(run: Run) -> nn.Module:
    """A network as the run had it, untrained."""
    given = run.config["model"]["network"]
    name, _, kind = given["class_path"].rpartition(".")
    return getattr(import_module(name), kind)(**given["init_args"])
