"""Samplers that know their epoch, and index batches that carry it to the workers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice, takewhile
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler
from torch.utils.data.distributed import DistributedSampler

__all__ = [
    "EpochBatches", "InOrder", "IndexBatch", "Share", "Shuffled", "as_index", "draw_seed",
    "epoch_generator", "epoch_of",
]  # fmt: skip


def draw_seed(generator: torch.Generator | None = None) -> int:
    """A seed, drawn from a generator, or from torch's global one."""
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator))


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The generator of an epoch, which nothing else draws from.

    Examples:
        >>> drawn = [torch.rand(2, generator=epoch_generator(1, epoch)) for epoch in (0, 1, 0)]
        >>> torch.equal(drawn[0], drawn[2]), torch.equal(drawn[0], drawn[1])
        (True, False)
    """
    state = np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


class _Ordered:
    """Gives the order of an epoch as one array, and keeps the epoch that a trainer sets."""

    #: The epoch that a trainer set, or ``None``.
    epoch: int | None = None
    #: The epoch whose order the next iteration gives; a loader without a trainer counts it up.
    current: int = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order is given from the next iteration on."""
        self.epoch = self.current = int(epoch)

    def order(self) -> np.ndarray:
        """All samples of an epoch, in order."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())


class Shuffled(_Ordered, RandomSampler):
    """Another order in each epoch, which is a function of a seed and of the epoch alone.

    Args:
        data_source: What is sampled.
        generator: The seed is drawn from it. Default: from torch's global generator.
    """

    def __init__(self, data_source: Any, generator: torch.Generator | None = None):
        super().__init__(data_source, generator=generator)
        self.seed = draw_seed(generator)

    def order(self) -> np.ndarray:
        """The permutation of the current epoch."""
        generator = epoch_generator(self.seed, self.current)
        return torch.randperm(self.num_samples, generator=generator).numpy()


class InOrder(_Ordered, SequentialSampler):
    """Torch's ``SequentialSampler``, drawn as one array."""

    def order(self) -> np.ndarray:
        """0, 1, 2 …"""
        return np.arange(len(self.data_source))


class Share(DistributedSampler):
    """Every n-th sample for each of n processes: none twice, and none left out.

    Torch's own sampler repeats samples until all processes have as many, which counts some jets
    twice wherever results are gathered. It is for loops in which processes need not go in step.

    Args:
        dataset: What is sampled.
        num_replicas: Number of processes. Default: that of the process group.
        rank: Which of them. Default: this one.

    Examples:
        >>> [list(Share(range(5), 2, rank)) for rank in range(2)]
        [[0, 2, 4], [1, 3]]
    """

    def __init__(self, dataset: Any, num_replicas: int | None = None, rank: int | None = None):
        super().__init__(dataset, num_replicas, rank, shuffle=False)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]


class IndexBatch(NamedTuple):
    """The samples of one batch, and the epoch in which they are drawn."""

    epoch: int
    index: Any


def epoch_of(*samplers: Any) -> int | None:
    """The epoch of the first sampler that has one."""
    for sampler in samplers:
        epoch = getattr(sampler, "epoch", None)
        if isinstance(epoch, int):
            return epoch
    return None


class EpochBatches:
    """The batches of a sampler with the epoch; sampled again at every iteration.

    Args:
        sampler: A batch sampler, or a sampler where batching is off.
        epoch: Gives the epoch of the iteration that begins.
        as_arrays: Whether plain batches may be drawn straight into arrays.
    """

    def __init__(self, sampler: Iterable[Any], epoch: Callable[[], int], as_arrays: bool) -> None:
        self.sampler, self.epoch, self.as_arrays = sampler, epoch, as_arrays

    def __len__(self) -> int:
        return len(self.sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[IndexBatch]:
        epoch = self.epoch()
        plain = self.as_arrays and type(self.sampler) is BatchSampler
        batches = _arrays(self.sampler) if plain else self.sampler  # type: ignore[arg-type]
        return (IndexBatch(epoch, batch) for batch in batches)


def _arrays(sampler: BatchSampler) -> Iterator[np.ndarray]:
    """The batches of a ``BatchSampler`` as arrays; nothing is drawn before the first of them."""
    size, samples = sampler.batch_size, sampler.sampler
    batches: Iterable[np.ndarray]
    if isinstance(samples, _Ordered):
        order = samples.order()
        batches = (order[start : start + size] for start in range(0, len(order), size))
    else:
        indices = map(operator.index, samples)
        arrays = (np.fromiter(islice(indices, size), np.int64) for _ in count())
        batches = takewhile(len, arrays)
    yield from (batch for batch in batches if len(batch) == size or not sampler.drop_last)


def as_index(batch: Any) -> np.ndarray:
    """The samples of a batch as an integer array.

    Raises:
        TypeError: If they are no integers.
        IndexError: If there are none.
    """
    index = np.asarray(batch)
    if index.dtype.kind not in "iu" or index.ndim != 1:
        index = np.array([operator.index(i) for i in batch], np.int64)
    if len(index) == 0:
        raise IndexError("The sampler gave an empty batch: a batch needs at least one graph.")
    return index.astype(np.int64, copy=False)
