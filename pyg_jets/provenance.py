"""Provenance of a file: the command that made it, the versions of packages, the date."""

from __future__ import annotations

import datetime
import platform
import shlex
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["invocation", "timestamp", "versions"]


def invocation() -> str:
    """The command line of this process, quoted for a shell; the program without its folder.

    Examples:
        >>> import sys
        >>> before, sys.argv = sys.argv, ["bin/pyg-jets", "report", "--title=Two words"]
        >>> invocation()
        "pyg-jets report '--title=Two words'"
        >>> sys.argv = before
    """
    program = Path(sys.argv[0]).name
    return shlex.join(["pyg-jets" if program == "__main__.py" else program, *sys.argv[1:]])


def timestamp() -> str:
    """The date and time in UTC, to the second, in ISO 8601.

    Examples:
        >>> timestamp()[10], timestamp()[-6:]
        ('T', '+00:00')
    """
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """The versions of Python and of packages; ``None`` for a package that is not installed.

    Args:
        packages: Names of the packages, as pip takes them.

    Examples:
        >>> versions(["numpy", "no-such-package"])["no-such-package"] is None
        True
    """
    installed: dict[str, str | None] = {"python": platform.python_version()}
    for name in packages:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            installed[name] = None
    return installed
