"""GEN jets and what becomes of them: by the detector, and by all that is compared with a network.

A *response* is a function ``(batch, seed) -> Sets`` of a PyG batch of jets with canonical columns:
the detector, one of :mod:`~pyg_jets.studies.generation.baselines`, or a trained network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_jets.kinematics import delta_phi
from pyg_jets.loader import JetLoader
from pyg_jets.metrics.features import jet_features
from pyg_jets.ops import segment_topk
from pyg_jets.runs import Run
from pyg_jets.training import load_generator
from pyg_jets.transforms import Detect

__all__ = [
    "FEATURES",
    "GenReco",
    "NetworkResponse",
    "Response",
    "Sets",
    "detector",
    "grid_hidden",
    "hides_kinds_and_eta",
    "joined",
    "leading",
]

#: Features of a jet whose distances are compared, in the order of the page.
FEATURES = ("pt", "mass", "eta", "phi", "n")
#: What is kept of a particle: relative to the axis of GEN, and what tells its kind.
_COLUMNS = ("pt", "etarel", "phirel", "charge", "isphoton")
#: Half the pitch of the widest cells of the barrel, in η and in φ (rad): those of the HCAL.
_HALF_CELL = 0.0435


class Sets(NamedTuple):
    """Particles of jets.

    Args:
        x: pT (GeV), η and φ (rad) relative to the axis of the GEN jet, ``[N, 3]``.
        kind: 0 for a charged particle, 1 for a photon, 2 for any other, ``[N]`` int64.
        ptr: Ragged pointer ``[J + 1]``.
    """

    x: Tensor
    kind: Tensor
    ptr: Tensor

    @property
    def n_jets(self) -> int:
        """Number of jets."""
        return len(self.ptr) - 1

    def features(self) -> dict[str, np.ndarray]:
        """:data:`FEATURES` of each jet, ``{name: [J]}``."""
        values = jet_features(self.x, self.ptr)
        values["n"] = values.pop("multiplicity")
        return {name: values[name] for name in FEATURES}


Response = Callable[[Batch, int], Sets]


def _sets(x: Tensor, ptr: Tensor, names: Sequence[str]) -> Sets:
    """Particles by the names of their columns; without a charge all are of kind 0."""
    at = {name: x[:, i] for i, name in enumerate(names)}
    kind = torch.zeros(len(x), dtype=torch.int64)
    if "charge" in at:
        kind = (at["charge"] == 0).long() * (2 - (at["isphoton"] > 0.5).long())
    return Sets(torch.stack([at[name] for name in _COLUMNS[:3]], 1), kind, ptr)


def joined(parts: Iterable[Sets]) -> Sets:
    """The jets of several batches, one batch after the other."""
    x, kind, ptrs = zip(*parts, strict=True)
    counts = torch.cat([ptr.diff() for ptr in ptrs])
    return Sets(torch.cat(x), torch.cat(kind), torch.cat((counts.new_zeros(1), counts.cumsum(0))))


def leading(sets: Sets, n: int) -> Sets:
    """The ``n`` hardest particles of each jet."""
    rows, ptr = segment_topk(sets.x[:, 0], sets.ptr, n)
    return Sets(sets.x[rows], sets.kind[rows], ptr)


class GenReco:
    """Jets before the detector, to test on and to learn baselines from.

    Args:
        dataset: A data set with canonical columns and splits.
        n_test: Number of test jets, at most.
        n_train: Number of training jets, at most.
        detector: The detector, or the name of a preset.
        batch_size: Jets of a batch.
    """

    def __init__(
        self,
        dataset: Any,
        n_test: int,
        n_train: int,
        detector: Any = "cms-like",
        batch_size: int = 2000,
    ):
        self.detector, self.dataset = detector, dataset
        self._last: tuple[Batch, Sets] | None = None
        self.test, self.train = (
            list(JetLoader(dataset.get_split(split)[:n], batch_size))
            for split, n in (("test", n_test), ("train", n_train))
        )

    @property
    def n_test(self) -> int:
        """Number of test jets."""
        return sum(batch.num_graphs for batch in self.test)

    @cached_property
    def gen(self) -> Sets:
        """The test jets before the detector."""
        return joined(map(self.before, self.test))

    @cached_property
    def gen_features(self) -> dict[str, np.ndarray]:
        """Features of the test jets before the detector."""
        return self.gen.features()

    @cached_property
    def reco(self) -> Sets:
        """The test jets after the detector: the truth."""
        return self.respond(self.truth)

    def truth(self, batch: Batch, seed: int = 0) -> Sets:
        """The jets after the detector."""
        return detector(self.detector)(batch, seed)

    def before(self, batch: Batch, seed: int = 0) -> Sets:
        """The jets before the detector, as they are: identity."""
        if self._last is None or self._last[0] is not batch:  # draws of one batch ask again
            pairs = Detect(self.detector, _COLUMNS, fixed=True)(batch)
            self._last = batch, _sets(pairs.x, pairs.ptr, _COLUMNS)
        return self._last[1]

    def respond(self, response: Response, seed: int = 0) -> Sets:
        """A response to all test jets.

        Args:
            response: The response.
            seed: Its seed; that of the truth is 0.
        """
        return joined(response(batch, seed) for batch in self.test)

    def first(self, n: int) -> Batch:
        """The first test jets as one batch.

        Args:
            n: How many, at most.
        """
        return next(iter(JetLoader(self.dataset.get_split("test")[:n], n)))


def detector(name: Any) -> Response:
    """The detector.

    Args:
        name: A :class:`~pyg_jets.detector.Detector`, or the name of a preset.
    """

    def response(batch: Batch, seed: int) -> Sets:
        pairs = Detect(name, _COLUMNS, seed, fixed=True)(batch)
        return _sets(pairs.x_target, pairs.x_target_ptr, _COLUMNS)

    return response


def grid_hidden(name: Any) -> Response:
    """The detector with its cells hidden: each jet is moved by less than a cell before it.

    It knows all of a jet but where its particles are on the cells.

    Args:
        name: A :class:`~pyg_jets.detector.Detector`, or the name of a preset.
    """

    def response(batch: Batch, seed: int) -> Sets:
        rng = torch.Generator().manual_seed(seed)
        move = (2 * torch.rand(batch.num_graphs, 2, generator=rng) - 1) * _HALF_CELL
        return _moved(name, batch, move, seed)

    return response


def hides_kinds_and_eta(name: Any) -> Response:
    """The detector with what the source's inputs hide: kinds of particles, η and φ of the jet.

    Particles have the mass, charge and kind of others of the batch, jets the η of other jets.

    Args:
        name: A :class:`~pyg_jets.detector.Detector`, or the name of a preset.
    """

    def response(batch: Batch, seed: int) -> Sets:
        rng = torch.Generator().manual_seed(seed)
        n, eta = batch.num_graphs, _axis(name, batch)[:, 0]
        turn = (2 * torch.rand(n, generator=rng) - 1) * torch.pi
        move = torch.stack((eta[torch.randperm(n, generator=rng)] - eta, turn), 1)
        shuffled = batch.clone()
        shuffled.x[:, 3:] = batch.x[torch.randperm(len(batch.x), generator=rng), 3:]
        return _moved(name, shuffled, move, seed, _axis(name, batch))

    return response


def _axis(name: Any, batch: Batch) -> Tensor:
    """η and φ of the axis of GEN, ``[J, 2]``."""
    return Detect(name, _COLUMNS, fixed=True)(batch).axis[:, 1:]


def _moved(name: Any, batch: Batch, move: Tensor, seed: int, axis: Tensor | None = None) -> Sets:
    """The detector's response to jets that are moved in η and φ ``[J, 2]``, moved back.

    Angles are relative to ``axis [J, 2]``, by default that of the jets.
    """
    axis = _axis(name, batch) if axis is None else axis
    moved = batch.clone()
    moved.x[:, 1:3] += move[batch.batch]
    moved.x[:, 2] = delta_phi(moved.x[:, 2], torch.zeros(()))
    names = ("pt", "eta", "phi", *_COLUMNS[3:])
    pairs = Detect(name, names, seed, fixed=True)(moved)
    x, of_jet = pairs.x_target.clone(), pairs.x_target_batch
    x[:, 1] -= (axis + move)[of_jet, 0]
    x[:, 2] = delta_phi(x[:, 2], (axis + move)[of_jet, 1])
    return _sets(x, pairs.x_target_ptr, _COLUMNS)


class NetworkResponse:
    """A trained network, with the inputs that its configuration gives it.

    Args:
        run: Its run, with weights.
    """

    def __init__(self, run: Run):
        self.network = load_generator(run).network
        arguments = run.config["data"]["train_transform"]["init_args"]
        self.names = tuple(arguments["names"])
        self.detector = arguments.get("detector", "cms-like")
        self._last: tuple[Batch, tuple[Tensor, Tensor]] | None = None

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the network reads of a batch, ``(x, ptr)``."""
        if self._last is None or self._last[0] is not batch:  # draws of one batch ask again
            pairs = Detect(self.detector, self.names, fixed=True)(batch)
            self._last = batch, (pairs.x, pairs.ptr)
        return self._last[1]

    @torch.no_grad()
    def __call__(self, batch: Batch, seed: int) -> Sets:
        """The response to a batch."""
        rng, condition = torch.Generator().manual_seed(seed), self.inputs(batch)
        x, ptr = self.network.sample(batch.num_graphs, condition, generator=rng)
        return _sets(x, ptr, self.names)

    @torch.no_grad()
    def microseconds(self, batches: Iterable[Batch]) -> float:
        """µs of sampling a jet, without the preparation of its inputs: the median over batches."""
        rounds = []
        for seed, batch in enumerate(batches):
            rng, condition = torch.Generator().manual_seed(seed), self.inputs(batch)
            start = time.process_time()
            self.network.sample(batch.num_graphs, condition, generator=rng)
            rounds.append((time.process_time() - start) / max(batch.num_graphs, 1))
        return 1e6 * float(np.median(rounds[1:] or rounds))  # the first one warms up
