"""`pyg-jets report`: pages of runs and of scans."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pyg_jets.errors import InputError
from pyg_jets.provenance import invocation
from pyg_jets.runs import SCAN

__all__ = ["add_report", "report", "report_scan"]


def add_report(commands: argparse._SubParsersAction) -> None:
    """Add the command to a parser."""
    command = commands.add_parser("report", help="make a page of run folders, or of a scan")
    add = command.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or the folder of a scan")
    add("--out", type=Path, help="folder of the page (of a scan: its folder report)")
    add("--title", help="title of the page")
    add("--format", nargs="+", default=["png"], metavar="FORMAT", dest="formats",
        help="files of the figures beside the page: png, svg or pdf, or several (png)")  # fmt: skip
    text = "of a scan: facts that make a cell (detector network_name, labels, n_train)"
    add("--group-by", nargs="+", metavar="FACT", help=text)
    text = "of a scan: facts that tell training sets apart (data_hash sample.replica)"
    add("--replicate-by", nargs="+", metavar="FACT", help=text)


def report(args: argparse.Namespace) -> None:
    """Write the page of runs or of a scan."""
    scans = [(folder / SCAN).exists() for folder in args.runs]
    if any(scans) and not all(scans):
        raise InputError("Expected runs or scans, but got both: report them one after the other.")
    if not all(scans):
        if args.group_by or args.replicate_by:
            raise InputError("--group-by and --replicate-by are for scans, but got runs.")
        _report_runs(args)
        return
    if len(scans) > 1:
        raise InputError(
            f"Expected one scan, but got {len(scans)}: report them one after the other, or make a "
            "study of them."
        )
    report_scan(args.runs[0], args.out, args.title, args.group_by, args.replicate_by, args.formats)


def report_scan(
    folder: Path,
    out: Path | None = None,
    title: str | None = None,
    group_by: Sequence[str] | None = None,
    replicate_by: Sequence[str] | None = None,
    formats: Sequence[str] = ("png",),
) -> None:
    """Print the table of a scan, and write its page.

    Args:
        folder: The folder of the scan.
        out: The folder of the page. Default: ``report`` in the scan's folder.
        title: The title of the page. Default: the scan's name.
        group_by: Facts of a run that make a cell of the table. Default: its labels, if it has any.
        replicate_by: Facts that tell repeated trainings of a cell apart.
        formats: Formats of the files of figures.
    """
    from pyg_jets.report.scan import make_scan_report, scan_layout, scan_table

    layout = scan_layout(folder, group_by, replicate_by)
    print(scan_table(folder, layout))
    print(make_scan_report(folder, out, title, invocation(), layout, formats).resolve())


def _report_runs(args: argparse.Namespace) -> None:
    from pyg_jets.report import (
        generated_table,
        is_generated,
        make_generated_report,
        make_report,
        summary_table,
    )

    if args.out is None:
        raise InputError("Expected --out, the folder of the page, for a report of runs.")
    asked = args.runs, args.out, args.title, invocation(), args.formats
    if any(map(is_generated, args.runs)):
        print(generated_table(args.runs))
        print(make_generated_report(*asked).resolve())
        return
    print(summary_table(args.runs))
    print(make_report(*asked).resolve())
