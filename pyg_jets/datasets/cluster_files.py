"""`cluster_files`: files of events to one parquet file of jets, in parts that survive a kill."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from pyg_jets.columns import OBSERVABLES, check_names
from pyg_jets.datasets.event_files import LEVELS, default_level, event_source
from pyg_jets.datasets.event_reader import EventReader, in_parts
from pyg_jets.datasets.file_dataset import identify
from pyg_jets.datasets.jet_files import ColumnMap, Files, labelled_files
from pyg_jets.datasets.jet_files_reader import ColumnMapReader, ColumnPlace
from pyg_jets.datasets.labels import ClassValues
from pyg_jets.datasets.reader import RawFile
from pyg_jets.errors import FolderInUseError, InputError
from pyg_jets.events.clustering import NEUTRINOS, ClusteringOptions
from pyg_jets.events.options import check_count
from pyg_jets.files import content_hash, dask_client, locked, read_json, require, write_json
from pyg_jets.io.parquet import join_parquet, verify_parquet, write_parquet
from pyg_jets.jets import JetArray

__all__ = ["cluster_files"]

_MARKER = "made_of.json"
_EVENTS = 1024  # clustered at a time


def cluster_files(
    files: Files | Mapping[str, Files],
    out: str | Path,
    options: ClusteringOptions = ClusteringOptions(),
    *,
    columns: ColumnMap | Sequence[str] | None = None,
    jets: ColumnMap | Sequence[str] | None = None,
    label: ColumnPlace | None = None,
    classes: Sequence[str | int] | Mapping[str, ClassValues] = (),
    weight: ColumnPlace | None = None,
    tree: str | None = None,
    level: str | None = None,
    puppi: bool = True,
    invisible: Sequence[int] = NEUTRINOS,
    drop_bad: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Write the jets of files of events to a parquet file, for ``read_parquet`` and `JetFiles`.

    The formats are those of :class:`~pyg_jets.datasets.EventFiles`. Jets are the same for any
    number of workers, and what was clustered before a kill is not clustered again.

    Args:
        files: Paths or patterns; or ``{class: paths}``, to label events by their file.
        out: The parquet file to write.
        options: Algorithm, radius, and which jets are kept.
        columns: As in `EventFiles`, and likewise ``jets, label, classes, weight, tree, level,
            puppi, invisible``.
        jets: Where columns of the event are that its jets get.
        label: Where the label of an event is.
        classes: The classes in the order of their labels.
        weight: Where the weight of an event is.
        tree: The tree of ROOT files.
        level: ``"gen"`` or ``"reco"``, with which names of jet columns begin.
        puppi: Whether candidates count with their PUPPI weights.
        invisible: PDG ids of HepMC's particles that no detector sees.
        drop_bad: Leave out events with a NaN or a negative energy, instead of refusing the file.
        workers: Number of local processes; 0 or 1 work in this one. Default: the number of cores.
        scheduler: Address of a Dask scheduler, such as ``tcp://host:8786``, whose workers see the
            files under the same paths. Default: local.
        overwrite: Whether a file that is there may be replaced.
        progress: Whether to show a progress bar.

    Returns:
        The file.

    Raises:
        FileExistsError: If the file is there, and not to be replaced.
        ValueError: If a file holds no particles of events, is cut short or damaged.
    """
    out = Path(out)
    if out.suffix != ".parquet":
        raise InputError(f"Expected out as a file that ends in .parquet, but got {out}.")
    if out.exists() and not overwrite:
        raise FolderInUseError(f"{out} is there already: give another file, or overwrite it.")
    if workers is not None:
        workers = check_count("workers", workers, least=0)
    labelled = labelled_files(files, Path())
    source = event_source(
        labelled[0][0], columns=columns, jets=jets, label=label, classes=classes, weight=weight,
        tree=tree, puppi=puppi, invisible=invisible,
    )  # fmt: skip
    if isinstance(source, ColumnMapReader) and source.label:
        source.file_columns(labelled[0][0])
        source = replace(source, labels=source.survey_labels([path for path, _ in labelled]))
    (level,) = check_names((level or default_level(source),), LEVELS, "level")
    reader = EventReader(source, options)
    raw = [RawFile(path.absolute(), i, label=of_file) for i, (path, of_file) in enumerate(labelled)]
    for name in sorted({name for file in raw for name in reader.packages(file.path)}):
        require(name, "data")
    parts = [part for file in raw for part in in_parts(file, source.n_rows(file.path))]
    made_of = [asdict(reader), type(source).__name__, level, drop_bad, identify(parts), labelled]
    with locked(out):
        folder = _parts_folder(out, content_hash(repr(made_of)))
        places = [folder / f"{i:06d}.parquet" for i in range(len(parts))]
        missing = [i for i, place in enumerate(places) if verify_parquet(place) != "ok"]
        sizes = [
            part.rows[1] - part.rows[0] if part.rows else source.n_rows(part.path) for part in parts
        ]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        before = sum(size or 0 for i, size in enumerate(sizes) if i not in missing)
        with tqdm(total=total, initial=before, unit="event", desc="cluster",
                  disable=not progress) as bar:  # fmt: skip
            tasks = [(reader, parts[i], level, drop_bad) for i in missing]
            for i, found in _clustered(tasks, workers, scheduler, bar.update):
                write_parquet(found, places[missing[i]])
        join_parquet(places, out)
        shutil.rmtree(folder)
    return out


