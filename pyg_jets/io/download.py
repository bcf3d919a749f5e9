"""The files of a data set: bring what is missing, and verify what is there."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.files import locked, read_json, require, write_json
from pyg_jets.io.answers import Patience
from pyg_jets.io.remote import RemoteFile, address
from pyg_jets.io.transfer import discard_part, part_of, transfer

__all__ = ["CHECKSUMS", "Check", "Patience", "RemoteFile", "fetch", "part_size", "verify"]

#: Beside the files: the hashes, computed at the first download, of those without a published one.
CHECKSUMS = "checksums.json"


def fetch(
    files: Iterable[RemoteFile],
    folder: str | Path,
    progress: bool = True,
    patience: Patience | None = None,
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
        patience: Timeouts and retries.

    Raises:
        ValueError: If a file has another hash or size than it should, or is a web page.
        FileNotFoundError: If a server has no such file.
        ConnectionError: If a server does not answer, or keeps breaking off.
        OSError: If the disk is full; what came so far is kept.
    """
    folder = Path(folder)
    return [_fetch_one(file, folder, progress, patience) for file in files]


def _fetch_one(file: RemoteFile, folder: Path, progress: bool, patience: Patience | None) -> Path:
    target = folder / file.name
    if not target.exists():
        with locked(target):
            if not target.exists():
                _bring(file, target, progress, patience)
    _check_size(file, target, "remove it, and fetch it again")
    return target


def _check_size(file: RemoteFile, path: Path, remedy: str) -> None:
    size = path.stat().st_size
    if not size or (file.bytes is not None and size != file.bytes):
        expected = "some" if file.bytes is None else f"{file.bytes:,}"
        raise InputError(f"{path} has {size:,} bytes, expected {expected}: {remedy}.")


def _bring(file: RemoteFile, target: Path, progress: bool, patience: Patience | None) -> None:
    """Download to the part, check it, and let pooch hold it against its hash and rename it."""
    pooch = require("pooch", "data")
    source = address(file.url)
    part = transfer(source, target, progress, patience)
    try:
        _check_size(file, part, f"{source} has another file, look at the data set's homepage")
        known, first = _known_hash(file, target, part)
        if first:
            _record(file, target.parent, first)
        keeper = pooch.create(
            path=target.parent, base_url="", registry={file.name: known}, urls={file.name: source}
        )
        with _silent(pooch):
            keeper.fetch(file.name, downloader=_hand_over(part))
    except ValueError as error:
        discard_part(part)
        raise InputError(f"{source}: {error} {_remedy(file)}") from None
    discard_part(part)


def _hand_over(part: Path) -> Callable[[str, str, Any], None]:
    """A downloader for pooch, which cannot continue one: the bytes are there already."""

    def downloader(url: str, output: str, keeper: Any) -> None:
        os.replace(part, output)

    return downloader


def _remedy(file: RemoteFile) -> str:
    if file.hash is not None:
        return "The download was removed: fetch again; if it stays so, the file was replaced."
    return (
        "The download was removed: fetch again; if the publisher has replaced the file, remove "
        f"its line from {CHECKSUMS} to take the new one."
    )


def _known_hash(file: RemoteFile, target: Path, part: Path) -> tuple[str | None, str | None]:
    """The hash that the part must have, and its own if it is the first of its name to be seen."""
    if file.hash is None:
        recorded = _recorded(target.parent).get(file.name)
        return (recorded, None) if recorded else (None, f"sha256:{_file_hash(part, 'sha256')}")
    known = file.hash.lower()
    if file.other_hashes:
        found = _file_hash(part, str(file.algorithm))
        known = found if found in file.hashes else known
    return f"{file.algorithm}:{known}", None


def _file_hash(path: Path, algorithm: str) -> str:
    return str(require("pooch", "data").file_hash(str(path), alg=algorithm)).lower()


@contextmanager
def _silent(pooch: Any) -> Iterator[None]:
    """Keep pooch from announcing a download that is over."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _recorded(folder: Path) -> dict[str, str]:
    path = folder / CHECKSUMS
    return dict(read_json(path)) if path.exists() else {}


def _record(file: RemoteFile, folder: Path, found: str) -> None:
    with locked(folder / CHECKSUMS):
        write_json(folder / CHECKSUMS, {**_recorded(folder), file.name: found})


@dataclass(frozen=True)
class Check:
    """What :func:`verify` found of one file.

    ``status`` is ``"ok"`` (as published), ``"recorded"`` (none is published; as at the first
    download), ``"unverified"`` (there is nothing to hold it against), ``"missing"``,
    ``"wrong size"`` or ``"wrong hash"``.
    """

    file: RemoteFile
    status: str
    expected: str = ""
    found: str = ""

    @property
    def good(self) -> bool:
        """Whether the file is there and nothing speaks against it."""
        return self.status in ("ok", "recorded", "unverified")


def verify(files: Iterable[RemoteFile], folder: str | Path) -> list[Check]:
    """Hold each file that is there against its size and hash; no server is asked.

    Args:
        files: What should be there.
        folder: The folder that holds it.

    Examples:
        >>> import tempfile
        >>> file = RemoteFile("jets.h5", "https://example.org/jets.h5")
        >>> [check.status for check in verify([file], tempfile.mkdtemp())]
        ['missing']
    """
    folder = Path(folder)
    recorded = _recorded(folder)
    return [_verify_one(file, folder / file.name, recorded.get(file.name)) for file in files]


def _verify_one(file: RemoteFile, path: Path, recorded: str | None) -> Check:
    if not path.exists():
        return Check(file, "missing", expected=file.url)
    size = path.stat().st_size
    if not size or (file.bytes is not None and size != file.bytes):
        return Check(file, "wrong size", str(file.bytes or "some"), str(size))
    if file.hash is None:
        algorithm, _, known = (recorded or "sha256:").partition(":")
        right: tuple[str, ...] = (known,) if known else ()
    else:
        algorithm, right = str(file.algorithm), file.hashes
    found = _file_hash(path, algorithm)
    expected = " or ".join(f"{algorithm}:{one}" for one in right)
    if right and found not in right:
        return Check(file, "wrong hash", expected, f"{algorithm}:{found}")
    status = "ok" if file.hash is not None else "recorded" if right else "unverified"
    return Check(file, status, expected, f"{algorithm}:{found}")


def part_size(file: RemoteFile, folder: str | Path) -> int:
    """Bytes of a download that broke off, 0 if there is none."""
    part = part_of(Path(folder) / file.name)
    return part.stat().st_size if part.exists() else 0
