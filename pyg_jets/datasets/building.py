"""Raw files to one table of flat files: in turn or in several processes, and resumed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from pyg_jets.datasets.conversion import Conversion
from pyg_jets.datasets.reading import Part
from pyg_jets.files import dask_client
from pyg_jets.io.flat import FlatWriter, join_flat

__all__ = ["convert_files", "identities"]

#: Bytes of raw files above which they are converted in parallel unless asked otherwise.
_MANY = 1 << 30


def identities(parts: Sequence[Part]) -> list[list]:
    """Name, size and time of each raw file: a conversion goes on only with the same ones."""
    found = [(part.path.name, part.path.stat()) for part in parts]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in found]


def convert_files(
    conversion: Conversion, parts: Sequence[Part], folder: Path, name: str, workers: int | None
) -> FlatWriter:
    """Convert raw files, from where an interrupted conversion ended.

    Args:
        conversion: What is made of each chunk.
        parts: The files, in order.
        folder: Where the table is made.
        name: What a progress bar is called.
        workers: Processes; ``None`` for the number of cores for several files of more than a
            gigabyte, else this process alone.

    Returns:
        The writer of all jets, not finished yet.
    """
    identity = identities(parts)
    writer = _continued(folder, identity)
    processes = _processes(parts, workers)
    try:
        if processes > 1:
            _in_parallel(conversion, parts, writer, identity, name, processes)
        else:
            _in_turn(conversion, parts, writer, identity, name)
    except BaseException:
        writer.close()
        raise
    return writer


def _processes(parts: Sequence[Part], workers: int | None) -> int:
    total = sum(part.path.stat().st_size for part in parts)
    default = (os.cpu_count() or 1) if total > _MANY else 1
    return min(len(parts), default if workers is None else workers)


def _in_turn(
    conversion: Conversion, parts: Sequence[Part], writer: FlatWriter, identity: list, name: str
) -> None:
    first, row = writer.place[:2] if writer.place else (0, 0)
    with tqdm(unit="jet", unit_scale=True, desc=name, disable=None) as bar:
        for i, part in enumerate(parts[first:], first):
            base = bar.n
            conversion.run(
                part,
                writer,
                row if i == first else 0,
                lambda stop, i=i: (i, stop, identity),
                lambda stop, base=base: bar.update(base + stop - bar.n),
            )
            writer.place = (i + 1, 0, identity)


def _in_parallel(
    conversion: Conversion,
    parts: Sequence[Part],
    writer: FlatWriter,
    identity: list,
    name: str,
    processes: int,
) -> None:
    """One table a file, in several processes, which are then joined."""
    folders = [writer.folder / f"part-{i:05d}" for i in range(len(parts))]
    done = writer.place[0] if writer.place else 0
    with dask_client(workers=processes, memory_limit=0) as client:
        left = zip(parts[done:], folders[done:], identity[done:], strict=True)
        waiting = [client.submit(_convert_alone, conversion, *one, pure=False) for one in left]
        bar = tqdm(waiting, unit="file", desc=name, disable=None)
        for i, future in enumerate(bar, done):
            future.result()
            join_flat([folders[i]], writer)
            writer.place = (i + 1, 0, identity)
            writer.note()
            shutil.rmtree(folders[i])


def _convert_alone(conversion: Conversion, part: Part, folder: Path, identity: list) -> None:
    """Convert one file into a table of its own, unless that is done."""
    if (folder / "meta.json").exists():
        return
    writer = _continued(folder, identity)
    start = writer.place[0] if writer.place else 0
    try:
        conversion.run(part, writer, start, lambda stop: (stop, identity), lambda stop: None)
    except BaseException:
        writer.close()
        raise
    writer.finish({})


def _continued(folder: Path, identity: list) -> FlatWriter:
    """The table that was begun from the same raw files, or a new one."""
    writer = FlatWriter(folder)
    if writer.place is not None and writer.place[-1] != identity:
        shutil.rmtree(folder)
        writer = FlatWriter(folder)
    return writer
