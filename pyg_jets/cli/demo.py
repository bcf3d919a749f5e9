"""`pyg-jets demo`: W against QCD jets, from Pythia to a report."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from pyg_jets.errors import FolderInUseError
from pyg_jets.runs import PROVENANCE, is_finished, load_run

__all__ = ["demo"]

#: The arms of the demo: folder, overlay of the shipped configuration, title.
_ARMS = (
    ("plain", None, "PFN, plain"),
    ("pre-aug", "broken_symmetry/arms/pre-aug", "PFN, pre-detector augmentation"),
    ("pre-inv", "broken_symmetry/arms/pre-inv", "PFN, encouraged invariance"),
)


def demo(args: argparse.Namespace, command: str) -> None:
    """Train each arm that is not finished, and write the report."""
    from pyg_jets.report import make_report, summary_table
    from pyg_jets.training.cli import main as train

    start = time.perf_counter()
    runs = [args.out / name for name, _, _ in _ARMS]
    for run, (_, overlay, title) in zip(runs, _ARMS, strict=True):
        if not args.fresh and _is_finished(run, args):
            print(f"{run} is finished and kept (--fresh trains again)")
            continue
        print(f"\n{title} → {run}", flush=True)
        words = ["fit", "--config", "tagger", "--run", run, "--title", title]
        words += ["--overwrite=true", f"--seed_everything={args.seed}"]
        words += ["--config", overlay, "--data.batch_size=64"] if overlay else []
        words += [f"--data.dataset.init_args.root={args.data}"]
        words += [f"--data.dataset.init_args.n_jets={args.jets}"]
        words += [f"--data.dataset.init_args.seed={args.seed}"]
        words += [f"--trainer.max_epochs={args.epochs}"] if args.epochs else []
        train(words)
    page = make_report(runs, args.out / "report", "W against QCD jets", command)
    print(f"\n{summary_table(runs)}\n")
    print(f"The report: {page.resolve()}")
    print(f"The demo took {time.perf_counter() - start:.0f} s.")


def _is_finished(run: Path, args: argparse.Namespace) -> bool:
    """Whether an arm of the demo is done; refuse one that was made of other jets."""
    if not is_finished(run):
        return False
    made = load_run(run, only=(PROVENANCE,)).provenance
    there, asked = (made["seed"], made["content"]["n_jets"]), (args.seed, args.jets)
    if there != asked:
        raise FolderInUseError(
            f"{run} was made with (seed, jets) = {there}, not {asked}: give another --out, "
            "or --fresh to train again."
        )
    return True