def _parts_folder(out: Path, identity: str) -> Path:
    """The folder of finished parts beside a file; those of another request are removed."""
    folder = out.with_name(f".{out.name}.parts")
    try:
        same = read_json(folder / _MARKER) == identity
    except (OSError, ValueError):
        same = False
    if not same:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(folder / _MARKER, identity)
    return folder


def _clustered(
    tasks: Sequence[tuple],
    workers: int | None,
    scheduler: str | None,
    progress: Callable[[int], Any],
) -> Iterator[tuple[int, JetArray]]:
    """The jets of parts with their places in the list, as they get finished."""
    if not tasks:
        return
    if scheduler is None and (len(tasks) == 1 or workers in (0, 1)):
        for i, task in enumerate(tasks):
            reader, part, level, drop_bad = task
            yield i, cluster_part(reader, part, level, drop_bad, progress)[0]
        return
    with dask_client(scheduler, workers, 0, ["pyg_jets.datasets"]) as client:
        slots = 2 * max(1, sum(client.nthreads().values()))
        submitted: dict[Any, int] = {}

        def submit(i: int) -> Any:
            future = client.submit(cluster_part, *tasks[i], pure=False)
            submitted[future] = i
            return future

        upcoming = iter(range(len(tasks)))
        first = [submit(i) for i, _ in zip(upcoming, range(slots), strict=False)]
        queue = require("distributed", "data").as_completed(first)
        for future in queue:
            found, n_events = future.result()
            progress(n_events)
            yield submitted.pop(future), found
            following = next(upcoming, None)
            if following is not None:
                queue.add(submit(following))


def cluster_part(
    reader: EventReader,
    part: RawFile,
    level: str,
    drop_bad: bool,
    progress: Callable[[int], Any] = lambda n_events: None,
) -> tuple[JetArray, int]:
    """The jets of the events of a part of a file, and the number of the events.

    Args:
        reader: Reads the events and finds the jets.
        part: The part.
        level: ``"gen"`` or ``"reco"``.
        drop_bad: Leave out events with bad values.
        progress: Called with the number of events that were clustered since the last call.
    """
    names, chunks = reader.file_columns(part.path).particles, []
    begin = done = part.rows[0] if part.rows else 0
    for chunk in reader.chunks(part, names, 0, _EVENTS, drop_bad):
        chunks.append(chunk.jets)
        progress(chunk.stop - done)
        done = chunk.stop
    if not chunks:
        raise InputError(f"{part.path} holds no events, expected some: give another file.")
    jets = JetArray.concatenate(chunks)
    if part.label is not None:
        jets = jets.with_labels(part.label)
    prefix = {name: f"{level}_{name}" for name in OBSERVABLES}
    named = {prefix.get(name, name): value for name, value in jets.jets.items()}
    return replace(jets, jets=named, ids=jets.ids + (part.number << 32)), done - begin
