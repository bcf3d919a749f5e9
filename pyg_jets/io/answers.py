"""What the answer of a server means for a download: go on, try later, or give up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from pyg_jets.errors import InputError, MissingFileError, UnreachableError
from pyg_jets.io.remote import MIRROR

__all__ = ["Later", "Patience", "check_kind", "check_status", "validator"]


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, in seconds.

    Args:
        connect: For a connection.
        read: For the next bytes.
        attempts: Attempts in a row that bring nothing new, before giving up.
        first_wait: After the first failure; it doubles with each further one.
        longest_wait: The longest of these waits.
        longest_order: The longest wait that a server may ask for (``Retry-After``).
    """

    connect: float = 15.0
    read: float = 60.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_order: float = 600.0


class Later(Exception):
    """What may go better on another attempt."""

    def __init__(self, why: str, wait: float | None = None):
        super().__init__(why)
        self.wait = wait


def check_status(url: str, answer: Any, kept: int, patience: Patience) -> None:
    """Raise :class:`Later` for what may pass, and a final error for what will not."""
    status = answer.status_code
    if status in (200, 206):
        return
    if status in (408, 416, 425, 429) or status >= 500:
        wait = _ordered_wait(answer.headers.get("Retry-After", ""))
        if wait is not None and wait > patience.longest_order:
            raise UnreachableError(
                f"{url} answers {status} and asks to come back in {wait:.0f} s: run it again then; "
                f"{kept:,} bytes are kept."
            )
        raise Later(f"the server answers {status} {answer.reason}", wait)
    if status in (404, 410):
        raise MissingFileError(
            f"{url} is not there (the server answers {status}): look at the data set's homepage, "
            f"or set {MIRROR} to a copy."
        )
    raise UnreachableError(
        f"{url} answers {status} {answer.reason}, expected 200: fetch it by hand, or set {MIRROR} "
        "to a copy."
    )


def _ordered_wait(words: str) -> float | None:
    """Seconds that a server asks to wait, said as seconds or as a date."""
    if words.strip().isdigit():
        return float(words)
    try:
        return max(parsedate_to_datetime(words).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def check_kind(url: str, name: str, kind: str = "", start: bytes = b"") -> None:
    """Refuse a web page, such as one that asks to log in, where data should be."""
    if name.lower().endswith((".html", ".htm")):
        return
    page = start.lstrip()[:20].lower().startswith((b"<!doctype html", b"<html"))
    if page or kind.lower().startswith("text/html"):
        raise InputError(
            f"{url} sends a web page (HTML) instead of {name}: open it in a browser to see what it "
            f"asks for, fetch the file by hand, or set {MIRROR} to a copy."
        )


def validator(headers: Any) -> str | None:
    """What names this very file: a strong ETag (a weak one must not be used), or its date."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified")
