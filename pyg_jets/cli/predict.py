"""`pyg-jets predict --run DIR --data FILE …`: scores of a user's own jets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pyg_jets.cli.parser import CommandParser

__all__ = ["predict", "predict_parser", "scores_files"]


def scores_files(arguments: Sequence[str]) -> bool:
    """Whether a command line scores files, and is not one of LightningCLI.

    Examples:
        >>> scores_files(["predict", "--run=runs/plain", "--data", "jets.root"])
        True
        >>> scores_files(["predict", "--run=runs/plain", "--data.batch_size=3"])
        False
    """
    options = {word.partition("=")[0] for word in arguments}
    return "--data" in options and not options & {"-c", "--config"}


def predict_parser() -> CommandParser:
    """The parser of this form of the command."""
    parser = CommandParser(
        prog="pyg-jets predict",
        description="Write the scores of a run's tagger for each jet of files, in their order.",
    )
    add = parser.add_argument
    add("--run", type=Path, required=True, metavar="DIR", help="the run")
    text = "files of jets, read as the run read its own, or a configuration of a data set"
    add("--data", nargs="+", required=True, metavar="FILE", help=text)
    add("--out", type=Path, metavar="FILE",
        help="file of the scores, .parquet or .root (DIR/predicted.parquet)")  # fmt: skip
    add("--batch-size", type=int, default=1024, help="jets in a batch (1024)")
    add("--no-detector", dest="detector", action="store_false",
        help="leave out the detector of the training: the jets were measured")  # fmt: skip
    add("--overwrite", nargs="?", const=True, default=False, type=lambda text: text == "true",
        help="write over a file that is there")  # fmt: skip
    return parser


def predict(args: argparse.Namespace) -> int:
    """Write the scores, and print their file."""
    from pyg_jets.training import predict as write_scores

    options = {"batch_size": args.batch_size, "overwrite": args.overwrite}
    print(write_scores(args.run, args.data, args.out, **options, detector=args.detector))
    return 0
