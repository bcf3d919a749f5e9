"""`JetLoader`: torch's `DataLoader` around batches that are gathered at once."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, Subset
from torch_geometric.loader.dataloader import Collater

from pyg_jets.errors import InputTypeError
from pyg_jets.loader.assemble import Assembler
from pyg_jets.loader.sampling import (
    EpochBatches,
    IndexBatch,
    InOrder,
    Share,
    Shuffled,
    as_index,
    draw_seed,
    epoch_generator,
    epoch_of,
)
from pyg_jets.loader.storage import FlatStorage, NotGatherable

__all__ = ["JetLoader"]


class JetLoader(DataLoader):
    r"""PyG's ``DataLoader``, which gathers each batch at once from the flat storage of a data set.

    It takes the same arguments, and the batch of given graphs is the same, with all metadata, to
    the bit. Every ``InMemoryDataset`` of tensors is served from its storage, also through
    ``Subset`` and ``dataset[index]``. What PyG does graph by graph (a ``transform``, an own
    ``get``, ``__inc__`` or ``__cat_dim__``, ``HeteroData``, strings and lists) is left to PyG's own
    collate, and a ``UserWarning`` says so once, with the reason.

    Args:
        dataset: The data set, or any sequence of ``Data``.
        batch_size: Graphs in a batch.
        shuffle: Whether to have another order in each epoch. It is a function of a seed, which is
            drawn from ``generator`` or from torch's global generator when the loader is made, and
            of the epoch, see :meth:`set_epoch`; to iterate draws nothing from the global generator.
        follow_batch: Attributes that get a ``_batch`` and a ``_ptr`` of their own. Default: what
            the data set names in ``follow_batch``, such as ``x_target`` of GEN/RECO pairs.
        exclude_keys: Attributes that are left out.
        batch_transform: Called with each whole batch, in the worker if there are any; returns a
            batch. If its attribute ``needs_epoch`` is true, its ``set_epoch(epoch)`` is called
            before.
        **kwargs: What else ``torch.utils.data.DataLoader`` takes.

    Raises:
        TypeError: For an ``IterableDataset``, or a transform that cannot be called.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data, InMemoryDataset
        >>> dataset = InMemoryDataset()
        >>> graphs = [Data(x=torch.ones(n, 2), y=torch.tensor([n % 2])) for n in (3, 0, 2)]
        >>> dataset.data, dataset.slices = dataset.collate(graphs)
        >>> next(iter(JetLoader(dataset, batch_size=2)))
        DataBatch(x=[3, 2], y=[2], batch=[3], ptr=[3])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        follow_batch: Sequence[str] | None = None,
        exclude_keys: Sequence[str] | None = None,
        batch_transform: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(dataset, IterableDataset):
            raise InputTypeError(
                f"Expected a data set with a length and an index, but got the IterableDataset "
                f"{type(dataset).__name__}: use torch_geometric.loader.DataLoader for it."
            )
        if batch_transform is not None and not callable(batch_transform):
            raise InputTypeError(
                f"Expected batch_transform as a function of a batch, "
                f"but got {type(batch_transform).__name__}: give a callable, or None."
            )
        # Lightning makes the loader anew from its attributes, and adds a collate_fn.
        kwargs.pop("collate_fn", None)
        if follow_batch is None:
            follow_batch = getattr(_innermost(dataset), "follow_batch", None)
        self.follow_batch, self.exclude_keys = follow_batch, exclude_keys
        self.batch_transform = batch_transform
        self._epoch: int | None = None
        self._iterations, self._current = 0, 0
        self._batches: _Batches | None = None
        generator = kwargs.get("generator")
        if kwargs.get("sampler") is None and kwargs.get("batch_sampler") is None:
            order = Shuffled(dataset, generator=generator) if shuffle else InOrder(dataset)
            shuffle, kwargs["sampler"] = False, order
        #: The seed of the workers, for transforms that draw random numbers there.
        self._seed = draw_seed(generator) if kwargs.get("num_workers") else 0
        collater = Collater(dataset, follow_batch, exclude_keys)
        super().__init__(dataset, batch_size, shuffle, collate_fn=collater, **kwargs)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch for the order, the sampler and the batch transform.

        It counts for each iteration whose first batch is drawn afterwards, until another one is
        set. Without it the epoch is that of the sampler, if a trainer sets it there, and else
        counts the iterations from 0.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self._epoch = int(epoch)
        for sampler in self._samplers():
            if callable(set_epoch := getattr(sampler, "set_epoch", None)):
                set_epoch(epoch)

    def _samplers(self) -> tuple[Any, ...]:
        return self.batch_sampler, getattr(self.batch_sampler, "sampler", None), self.sampler

    def __len__(self) -> int:
        """Number of batches; 1 at least where other processes may have some.

        A trainer leaves out a loader of length 0, while the other processes wait for this one.
        """
        others = any(isinstance(s, Share) and s.total_size for s in self._samplers())
        return super().__len__() or int(others)

    def __iter__(self) -> Any:
        if self._batches is None:
            collater = Collater(self.dataset, self.follow_batch, self.exclude_keys)
            self._batches = _Batches(self.dataset, collater, self.batch_transform)
        self._batches.inspect()
        return _Iteration(self)

    def _begin(self) -> Iterator[Any]:
        """Read the epoch, and begin torch's iteration of it, which draws batches ahead."""
        epoch = self._epoch if self._epoch is not None else epoch_of(*self._samplers())
        self._current = self._iterations if epoch is None else epoch
        self._iterations += 1
        for sampler in self._samplers():
            if isinstance(sampler, InOrder | Shuffled):
                sampler.current = self._current
        return super().__iter__()

    def _get_iterator(self) -> Any:
        assert self._batches is not None
        name = "sampler" if self.batch_sampler is None else "batch_sampler"
        batches = EpochBatches(
            getattr(self, name), lambda: self._current, self._batches.is_gathered
        )
        # The iterator has to draw (epoch, index) and fetch whole batches, while the attributes of
        # this loader stay those of the caller: it gets a shallow copy with four of them replaced.
        # Of its generator it draws the seed of the workers, which torch would take from the global
        # generator: that one shall be the same whether and when this loader is iterated.
        view = copy.copy(self)
        view.__dict__.update({"dataset": self._batches, "collate_fn": _identity, name: batches})
        view.__dict__["generator"] = epoch_generator(self._seed, self._current)
        return super(JetLoader, view)._get_iterator()


