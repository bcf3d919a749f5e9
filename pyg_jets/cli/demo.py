"""`pyg-jets demo`: W against QCD jets, from Pythia to a report."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from pyg_jets.errors import FolderInUseError
from pyg_jets.provenance import invocation
from pyg_jets.runs import PROVENANCE, is_finished, load_run

__all__ = ["add_demo", "demo"]

#: The runs of the demo: folder, overlay of the configuration ``tagger``, title.
_RUNS = (
    ("plain", None, "PFN, plain"),
    ("pre-aug", "broken_symmetry/arms/pre-aug", "PFN, pre-detector augmentation"),
    ("pre-inv", "broken_symmetry/arms/pre-inv", "PFN, encouraged invariance"),
)


def add_demo(commands: argparse._SubParsersAction) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "demo", help="W against QCD jets, from Pythia to a report, in minutes"
    )
    add = command.add_argument
    add("--jets", type=int, default=2000, help="jets of each class (2000)")
    add("--out", type=Path, default=Path("runs/demo"), help="folder (runs/demo)")
    add("--data", type=Path, default=Path("data/pythia"),
        help="folder of the generated jets (data/pythia)")  # fmt: skip
    add("--seed", type=int, default=1, help="seed (1)")
    add("--epochs", type=int, help="at most so many epochs a run")
    add("--fresh", action="store_true", help="train again what is finished")


def demo(args: argparse.Namespace) -> None:
    """Train each run that is not finished, and write the report."""
    from pyg_jets.report import make_report, summary_table
    from pyg_jets.report.folder import require_report
    from pyg_jets.training.cli import main as train

    require_report()  # before minutes are spent
    start = time.perf_counter()
    folders = [args.out / name for name, _, _ in _RUNS]
    for folder, (_, overlay, title) in zip(folders, _RUNS, strict=True):
        if not args.fresh and is_finished(folder):
            _check_same_jets(folder, args)
            print(f"{folder} is finished and kept (--fresh trains again)")
            continue
        print(f"\n{title} → {folder}", flush=True)
        arguments = ["fit", "--config=tagger", f"--run={folder}", f"--title={title}"]
        arguments += ["--overwrite=true", f"--seed_everything={args.seed}"]
        arguments += [f"--config={overlay}", "--data.batch_size=64"] if overlay else []
        arguments += [f"--data.dataset.init_args.root={args.data}"]
        arguments += [f"--data.dataset.init_args.n_jets={args.jets}"]
        arguments += [f"--data.dataset.init_args.seed={args.seed}"]
        arguments += [f"--trainer.max_epochs={args.epochs}"] if args.epochs else []
        train(arguments)
    page = make_report(folders, args.out / "report", "W against QCD jets", invocation())
    print(f"\n{summary_table(folders)}\n")
    print(f"The report: {page.resolve()}")
    print(f"The demo took {time.perf_counter() - start:.0f} s.")


def _check_same_jets(folder: Path, args: argparse.Namespace) -> None:
    """Refuse to report a finished run of other jets beside new ones."""
    made = load_run(folder, only=(PROVENANCE,)).provenance
    before, asked = (made["seed"], made["content"]["n_jets"]), (args.seed, args.jets)
    if before != asked:
        raise FolderInUseError(
            f"{folder} was made with (seed, jets) = {before}, not {asked}: give another --out, "
            "or --fresh to train again."
        )
