"""Files that are whole or not there: written aside and renamed, locked, told apart by a hash."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pyg_jets.errors import FolderInUseError, InputError

__all__ = [
    "claim_folder",
    "content_hash",
    "locked",
    "read_json",
    "remove_unfinished",
    "write_aside",
    "write_json",
]


@contextmanager
def write_aside(path: str | Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to, and rename it into place when the block ends well.

    Either a file or a folder may be written. After an error, or a kill at any moment, ``path`` is
    what it was before.

    Args:
        path: Where the finished file or folder shall be.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    part = aside / path.name
    try:
        yield part
        for written in (part, *part.rglob("*")) if part.is_dir() else (part,):
            _sync(written)
        os.replace(part, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def remove_unfinished(folder: str | Path) -> None:
    """Remove what :func:`write_aside` left in a folder when its process was killed.

    Call it only where no other process writes into the folder.

    Args:
        folder: The folder; those in it are left alone.
    """
    for path in Path(folder).glob(".*.????????"):  # as mkdtemp names them
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: str | Path, wait: bool = True) -> Iterator[bool]:
    """Hold a lock on ``path`` between processes: one works, the others wait.

    The lock goes with the process that holds it, however that ends.

    Args:
        path: The file or folder that the lock guards; ``.{name}.lock`` is made beside it.
        wait: Whether to wait for the lock. If not, the block gets ``False`` where another has it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.parent / f".{path.name}.lock")
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def content_hash(*parts: Any, digits: int = 12) -> str:
    """Return a short hexadecimal SHA-256 of paths (their bytes) and plain values (their JSON).

    Args:
        parts: ``Path`` objects are hashed by content, all else by its sorted JSON text.
        digits: How many hexadecimal digits to keep.

    Examples:
        >>> content_hash({"pt": (500, 600)}) == content_hash({"pt": [500, 600]})
        True
    """
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
        else:
            text = json.dumps(part, sort_keys=True, default=str)
            total.update(hashlib.sha256(text.encode()).digest())
    return total.hexdigest()[:digits]


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON; the file appears whole.

    Args:
        path: The file; one that is there is replaced.
        value: Plain values.
    """
    with write_aside(path) as part:
        part.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{path} is not a JSON file ({error}): remove it, or give another folder."
        ) from None


def claim_folder(folder: str | Path, marker: str, what: str) -> Path:
    """Return ``folder``, made if missing; refuse one that holds something else.

    Args:
        folder: The folder to write to.
        marker: The name of a file that marks a folder of this kind.
        what: What is to be written, for the message.

    Raises:
        FileExistsError: If the folder is not empty and has no ``marker``.
    """
    folder = Path(folder)
    if folder.is_file():
        raise FolderInUseError(f"{folder} is a file, but {what} needs a folder: give another path.")
    if folder.is_dir() and not (folder / marker).exists():
        others = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
        if others:
            content = ", ".join(others[:3]) + ", …" * (len(others) > 3)
            raise FolderInUseError(
                f"{folder} holds something else ({content}) and no {marker}: "
                f"give a new or empty folder for {what}."
            )
    folder.mkdir(parents=True, exist_ok=True)
    return folder
