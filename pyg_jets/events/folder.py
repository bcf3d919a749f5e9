"""A folder of generated jets: chunks that survive a kill, and one parquet file for each process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyg_jets.columns import check_names
from pyg_jets.errors import FolderInUseError, InputError
from pyg_jets.events.chunk import configure_pythia
from pyg_jets.events.cross_section import CrossSection, cross_section
from pyg_jets.events.cutflow import CutFlow
from pyg_jets.events.options import PythiaOptions, check_count
from pyg_jets.events.processes import PROCESSES
from pyg_jets.events.schedule import (
    ChunkExecutor,
    chunk_executor,
    first_jets,
    generate_missing_chunks,
    require_packages,
)
from pyg_jets.files import claim_folder, locked, remove_unfinished
from pyg_jets.io import read_parquet, write_parquet
from pyg_jets.io.checksums import read_checked_json, write_checked_json
from pyg_jets.io.parquet import verify_parquet
from pyg_jets.jets import JetArray
from pyg_jets.provenance import versions

__all__ = [
    "MARKER",
    "GeneratedFolder",
    "generate_folder",
    "read_cross_sections",
    "read_cut_flows",
    "require_generation",
    "verify_generated_folder",
]

#: The file that marks a folder of generated jets and records how they were made.
MARKER = "generation.json"

_FORMAT = 1
# Another version of these packages gives other events.
_GENERATORS = ("pythia8mc", "fastjet")


def generate_folder(
    processes: Sequence[str],
    n_jets: int,
    out: str | Path,
    options: PythiaOptions = PythiaOptions(),
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> dict[str, Path]:
    """Generate jets of several processes into a folder, or continue where it was stopped.

    The folder gets ``generation.json`` (options, versions, cut flows, and cross sections of
    weighted jets), ``chunks/`` and ``{process}.parquet`` for each process. Chunks that exist are
    not generated again: a stopped generation continues, a larger ``n_jets`` adds chunks, and the
    same request returns at once.

    Args:
        processes: Names of :data:`pyg_jets.events.processes.PROCESSES`.
        n_jets: Number of jets of each process in the pT window.
        out: The folder.
        options: The options of the jets.
        workers: Number of local processes; 0 or 1 work in this one. Default: the number of cores.
        scheduler: Address of a Dask scheduler, such as ``tcp://host:8786``. Default: local.
        progress: Whether to show a progress bar.

    Returns:
        The parquet file of each process.

    Raises:
        FileExistsError: If the folder contains something else, or jets of other options.
        ValueError: For an argument outside its range, or a setting that Pythia rejects.
        ModuleNotFoundError: If jets lack, and a package is not installed that generates them; then
            nothing is written.
    """
    names = (processes,) if isinstance(processes, str) else tuple(processes)
    names = check_names(names, PROCESSES, "process")
    if not names:
        raise InputError(f"Expected a process: choose from {', '.join(PROCESSES)}.")
    n_jets = check_count("n_jets", n_jets)
    if workers is not None:
        workers = check_count("workers", workers, least=0)
    require_generation(names, n_jets, out, options, workers, scheduler)
    folder = GeneratedFolder(out, options)
    with locked(folder.path), chunk_executor(workers, scheduler) as executor:
        if options.settings and not all(folder.is_complete(name, n_jets) for name in names):
            configure_pythia(names[0], options)
        folder.claim()
        for name in names:
            folder.generate(name, n_jets, executor, progress)
    return {name: folder.file(name) for name in names}


def require_generation(
    processes: Sequence[str],
    n_jets: int,
    out: str | Path,
    options: PythiaOptions,
    workers: int | None = None,
    scheduler: str | None = None,
) -> None:
    """Check that :func:`generate_folder` with these arguments finds the packages that it needs.

    Raises:
        ModuleNotFoundError: If events have to be generated, and a package is not installed.
    """
    folder = GeneratedFolder(out, options)
    if any(folder.lacks_events(name, n_jets) for name in processes):
        require_packages(workers, scheduler)


def read_cut_flows(out: str | Path) -> dict[str, CutFlow]:
    """Read the cut flow of each process in a folder of generated jets.

    Args:
        out: A folder that :func:`generate_folder` made.
    """
    processes = read_checked_json(Path(out) / MARKER)["processes"]
    return {name: CutFlow(**entry["summary"]) for name, entry in processes.items()}


def read_cross_sections(out: str | Path) -> dict[str, CrossSection]:
    """Read the cross section of each process whose jets are weighted.

    Args:
        out: A folder that :func:`generate_folder` made.
    """
    processes = read_checked_json(Path(out) / MARKER)["processes"]
    key = "cross_section_pb"
    return {name: CrossSection(*entry[key]) for name, entry in processes.items() if key in entry}


def verify_generated_folder(out: str | Path) -> dict[str, str]:
    """Compare every file of a folder of generated jets with its checksum.

    Args:
        out: A folder that :func:`generate_folder` made.

    Returns:
        For each file ``"ok"``, ``"unverified"`` (an earlier version stored no checksum),
        ``"missing"``, or what is wrong with it.
    """
    out = Path(out)
    checks: dict[str, str] = {}
    notes = [out / MARKER, *sorted(out.glob("chunks/*.json"))]
    for path in notes:
        try:
            read_checked_json(path)
            checks[str(path.relative_to(out))] = "ok"
        except InputError as error:
            checks[str(path.relative_to(out))] = str(error).removeprefix(f"{path} is ")
    files = sorted(out.glob("chunks/*.parquet"))
    if checks[MARKER] == "ok":
        processes = read_checked_json(out / MARKER)["processes"]
        files = [*(out / f"{process}.parquet" for process in processes), *files]
    return checks | {str(path.relative_to(out)): verify_parquet(path) for path in files}


class GeneratedFolder:
    """A folder of generated jets of the same options.

    Args:
        path: The folder.
        options: The options of its jets.
    """

    def __init__(self, path: str | Path, options: PythiaOptions) -> None:
        self.path = Path(path)
        self.options = options

    def file(self, process: str) -> Path:
        """The parquet file of a process."""
        return self.path / f"{process}.parquet"

    def claim(self) -> None:
        """Make the folder, or check that it contains jets of the same options.

        Raises:
            FileExistsError: If it contains something else; the message names what differs.
        """
        claim_folder(self.path, MARKER, "generated jets")
        for folder in (self.path, self.path / "chunks"):  # this process has the folder's lock
            remove_unfinished(folder)
        record = self._record()
        if not record:
            record = {"format": _FORMAT, "options": self.options.as_dict()}
            record |= {"versions": _versions(), "processes": {}}
            write_checked_json(self.path / MARKER, record)
            return
        has_chunks = any((self.path / "chunks").glob("*.parquet"))
        requested, existing = self.options.as_dict(), record["options"]
        different = [
            f"{name} = {existing.get(name)!r}, not {requested[name]!r}"
            for name in requested
            if existing.get(name) != requested[name]
        ]
        if different:
            raise FolderInUseError(
                f"{self.path} holds jets made with {'; '.join(different)}: give another folder, "
                "or the same arguments."
            )
        if not record["processes"] and not has_chunks:  # nothing is made with other versions yet
            write_checked_json(self.path / MARKER, record | {"versions": _versions()})

    def is_complete(self, process: str, n_jets: int) -> bool:
        """Whether the file of a process is whole and has these jets."""
        record = self._record()
        entry = record.get("processes", {}).get(process)
        if entry is None or record["options"] != self.options.as_dict():
            return False
        file = self.file(process)
        is_whole = file.is_file() and file.stat().st_size == entry["bytes"]
        return is_whole and entry["n_jets"] == n_jets

    def lacks_events(self, process: str, n_jets: int) -> bool:
        """Whether events have to be generated for these jets, by the cut flows of the chunks."""
        if self.is_complete(process, n_jets):
            return False
        chunk = 0
        while n_jets > 0:
            try:
                cut_flow = read_checked_json(
                    _chunk_file(self.path / "chunks", process, chunk, "json")
                )
                n_jets -= CutFlow(**cut_flow).in_window
            except (ValueError, TypeError, OSError):
                return True
            chunk += 1
        return False

    def generate(
        self,
        process: str,
        n_jets: int,
        executor: Callable[[], ChunkExecutor],
        progress: bool = True,
    ) -> None:
        """Generate the chunks that a process lacks, and write its file.

        Args:
            process: The process.
            n_jets: Number of jets in the pT window.
            executor: From :func:`pyg_jets.events.schedule.chunk_executor`.
            progress: Whether to show a progress bar.
        """
        if self.is_complete(process, n_jets):
            return
        store = _FileStore(self.path / "chunks", process, self._check_versions)
        chunks = generate_missing_chunks(process, n_jets, self.options, store, executor, progress)
        jets = first_jets(store, chunks, n_jets, self.options)
        # The entry states that the file is whole, so it is removed before and written after it.
        self._set_entry(process, None)
        write_parquet(jets, self.file(process))
        total = sum((store.cut_flows[chunk] for chunk in range(chunks)), CutFlow())
        entry = {
            "n_jets": n_jets,
            "jets_with_margin": len(jets),
            "chunks": chunks,
            "bytes": self.file(process).stat().st_size,
            "summary": total.as_dict(),
        }
        if self.options.is_weighted:
            entry["cross_section_pb"] = list(cross_section(process, self.options))
        self._set_entry(process, entry)

    def _record(self) -> dict[str, Any]:
        """The content of :data:`MARKER`; empty if there is no such file."""
        marker = self.path / MARKER
        if not marker.exists():
            return {}
        record = read_checked_json(marker, "give another folder")
        if record.get("format") != _FORMAT:
            raise FolderInUseError(f"{marker} is of another format: give another folder.")
        return record

    def _set_entry(self, process: str, entry: dict[str, Any] | None) -> None:
        record = self._record()
        others = {k: v for k, v in record["processes"].items() if k != process}
        record["processes"] = others | ({process: entry} if entry else {})
        write_checked_json(self.path / MARKER, record)

    def _check_versions(self) -> None:
        made_with, installed = self._record()["versions"], _versions()
        different = [
            f"{name} {made_with[name]}, not {installed[name]}"
            for name in _GENERATORS
            if made_with[name] != installed[name]
        ]
        if different:
            raise FolderInUseError(
                f"{self.path} holds jets made with {' and '.join(different)}, which would give "
                "other events: install that version, or give another folder."
            )


class _FileStore:
    """The chunks of a process as files: a cut flow, and then the jets that make the chunk whole.

    Args:
        path: The folder of the chunks.
        process: The process.
        before_new: Called before the first chunk is generated.
    """

    def __init__(self, path: Path, process: str, before_new: Callable[[], None]) -> None:
        self._path, self._process, self._before_new = path, process, before_new
        self.cut_flows: dict[int, CutFlow] = {}

    def _file(self, chunk: int, suffix: str) -> Path:
        return _chunk_file(self._path, self._process, chunk, suffix)

    def cut_flow(self, chunk: int) -> CutFlow | None:
        try:
            cut_flow = CutFlow(**read_checked_json(self._file(chunk, "json")))
            if len(self.load(chunk)) != cut_flow.kept:
                raise InputError("another number of jets")
        except (ValueError, TypeError, KeyError, OSError):
            self._before_new()
            return None
        self.cut_flows[chunk] = cut_flow
        return cut_flow

    def load(self, chunk: int) -> JetArray:
        return read_parquet(self._file(chunk, "parquet"))

    def save(self, chunk: int, jets: JetArray, cut_flow: CutFlow) -> None:
        write_checked_json(self._file(chunk, "json"), cut_flow.as_dict())
        write_parquet(jets, self._file(chunk, "parquet"))
        self.cut_flows[chunk] = cut_flow


def _chunk_file(folder: Path, process: str, chunk: int, suffix: str) -> Path:
    return folder / f"{process}-{chunk:08d}.{suffix}"


def _versions() -> dict[str, str]:
    installed = versions(("pyg-jets", "numpy", *_GENERATORS))
    return {name: number or "none" for name, number in installed.items()}
