"""Files that are not what their name says, as downloads leave them."""

import re
from pathlib import Path

import pytest

REMEDY = "delete it and fetch it again"
HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n" * 50
OTHERS = {
    "an empty file": b"",
    "an HTML page": HTML,
    "a text file ('Not found')": b"Not found\n",
    "an XML document": b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a gzip archive": b"\x1f\x8b\x08" + bytes(range(200)),
    "zeros only": bytes(5000),
    "another kind": bytes(range(1, 255)) * 9,
}


#: What is said of a file that came empty, half, or as a web page.
SAID = {"empty": "empty|0 bytes", "truncated": "cut short|truncated|damaged", "html": "HTML"}


def spoil(path: Path, way: str) -> bytes:
    """Make a file empty, half or a web page; returns what it held."""
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "truncated": content[: len(content) // 2], "html": HTML}[way])
    return content


def refuses_others(path: Path, expected: str, read) -> None:
    """Check that ``read(path)`` refuses every kind of file that is not its own, in a sentence."""
    with pytest.raises(FileNotFoundError, match=f"no file {re.escape(str(path))}: .*{expected}"):
        read(path)
    for found, content in OTHERS.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(found)) as caught:
            read(path)
        assert is_sentence(caught.value, path), caught.value
        assert f"expected {expected}" in str(caught.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="is a folder, expected"):
        read(path)
    path.rmdir()


def refuses_cuts(path: Path, read, fractions=(0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)) -> None:
    """Check that ``read(path)`` refuses the file cut at several places, and reads it whole."""
    whole = path.read_bytes()
    read(path)
    for fraction in fractions:
        path.write_bytes(whole[: int(len(whole) * fraction)])
        with pytest.raises(ValueError, match="expected a whole") as caught:
            read(path)
        assert is_sentence(caught.value, path), caught.value


def is_sentence(error: Exception, path: Path) -> bool:
    """Whether an error names the file and the remedy, on one line, and hides its cause."""
    text = str(error)
    hides = error.__context__ is None or error.__suppress_context__
    return text.startswith(str(path)) and REMEDY in text and "\n" not in text and hides
