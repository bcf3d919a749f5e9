"""Errors that tell a user what to do: the command line prints these, and only these, as a sentence.

Each says what came, what was expected, and the remedy. Those that also are one of Python's own
errors are caught as that one too.

Examples:
    >>> issubclass(InputError, ValueError), issubclass(MissingFileError, FileNotFoundError)
    (True, True)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "DiskFullError",
    "FolderInUseError",
    "InputError",
    "InputTypeError",
    "MissingExtraError",
    "MissingFileError",
    "UnreachableError",
    "did_you_mean",
]


class InputError(ValueError):
    """What a user gave cannot be used; the message says why, and what to do."""


class InputTypeError(TypeError, InputError):
    """What a user gave is of another type than expected."""


class MissingFileError(FileNotFoundError, InputError):
    """A file or folder that a user named is not there."""


class FolderInUseError(FileExistsError, InputError):
    """A file or folder to write to holds something that would be lost."""


class DiskFullError(OSError, InputError):
    """There is no room left on the disk."""


class UnreachableError(ConnectionError, InputError):
    """A server does not answer, or answers with an error."""


class MissingExtraError(ModuleNotFoundError, InputError):
    """A package of an optional extra is not installed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question to append to an error about an unknown name, or an empty string.

    Capitals, underscores, hyphens and spaces are ignored, so that a class finds its data set; the
    last part of a dotted name or of a path may stand for the whole.

    Args:
        name: The name that the user gave.
        known: The names that exist.

    Examples:
        >>> did_you_mean("TopTaging", ["jet_net", "top_tagging"])
        " Did you mean 'top_tagging'?"
        >>> did_you_mean("w_boson", ["jet_net", "top_tagging"])
        ''
        >>> did_you_mean("pfn", ["models/fcn", "models/pfn"])
        " Did you mean 'models/pfn'?"
    """
    ignored = str.maketrans("", "", "_- ")
    spelling = str(name).lower().translate(ignored)
    by_spelling = {each.lower().translate(ignored): each for each in map(str, known)}
    in_reverse = reversed(by_spelling.items())  # of one last part the first counts
    by_last_part = {re.split(r"[./]", key)[-1]: each for key, each in in_reverse}
    for names, cutoff in ((by_spelling, 0.6), (by_last_part, 0.6)):
        if closest := get_close_matches(spelling, names, n=1, cutoff=cutoff):
            return f" Did you mean {names[closest[0]]!r}?"
    return ""
