"""Members of a zip file as streams, inflated by ``isal`` where it is installed.

``zipfile`` inflates with zlib alone, at about half the speed, which is what the conversion of a
packed data set waits for.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["data_offset", "inflate_library", "open_member"]

_BLOCK = 1 << 16  # bytes; what is inflated from one block stays in the processor's cache
_LOCAL_HEADER = 30  # bytes of a member's own header before its name


def data_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """The position in the file at which the bytes of a member begin.

    Args:
        path: The zip file.
        info: The member.

    Raises:
        zipfile.BadZipFile: If there is no header of a member, or it is encrypted.
    """
    with path.open("rb") as file:
        file.seek(info.header_offset)
        head = file.read(_LOCAL_HEADER)
    if len(head) < _LOCAL_HEADER or not head.startswith(b"PK\x03\x04"):
        raise zipfile.BadZipFile(f"no member begins at byte {info.header_offset}")
    if info.flag_bits & 1:
        raise zipfile.BadZipFile("it is encrypted")
    name, extra = (int.from_bytes(head[i : i + 2], "little") for i in (26, 28))
    return info.header_offset + _LOCAL_HEADER + name + extra


def open_member(path: Path, info: zipfile.ZipInfo) -> io.RawIOBase | Any:
    """Open a compressed member of a zip file as a stream that fills whole buffers.

    Args:
        path: The zip file.
        info: The member.
    """
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return _Inflated(path, info)
    return zipfile.ZipFile(path).open(info)


def inflate_library() -> Any:
    """``isal.isal_zlib`` where it is installed, else ``zlib``, which has the same functions."""
    try:
        return import_module("isal.isal_zlib")
    except ImportError:
        return zlib


class _Inflated(io.RawIOBase):
    def __init__(self, path: Path, info: zipfile.ZipInfo) -> None:
        super().__init__()
        begin = data_offset(path, info)
        self._file = path.open("rb", buffering=0)
        self._file.seek(begin)
        self._left = info.compress_size
        self._library = inflate_library()
        self._inflate = self._library.decompressobj(-zlib.MAX_WBITS)
        self._compressed = b""
        self._crc, self._expected = 0, info.CRC
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, short of it only at the end of the member, where its CRC is checked."""
        out = memoryview(buffer).cast("B")
        position = 0
        while position < len(out) and not self._inflate.eof:
            if not self._compressed and self._left:
                self._compressed = self._file.read(min(_BLOCK, self._left))
                self._left -= len(self._compressed)
                if not self._compressed:
                    raise EOFError("the file ends inside it")
            ended = not self._compressed
            try:
                part = self._inflate.decompress(self._compressed, len(out) - position)
            except self._library.error as error:  # isal's is not zlib's
                raise zipfile.BadZipFile(str(error)) from None
            if ended and not part and not self._inflate.eof:
                raise EOFError("its bytes end before it is whole")
            self._compressed = self._inflate.unconsumed_tail
            self._crc = self._library.crc32(part, self._crc)
            out[position : position + len(part)] = part
            position += len(part)
        if self._inflate.eof and self._crc != self._expected:
            raise zipfile.BadZipFile(
                f"its CRC is {self._crc:08x}, the archive promises {self._expected:08x}"
            )
        self._position += position
        return position
