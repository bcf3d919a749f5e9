"""A folder of generated jets: chunks that survive a kill, and one parquet file a process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyg_jets.columns import check_names
from pyg_jets.errors import FolderInUseError, InputError
from pyg_jets.events.chunk import check_settings
from pyg_jets.events.options import Options, check_count
from pyg_jets.events.processes import PROCESSES
from pyg_jets.events.schedule import complete, first_jets, machinery
from pyg_jets.events.summary import Summary
from pyg_jets.files import claim_folder, locked, read_json, write_json
from pyg_jets.io import read_parquet, write_parquet
from pyg_jets.jets import JetArray
from pyg_jets.provenance import versions

__all__ = ["MARKER", "Folder", "generate_folder", "read_summaries"]

#: The file that marks a folder of generated jets and tells how they were made.
MARKER = "generation.json"

_FORMAT = 1
# Another version of these gives other events.
_DECIDING = ("pythia8mc", "fastjet")


def generate_folder(
    processes: Sequence[str],
    n_jets: int,
    out: str | Path,
    pt: tuple[float, float] = (500, 600),
    eta_max: float = 2.0,
    radius: float = 0.8,
    pthat: tuple[float, float] = (0.8, 1.6),
    settings: Sequence[str] = (),
    shower: str = "simple",
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
    events_per_chunk: int = 250,
) -> dict[str, Path]:
    """Generate jets of several processes into a folder, or continue where it was stopped.

    The folder gets ``generation.json`` (arguments, versions, counts of losses), ``chunks/`` and
    ``{process}.parquet`` for each process. What is there is not generated again: a stopped
    generation continues, more jets of the same arguments are added, and the same request is
    answered at once.

    Args:
        processes: Names of :data:`pyg_jets.events.processes.PROCESSES`.
        n_jets: Number of jets of each process in the pT window.
        out: The folder.
        pt: pT window (GeV). Jets are kept from 0.7 × its lower to 1.4 × its upper edge.
            Default: (500, 600).
        eta_max: Largest \\|η\\| of a jet. Default: 2.0.
        radius: Radius of the anti-kt jets. Default: 0.8.
        pthat: Range of the hard process's pT, in multiples of the window's edges.
            Default: (0.8, 1.6).
        settings: Further Pythia settings. Default: none.
        shower: ``simple`` or ``vincia``. Default: ``simple``.
        seed: Seed of the random numbers. Default: 0.
        workers: Number of local processes; 0 or 1 work in this one. Default: the number of cores.
        scheduler: Address of a Dask scheduler, such as ``tcp://host:8786``. Default: local.
        progress: Whether to show a progress bar. Default: yes.
        events_per_chunk: Events generated at a time. Default: 250.

    Returns:
        The parquet file of each process.

    Raises:
        FileExistsError: If the folder holds something else, or jets made with other arguments.
        ValueError: For an argument outside its range, or a setting that Pythia rejects.
    """
    names = (processes,) if isinstance(processes, str) else tuple(processes)
    names = check_names(names, PROCESSES, "process")
    if not names:
        raise InputError(f"Expected a process: choose from {', '.join(PROCESSES)}.")
    n_jets = check_count("n_jets", n_jets)
    if workers is not None:
        workers = check_count("workers", workers, least=0)
    options = Options(
        pt=pt,
        eta_max=eta_max,
        radius=radius,
        pthat=pthat,
        settings=tuple(settings) if not isinstance(settings, str) else (settings,),
        shower=shower,
        seed=seed,
        events_per_chunk=events_per_chunk,
    )
    folder = Folder(out, options)
    with locked(folder.path), machinery(workers, scheduler) as start:
        if options.settings and not all(folder.has(name, n_jets) for name in names):
            check_settings(names[0], options)
        folder.claim()
        for name in names:
            folder.fill(name, n_jets, start, progress)
    return {name: folder.file(name) for name in names}


def read_summaries(out: str | Path) -> dict[str, Summary]:
    """Read what became of the events and jets of each process in a folder of generated jets.

    Args:
        out: A folder that :func:`generate_folder` filled.
    """
    processes = read_json(Path(out) / MARKER)["processes"]
    return {name: Summary(**entry["summary"]) for name, entry in processes.items()}


class Folder:
    """A folder of generated jets.

    Args:
        path: The folder.
        options: What shapes its jets.
    """

    def __init__(self, path: str | Path, options: Options) -> None:
        self.path = Path(path)
        self.options = options

    def file(self, process: str) -> Path:
        """The parquet file of a process."""
        return self.path / f"{process}.parquet"

    def _head(self) -> dict[str, Any]:
        marker = self.path / MARKER
        if not marker.exists():
            return {}
        head = read_json(marker)
        if not isinstance(head, dict) or head.get("format") != _FORMAT:
            raise FolderInUseError(f"{marker} is of another format: give another folder.")
        return head

    def claim(self) -> None:
        """Make the folder, or make sure that it holds jets of the same options.

        Raises:
            FileExistsError: If it holds something else; naming what differs.
        """
        claim_folder(self.path, MARKER, "generated jets")
        head = self._head()
        if not head:
            head = {"format": _FORMAT, "options": self.options.as_dict(), "versions": _versions()}
            write_json(self.path / MARKER, {**head, "processes": {}})
            return
        asked, there = self.options.as_dict(), head["options"]
        different = [
            f"{name} = {there.get(name)!r}, not {asked[name]!r}"
            for name in asked
            if there.get(name) != asked[name]
        ]
        if different:
            raise FolderInUseError(
                f"{self.path} holds jets made with {'; '.join(different)}: give another folder, "
                "or the same arguments."
            )
        _tidy(self.path)

    def has(self, process: str, n_jets: int) -> bool:
        """Whether the file of a process is whole and holds these jets."""
        head = self._head()
        entry = head.get("processes", {}).get(process)
        if entry is None or head["options"] != self.options.as_dict():
            return False
        file = self.file(process)
        whole = file.is_file() and file.stat().st_size == entry["bytes"]
        return whole and entry["n_jets"] == n_jets

    def fill(
        self, process: str, n_jets: int, start: Callable[[], Any], progress: bool = True
    ) -> None:
        """Generate what the file of a process lacks, and write it."""
        if self.has(process, n_jets):
            return
        # The entry vouches for the file, so it goes first and comes back last.
        self._vouch(process, None)
        store = _Files(self.path / "chunks", process, self._check_versions)
        chunks = complete(process, n_jets, self.options, store, start, progress)
        jets = first_jets(store, chunks, n_jets, self.options)
        write_parquet(jets, self.file(process))
        total = sum((store.whole[chunk] for chunk in range(chunks)), Summary())
        entry = {
            "n_jets": n_jets,
            "jets_with_margin": len(jets),
            "chunks": chunks,
            "bytes": self.file(process).stat().st_size,
            "summary": total.as_dict(),
        }
        self._vouch(process, entry)

    def _vouch(self, process: str, entry: dict[str, Any] | None) -> None:
        head = self._head()
        others = {k: v for k, v in head["processes"].items() if k != process}
        head["processes"] = others | ({process: entry} if entry else {})
        write_json(self.path / MARKER, head)

    def _check_versions(self) -> None:
        there, here = self._head()["versions"], _versions()
        different = [f"{k} {there[k]}, not {here[k]}" for k in _DECIDING if there[k] != here[k]]
        if different:
            raise FolderInUseError(
                f"{self.path} holds jets made with {' and '.join(different)}, which would give "
                "other events: install that version, or give another folder."
            )


class _Files:
    """The chunks of a process as files: a summary, and then the jets that make the chunk whole."""

    def __init__(self, path: Path, process: str, before_first: Callable[[], None]) -> None:
        self._path, self._process, self._before_first = path, process, before_first
        self.whole: dict[int, Summary] = {}

    def _file(self, chunk: int, suffix: str) -> Path:
        return self._path / f"{self._process}-{chunk:08d}.{suffix}"

    def summary(self, chunk: int) -> Summary | None:
        try:
            summary = Summary(**read_json(self._file(chunk, "json")))
            if len(self.load(chunk)) != summary.kept:
                raise InputError("another number of jets")
        except (ValueError, TypeError, KeyError, OSError):
            self._before_first()
            return None
        self.whole[chunk] = summary
        return summary

    def load(self, chunk: int) -> JetArray:
        return read_parquet(self._file(chunk, "parquet"))

    def save(self, chunk: int, jets: JetArray, summary: Summary) -> None:
        write_json(self._file(chunk, "json"), summary.as_dict())
        write_parquet(jets, self._file(chunk, "parquet"))
        self.whole[chunk] = summary


def _versions() -> dict[str, str]:
    found = versions(("pyg-jets", "numpy", *_DECIDING))
    return {name: number or "none" for name, number in found.items()}


def _tidy(path: Path) -> None:
    """Remove what a killed process was writing; the folder's lock is held."""
    for folder in (path, path / "chunks"):
        for rest in folder.glob(".*.*.*"):
            if rest.is_dir():
                shutil.rmtree(rest, ignore_errors=True)
