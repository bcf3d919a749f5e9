"""Local processes and those of a cluster, as a Dask client; packages that an extra installs."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyg_jets.errors import MissingExtraError, UnreachableError

__all__ = ["dask_client", "require", "spawn_without_main"]


def require(module: str, extra: str) -> Any:
    """Import ``module`` and return it, or say which extra installs it.

    Args:
        module: The module's name.
        extra: The extra of pyg-jets that installs it.

    Raises:
        ModuleNotFoundError: With the command that installs the extra.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"{module} is not installed, but is needed here: pip install 'pyg-jets[{extra}]'.",
            name=error.name,
        ) from None


@contextmanager
def dask_client(
    scheduler: str | None = None,
    workers: int | None = None,
    memory_limit: str | int = "auto",
    preload: Sequence[str] = (),
) -> Iterator[Any]:
    """Give a Dask client: of a running scheduler, or of a local cluster that ends with the block.

    Inside a worker of a local cluster, which may have no children, it is a cluster of one thread.
    On Linux the local processes are forked from a server that has imported what they need, once:
    torch and Lightning take seconds of processor time and half a gigabyte in each process that
    imports them itself.

    Args:
        scheduler: Address of a Dask scheduler, such as ``tcp://host:8786``. Default: a local
            cluster of processes with one thread each.
        workers: Number of local processes. Default: the number of cores.
        memory_limit: Bytes after which a local process is paused and ended; 0 for no limit, where
            memory maps, which the system can take back, would count too.

    Raises:
        ConnectionError: If no scheduler responds.
    """
    distributed = require("distributed", "generate")
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler)
        except (OSError, ValueError) as error:
            raise UnreachableError(
                f"No Dask scheduler answers at {scheduler} ({error}): start one, or give none for "
                "a local cluster."
            ) from None
        with client:
            yield client
        return
    nested = multiprocessing.current_process().daemon
    with _worker_processes(preload) as options:
        with spawn_without_main():
            cluster = distributed.LocalCluster(
                n_workers=1 if nested else workers or os.cpu_count() or 1,
                processes=not nested,
                threads_per_worker=1,
                memory_limit=memory_limit,
                dashboard_address="127.0.0.1:0",  # any free port: several may generate at once
                silence_logs=40,
                **({} if nested else options),
            )
        with cluster, distributed.Client(cluster) as client:
            yield client


@contextmanager
def _worker_processes(preload: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Have Dask fork its workers from a server on Linux; give the further options of a cluster."""
    if sys.platform != "linux":
        yield {}
        return
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        context = get_mp_context()  # its first call sets modules of Dask's own choice
        context.set_forkserver_preload([*preload, "distributed"])
        # the server keeps the environment in which it was started
        yield {"env": dict(os.environ)}


@contextmanager
def spawn_without_main() -> Iterator[None]:
    """Keep spawned workers from running the caller's script again.

    multiprocessing imports the main script in each spawned worker. Workers here need nothing of
    it, and a script without ``if __name__ == "__main__"``, or one from standard input, would fail.
    """
    main: Any = sys.modules["__main__"]
    saved = {name: getattr(main, name, None) for name in ("__file__", "__spec__")}
    for name in saved:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in saved.items():
            setattr(main, name, value)
