"""One file from a server to a ``.part`` beside its place, continued where it stopped.

``requests`` has no such thing: a transfer that breaks off is continued with an HTTP range request
(RFC 9110, section 14), also by a later process, on condition that the server still has the same
file; HTTP errors that may pass are retried, with waits that double.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tqdm.auto import tqdm

from pyg_jets.errors import DiskFullError, InputError, MissingFileError, UnreachableError
from pyg_jets.files import read_json, require, write_json
from pyg_jets.io.remote import MIRROR

__all__ = ["RetryPolicy", "discard_part", "part_of", "transfer"]

_BLOCK = 1 << 16  # bytes; small, because a stalled read loses what it has taken in
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_MAY_PASS = (408, 416, 425, 429)  # HTTP errors, besides all from 500, that a retry may not meet


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait for a server, and how often to try again. All times are in seconds.

    Args:
        connect_timeout: The longest wait for a connection.
        read_timeout: The longest wait for the next bytes.
        attempts: Attempts in a row that bring nothing new, before giving up.
        first_wait: The wait after the first failure; it doubles with each further one.
        longest_wait: The longest of these waits.
        longest_retry_after: The longest wait that a server may ask for by ``Retry-After``.
    """

    connect_timeout: float = 15.0
    read_timeout: float = 60.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 600.0


class TemporaryError(Exception):
    """A failure that a retry may not meet.

    Args:
        reason: What went wrong.
        retry_after: Seconds that the server asks to wait, if it says so.
    """

    def __init__(self, reason: str, retry_after: float | None = None):
        super().__init__(reason)
        self.retry_after = retry_after


def part_of(target: Path) -> Path:
    """Where the bytes of ``target`` are kept until it is whole."""
    return target.with_name(f"{target.name}.part")


def _notes_of(part: Path) -> Path:
    """Where the address and the validator of a part are noted."""
    return part.with_name(f"{part.name}.json")


def discard_part(part: Path) -> None:
    """Remove a part and its notes, so that the next attempt starts afresh."""
    part.unlink(missing_ok=True)
    _notes_of(part).unlink(missing_ok=True)


def transfer(
    url: str, target: Path, progress: bool = True, retry: RetryPolicy | None = None
) -> Path:
    """Bring ``url`` to the ``.part`` of ``target``, and return that once it is complete.

    A part of an earlier attempt is continued if the server still has the same file.

    Args:
        url: An address of ``http``, ``https`` or ``file``.
        target: The file that it shall become.
        progress: Whether to show a progress bar.
        retry: Timeouts and retries. Default: those of :class:`RetryPolicy`.

    Raises:
        FileNotFoundError: If the server, or the mirror's folder, has no such file.
        ConnectionError: If the server does not respond, refuses, or keeps breaking off.
        ValueError: If it sends a web page instead of data.
        OSError: If the disk is full; the part is kept.
    """
    part = part_of(target)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        if urlsplit(url).scheme == "file":
            _copy(Path(unquote(urlsplit(url).path)), part, target.name, progress)
        else:
            _download(url, part, target.name, progress, retry or RetryPolicy())
    except ValueError:
        if not _size(part):
            discard_part(part)
        raise
    return part


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
                _refuse_web_page(str(source), name, start=block)
            out.write(block)
            bar.update(len(block))


def _download(url: str, part: Path, name: str, progress: bool, retry: RetryPolicy) -> None:
    """Request until the part is complete, or until several requests in a row bring nothing new."""
    failures, largest = 0, _size(part)
    while True:
        try:
            return _request(url, part, name, progress, retry)
        except TemporaryError as error:
            size = _size(part)
            failures = failures + 1 if size <= largest else 1
            largest = max(largest, size)
            if failures >= retry.attempts:
                raise UnreachableError(
                    f"{url} could not be fetched after {failures} attempts in a row without "
                    f"progress: {error}. {size:,} bytes are kept: run it again to continue, "
                    f"or set {MIRROR} to a copy."
                ) from None
            wait = error.retry_after
            if wait is None:
                wait = min(retry.first_wait * 2 ** (failures - 1), retry.longest_wait)
            if progress:
                tqdm.write(f"{name}: {error}; trying again in {wait:.0f} s", file=sys.stderr)
            time.sleep(wait)


