"""The way from the words of a command to what it does, and from an error to an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from pyg_jets.cli.parser import parser
from pyg_jets.cli.verbs import VERBS

__all__ = ["main"]

_PACKAGE = Path(__file__).parent.parent
_TRAINING = ("fit", "validate", "test", "predict")
_USER_ERRORS = (ValueError, TypeError, FileNotFoundError, FileExistsError, ModuleNotFoundError,
                ConnectionError)  # fmt: skip


def _ours(error: BaseException | None) -> BaseException | None:
    """The error, or its cause, that our own code raised: its message is for the user, no bug's.

    A bug in our code ends there too, but not in a ``raise`` statement.
    """
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        if frames and str(_PACKAGE) in frames[-1].filename:
            return error if (frames[-1].line or "").startswith("raise ") else None
        error = error.__cause__
    return None


def main(words: Sequence[str] | None = None) -> int:
    """Run ``pyg-jets``; a user's error prints a sentence and ends with exit code 2.

    Args:
        words: The arguments. Default: those of this process.
    """
    words = list(sys.argv[1:] if words is None else words)
    try:
        if words and words[0] in _TRAINING:
            from pyg_jets.training.cli import main as train

            train(words)
            return 0
        args = parser().parse_args(words)
        return VERBS[args.verb](args) or 0
    except _USER_ERRORS as error:
        ours = _ours(error)
        if ours is None:
            raise
        print(f"pyg-jets: {ours}", file=sys.stderr)
        return 2
