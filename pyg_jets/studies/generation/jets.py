"""The generated jets of a run, and the same GEN jets through the detector again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_jets.jets import JetArray
from pyg_jets.loader import JetLoader
from pyg_jets.metrics.features import jet_features
from pyg_jets.ops import segment_topk
from pyg_jets.report.generated import load_generated
from pyg_jets.runs import Run
from pyg_jets.studies.trained import data_module
from pyg_jets.transforms import Detect

__all__ = ["GenReco", "Jets", "Network", "concatenate", "leading", "ragged", "stages_of"]

#: What the networks read and generate of each particle.
COLUMNS = ("pt", "etarel", "phirel")
#: Paddings of the ConvVAE, as the page names them.
_PADDINGS = {"zero": "zeros", "away": "away", "mask": "mask"}


class Jets(NamedTuple):
    """Particles (pT in GeV, η, φ relative to the axis of GEN) ``[N, 3]``, and their pointer.

    ``weights [J]`` say how much each jet counts; ``None`` if all count the same.
    """

    x: Tensor
    ptr: Tensor
    weights: Tensor | None = None

    @property
    def sets(self) -> tuple[Tensor, Tensor]:
        """The particles and their pointer."""
        return self.x, self.ptr

    @property
    def n_jets(self) -> int:
        """Number of jets."""
        return len(self.ptr) - 1

    def first(self, n: int) -> Jets:
        """The first ``n`` jets."""
        weights = None if self.weights is None else self.weights[:n]
        return Jets(self.x[: self.ptr[: n + 1][-1]], self.ptr[: n + 1], weights)

    def relative(self, pt: np.ndarray) -> Jets:
        """The same jets with the pT of each particle over a pT of its jet, ``[J]``."""
        of_jet = torch.from_numpy(pt).repeat_interleave(self.ptr.diff())
        x = self.x.double()
        x = torch.cat((x[:, :1] / of_jet[:, None], x[:, 1:]), 1)
        return self._replace(x=x)


def ragged(jets: JetArray) -> Jets:
    """A jet array as tensors."""
    weight = jets.jets.get("weight")
    weights = None if weight is None else torch.tensor(weight)
    return Jets(torch.tensor(jets.particles), torch.tensor(jets.ptr), weights)


def stages_of(run: Run) -> Mapping[str, JetArray]:
    """The jets of a generator's test: input, target, reconstructed, made; read at each call."""
    (generated,) = load_generated([run.folder])
    return generated.stages


def leading(jets: Jets, n: int | None) -> Jets:
    """The ``n`` hardest particles of each jet; all for ``None``."""
    if n is None:
        return jets
    rows, ptr = segment_topk(jets.x[:, 0], jets.ptr, n)
    return Jets(jets.x[rows], ptr, jets.weights)


def concatenate(parts: Sequence[Jets], weights: Tensor | None = None) -> Jets:
    """The jets of several batches, one batch after the other, with the weights ``[J]`` of all."""
    counts = torch.cat([jets.ptr.diff() for jets in parts])
    ptr = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
    return Jets(torch.cat([jets.x for jets in parts]), ptr, weights)


class Network:
    """A trained network of the study.

    Args:
        run: Its run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        network = run.config["model"]["network"]
        self.arguments: dict[str, Any] = network.get("init_args") or {}
        self.is_graph = not network["class_path"].endswith("ConvVAE")
        transform = run.config["data"]["train_transform"]["init_args"]
        self.max_target: int | None = transform.get("max_target")

    @property
    def title(self) -> str:
        """Its name on the page."""
        if self.is_graph:
            return "GraphVAE" + (f" {self.max_target}" if self.max_target else "")
        padding = _PADDINGS[self.arguments["padding"]]
        return f"ConvVAE {self.arguments['max_particles']}, {padding}"

    @property
    def key(self) -> str:
        """Its name in names of measurements."""
        return self.title.replace(", ", "-").replace(" ", "-").lower()

    @property
    def order(self) -> tuple[Any, ...]:
        """Its place in the tables: lists by length and padding, then graphs."""
        padding = list(_PADDINGS).index(self.arguments.get("padding", "zero"))
        return self.is_graph, self.max_target is None, self.max_target or 0, padding

    def generated(self, ids: np.ndarray) -> Jets:
        """The jets that it generated in its test.

        Args:
            ids: The jets that it must have been tested on.
        """
        jets = stages_of(self.run)["made"]
        if not np.array_equal(jets.ids, ids):
            raise RuntimeError(f"{self.run.folder} was tested on other jets than the truth.")
        return ragged(jets)


class GenReco:
    """The test jets before and after the detector.

    Args:
        network: A network whose target is the whole jet.
    """

    def __init__(self, network: Network) -> None:
        stages = stages_of(network.run)
        self.run, self.ids = network.run, stages["input"].ids
        self.gen, self.reco = ragged(stages["input"]), ragged(stages["target"])
        features = jet_features(*self.gen.sets)
        self.pt, self.mass = features["pt"], features["mass"]

    @cached_property
    def dataset(self) -> Any:
        """The data set of the jets, before the detector and with all columns."""
        return data_module(self.run).dataset

    def batches(self, n_jets: int, batch_size: int = 1024) -> Iterator[Batch]:
        """The first GEN jets with all columns, a batch at a time."""
        begin, test = 0, self.dataset.get_split("test")
        for batch in JetLoader(test[: min(n_jets, len(self.ids))], batch_size):
            end = begin + batch.num_graphs
            if not np.array_equal(batch.jet_id.flatten(), self.ids[begin:end]):
                raise RuntimeError("The data set has other test jets than the runs.")
            yield batch
            begin = end

    def detected(self, seed: int) -> Jets:
        """RECO of all jets, as a detector with this seed has it."""
        detect = Detect("cms-like", COLUMNS, seed)
        batches = map(detect, self.batches(self.gen.n_jets))
        parts = [Jets(batch.x_target, batch.x_target_ptr) for batch in batches]
        return concatenate(parts, self.gen.weights)
