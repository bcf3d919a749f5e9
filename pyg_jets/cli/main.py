"""From the arguments of a command to what it does, and from an error to an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pyg_jets.cli.parser import parser
from pyg_jets.cli.verbs import VERBS
from pyg_jets.errors import InputError

__all__ = ["main"]

_TRAINING = ("fit", "validate", "test", "predict")


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
    except InputError as error:
        print(f"pyg-jets: {error}", file=sys.stderr)
        return 2
