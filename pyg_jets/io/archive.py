"""Archives: unpacked whole or not at all, and never outside their folder.

``tarfile`` and ``zipfile`` do the work. Added here are that an unpacked folder appears only once it
is whole, that an archive cut between two members is noticed, and one sentence for each error.
"""

from __future__ import annotations

import errno
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tqdm.auto import tqdm

from pyg_jets.errors import DiskFullError, FolderInUseError, InputError, MissingFileError
from pyg_jets.files import locked, read_json, write_aside, write_json

__all__ = ["unpack"]

_MARKER = ".unpacked.json"
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, KeyError,
            RuntimeError, NotImplementedError)  # fmt: skip
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
#: An archive may unpack to this many times its size, and this many bytes more.
_MOST_TIMES, _MOST_BYTES = 200, 1 << 30
_LARGE = 50_000_000  # bytes: no progress bar for an archive below this size


def unpack(
    archive: str | Path,
    folder: str | Path,
    wanted: Sequence[str] | None = None,
    progress: bool = True,
) -> Path:
    """Unpack a ``.tar``, ``.tar.gz`` or ``.zip`` into ``folder``, and return that.

    It is unpacked aside and renamed into place whole; an archive that was unpacked there before is
    not read again. The archive stays. Links inside a tar become copies, so that no link is ever
    followed on disk.

    Args:
        archive: The archive.
        folder: The folder to make.
        wanted: Ends of the names of the files that are wanted, such as ``(".h5",)``. Default: all.
        progress: Whether to show a progress bar for a large archive.

    Raises:
        FileNotFoundError: If there is no archive.
        FileExistsError: If the folder is there, but was not unpacked from this archive.
        ValueError: If the archive is cut short or damaged, if a member of a tar would leave the
            folder or is a device, if it unpacks to 200 times its size, or if nothing wanted is in
            it.
        OSError: If the disk is full; nothing is left of what was unpacked.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise MissingFileError(f"{archive} is not there: fetch the data set first.")
    source = {
        "archive": archive.name,
        "bytes": archive.stat().st_size,
        "wanted": None if wanted is None else list(wanted),
    }
    if not _is_unpacked(folder, source):
        with locked(folder):
            if not _is_unpacked(folder, source):
                _unpack(archive, folder, source, progress)
    return folder


def _unpack(archive: Path, folder: Path, source: dict[str, Any], progress: bool) -> None:
    extract = _extract_zip if archive.suffix.lower() == ".zip" else _extract_tar
    suffixes = tuple(source["wanted"] or ("",))
    with (
        _archive_errors(archive),
        write_aside(folder) as part,
        archive.open("rb") as file,
        tqdm.wrapattr(
            file,
            "read",
            total=source["bytes"],
            desc=f"unpack {archive.name}",
            disable=not progress or source["bytes"] <= _LARGE,
        ) as stream,
    ):
        part.mkdir()
        limit = _MOST_TIMES * source["bytes"] + _MOST_BYTES
        if not extract(stream, part, suffixes, limit):
            expected = f"a file that ends in {' or '.join(suffixes)}" if suffixes[0] else "a file"
            raise InputError(
                f"{archive} holds nothing to unpack, expected {expected}: fetch it again."
            )
        write_json(part / _MARKER, source)


def _is_unpacked(folder: Path, source: dict[str, Any]) -> bool:
    if not folder.exists():
        return False
    marker = folder / _MARKER
    unpacked_from = read_json(marker) if marker.is_file() else "no note of where it is from"
    if unpacked_from != source:
        raise FolderInUseError(
            f"{folder} is there, with {unpacked_from}, expected {source}: move it away to unpack "
            "again."
        )
    return True


def _extract_tar(stream: IO[bytes], folder: Path, suffixes: tuple[str, ...], limit: int) -> int:
    """Extract the files with these suffixes, and return how many there are."""
    if not hasattr(tarfile, "data_filter"):
        raise InputError("Python 3.11.4 or newer is needed to unpack a tar safely: update Python.")
    count = 0
    with tarfile.open(fileobj=stream, mode="r:*") as tar:
        for entry in tar:
            safe = tarfile.data_filter(entry, str(folder))  # refuses what would leave the folder
            if entry.isdir() or not entry.name.endswith(suffixes):
                continue
            content = tar.extractfile(entry)  # follows links inside the archive
            if content is None:
                raise tarfile.ReadError(f"{entry.name} leads nowhere")
            path = folder / safe.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with content, path.open("wb") as file:
                while block := content.read(1 << 20):
                    limit -= len(block)
                    _check_limit(limit)
                    file.write(block)
            count += 1
        if tar.fileobj is stream:
            # A plain tar that is cut between two members differs from a whole one only in the zeros
            # that end it, which tarfile does not miss. Inside gzip a cut shows anyway.
            stream.seek(tar.offset)
            if stream.read(512) != bytes(512):
                raise tarfile.ReadError("its end is missing")
    return count


def _extract_zip(stream: IO[bytes], folder: Path, suffixes: tuple[str, ...], limit: int) -> int:
    """Extract the files with these suffixes, and return how many there are."""
    count = 0
    with zipfile.ZipFile(stream) as packed:
        for info in packed.infolist():
            if not info.is_dir() and info.filename.endswith(suffixes):
                limit -= info.file_size  # of which zipfile writes no byte more
                _check_limit(limit)
                packed.extract(info, folder)  # drops what would leave the folder from the name
                count += 1
    return count


class _TooLarge(Exception):
    pass


def _check_limit(left: int) -> None:
    if left < 0:
        raise _TooLarge(f"it unpacks to more than {_MOST_TIMES} times its size")


@contextmanager
def _archive_errors(archive: Path) -> Iterator[None]:
    """Say in one sentence what is wrong with an archive that cannot be unpacked."""
    try:
        yield
    except _TooLarge as error:
        raise InputError(f"{archive} is not safe ({error}): fetch it from its publisher.") from None
    except tarfile.FilterError as error:
        raise InputError(
            f"{archive} is not safe: its member {error.tarinfo.name!r} is refused ({error}). "
            "Nothing was unpacked: fetch it from its publisher."
        ) from None
    except _DAMAGED as error:
        raise InputError(
            f"{archive} is cut short or broken ({type(error).__name__}: {error}): remove it, and "
            "fetch it again."
        ) from None
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise DiskFullError(
                f"The disk is full: make room to unpack {archive}; nothing of it was left."
            ) from None
        raise InputError(
            f"{archive} cannot be unpacked ({type(error).__name__}: {error}): remove it, and fetch "
            "it again."
        ) from None
