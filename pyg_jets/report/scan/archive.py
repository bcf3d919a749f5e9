"""`archive`: the records of finished points in one small file, from which a scan can go on."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence

from pyg_jets.runs import METRICS, POINT, PROVENANCE, SCAN, SWEEP, Scan

__all__ = ["archive"]

#: What of a point is kept: not its checkpoints, predictions and logs.
_KEPT = (POINT, METRICS, PROVENANCE)


def archive(scans: Sequence[Scan]) -> bytes:
    """A gzipped tar of each scan's folder with the records of its finished points.

    The same records give the same bytes.

    Args:
        scans: The scans; each is a folder of its own name in the archive.
    """
    stream = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for scan in scans:
            root = scan.folder.resolve()
            names = [f"points/{one.name}/{kept}" for one in scan.finished for kept in _KEPT]
            for name in [SCAN, SWEEP, *sorted(names)]:
                if (root / name).is_file():
                    _add(tar, f"{root.name}/{name}", (root / name).read_bytes())
    return stream.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))
