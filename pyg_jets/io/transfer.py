"""One file from a server to a ``.part`` beside its place, continued where it stopped."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tqdm.auto import tqdm

from pyg_jets.errors import InputError, MissingFileError, UnreachableError
from pyg_jets.files import read_json, require, write_json
from pyg_jets.io.answers import Later, Patience, check_kind, check_status, validator
from pyg_jets.io.remote import MIRROR

__all__ = ["Patience", "discard_part", "disk_full_sentence", "part_of", "transfer"]

# Small, because what a stalled read has already taken in is lost.
_BLOCK = 1 << 16
_FULL = (errno.ENOSPC, errno.EDQUOT)


def part_of(target: Path) -> Path:
    """Where the bytes of ``target`` are kept until it is whole."""
    return target.with_name(f"{target.name}.part")


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def discard_part(part: Path) -> None:
    """Remove a part and what is known of it, so that the next attempt starts afresh."""
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def transfer(
    url: str, target: Path, progress: bool = True, patience: Patience | None = None
) -> Path:
    """Bring ``url`` to the ``.part`` of ``target``, and return that once it is complete.

    A part of an earlier attempt is continued if the server still has the same file.

    Args:
        url: An address of ``http``, ``https`` or ``file``.
        target: The file that it shall become.
        progress: Whether to show a progress bar.
        patience: Timeouts and retries.

    Raises:
        FileNotFoundError: If the server, or the mirror's folder, has no such file.
        ConnectionError: If the server does not answer, refuses, or keeps breaking off.
        ValueError: If it sends a web page instead of data.
        OSError: If the disk is full; the part is kept.
    """
    patience = patience or Patience()
    part = part_of(target)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        if urlsplit(url).scheme == "file":
            _copy(Path(unquote(urlsplit(url).path)), part, target.name, progress)
        else:
            _insist(url, part, target.name, progress, patience)
    except ValueError:
        if not _size(part):
            discard_part(part)
        raise
    return part


def _insist(url: str, part: Path, name: str, progress: bool, patience: Patience) -> None:
    """Try until it is there, or until several attempts in a row have brought nothing new."""
    failures, reached = 0, _size(part)
    while True:
        try:
            return _attempt(url, part, name, progress, patience)
        except Later as later:
            failures, reached = _count(failures, reached, part)
            if failures >= patience.attempts:
                raise UnreachableError(
                    f"{url} could not be fetched after {failures} attempts in a row without "
                    f"progress: {later}. {_size(part):,} bytes are kept: run it again to continue, "
                    f"or set {MIRROR} to a copy."
                ) from None
            wait = min(patience.first_wait * 2 ** max(failures - 1, 0), patience.longest_wait)
            wait = wait if later.wait is None else later.wait
            if progress:
                tqdm.write(f"{name}: {later}; trying again in {wait:.0f} s", file=sys.stderr)
            time.sleep(wait)


def _count(failures: int, reached: int, part: Path) -> tuple[int, int]:
    """Failures without progress, and the largest size that the part ever had."""
    size = _size(part)
    return (failures + 1, reached) if size <= reached else (1, size)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _attempt(url: str, part: Path, name: str, progress: bool, patience: Patience) -> None:
    requests, urllib3 = require("requests", "data"), require("urllib3", "data")
    try:
        with requests.get(
            url,
            headers=_headers(url, part),
            stream=True,
            timeout=(patience.connect, patience.read),
        ) as answer:
            if answer.status_code == 416 and _is_complete(answer, part):
                return
            check_status(url, answer, _size(part), patience)
            check_kind(url, name, answer.headers.get("Content-Type", ""))
            _receive(url, answer, part, name, progress)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema) as error:  # fmt: skip
        raise InputError(f"{url} is no address ({error}): check {MIRROR}.") from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Later(f"{type(error).__name__}: {error}") from None


def _headers(url: str, part: Path) -> dict[str, str]:
    """The request: for the rest of the file if a part is there, on condition that it is the same.

    Only bytes of the file itself count, so nothing may be packed on the way.
    """
    plain = {"Accept-Encoding": "identity"}
    known = _known(part)
    if not _size(part) or known.get("url") != url or not known.get("validator"):
        discard_part(part)
        return plain
    return {**plain, "Range": f"bytes={_size(part)}-", "If-Range": known["validator"]}


def _known(part: Path) -> dict[str, Any]:
    try:
        return dict(read_json(_notes(part)))
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def _is_complete(answer: Any, part: Path) -> bool:
    """Whether the server says that nothing is left to send; a part too long is thrown away."""
    complete = answer.headers.get("Content-Range", "").endswith(f"*/{_size(part)}")
    if not complete:
        discard_part(part)
    return complete


def _receive(url: str, answer: Any, part: Path, name: str, progress: bool) -> None:
    """Write the body to the part, after what is there (206) or from the start (200)."""
    start = _size(part) if answer.status_code == 206 else 0
    if start and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        discard_part(part)
        raise Later("the server sends another range than was asked for")
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length and length.isdigit() else None
    if not start:
        discard_part(part)
        write_json(_notes(part), {"url": url, "validator": validator(answer.headers)})
    with _bar(name, total, start, progress) as bar, _writing(part, "ab" if start else "wb") as out:
        # As they are on the server: a .gz may come declared as packed on the way.
        for block in answer.raw.stream(_BLOCK, decode_content=False):
            if not start and not out.tell():
                check_kind(url, name, start=block)
            out.write(block)
            bar.update(len(block))
    if total is not None and _size(part) != total:
        raise Later(f"the connection broke off at {_size(part):,} of {total:,} bytes")


def _copy(source: Path, part: Path, name: str, progress: bool) -> None:
    """Copy from a mirror that is a folder."""
    discard_part(part)
    if not source.is_file():
        raise MissingFileError(
            f"{source} is not there, where {MIRROR} says that {name} is: copy it there, or unset "
            f"{MIRROR}."
        )
    bar = _bar(name, source.stat().st_size, 0, progress)
    with bar, source.open("rb") as stream, _writing(part, "wb") as out:
        while block := stream.read(1 << 20):
            if not out.tell():
                check_kind(str(source), name, start=block)
            out.write(block)
            bar.update(len(block))


def _bar(name: str, total: int | None, start: int, progress: bool) -> Any:
    return tqdm(
        total=total, initial=start, desc=name, unit="B", unit_scale=True, disable=not progress
    )


@contextmanager
def _writing(part: Path, mode: str) -> Iterator[Any]:
    """Open the part, and see it safely on the disk; a full disk keeps what is there."""
    try:
        with part.open(mode) as out:
            try:
                yield out
            finally:
                out.flush()
                os.fsync(out.fileno())
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(disk_full_sentence(part)) from None


def disk_full_sentence(path: Path) -> str:
    """What to say when there is no room left for ``path``."""
    return (
        f"The disk is full, at {_size(path):,} bytes of {path}: make room, and run it again to "
        "continue."
    )
