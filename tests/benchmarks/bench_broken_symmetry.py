"""A training step of the broken-symmetry study's PFN: ragged, and on lists padded to 172."""

from __future__ import annotations

import yaml
from torch_geometric.data import Batch

from pyg_jets.events import toy
from pyg_jets.files import config_path
from pyg_jets.nn import PFN
from pyg_jets.transforms import Features, Resimulate
from tests.benchmarks.bench_pfn import PaddedPFN, padded, step
from tests.benchmarks.harness import Row, alternate

#: The longest list of pixels in the study of arXiv 2311.05952, to which it pads.
LENGTH = 172
CONFIG = "broken_symmetry/base"


def images(detector: str, n_events: int) -> Batch:
    """Eight rotations of each event, as the network reads them."""
    events = Batch.from_data_list(list(toy.generate(n_events, seed=1).to_pyg("origin")))
    features = Features(["eta", "phi", "pt"], fixed=False, axis="origin")
    return features(Resimulate(detector, angles=8)(events))


def run(repeats: int = 21) -> list[Row]:
    """Images a second in training, with the study's network and batch."""
    with config_path(CONFIG).open() as stream:
        config = yaml.safe_load(stream)
    network = config["model"]["network"]["init_args"]
    n_images = config["data"]["batch_size"]
    rows = []
    for detector in ("toy-uniform", "toy-rect"):
        batch = images(detector, n_images // 8)
        x, y = (batch.x - batch.x.mean(0)) / batch.x.std(0), batch.y.float()
        ours = step(PFN(3, **network), y, x, batch.ptr)
        peer = step(PaddedPFN(3, **network), y, *padded(x, batch.ptr, LENGTH))
        mine, yours = (n_images / s for s in alternate(ours, peer, repeats))
        what = f"PFN step of the broken-symmetry study, `{detector}`, against padding to {LENGTH}"
        note = f"batch of {n_images} images, {len(x) / n_images:.0f} pixels each"
        rows.append(Row(what, mine, yours, mine / yours, 2.0, 4.0, "images/s", note))
    return rows