def _request(url: str, part: Path, name: str, progress: bool, retry: RetryPolicy) -> None:
    """Request the file, or the rest of it if a part is there, and write the body to the part."""
    requests, urllib3 = require("requests", "data"), require("urllib3", "data")
    headers = {"Accept-Encoding": "identity"}  # only bytes of the file itself can be continued
    try:
        notes = dict(read_json(_notes_of(part)))
    except (FileNotFoundError, ValueError, TypeError):
        notes = {}
    if _size(part) and notes.get("url") == url and notes.get("validator"):
        headers |= {"Range": f"bytes={_size(part)}-", "If-Range": notes["validator"]}
    else:
        discard_part(part)
    timeout = (retry.connect_timeout, retry.read_timeout)
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            if response.status_code == 416:  # nothing is left to send, or the part is too long
                if response.headers.get("Content-Range", "").endswith(f"*/{_size(part)}"):
                    return
                discard_part(part)
            _check_status(url, response, _size(part), retry)
            _refuse_web_page(url, name, response.headers.get("Content-Type", ""))
            _write_body(url, response, part, name, progress)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema) as error:  # fmt: skip
        raise InputError(f"{url} is no address ({error}): check {MIRROR}.") from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise TemporaryError(f"{type(error).__name__}: {error}") from None


def _check_status(url: str, response: Any, kept: int, retry: RetryPolicy) -> None:
    """Raise a `TemporaryError` for HTTP errors that may pass, and a final one for the others."""
    status = response.status_code
    if status in (200, 206):
        return
    if status in _MAY_PASS or status >= 500:
        wait = _retry_after(response.headers.get("Retry-After", ""))
        if wait is not None and wait > retry.longest_retry_after:
            raise UnreachableError(
                f"{url} answers {status} and asks to come back in {wait:.0f} s: run it again then; "
                f"{kept:,} bytes are kept."
            )
        raise TemporaryError(f"the server answers {status} {response.reason}", wait)
    if status in (404, 410):
        raise MissingFileError(
            f"{url} is not there (the server answers {status}): look at the data set's homepage, "
            f"or set {MIRROR} to a copy."
        )
    raise UnreachableError(
        f"{url} answers {status} {response.reason}, expected 200: fetch it by hand, or set "
        f"{MIRROR} to a copy."
    )


def _retry_after(value: str) -> float | None:
    """Seconds that a server asks to wait; the header holds seconds or a date."""
    if value.strip().isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def _refuse_web_page(url: str, name: str, content_type: str = "", start: bytes = b"") -> None:
    """Refuse a web page, such as one that asks to log in, where data should be."""
    if name.lower().endswith((".html", ".htm")):
        return
    is_page = start.lstrip()[:20].lower().startswith((b"<!doctype html", b"<html"))
    if is_page or content_type.lower().startswith("text/html"):
        raise InputError(
            f"{url} sends a web page (HTML) instead of {name}: open it in a browser to see what it "
            f"asks for, fetch the file by hand, or set {MIRROR} to a copy."
        )


def _write_body(url: str, response: Any, part: Path, name: str, progress: bool) -> None:
    """Write the body to the part, after what is there (206) or from the start (200)."""
    headers = response.headers
    start = _size(part) if response.status_code == 206 else 0
    if start and not headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        discard_part(part)
        raise TemporaryError("the server sends another range than was asked for")
    length = headers.get("Content-Length")
    total = start + int(length) if length and length.isdigit() else None
    if not start:
        discard_part(part)
        # The validator names this very file: a strong ETag (a weak one must not), or its date.
        etag = headers.get("ETag", "")
        validator = etag if etag.startswith('"') else headers.get("Last-Modified")
        write_json(_notes_of(part), {"url": url, "validator": validator})
    with _bar(name, total, start, progress) as bar, _writing(part, "ab" if start else "wb") as out:
        # Not decoded: some servers declare a .gz file as compressed on the way.
        for block in response.raw.stream(_BLOCK, decode_content=False):
            if not start and not out.tell():
                _refuse_web_page(url, name, start=block)
            out.write(block)
            bar.update(len(block))
    if total is not None and _size(part) != total:
        raise TemporaryError(f"the connection broke off at {_size(part):,} of {total:,} bytes")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _bar(name: str, total: int | None, start: int, progress: bool) -> Any:
    return tqdm(
        total=total, initial=start, desc=name, unit="B", unit_scale=True, disable=not progress
    )


@contextmanager
def _writing(part: Path, mode: str) -> Iterator[Any]:
    """Open the part, and flush it to the disk in the end; a full disk keeps what is there."""
    try:
        with part.open(mode) as out:
            try:
                yield out
            finally:
                out.flush()
                os.fsync(out.fileno())
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise DiskFullError(
            f"The disk is full, at {_size(part):,} bytes of {part}: make room, and run it again to "
            "continue."
        ) from None
