"""From the arguments of a command to what it does, and from an error to an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from pyg_jets import __version__
from pyg_jets.cli.cluster import add_cluster, cluster
from pyg_jets.cli.configs import add_configs, configs
from pyg_jets.cli.datasets import add_datasets, datasets
from pyg_jets.cli.demo import add_demo, demo
from pyg_jets.cli.generate import add_generate, generate
from pyg_jets.cli.parser import CommandParser
from pyg_jets.cli.predict import predict, predict_parser, scores_files
from pyg_jets.cli.report import add_report, report
from pyg_jets.cli.scan import add_scan, scan
from pyg_jets.cli.study import add_study, study
from pyg_jets.errors import InputError

__all__ = ["command_parser", "main"]

#: The function of each command; it may return an exit code.
_COMMANDS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "generate": generate,
    "cluster": cluster,
    "datasets": datasets,
    "configs": configs,
    "scan": scan,
    "study": study,
    "report": report,
    "demo": demo,
}

#: The commands that LightningCLI parses.
_TRAINING = {
    "fit": "train a tagger, test it, leave a run folder (--config NAME, see fit --help)",
    "validate": "run the validation of a configuration",
    "test": "test a run again (--run DIR), or a checkpoint",
    "predict": "score jets by a run's tagger (--run DIR [--data FILE …] [--out FILE])",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``pyg-jets``; a user's error prints a sentence and ends with exit code 2.

    Args:
        arguments: The arguments. Default: those of this process.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except InputError as error:
        print(f"pyg-jets: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        if not _reader_has_left():
            raise
        return 128 + signal.SIGPIPE  # what a shell reports of a program that ends so


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] == "predict" and scores_files(arguments):
        return predict(predict_parser().parse_args(arguments[1:]))
    if arguments and arguments[0] in _TRAINING:
        from pyg_jets.training.cli import main as train

        train(arguments)
        return 0
    args = command_parser().parse_args(arguments)
    return _COMMANDS[args.command](args) or 0


def _reader_has_left() -> bool:
    """Whether what reads the output, such as ``head``, has closed it; no more is written then."""
    try:
        sys.stdout.flush()
        return False
    except BrokenPipeError:
        # Python writes what is left as it ends, and would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True


def command_parser() -> CommandParser:
    """The parser of all commands but those that LightningCLI parses."""
    parser = CommandParser(
        prog="pyg-jets",
        description="Jets as variable-length PyTorch Geometric graphs, from Pythia to the report.",
    )
    parser.add_argument("--version", action="version", version=f"pyg_jets {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_generate(commands)
    add_cluster(commands)
    add_datasets(commands)
    add_configs(commands)
    for name, text in _TRAINING.items():
        commands.add_parser(name, help=text, add_help=False)
    add_scan(commands)
    add_study(commands)
    add_report(commands)
    add_demo(commands)
    return parser
