"""Which chunks are generated, by which executor, and which of their jets are returned.

The chunks of a process are numbered from 0. A request is answered by the first chunks that contain
enough jets, cut after the last jet that is needed, so any number of workers gives the same jets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import numpy as np
from tqdm.auto import tqdm

from pyg_jets.errors import InputError
from pyg_jets.events.chunk import generate_chunk, require_generators
from pyg_jets.events.cutflow import CutFlow
from pyg_jets.events.options import PythiaOptions
from pyg_jets.files import dask_client, require
from pyg_jets.jets import JetArray

__all__ = [
    "ChunkExecutor",
    "ChunkStore",
    "MemoryStore",
    "chunk_executor",
    "first_jets",
    "generate_missing_chunks",
    "require_packages",
]

#: After this many chunks without a jet in the window, generation gives up.
MAX_EMPTY_CHUNKS = 50

_WAIT_FOR_WORKERS = 120  # s


class ChunkStore(Protocol):
    """Where the chunks of one process are stored."""

    def cut_flow(self, chunk: int) -> CutFlow | None:
        """The cut flow of a chunk, or ``None`` if the chunk is missing or damaged."""

    def load(self, chunk: int) -> JetArray:
        """The jets of a chunk."""

    def save(self, chunk: int, jets: JetArray, cut_flow: CutFlow) -> None:
        """Store a chunk."""


class MemoryStore:
    """A :class:`ChunkStore` in memory."""

    def __init__(self) -> None:
        self._chunks: dict[int, tuple[JetArray, CutFlow]] = {}

    def cut_flow(self, chunk: int) -> CutFlow | None:
        """The cut flow of a chunk, or ``None`` if the chunk is missing."""
        return self._chunks[chunk][1] if chunk in self._chunks else None

    def load(self, chunk: int) -> JetArray:
        """The jets of a chunk."""
        return self._chunks[chunk][0]

    def save(self, chunk: int, jets: JetArray, cut_flow: CutFlow) -> None:
        """Store a chunk."""
        self._chunks[chunk] = jets, cut_flow


class ChunkExecutor(Protocol):
    """What generates chunks: this process, or the workers of a Dask cluster."""

    #: Number of chunks that may be submitted at a time.
    slots: int

    def submit(self, process: str, options: PythiaOptions, chunk: int) -> None:
        """Submit a chunk for generation."""

    def next_finished(self) -> tuple[int, tuple[JetArray, CutFlow]]:
        """Wait for a chunk, and return its number, jets and cut flow."""

    def cancel(self) -> None:
        """Drop the chunks that were submitted."""


class _SerialExecutor:
    """A :class:`ChunkExecutor` that generates chunks one after the other in this process."""

    slots = 1

    def __init__(self) -> None:
        self._submitted: list[tuple[str, PythiaOptions, int]] = []

    def submit(self, process: str, options: PythiaOptions, chunk: int) -> None:
        self._submitted.append((process, options, chunk))

    def next_finished(self) -> tuple[int, tuple[JetArray, CutFlow]]:
        process, options, chunk = self._submitted.pop(0)
        return chunk, generate_chunk(process, options, chunk)

    def cancel(self) -> None:
        self._submitted.clear()


class _DaskExecutor:
    """A :class:`ChunkExecutor` over the workers of a Dask client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._wait = require("distributed", "generate").wait
        self._futures: dict[Any, int] = {}
        try:
            client.wait_for_workers(1, timeout=_WAIT_FOR_WORKERS)
        except TimeoutError:
            raise RuntimeError(
                f"No Dask worker came within {_WAIT_FOR_WORKERS} s: start workers for "
                f"{client.scheduler.address}."
            ) from None
        # One chunk in progress and one waiting for each worker.
        self.slots = 2 * sum(client.nthreads().values())

    def submit(self, process: str, options: PythiaOptions, chunk: int) -> None:
        future = self._client.submit(generate_chunk, process, options, chunk, pure=False)
        self._futures[future] = chunk

    def next_finished(self) -> tuple[int, tuple[JetArray, CutFlow]]:
        done, _ = self._wait(list(self._futures), return_when="FIRST_COMPLETED")
        future = min(done, key=self._futures.__getitem__)
        chunk = self._futures.pop(future)
        return chunk, future.result()

    def cancel(self) -> None:
        self._client.cancel(list(self._futures))
        self._futures.clear()


def require_packages(workers: int | None, scheduler: str | None) -> None:
    """Check, before anything is written, that the packages that generate jets are installed.

    Args:
        workers: Number of local processes, as for :func:`chunk_executor`.
        scheduler: Address of a Dask scheduler, likewise.

    Raises:
        MissingExtraError: If one is not; the message names the extra.
    """
    require_generators()
    if not _is_serial(workers, scheduler):
        require("distributed", "generate")