class _Iteration:
    """An iteration that begins with its first batch, not when it is made.

    Lightning makes the first iteration of a training before it sets the epoch, and a resumed
    training would see the jets of epoch 0 again.

    Args:
        loader: The loader.
    """

    def __init__(self, loader: JetLoader) -> None:
        self._loader = loader
        self._batches: Iterator[Any] | None = None

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> _Iteration:
        return self

    def __next__(self) -> Any:
        if self._batches is None:
            self._batches = self._loader._begin()
        return next(self._batches)


class _Batches:
    """The data set of batches that torch's iterator and its workers index by epoch and graphs.

    Args:
        dataset: The graphs.
        collater: PyG's, for data sets that cannot be gathered.
        transform: Called with each batch, or ``None``.
    """

    def __init__(self, dataset: Any, collater: Collater, transform: Any) -> None:
        self.dataset, self.collater, self.transform = dataset, collater, transform
        self._assembler: Assembler | None = None
        #: Why batches are not gathered, or ``None``.
        self.reason: str | None = None

    @property
    def is_gathered(self) -> bool:
        """Whether batches are gathered from flat storage; :meth:`inspect` finds out."""
        return self.reason is None

    def inspect(self) -> None:
        """Find out whether the data set can be gathered, and warn where it cannot."""
        if self._assembler is not None and self._assembler.storage.is_current():
            return
        try:
            storage = FlatStorage(self.dataset)
            options = self.collater.follow_batch, self.collater.exclude_keys
            self._assembler, self.reason = Assembler(storage, *options), None
        except NotGatherable as error:
            if self.reason != str(error):
                base = _innermost(self.dataset)
                # Python shows the same text from the same line once.
                warnings.warn(
                    f"JetLoader leaves {type(base).__name__}({len(base)}) to PyG's collate, which "
                    f"joins graphs one by one and takes longer: {error}.",
                    UserWarning,
                    stacklevel=1,
                )
            self._assembler, self.reason = None, str(error)

    def __getstate__(self) -> dict[str, Any]:
        # A data set may pickle as its path, so its storage is inspected again.
        return {**self.__dict__, "_assembler": None}

    def __getitems__(self, batch: IndexBatch) -> Any:
        if self.is_gathered:
            if self._assembler is None:
                self.inspect()
            assert self._assembler is not None
            out = self._assembler(as_index(batch.index))
        else:
            out = self.collater(self._each(batch.index))
        if self.transform is None:
            return out
        if getattr(self.transform, "needs_epoch", False):
            self.transform.set_epoch(batch.epoch)
        return self.transform(out)

    __getitem__ = __getitems__

    def _each(self, index: Any) -> Any:
        if isinstance(index, int):
            return self.dataset[index]
        if callable(many := getattr(self.dataset, "__getitems__", None)):
            return many(index)
        return [self.dataset[i] for i in index]


def _identity(batch: Any) -> Any:
    return batch


def _innermost(dataset: Any) -> Any:
    """The data set inside of subsets."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return dataset
