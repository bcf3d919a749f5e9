"""Records of points and measurements in small files, from which a page is made or a run goes on."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.runs import METRICS, POINT, PROVENANCE, SCAN, SWEEP, Points, Scan
from pyg_jets.studies.study import Study, StudyRun

__all__ = ["archive", "archive_measures", "unpack", "unpacked"]

#: What of a point is kept: not its checkpoints, predictions and logs.
_KEPT = (POINT, METRICS, PROVENANCE)


def archive(scans: Sequence[Scan]) -> bytes:
    """A gzipped tar of each scan's folder with the records of its finished points.

    The same records give the same bytes.

    Args:
        scans: The scans; each is a folder of its own name in the archive.
    """
    files = {}
    for scan in scans:
        root = scan.folder.resolve()
        names = [f"points/{point.name}/{kept}" for point in scan.finished for kept in _KEPT]
        for name in [SCAN, SWEEP, *sorted(names)]:
            if (root / name).is_file():
                files[f"{root.name}/{name}"] = root / name
    return _packed(files)


def archive_measures(run: StudyRun) -> bytes:
    """A gzipped tar of the measurements of a run, and of the files that they left.

    Args:
        run: The run.
    """
    paths = sorted((run.folder / "measures").rglob("*"))
    return _packed({str(p.relative_to(run.folder)): p for p in paths if p.is_file()})


def _packed(files: Mapping[str, Path]) -> bytes:
    stream = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, path in files.items():
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@contextmanager
def unpacked(study: Study, archives: Sequence[str | Path]) -> Iterator[Path]:
    """A run's folder, for the time of the block, with what archives hold of it.

    Args:
        study: The study.
        archives: Files ``NAME-points.tar.gz`` and ``NAME-measures.tar.gz``, see :func:`unpack`.
    """
    with tempfile.TemporaryDirectory() as folder:
        unpack(study, archives, folder)
        yield Path(folder)


def unpack(study: Study, archives: Sequence[str | Path], folder: str | Path) -> None:
    """Put what archives hold into the folder of a run, which goes on from there.

    Finished points and measurements that the folder has already are kept.

    Args:
        study: The study.
        archives: Files ``NAME-points.tar.gz`` and ``NAME-measures.tar.gz``, as a page has them
            beside it. In the first a folder for each scan, by the stem of its sweep file; the
            study's name stands for ``sweep`` too.
        folder: The folder of the run.

    Raises:
        MissingFileError: If there is no such file.
        InputError: If one is no archive.
    """
    for archive in archives:
        if not Path(archive).is_file():
            raise MissingFileError(
                f"{archive} is not there: give an archive of points or measurements."
            )
    if not archives:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        content = Path(temporary)
        for archive in archives:
            try:
                with tarfile.open(archive) as tar:
                    tar.extractall(content, filter="data")
            except (tarfile.TarError, OSError, EOFError) as error:
                raise InputError(f"{archive} is no archive ({error}).") from None
        for source in sorted(content.iterdir()):
            if source.name == "measures":
                _add_files(source, Path(folder) / "measures")
            else:
                stem = source.name
                if stem.startswith(study.name):
                    stem = stem.replace(study.name, "sweep", 1)
                _add_scan(source, Path(folder) / "scans" / stem)


def _add_scan(source: Path, scan: Path) -> None:
    """Add the finished points of an unpacked scan to the folder of a scan."""
    ours = Points(scan)
    for name in Points(source).names():
        if ours.is_finished(name):
            shutil.rmtree(Points(source).folder(name))
    _add_files(source, scan, replace=set((source / "points").rglob("*")))


def _add_files(source: Path, target: Path, replace: Collection[Path] = ()) -> None:
    """Move files to a folder, those that are there already only if they are to be replaced."""
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        place = target / path.relative_to(source)
        if path in replace or not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
