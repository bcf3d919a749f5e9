"""Records of points and measurements in small files, from which a page can be made again."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.runs import METRICS, POINT, PROVENANCE, SCAN, SWEEP, Scan
from pyg_jets.studies.study import Study, StudyRun

__all__ = ["archive", "archive_measures", "unpacked"]

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
        archives: Files ``NAME-points.tar.gz`` and ``NAME-measures.tar.gz``, as a page has them
            beside it. In the first a folder for each scan, by the stem of its sweep file; the
            study's name stands for ``sweep`` too.
    """
    with tempfile.TemporaryDirectory() as folder:
        for archive in archives:
            if not Path(archive).is_file():
                raise MissingFileError(
                    f"{archive} is not there: give an archive of points or measurements."
                )
            try:
                with tarfile.open(archive) as tar:
                    tar.extractall(Path(folder) / "scans", filter="data")
            except (tarfile.TarError, OSError, EOFError) as error:
                raise InputError(f"{archive} is no archive ({error}).") from None
        if (measures := Path(folder) / "scans" / "measures").is_dir():
            measures.rename(Path(folder) / "measures")
        for scan in (Path(folder) / "scans").glob(f"{study.name}*"):
            scan.rename(scan.with_name(scan.name.replace(study.name, "sweep", 1)))
        yield Path(folder)
