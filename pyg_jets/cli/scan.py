"""`pyg-jets scan`: the points of a sweep file, and a report of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pyg_jets.cli.report import report_scan
from pyg_jets.errors import MissingExtraError
from pyg_jets.provenance import invocation

__all__ = ["add_scan", "scan"]


def add_scan(commands: argparse._SubParsersAction) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "scan",
        help="run a W&B sweep file offline, and report on it",
        description="Run the points of a W&B sweep file inside long-lived workers, one folder a "
        "point. A stopped scan continues where it stopped; what is finished is kept. The same file "
        "works with `wandb sweep FILE` and `wandb agent ID`.",
    )
    add = command.add_argument
    add("file", metavar="FILE", help="the sweep file, or its name such as broken_symmetry/sweep")
    add("--out", type=Path, metavar="DIR", help="folder of the scan (runs/scans/NAME)")
    add("--workers", type=int, help="local processes of one thread (the number of cores)")
    add("--scheduler", metavar="ADDRESS", help="a Dask scheduler instead, such as tcp://host:8786")
    add("--count", type=int, help="at most so many points")
    add("--seed", type=int, default=0, help="seed of the proposals of random and bayes (0)")
    add("--dry-run", action="store_true", help="only print the command line of each point")
    add("--no-report", dest="report", action="store_false", help="make no report at the end")


def _require_report() -> None:
    """Refuse to run points for hours, and then to have no report of them."""
    from pyg_jets.report.folder import require_report

    try:
        require_report()
    except MissingExtraError as error:
        remedy = str(error).removesuffix(".")
        raise MissingExtraError(f"{remedy}, or scan with --no-report.", name=error.name) from None


def scan(args: argparse.Namespace) -> int:
    """Run the points of a sweep file and write the report; the exit code is 1 if a point failed."""
    from pyg_jets.scan.engine import folder_of, interruptible, run_scan

    if args.report and not args.dry_run:
        _require_report()
    with interruptible():
        counts = run_scan(
            args.file,
            args.out,
            workers=args.workers,
            scheduler=args.scheduler,
            count=args.count,
            dry_run=args.dry_run,
            seed=args.seed,
            command=invocation(),
        )
        if counts["finished"] and args.report and not args.dry_run:
            report_scan(folder_of(args.file, args.out), None, None)
    if counts["failed"]:
        print(f"{counts['failed']} points failed: see above, and log.txt in their folders.",
              file=sys.stderr)  # fmt: skip
    return 1 if counts["failed"] else 0
