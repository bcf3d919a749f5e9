"""`pyg-jets study`: list, show and run studies, and write their pages."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

__all__ = ["add_study", "study"]


def add_study(verbs: argparse._SubParsersAction) -> None:
    """Add the command and its actions to a parser."""
    command = verbs.add_parser(
        "study",
        help="list, show and run studies, and write their pages",
        description="A study is a folder of configurations, sweep files, measurements and a page: "
        "one of this package by its name, or one of your own by its path.",
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="all studies of this package, and what they cost")
    show = actions.add_parser("show", help="what a study asks, and how it is run")
    run = actions.add_parser(
        "run",
        help="run the scans and measurements of a study, and write its page",
        description="Run the scans and measurements of a study, and write its page. A stopped run "
        "continues where it stopped; what is finished is kept.",
    )
    page = actions.add_parser("page", help="write the page of a study from what was run")
    for action in (show, run, page):
        action.add_argument("study", metavar="STUDY", help="name of a study, or a folder")
    for action in (run, page):
        action.add_argument("--quick", action="store_true", help="the same page in minutes, with "
                            "fewer jets, in runs/studies/STUDY-quick")  # fmt: skip
        action.add_argument("--format", nargs="+", default=["png"], metavar="FORMAT",
                            help="also write the figures as svg or pdf, for a paper")  # fmt: skip
    run.add_argument("--workers", type=int, help="local processes (the number of cores)")
    run.add_argument("--out", type=Path, metavar="DIR",
                     help="folder of the run and its page (runs/studies/STUDY)")  # fmt: skip
    run.add_argument("--only", nargs="+", metavar="SECTION",
                     help="run only these of the sections that study show lists")  # fmt: skip
    run.add_argument("--from", type=Path, nargs="+", metavar="FILE", dest="archives", default=(),
                     help="go on from archives of another run's points and measurements "
                     "(STUDY-points.tar.gz, STUDY-measures.tar.gz)")  # fmt: skip
    page.add_argument("--run", type=Path, metavar="DIR", help="folder of the run")
    page.add_argument("--points", type=Path, nargs="+", metavar="FILE",
                      help="archives of points and measurements (STUDY-points.tar.gz, "
                      "STUDY-measures.tar.gz) instead of a run")  # fmt: skip
    page.add_argument("--out", type=Path, metavar="DIR", help="folder of the page")


def study(args: argparse.Namespace) -> None:
    """Do what ``pyg-jets study`` asks for."""
    from pyg_jets.scan.engine import interruptible
    from pyg_jets.studies import Study, StudyRun, list_studies, run_study, write_pages
    from pyg_jets.studies.archive import unpack, unpacked

    if args.action == "list":
        studies = [Study.load(name) for name in list_studies()]
        for each in studies:
            print(f"{each.name:<18}{each.title}")
            print(f"{'':<18}{_cost(each)}")
        return
    chosen = Study.load(args.study)
    if args.action == "show":
        print(f"{chosen.name}: {chosen.title}")
        print(f"folder: {chosen.folder}")
        if chosen.head.get("source"):
            print(f"source: {chosen.head['source']}")
        print(f"sweep files: {', '.join(chosen.sweeps) or 'none'}; "
              f"quick: {', '.join(chosen.quick) or 'none'}")  # fmt: skip
        if sections := chosen.sections:
            print(f"sections: {', '.join(section.name for section in sections)}")
        print(f"{_cost(chosen)}\n\n{chosen.text}")
    elif args.action == "run":
        with interruptible():
            run = StudyRun(chosen, args.out, args.quick, args.workers, only=args.only)
            unpack(chosen, args.archives, run.folder)
            cost = chosen.head.get("quick_cost" if args.quick else "cost") or "not known"
            print(f"{chosen.title}, in {run.folder}; costs {cost}.", flush=True)
            for path in run_study(run, args.format):
                print(path.resolve())
    else:
        archived = unpacked(chosen, args.points) if args.points else None
        with archived or contextlib.nullcontext(args.run) as folder:
            out = args.out
            if args.points and out is None:  # where the run itself would write it
                out = StudyRun(chosen, quick=args.quick).out
            run = StudyRun(chosen, folder, args.quick, out=out, only_read=True)
            for path in write_pages(run, args.format):
                print(path.resolve())


def _cost(chosen: object) -> str:
    head = getattr(chosen, "head", {})
    full, quick = head.get("cost") or "not known", head.get("quick_cost") or "not known"
    return f"costs: {full}; with --quick: {quick}"
