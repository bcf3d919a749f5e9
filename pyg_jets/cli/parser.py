"""The parser of the commands: whole option names, and errors of one sentence."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from pyg_jets.errors import InputError, did_you_mean

__all__ = ["CommandParser"]


class CommandParser(argparse.ArgumentParser):
    """argparse without abbreviated options and usage texts; what it refuses is an `InputError`.

    Examples:
        >>> parser = CommandParser(prog="pyg-jets scan")
        >>> _ = parser.add_argument("--workers", type=int)
        >>> parser.parse_args(["--worker", "3"])
        Traceback (most recent call last):
        ...
        pyg_jets.errors.InputError: There is no option --worker of pyg-jets scan. Did you mean
        '--workers'?
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments, and refuse what is left; a command does so for its own."""
        namespace, left = super().parse_known_args(args, namespace)
        if left:
            name = left[0].partition("=")[0]
            what = "option" if name.startswith("-") else "argument"
            raise InputError(
                f"There is no {what} {name} of {self.prog}."
                + did_you_mean(name, self._option_string_actions)
            )
        return namespace, left

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(name) for name in action.choices]
            raise InputError(
                f"There is no {str(action.metavar or action.dest).lower()} {value} of {self.prog}: "
                f"choose from {', '.join(names)}.{did_you_mean(str(value), names)}"
            )

    def error(self, message: str) -> NoReturn:
        """Raise an error instead of printing the usage."""
        raise InputError(f"{message}; {self.prog} --help explains the options.")
