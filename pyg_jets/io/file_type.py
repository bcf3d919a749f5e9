"""The type of a file by its first bytes, which each reader checks before it reads."""

from __future__ import annotations

from pathlib import Path

from pyg_jets.errors import InputError, MissingFileError

__all__ = ["check_file", "describe", "refusal"]

_HEAD = 4096  # bytes
_SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    b"\x93NUMPY": "a NumPy .npy file",
    b"root": "a ROOT file",
    b"PAR1": "a parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"(\xb5/\xfd": "a zstandard archive",
    b"version https://git-lfs": "a Git LFS pointer in place of the data",
    b"%PDF": "a PDF document",
}


def describe(path: str | Path) -> str:
    """Describe the content of a file, as "an HDF5 file" or "an HTML page".

    Examples:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.h5"
        >>> _ = path.write_text("<!DOCTYPE html><title>404</title>")
        >>> describe(path)
        'an HTML page'
    """
    with Path(path).open("rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        return "an empty file"
    for signature, description in _SIGNATURES.items():
        if head.startswith(signature):
            return description
    if head[257:262] == b"ustar":
        return "a tar archive"
    if not head.strip(b"\0"):
        return "a file that begins with zeros only"
    return _describe_text(head) or f"a file of another kind (it begins with {head[:8]!r})"


def _describe_text(head: bytes) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if any(mark in start[:1024].lower() for mark in (b"<!doctype html", b"<html")):
        return "an HTML page"
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # the head may end inside a character
            return None
        text = start[: error.start].decode()
    if any(ord(letter) < 32 and not letter.isspace() for letter in text):
        return None
    first = text.splitlines()[0][:40] if text else ""
    return f"an XML document ({first})" if text.startswith("<") else f"a text file ({first!r})"


def refusal(
    path: str | Path,
    state: str,
    expected: str,
    remedy: str = "write it again, or, if it was downloaded, delete it and fetch it again",
) -> InputError:
    """The error for a file that is not what it should be.

    Args:
        path: The file.
        state: What it is, as "an HTML page" or "cut short".
        expected: What it should be, as "an HDF5 file".
        remedy: What to do.

    Examples:
        >>> print(refusal("test.h5", "an empty file", "an HDF5 file", "fetch it again"))
        test.h5 is an empty file, expected an HDF5 file: fetch it again.
    """
    return InputError(f"{path} is {state}, expected {expected}: {remedy}.")


def check_file(
    path: str | Path, expected: str, magic: tuple[bytes, ...], offsets: tuple[int, ...] = (0,)
) -> Path:
    """Return ``path`` if it is a file that begins as its kind does.

    Args:
        path: The file.
        expected: What it should be, as "an HDF5 file".
        magic: The bytes that such a file may begin with.
        offsets: The positions at which these bytes may stand.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, a folder, or of another kind.
    """
    path = Path(path)
    if path.is_dir():
        raise refusal(path, "a folder", expected, "give the path of one file")
    if not path.is_file():
        raise MissingFileError(
            f"There is no file {path}: fetch it, or give the path of {expected}."
        )
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if not any(head.startswith(mark, offset) for mark in magic for offset in offsets):
        raise refusal(path, describe(path), expected)
    return path
