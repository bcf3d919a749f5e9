"""How kernels are compiled and run: the numba decorator, and the split of jets over threads."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
import torch
from numba.core import config

from pyg_jets.files import content_hash

_config: Any = config

__all__ = ["MIN_PARTICLES_PER_THREAD", "in_threads", "kernel", "over_jets", "use_kernels"]

Item = TypeVar("Item")
Found = TypeVar("Found")

#: Below this many particles a thread costs more than it saves (measured: ~30 µs a hand-over).
MIN_PARTICLES_PER_THREAD = 8192

_ROOMS = ("ops", "detector", "events", "loader", "io", "datasets")


@cache
def _cache_folder() -> str:
    # numba does not notice that a callee in another file changed, so every room with kernels counts
    package = Path(__file__).parent.parent
    sources = [p for room in _ROOMS for p in sorted((package / room).rglob("*.py"))]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(base / "pyg_jets" / "kernels" / content_hash(*sources))


def use_kernels(*tensors: torch.Tensor) -> bool:
    """Whether numba kernels serve these tensors: on the CPU, no float64, not switched off.

    The environment variable ``PYG_JETS_KERNELS=0`` switches every kernel off; the torch path,
    which other devices take, then runs on the CPU too.
    """
    if os.environ.get("PYG_JETS_KERNELS") == "0":
        return False
    return all(t.device.type == "cpu" and t.dtype != torch.float64 for t in tensors)


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile with numba: without the GIL, serial, cached on disk under a hash of all sources.

    Args:
        function: A function of arrays and scalars only.
        options: Further options of ``numba.njit``, such as ``inline="always"``.
    """
    if function is None:
        return lambda inner: kernel(inner, **options)
    user_folder = _config.CACHE_DIR
    try:
        # numba reads the folder while it decorates; the user's setting is put back at once.
        _config.CACHE_DIR = user_folder or _cache_folder()
        try:
            return numba.njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # no writable cache folder
            return numba.njit(nogil=True, **options)(function)
    finally:
        _config.CACHE_DIR = user_folder


_pool: tuple[int, int, ThreadPoolExecutor] | None = None


def _executor(threads: int) -> ThreadPoolExecutor:
    global _pool
    # A forked child has the parent's pool object but none of its threads.
    if _pool is None or _pool[0] != os.getpid() or _pool[1] < threads:
        _pool = (os.getpid(), threads, _single_threaded(threads))
    return _pool[2]


def _single_threaded(threads: int) -> ThreadPoolExecutor:
    """Threads in each of which torch uses no others."""
    torchs = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "pyg_jets", torch.set_num_threads, (1,))
    started = threading.Barrier(threads)
    for _ in pool.map(lambda _: started.wait(), range(threads)):
        pass
    torch.set_num_threads(torchs)  # the last word counts for threads that are started later
    return pool


def _default_threads() -> int:
    from torch.utils.data import get_worker_info

    return 1 if get_worker_info() is not None else torch.get_num_threads()


def in_threads(run: Callable[[Item], Found], items: Sequence[Item]) -> list[Found]:
    """``[run(item) for item in items]`` on threads, each of which takes the next item when free.

    Serial in a loader's worker, for one item, and where torch has one thread. Within a thread torch
    uses no others: what is worked on stays in one core's cache.

    Args:
        run: Must release the GIL most of the time to gain from threads.
        items: What it is called with.
    """
    threads = min(_default_threads(), len(items))
    if threads <= 1:
        return [run(item) for item in items]

    inference = torch.is_inference_mode_enabled()

    def alone(item: Item) -> Found:
        with torch.inference_mode(inference), torch.no_grad():  # neither passes to a thread
            return run(item)

    return list(_executor(threads).map(alone, items))


def over_jets(
    run: Callable[[int, int], Any], ptr: np.ndarray, threads: int | None = None, copies: int = 1
) -> None:
    """Call ``run(start, stop)`` on ranges of jets of about equal particle counts, over threads.

    Serial in a loader's worker and for few particles. The ranges change nothing in the result as
    long as ``run`` writes only what belongs to its jets.

    Args:
        run: Works on the jets ``start … stop - 1``; must release the GIL to gain from threads.
        ptr: The ragged pointer ``[J + 1]``.
        threads: Number of threads at most. Default: torch's, and 1 in a loader's worker.
        copies: How often each particle is worked on, for the estimate of the work.
    """
    n_jets, n_particles = len(ptr) - 1, int(ptr[-1])
    if threads is None:
        wanted = n_particles * copies // MIN_PARTICLES_PER_THREAD
        threads = min(_default_threads(), wanted) if wanted > 1 else 1
    threads = max(1, min(threads, n_jets))
    if threads == 1:
        run(0, n_jets)
        return
    cuts = np.searchsorted(ptr, np.linspace(0, n_particles, threads + 1)[1:-1])
    edges = [0, *(int(c) for c in cuts), n_jets]
    pool = _executor(threads - 1)
    waiting = [pool.submit(run, a, b) for a, b in itertools.pairwise(edges[1:])]
    run(edges[0], edges[1])
    for future in waiting:
        future.result()
