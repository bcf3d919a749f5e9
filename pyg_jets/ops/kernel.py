"""How kernels are compiled, when they serve, and how jets are split over threads.

A kernel is a numba function of arrays and scalars that works on the jets ``start … stop - 1`` and
writes only what belongs to them. It releases the GIL, so that threads can run it on other jets at
the same time, and gives the same result however the jets are split.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
import torch
from numba.core import config, event
from numba.core.compiler_lock import global_compiler_lock

from pyg_jets.files import content_hash, locked

_config: Any = config

__all__ = [
    "MIN_PARTICLES_PER_THREAD",
    "in_threads",
    "kernel",
    "over_jets",
    "split_jets",
    "use_float32_kernels",
    "use_inference_kernels",
    "use_kernels",
]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Below this many particles a thread costs more than it saves (measured: ~30 µs a hand-over).
MIN_PARTICLES_PER_THREAD = 8192


@cache
def _cache_folder() -> str:
    # numba does not notice that a callee in another file changed, so every file that has kernels,
    # which is every file that imports this one, is part of the hash.
    package = Path(__file__).parent.parent
    sources = [p for p in sorted(package.rglob("*.py")) if b"pyg_jets.ops.kernel" in p.read_bytes()]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return str(base / "pyg_jets" / "kernels" / content_hash(*sources))


#: The kernels of this process, so that the compilation of a user's own functions says nothing.
_kernels: weakref.WeakSet[Any] = weakref.WeakSet()


class _CompilationNote(event.Listener):
    """Says on standard error, once a process, that kernels are being compiled, which takes a while.

    numba tells of a compilation only where the cache on disk does not hold the kernel. Processes
    that were started by another one, such as the workers of a loader or a scan, say nothing.
    """

    said = False

    def on_start(self, compilation: Any) -> None:
        dispatcher = compilation.data["dispatcher"]
        if self.said or dispatcher not in _kernels or multiprocessing.parent_process() is not None:
            return
        self.said = True
        folder = dispatcher._cache.cache_path
        where = f"once; cached in {folder}" if folder else "in each process: no folder to cache in"
        print(f"pyg_jets: compiling kernels ({where})", file=sys.stderr, flush=True)

    def on_end(self, compilation: Any) -> None:
        pass


_note = _CompilationNote()


@cache
def _listen() -> None:
    event.register("numba:compile", _note)


def _compile_alone(dispatcher: Any, compile_or_load: Callable[[Any], Any], signature: Any) -> Any:
    """Compile a kernel, or load what another process has compiled in the meantime."""
    path = Path(dispatcher._cache.cache_path, dispatcher.py_func.__qualname__)
    with global_compiler_lock, ExitStack() as stack:  # threads first: numba takes it as well
        with suppress(OSError):  # a cache that can be read, but not written to
            stack.enter_context(locked(path))
        return compile_or_load(signature)


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function with numba: serial, without the GIL, cached on disk.

    The cache lies in a folder named by a hash of all sources that have kernels. Where no folder can
    be written to, the kernel is compiled anew in each process. The first compilation of a process
    is announced by a line on standard error. Of several processes that need a kernel at the same
    time, one compiles it and the others wait.

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
            compiled = numba.njit(nogil=True, cache=True, **options)(function)
            compiled.compile = partial(_compile_alone, compiled, compiled.compile)
        except RuntimeError:  # no writable cache folder
            compiled = numba.njit(nogil=True, **options)(function)
    finally:
        _config.CACHE_DIR = user_folder
    _kernels.add(compiled)
    _listen()
    return compiled


def use_kernels(*tensors: torch.Tensor) -> bool:
    """Whether numba kernels serve these tensors: on the CPU, not float64, not switched off.

    The environment variable ``PYG_JETS_KERNELS=0`` switches every kernel off; then the torch path,
    which other devices take, runs on the CPU too.
    """
    if os.environ.get("PYG_JETS_KERNELS") == "0":
        return False
    return all(t.device.type == "cpu" and t.dtype != torch.float64 for t in tensors)


def use_float32_kernels(*tensors: torch.Tensor) -> bool:
    """Whether numba kernels serve these tensors, and all of them are float32."""
    return all(t.dtype == torch.float32 for t in tensors) and use_kernels(*tensors)


def use_inference_kernels(*tensors: torch.Tensor) -> bool:
    """Whether kernels that have no gradient serve these tensors.

    They do for float32 on the CPU where no gradient is recorded and nothing is being compiled.
    """
    if torch.compiler.is_compiling():
        return False
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        return False
    return use_float32_kernels(*tensors)


def split_jets(ptr: torch.Tensor, n_particles: int) -> list[tuple[int, int]]:
    """Split a batch into ranges of whole jets with about ``n_particles`` particles each.

    Args:
        ptr: Ragged pointer ``[J + 1]`` int64, on the CPU.
        n_particles: The number of particles aimed at; a single jet may have more.

    Returns:
        The first jet of each range and the one after its last.

    Examples:
        >>> split_jets(torch.tensor([0, 2, 2, 5, 6]), 4)
        [(0, 3), (3, 4)]
    """
    marks = np.arange(0, int(ptr[-1]), n_particles)
    cuts = {0, len(ptr) - 1, *np.searchsorted(ptr.numpy(), marks).tolist()}
    return list(itertools.pairwise(sorted(cuts)))


_pool: tuple[int, int, ThreadPoolExecutor] | None = None  # process, threads, pool


def _executor(threads: int) -> ThreadPoolExecutor:
    """The pool of this process, with at least so many threads, in each of which torch uses one."""
    global _pool
    # A forked child has the parent's pool object but none of its threads.
    if _pool is not None and _pool[0] == os.getpid() and _pool[1] >= threads:
        return _pool[2]
    torch_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "pyg_jets", torch.set_num_threads, (1,))
    started = threading.Barrier(threads)
    for _ in pool.map(lambda _: started.wait(), range(threads)):
        pass
    # The latest call of set_num_threads, from any thread, counts for threads that start later.
    torch.set_num_threads(torch_threads)
    _pool = (os.getpid(), threads, pool)
    return pool


def _default_threads() -> int:
    from torch.utils.data import get_worker_info

    return 1 if get_worker_info() is not None else torch.get_num_threads()


#: Code that has been called once, so that its kernels are compiled.
_called: set[Any] = set()


def _is_first_call(run: Callable[..., Any]) -> bool:
    """Whether the kernels of ``run`` may still have to be compiled.

    numba's compiler does not survive two threads that compile at the same time, so the first call
    of a function is made by one thread, before the others start.
    """
    code = getattr(run, "__code__", run)
    is_first = code not in _called
    _called.add(code)
    return is_first


def in_threads(run: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """``[run(item) for item in items]`` on threads, each of which takes the next item when free.

    The calls are serial in a worker of a data loader, for a single item, and where torch has one
    thread. Within a thread torch uses no others, so that what is worked on stays in one core's
    cache.

    Args:
        run: Called with each item; it must release the GIL most of the time to gain from threads.
        items: The arguments.

    Returns:
        The results, in the order of the items.
    """
    threads = min(_default_threads(), len(items))
    if threads <= 1:
        return [run(item) for item in items]

    first = [run(items[0])] if _is_first_call(run) else []
    inference = torch.is_inference_mode_enabled()

    def run_without_gradient(item: Item) -> Result:
        # Neither mode passes from a thread to those that it starts.
        with torch.inference_mode(inference), torch.no_grad():
            return run(item)

    return first + list(_executor(threads).map(run_without_gradient, items[len(first) :]))


def over_jets(
    run: Callable[[int, int], Any], ptr: np.ndarray, threads: int | None = None, copies: int = 1
) -> None:
    """Call ``run(start, stop)`` on threads, on ranges of jets with about equal particle counts.

    The calls are serial in a worker of a data loader and for few particles.

    Args:
        run: Works on the jets ``start … stop - 1``; it must release the GIL to gain from threads,
            and write only what belongs to its jets.
        ptr: The ragged pointer ``[J + 1]``.
        threads: The largest number of threads. Default: torch's, and 1 in a loader's worker.
        copies: Work on a particle in units of a copy, by which the number of threads is chosen.
    """
    n_jets, n_particles = len(ptr) - 1, int(ptr[-1])
    if threads is None:
        useful = n_particles * copies // MIN_PARTICLES_PER_THREAD
        threads = min(_default_threads(), useful) if useful > 1 else 1
    threads = max(1, min(threads, n_jets))
    if threads == 1:
        run(0, n_jets)
        return
    cuts = np.searchsorted(ptr, np.linspace(0, n_particles, threads + 1)[1:-1])
    edges = [0, *(int(c) for c in cuts), n_jets]
    is_first_call = _is_first_call(run)
    if is_first_call:
        run(edges[0], edges[1])
    pool = _executor(threads - 1)
    waiting = [pool.submit(run, a, b) for a, b in itertools.pairwise(edges[1:])]
    if not is_first_call:
        run(edges[0], edges[1])
    for future in waiting:
        future.result()
