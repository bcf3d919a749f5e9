"""What a file is told to have been made by: a command, versions of packages, a moment."""

from __future__ import annotations

import datetime
import platform
import shlex
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["invocation", "moment", "versions"]


def invocation() -> str:
    """This process's command as a shell takes it: the program without its folder, and its words.

    Examples:
        >>> import sys
        >>> before, sys.argv = sys.argv, ["bin/pyg-jets", "report", "--title=Two words"]
        >>> invocation()
        "pyg-jets report '--title=Two words'"
        >>> sys.argv = before
    """
    program = Path(sys.argv[0]).name
    return shlex.join(["pyg-jets" if program == "__main__.py" else program, *sys.argv[1:]])


def moment() -> str:
    """The date and time, to the second and in UTC, as ISO 8601 has it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Python's version, and those of packages; ``None`` for one that is not installed.

    Examples:
        >>> versions(["numpy", "no-such-package"])["no-such-package"] is None
        True
    """
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
