"""A file that a publisher offers: its address, size and hash; and where a mirror keeps it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pyg_jets.errors import InputError

__all__ = ["MIRROR", "RemoteFile", "address"]

#: The environment variable that replaces the host of every address.
MIRROR = "PYG_JETS_MIRROR"


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Args:
        name: Its name on disk.
        url: Where its publisher keeps it.
        algorithm: ``"sha256"`` or ``"md5"``; ``None`` if no hash is published.
        hash: The published hash, hexadecimal.
        bytes: Its size, if known.
        other_hashes: Further hashes that are as good, where the publisher's own list is not clear.
    """

    name: str
    url: str
    algorithm: str | None = None
    hash: str | None = None
    bytes: int | None = None
    other_hashes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.algorithm is None) != (self.hash is None):
            raise InputError(
                f"Expected {self.name} with an algorithm and a hash, or with neither, but got "
                f"{self.algorithm} and {self.hash}."
            )
        if self.name in ("", ".", "..") or set(self.name) & set("/\\"):
            raise InputError(f"Expected the name of a file, but got {self.name!r}.")

    @property
    def hashes(self) -> tuple[str, ...]:
        """Every hash that is right, in lower case; empty if none is published."""
        return tuple(h.lower() for h in (self.hash, *self.other_hashes) if h)


def address(url: str, mirror: str | None = None) -> str:
    """The address to fetch ``url`` from: itself, or its path below the mirror.

    Args:
        url: The publisher's address.
        mirror: What replaces scheme and host, with or without a path to stand before that of the
            url; a folder, or ``file://`` and a folder, is read from disk. Default: the environment
            variable ``PYG_JETS_MIRROR``; if that is empty, the publisher's own host.

    Examples:
        >>> address("https://zenodo.org/record/1/files/a.h5", "http://localhost:8000/zenodo")
        'http://localhost:8000/zenodo/record/1/files/a.h5'
        >>> address("https://zenodo.org/record/1/files/a.h5?download=1", "/copies")
        'file:///copies/record/1/files/a.h5'
    """
    mirror = os.environ.get(MIRROR, "") if mirror is None else mirror
    if not mirror:
        return url
    of_url, of_mirror = urlsplit(url), urlsplit(mirror)
    if of_mirror.scheme in ("http", "https"):
        path = of_mirror.path.rstrip("/") + of_url.path
        return urlunsplit((of_mirror.scheme, of_mirror.netloc, path, of_url.query, ""))
    folder = Path(unquote(of_mirror.path) if of_mirror.scheme == "file" else mirror)
    return (folder.expanduser().absolute() / unquote(of_url.path).lstrip("/")).as_uri()
