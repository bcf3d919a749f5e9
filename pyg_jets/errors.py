"""Errors that tell a user what to do: the command line prints these, and only these, as a sentence.

Each says what came, what was expected, and the remedy. Those that also are one of Python's own
errors are caught as that one too.

Examples:
    >>> issubclass(InputError, ValueError), issubclass(MissingFileError, FileNotFoundError)
    (True, True)
"""

from __future__ import annotations

__all__ = [
    "FolderInUseError",
    "InputError",
    "InputTypeError",
    "MissingExtraError",
    "MissingFileError",
    "UnreachableError",
]


class InputError(ValueError):
    """What a user gave cannot be used; the message says why, and what to do."""


class InputTypeError(TypeError, InputError):
    """What a user gave is of another type than expected."""


class MissingFileError(FileNotFoundError, InputError):
    """A file or folder that a user named is not there."""


class FolderInUseError(FileExistsError, InputError):
    """A file or folder to write to holds something that would be lost."""


class UnreachableError(ConnectionError, InputError):
    """A server does not answer, or answers with an error."""


class MissingExtraError(ModuleNotFoundError, InputError):
    """A package of an optional extra is not installed."""
