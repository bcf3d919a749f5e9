"""The files of a data set: bring what is missing, and verify what is there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pyg_jets.errors import InputError
from pyg_jets.files import locked, read_json, require, write_json
from pyg_jets.io.remote import RemoteFile, address
from pyg_jets.io.transfer import RetryPolicy, discard_part, part_of, transfer

__all__ = [
    "CHECKSUMS",
    "Check",
    "RemoteFile",
    "RetryPolicy",
    "fetch",
    "part_size",
    "require_client",
    "verify",
]

#: Beside the files: the hashes, computed at the first download, of those without a published one.
CHECKSUMS = "checksums.json"


def fetch(
    files: Iterable[RemoteFile],
    folder: str | Path,
    progress: bool = True,
    retry: RetryPolicy | None = None,
) -> list[Path]:
    """Bring those of ``files`` that are missing in ``folder``, and return the paths of all.

    For a file that is there neither the server is asked nor a hash computed (:func:`verify` does).
    A broken download is continued; a file gets its name only once its hash is right. Where no hash
    is published, that of the first download is kept in ``checksums.json`` and holds for later
    ones. Of two processes that ask at once, one downloads and the other waits. The environment
    variable ``PYG_JETS_MIRROR`` replaces the host of each address.

    Args:
        files: What is wanted.
        folder: Where it shall be, the ``raw`` folder of a data set.
        progress: Whether to show a progress bar for each file.
        retry: Timeouts and retries. Default: those of :class:`RetryPolicy`.

    Raises:
        ValueError: If a file has another hash or size than it should, or is a web page.
        FileNotFoundError: If a server has no such file.
        ConnectionError: If a server does not respond, or keeps breaking off.
        OSError: If the disk is full; what came so far is kept.
    """
    files, folder = list(files), Path(folder)
    require_client([file for file in files if not (folder / file.name).exists()])
    for file in files:
        target = folder / file.name
        if not target.exists():
            with locked(target):
                if not target.exists():
                    _download(file, target, progress, retry)
        _check_size(file, target, "remove it, and fetch it again")
    return [folder / file.name for file in files]


def require_client(files: Iterable[RemoteFile]) -> None:
    """Check, before anything is written, that files can be brought from their servers.

    Args:
        files: Files that are missing.

    Raises:
        MissingExtraError: If ``requests`` is needed, and not installed.
    """
    if any(urlsplit(address(file.url)).scheme != "file" for file in files):
        for module in ("requests", "urllib3"):
            require(module, "data")


def _check_size(file: RemoteFile, path: Path, remedy: str) -> None:
    size = path.stat().st_size
    if not size or (file.bytes is not None and size != file.bytes):
        expected = "some" if file.bytes is None else f"{file.bytes:,}"
        raise InputError(f"{path} has {size:,} bytes, expected {expected}: {remedy}.")


def _download(file: RemoteFile, target: Path, progress: bool, retry: RetryPolicy | None) -> None:
    """Download to the part, and rename it once its size and its hash are right."""
    source = address(file.url)
    part = transfer(source, target, progress, retry)
    try:
        _check_size(file, part, f"{source} has another file, look at the data set's homepage")
        if file.hash is None:
            algorithm, expected = _recorded_hash(file, target.parent)
        else:
            algorithm, expected = str(file.algorithm), file.hashes
        own = _file_hash(part, algorithm)
        if expected and own not in expected:
            remedy = "fetch again; if it stays so, the file was replaced."
            if file.hash is None:
                remedy = (
                    "fetch again; if the publisher has replaced the file, remove its line from "
                    f"{CHECKSUMS} to take the new one."
                )
            raise InputError(
                f"{source} has the {algorithm} {own}, expected {' or '.join(expected)} of "
                f"{file.name}: the download was removed, {remedy}"
            )
        if not expected:
            with locked(target.parent / CHECKSUMS):
                hashes = {**_recorded(target.parent), file.name: f"{algorithm}:{own}"}
                write_json(target.parent / CHECKSUMS, hashes)
    except ValueError:
        discard_part(part)
        raise
    os.replace(part, target)
    discard_part(part)


def _file_hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _recorded(folder: Path) -> dict[str, str]:
    path = folder / CHECKSUMS
    return dict(read_json(path)) if path.exists() else {}


def _recorded_hash(file: RemoteFile, folder: Path) -> tuple[str, tuple[str, ...]]:
    """The algorithm and the hash of the first download, none if there was none."""
    algorithm, _, recorded = _recorded(folder).get(file.name, "sha256:").partition(":")
    return algorithm, (recorded,) if recorded else ()


@dataclass(frozen=True)
class Check:
    """The result of :func:`verify` for one file.

    ``status`` is ``"ok"`` (as published), ``"recorded"`` (none is published; as at the first
    download), ``"unverified"`` (there is no hash to compare with), ``"missing"``,
    ``"wrong size"`` or ``"wrong hash"``.
    """

    file: RemoteFile
    status: str
    expected: str = ""
    found: str = ""

    @property
    def good(self) -> bool:
        """Whether the file is there, with no other size or hash than it should have."""
        return self.status in ("ok", "recorded", "unverified")


def verify(files: Iterable[RemoteFile], folder: str | Path) -> list[Check]:
    """Compare each file that is there with its size and hash; no server is asked.

    Args:
        files: What should be there.
        folder: The folder that holds it.

    Examples:
        >>> import tempfile
        >>> file = RemoteFile("jets.h5", "https://example.org/jets.h5")
        >>> [check.status for check in verify([file], tempfile.mkdtemp())]
        ['missing']
    """
    return [_verify_one(file, Path(folder)) for file in files]


def _verify_one(file: RemoteFile, folder: Path) -> Check:
    path = folder / file.name
    if not path.exists():
        return Check(file, "missing", expected=file.url)
    size = path.stat().st_size
    if not size or (file.bytes is not None and size != file.bytes):
        return Check(file, "wrong size", str(file.bytes or "some"), str(size))
    if file.hash is None:
        algorithm, right = _recorded_hash(file, folder)
    else:
        algorithm, right = str(file.algorithm), file.hashes
    own = _file_hash(path, algorithm)
    expected = " or ".join(f"{algorithm}:{value}" for value in right)
    if right and own not in right:
        return Check(file, "wrong hash", expected, f"{algorithm}:{own}")
    status = "ok" if file.hash is not None else "recorded" if right else "unverified"
    return Check(file, status, expected, f"{algorithm}:{own}")


def part_size(file: RemoteFile, folder: str | Path) -> int:
    """Bytes of a download that broke off, 0 if there is none."""
    part = part_of(Path(folder) / file.name)
    return part.stat().st_size if part.exists() else 0