def _is_serial(workers: int | None, scheduler: str | None) -> bool:
    return scheduler is None and workers is not None and workers < 2


@contextmanager
def chunk_executor(
    workers: int | None, scheduler: str | None
) -> Iterator[Callable[[], ChunkExecutor]]:
    """A function that returns the executor, which is started at its first call.

    Args:
        workers: Number of local processes; 0 and 1 work in this process. ``None``: all cores.
        scheduler: Address of a Dask scheduler, instead of local processes.
    """
    started: list[ChunkExecutor] = []
    with ExitStack() as stack:

        def executor() -> ChunkExecutor:
            if not started:
                require_packages(workers, scheduler)
                if _is_serial(workers, scheduler):
                    started.append(_SerialExecutor())
                else:
                    cluster = dask_client(scheduler, workers, preload=["pyg_jets.events.chunk"])
                    client = stack.enter_context(cluster)
                    started.append(_DaskExecutor(client))
            return started[0]

        yield executor


def generate_missing_chunks(
    process: str,
    n_jets: int,
    options: PythiaOptions,
    store: ChunkStore,
    executor: Callable[[], ChunkExecutor],
    progress: bool = True,
) -> int:
    """Generate the chunks that ``store`` lacks for ``n_jets`` jets in the window.

    Args:
        process: The process.
        n_jets: Number of jets in the pT window.
        options: The options of the jets.
        store: The chunks that exist, and where new ones are stored.
        executor: From :func:`chunk_executor`.
        progress: Whether to show a progress bar.

    Returns:
        The number of chunks, from the first on, that contain these jets.

    Raises:
        ValueError: If no jet falls into the window.
    """
    in_window: dict[int, int] = {}  # jets of each chunk that is stored
    pending: set[int] = set()
    with tqdm(total=n_jets, desc=process, unit="jet", disable=not progress) as bar:

        def count(chunk: int, cut_flow: CutFlow) -> None:
            in_window[chunk] = cut_flow.in_window
            bar.update(min(cut_flow.in_window, n_jets - bar.n))

        upcoming = 0
        while (n_chunks := _chunks_needed(in_window, n_jets)) is None:
            if len(in_window) >= MAX_EMPTY_CHUNKS and not any(in_window.values()):
                raise InputError(
                    f"{len(in_window) * options.events_per_chunk} events of process {process!r} "
                    f"gave no jet with {options.pt[0]:g} ≤ pT < {options.pt[1]:g} GeV and "
                    f"|η| < {options.eta_max:g}: widen the window, raise the radius or eta_max, "
                    "or set pthat nearer to it."
                )
            while _wants_more(in_window, pending, n_jets, executor):
                cut_flow = store.cut_flow(upcoming)
                if cut_flow is not None:
                    count(upcoming, cut_flow)
                else:
                    executor().submit(process, options, upcoming)
                    pending.add(upcoming)
                upcoming += 1
            if pending and _chunks_needed(in_window, n_jets) is None:
                chunk, (jets, cut_flow) = executor().next_finished()
                store.save(chunk, jets, cut_flow)
                pending.remove(chunk)
                count(chunk, cut_flow)
        if pending:
            executor().cancel()
    return n_chunks


def _chunks_needed(in_window: dict[int, int], n_jets: int) -> int | None:
    """Number of chunks, in order, with ``n_jets`` jets in the window; ``None`` if one lacks."""
    total, chunk = 0, 0
    while total < n_jets:
        if chunk not in in_window:
            return None
        total += in_window[chunk]
        chunk += 1
    return chunk


def _wants_more(
    in_window: dict[int, int],
    pending: set[int],
    n_jets: int,
    executor: Callable[[], ChunkExecutor],
) -> bool:
    """Whether a further chunk shall be submitted, from the mean yield of those that are stored."""
    if not pending:
        return _chunks_needed(in_window, n_jets) is None
    stored = sum(in_window.values())
    expected = stored + len(pending) * stored / max(1, len(in_window))
    return expected < n_jets and len(pending) < executor().slots


def first_jets(store: ChunkStore, chunks: int, n_jets: int, options: PythiaOptions) -> JetArray:
    """The jets of the first chunks, up to the ``n_jets``-th jet in the window.

    Args:
        store: The chunks.
        chunks: Number of chunks, from :func:`generate_missing_chunks`.
        n_jets: Number of jets in the pT window.
        options: The options of the jets.
    """
    jets = JetArray.concatenate([store.load(chunk) for chunk in range(chunks)])
    pt = jets.jets["gen_pt"]
    in_window = np.flatnonzero((pt >= options.pt[0]) & (pt < options.pt[1]))
    return jets[: int(in_window[n_jets - 1]) + 1]
