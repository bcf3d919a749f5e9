"""What each command does with its arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.provenance import invocation
from pyg_jets.runs import SCAN

__all__ = ["VERBS"]


def _generate(args: argparse.Namespace) -> None:
    from dataclasses import fields

    from pyg_jets.events import PythiaOptions, folder
    from pyg_jets.events.cutflow import cut_flow_table

    options = PythiaOptions(**{f.name: getattr(args, f.name) for f in fields(PythiaOptions)})
    files = folder.generate_folder(
        args.process, args.jets, args.out, options, args.workers, args.scheduler
    )
    print(cut_flow_table(folder.read_cut_flows(args.out)))
    for path in files.values():
        print(path)


def _report(args: argparse.Namespace) -> None:
    scans = [(folder / SCAN).exists() for folder in args.runs]
    if any(scans) and not all(scans):
        raise InputError("Expected runs or scans, but got both: report them one after the other.")
    if all(scans):
        if len(scans) > 1:
            raise InputError(
                f"Expected one scan, but got {len(scans)}: report them one after the other, or "
                "make a study of them."
            )
        _report_of_scan(args.runs[0], args.out, args.title, args.group_by, args.replicate_by)
    elif args.group_by or args.replicate_by:
        raise InputError("--group-by and --replicate-by are for scans, but got runs.")
    else:
        _report_of_runs(args)


def _report_of_runs(args: argparse.Namespace) -> None:
    from pyg_jets.report import (
        generated_table,
        is_generated,
        make_generated_report,
        make_report,
        summary_table,
    )

    if args.out is None:
        raise InputError("Expected --out, the folder of the page, for a report of runs.")
    if any(map(is_generated, args.runs)):
        print(generated_table(args.runs))
        print(make_generated_report(args.runs, args.out, args.title, invocation()).resolve())
        return
    print(summary_table(args.runs))
    print(make_report(args.runs, args.out, args.title, invocation()).resolve())


def _demo(args: argparse.Namespace) -> None:
    from pyg_jets.cli.demo import demo

    demo(args, invocation())


def _scan(args: argparse.Namespace) -> int:
    from pyg_jets.scan.engine import folder_of, scan
    from pyg_jets.scan.interrupt import interruptible

    with interruptible():
        counts = scan(
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
            _report_of_scan(folder_of(args.file, args.out), None, None)
    if counts["failed"]:
        print(f"{counts['failed']} points failed: see above, and log.txt in their folders.",
              file=sys.stderr)  # fmt: skip
    return 1 if counts["failed"] else 0


def _report_of_scan(
    folder: Any,
    out: Any,
    title: str | None,
    group_by: Sequence[str] | None = None,
    replicate_by: Sequence[str] | None = None,
) -> None:
    from pyg_jets.report.scan import make_scan_report, scan_layout, scan_table

    layout = scan_layout(folder, group_by, replicate_by)
    print(scan_table(folder, layout))
    print(make_scan_report(folder, out, title, invocation(), layout).resolve())


def _datasets(args: argparse.Namespace) -> int:
    from pyg_jets.cli.datasets import datasets

    return datasets(args)


def _study(args: argparse.Namespace) -> None:
    from pyg_jets.cli.study import study

    study(args)


#: The function of each command; it may return an exit code.
VERBS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "generate": _generate,
    "datasets": _datasets,
    "report": _report,
    "demo": _demo,
    "scan": _scan,
    "study": _study,
}
