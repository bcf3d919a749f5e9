"""Archives: unpacked whole or not at all, and never outside their folder."""

from __future__ import annotations

import errno
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tqdm.auto import tqdm

from pyg_jets.errors import FolderInUseError, InputError, MissingFileError
from pyg_jets.files import locked, read_json, write_aside, write_json

__all__ = ["unpack"]

_MARKER = ".unpacked.json"
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, KeyError,
           RuntimeError, NotImplementedError)  # fmt: skip
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Archives below this size are unpacked before anyone asks.
_LARGE = 50_000_000


def unpack(
    archive: str | Path,
    folder: str | Path,
    wanted: Sequence[str] | None = None,
    progress: bool = True,
) -> Path:
    """Unpack a ``.tar``, ``.tar.gz`` or ``.zip`` into ``folder``, and return that.

    It is unpacked aside and renamed into place whole; an archive that was unpacked there before is
    not read again. The archive stays. Links inside it become copies.

    Args:
        archive: The archive.
        folder: The folder to make.
        wanted: Ends of the names of the files that are wanted, such as ``(".h5",)``. Default: all.
        progress: Whether to show a progress bar for a large archive.

    Raises:
        FileNotFoundError: If there is no archive.
        FileExistsError: If the folder is there, but was not unpacked from this archive.
        ValueError: If the archive is cut short or broken, if a member would leave the folder or is
            a device, or if nothing wanted is in it.
        OSError: If the disk is full; nothing is left of what was unpacked.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise MissingFileError(f"{archive} is not there: fetch the data set first.")
    made_of = {
        "archive": archive.name,
        "bytes": archive.stat().st_size,
        "wanted": None if wanted is None else list(wanted),
    }
    if not _is_unpacked(folder, made_of):
        with locked(folder):
            if not _is_unpacked(folder, made_of):
                _unpack(archive, folder, made_of, progress)
    return folder


def _is_unpacked(folder: Path, made_of: dict[str, Any]) -> bool:
    if not folder.exists():
        return False
    marker = folder / _MARKER
    there = read_json(marker) if marker.is_file() else "no note of where it is from"
    if there != made_of:
        raise FolderInUseError(
            f"{folder} is there, with {there}, expected {made_of}: move it away to unpack again."
        )
    return True


def _unpack(archive: Path, folder: Path, made_of: dict[str, Any], progress: bool) -> None:
    wanted = made_of["wanted"]
    with write_aside(folder) as part:
        part.mkdir()
        count = 0
        with _reading(archive), archive.open("rb") as handle:
            large = made_of["bytes"] > _LARGE
            with tqdm(
                total=made_of["bytes"],
                desc=f"unpack {archive.name}",
                unit="B",
                unit_scale=True,
                disable=not (progress and large),
            ) as bar:
                for member in _members(archive, handle):
                    _check_place(member, archive)
                    if member.kind == "file" and _is_wanted(member.name, wanted):
                        _write(member, part, bar, handle)
                        count += 1
        if not count:
            what = "a file" if wanted is None else f"a file that ends in {' or '.join(wanted)}"
            raise InputError(f"{archive} holds nothing to unpack, expected {what}: fetch it again.")
        write_json(part / _MARKER, made_of)


def _is_wanted(name: str, wanted: Sequence[str] | None) -> bool:
    return wanted is None or name.endswith(tuple(wanted))


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Say in a sentence what is wrong with an archive that cannot be read."""
    try:
        yield
    except _BROKEN as error:
        raise InputError(
            f"{archive} is cut short or broken ({type(error).__name__}: {error}): remove it, and "
            "fetch it again."
        ) from None
    except OSError as error:
        if error.errno in _FULL:
            raise OSError(
                f"The disk is full: make room to unpack {archive}; nothing of it was left."
            ) from None
        raise InputError(
            f"{archive} cannot be unpacked ({type(error).__name__}: {error}): remove it, and fetch "
            "it again."
        ) from None


@dataclass(frozen=True)
class _Member:
    """One entry of an archive, of whatever kind."""

    name: str
    kind: str  # "file", "folder" or what else it is
    link: str | None  # where a link leads, seen from the top of the archive
    open: Callable[[], IO[bytes] | None]


def _members(archive: Path, handle: IO[bytes]) -> Iterator[_Member]:
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(handle) as packed:
            for info in packed.infolist():
                yield _zip_member(packed, info)
        return
    with tarfile.open(fileobj=handle, mode="r:*") as tar:
        for entry in tar:
            yield _tar_member(tar, entry)
        _check_end(tar, handle)


def _tar_member(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> _Member:
    link = None
    if entry.issym():
        link = posixpath.join(posixpath.dirname(entry.name), entry.linkname)
    elif entry.islnk():
        link = entry.linkname
    is_file = entry.isreg() or link is not None
    kind = "file" if is_file else "folder" if entry.isdir() else "a device"
    return _Member(entry.name, kind, link, lambda: tar.extractfile(entry))


def _zip_member(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16
    if info.is_dir():
        return _Member(info.filename, "folder", None, lambda: None)
    if stat.S_ISLNK(mode):
        to = packed.read(info).decode(errors="replace")
        link = posixpath.join(posixpath.dirname(info.filename), to)
        return _Member(info.filename, "file", link, lambda: packed.open(posixpath.normpath(link)))
    kind = "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "a device"
    return _Member(info.filename, kind, None, lambda: packed.open(info))


def _check_end(tar: tarfile.TarFile, handle: IO[bytes]) -> None:
    """Miss the blocks of zeros that end a tar: cut between two members it reads like a whole one.

    Inside gzip the cut shows anyway.
    """
    if tar.fileobj is handle:
        handle.seek(tar.offset)
        if handle.read(512) != bytes(512):
            raise tarfile.ReadError("its end is missing")


def _check_place(member: _Member, archive: Path) -> None:
    for name, what in ((member.name, "is to go to"), (member.link, "is a link to")):
        if name is None:
            continue
        plain = name.replace("\\", "/")
        outside = plain.startswith("/") or plain[1:2] == ":"
        if outside or posixpath.normpath(plain).split("/")[0] == ".." or ".." in _parts(member):
            raise InputError(
                f"{archive} is not safe: its member {member.name!r} {what} {name!r}, outside the "
                "folder. Nothing was unpacked: fetch it from its publisher."
            )
    if member.kind not in ("file", "folder"):
        raise InputError(
            f"{archive} is not safe: its member {member.name!r} is {member.kind}, expected a file. "
            "Nothing was unpacked: fetch it from its publisher."
        )


def _parts(member: _Member) -> list[str]:
    return member.name.replace("\\", "/").split("/")


def _write(member: _Member, part: Path, bar: Any, handle: IO[bytes]) -> None:
    path = part / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    if source is None:
        raise KeyError(f"{member.name} leads nowhere")
    with source, path.open("wb") as out:
        while block := source.read(1 << 20):
            out.write(block)
            bar.update(handle.tell() - bar.n)
