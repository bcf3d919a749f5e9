"""Checksums by which a file of this package that was damaged on its disk is recognised.

A *seal* is a CRC-32 inside a file, at a place that readers of its format skip: the comment of a zip
archive, or the gap before the footer of a parquet file. A file that another program writes again
has no seal, and is read like any other. A JSON file has the checksum of its content as one more
key.

Checksums tell a damaged file from a whole one. They are no protection against somebody who changes
a file on purpose. ``isal`` computes them faster where it is installed, with the same result.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.files import read_json, write_json
from pyg_jets.io.inflate import inflate_library

__all__ = [
    "SEAL_BYTES",
    "crc32",
    "file_crc32",
    "file_identity",
    "is_sealed",
    "read_checked_json",
    "seal",
    "write_checked_json",
]

_BLOCK = 1 << 20  # bytes
_MARK = b"pyg_jets: crc32 "
_SEAL = re.compile(re.escape(_MARK) + rb"([0-9a-f]{8})")
#: Length of a seal.
SEAL_BYTES = len(_MARK) + 8
_SEARCHED = 1 << 16  # bytes before the end in which a seal at a wrong place is looked for
_KEY = "checksum"


def crc32(values: Any, before: int = 0) -> int:
    """The CRC-32 of bytes, or of a contiguous array.

    Args:
        values: The bytes.
        before: The checksum of what stands before them.

    Examples:
        >>> crc32(b"jets") == crc32(b"ts", crc32(b"je"))
        True
    """
    return inflate_library().crc32(values, before)


def file_crc32(path: str | Path, start: int = 0, stop: int | None = None, before: int = 0) -> int:
    """The CRC-32 of the bytes of a file.

    Args:
        path: The file.
        start: The first byte.
        stop: The byte after the last. Default: the end of the file.
        before: The checksum of what stands before them.
    """
    total, library = before, inflate_library()
    with Path(path).open("rb") as stream:
        stream.seek(start)
        left = os.fstat(stream.fileno()).st_size - start if stop is None else stop - start
        while left > 0 and (block := stream.read(min(_BLOCK, left))):
            total = library.crc32(block, total)
            left -= len(block)
    return total


def seal(path: str | Path, tail: int = 0) -> None:
    """Put a seal with the checksum of all other bytes into a file.

    Args:
        path: The file.
        tail: Number of bytes that shall stand after the seal.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "file"
        >>> _ = path.write_bytes(b"jets")
        >>> is_sealed(path)
        False
        >>> seal(path)
        >>> is_sealed(path)
        True
        >>> _ = path.write_bytes(path.read_bytes().replace(b"jets", b"jots", 1))
        >>> is_sealed(path)
        Traceback (most recent call last):
        ...
        pyg_jets.errors.InputError: damaged (its CRC is b40bd812, not b99c5dc4)
    """
    text = _MARK + f"{file_crc32(path):08x}".encode()
    with Path(path).open("r+b") as stream:
        stream.seek(-tail, os.SEEK_END)
        after = stream.read()
        stream.seek(-tail, os.SEEK_END)
        stream.write(text + after)


def is_sealed(path: str | Path, tail: int = 0) -> bool:
    """Whether a file has a seal; one that has not was written by another program or version.

    The checksum of a file is computed once in a process.

    Args:
        path: The file.
        tail: Number of bytes after the seal.

    Raises:
        ValueError: If there is a seal, and the file is damaged; the message continues "FILE is".
    """
    return _is_sealed(Path(path), tail, file_identity(path))


def file_identity(path: str | Path) -> tuple[int, ...]:
    """What tells a file from one that is written in its place later, to remember a checksum by.

    A file of the last two seconds is never the same twice, as the system's clock has steps.

    Args:
        path: The file.
    """
    stat = Path(path).stat()
    is_new = time.time_ns() - stat.st_mtime_ns < 2 * 10**9
    now = (time.monotonic_ns(),) if is_new else ()
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, *now)


@lru_cache(maxsize=4096)
def _is_sealed(path: Path, tail: int, identity: tuple[int, ...]) -> bool:
    size = path.stat().st_size
    place = size - tail - SEAL_BYTES
    with path.open("rb") as stream:
        stream.seek(max(place, 0))
        text = stream.read(SEAL_BYTES)
        stream.seek(max(size - _SEARCHED, 0))
        end = stream.read()
    if place >= 0 and (match := _SEAL.fullmatch(text)):
        own = file_crc32(path, size - tail, before=file_crc32(path, stop=place))
        if own != int(match[1], 16):
            raise InputError(f"damaged (its CRC is {own:08x}, not {match[1].decode()})")
        return True
    # A seal that is damaged itself, or that stands elsewhere since the file's end is damaged.
    if sum(a == b for a, b in zip(text, _MARK, strict=False)) > len(_MARK) / 2 or _MARK in end:
        raise InputError("cut short or damaged (its checksum is not where it should be)")
    return False


def write_checked_json(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write names and values as JSON, with their checksum as a further key.

    Args:
        path: The file; one that is there is replaced.
        value: Plain values by name.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "meta.json"
        >>> write_checked_json(path, {"jets": 1200})
        >>> read_checked_json(path)
        {'jets': 1200}
        >>> _ = path.write_text(path.read_text().replace("1200", "1300"))
        >>> read_checked_json(path)
        Traceback (most recent call last):
        ...
        pyg_jets.errors.InputError: ...meta.json is damaged (its content has another checksum): make
        it again.
    """
    write_json(path, {**value, _KEY: _content_checksum(value)})


def read_checked_json(
    path: str | Path, remedy: str = "make it again", with_checksum: str | None = None
) -> dict[str, Any]:
    """Read names and values; those of an earlier version, without a checksum, too.

    Args:
        path: The file.
        remedy: What to do where it is damaged, for the message.
        with_checksum: A key that only files with a checksum have.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged (it holds {type(value).__name__}): {remedy}.")
    expects = _KEY in value or with_checksum in value
    if expects and value.pop(_KEY, None) != _content_checksum(value):
        raise InputError(f"{path} is damaged (its content has another checksum): {remedy}.")
    return value


def _content_checksum(value: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(value))  # as it is read again: lists for tuples, text for keys
    return f"{crc32(json.dumps(plain, sort_keys=True).encode()):08x}"
