"""The command ``pyg-jets``: generate, fit, validate, test, predict, report, demo."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from pyg_jets import __version__
from pyg_jets.files import read_json

__all__ = ["main"]

_PACKAGE = Path(__file__).parent
_TRAINING = ("fit", "validate", "test", "predict")
_USER_ERRORS = (ValueError, TypeError, FileNotFoundError, FileExistsError, ModuleNotFoundError)

#: The arms of the demo: folder, overlay of the shipped configuration, title.
_ARMS = (
    ("plain", None, "PFN, plain"),
    ("pre-aug", "pre-aug.yaml", "PFN, pre-detector augmentation"),
    ("pre-inv", "pre-inv.yaml", "PFN, encouraged invariance"),
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyg-jets",
        description="Jets as variable-length PyTorch Geometric graphs, from Pythia to the report.",
    )
    parser.add_argument("--version", action="version", version=f"pyg_jets {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    _add_generate(verbs)
    for verb, text in (
        ("fit", "train a tagger, test it, leave a run folder (--config FILE, see fit --help)"),
        ("validate", "run the validation of a configuration"),
        ("test", "test a checkpoint"),
        ("predict", "predict with a checkpoint"),
    ):
        verbs.add_parser(verb, help=text, add_help=False)
    report = verbs.add_parser("report", help="make a page of run folders")
    report.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    report.add_argument("--out", type=Path, required=True, help="folder of the page")
    report.add_argument("--title", help="title of the page")
    demo = verbs.add_parser("demo", help="W against QCD jets, from Pythia to a report, in minutes")
    demo.add_argument("--jets", type=int, default=2000, help="jets of each class (2000)")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder (runs/demo)")
    demo.add_argument("--data", type=Path, default=Path("data/pythia"),
                      help="folder of the generated jets (data/pythia)")  # fmt: skip
    demo.add_argument("--seed", type=int, default=1, help="seed (1)")
    demo.add_argument("--epochs", type=int, help="at most so many epochs an arm")
    demo.add_argument("--fresh", action="store_true", help="train again what is finished")
    return parser


def _add_generate(verbs: argparse._SubParsersAction) -> None:
    generate = verbs.add_parser(
        "generate",
        help="generate jets with Pythia and FastJet",
        description="Generate jets with Pythia 8 and FastJet into DIR/PROCESS.parquet. A stopped "
        "generation continues where it stopped.",
    )
    add = generate.add_argument
    add("--process", nargs="+", required=True, metavar="P", help="qcd quark gluon w z top")
    add("--jets", type=int, required=True, help="jets of each process inside the pT window")
    add("--pt", nargs=2, type=float, default=(500.0, 600.0), metavar=("MIN", "MAX"),
        help="window of jet pT in GeV (500 600)")  # fmt: skip
    add("--eta-max", type=float, default=2.0, help="largest |eta| of a jet (2)")
    add("--radius", type=float, default=0.8, help="radius of the anti-kt jets (0.8)")
    add("--pthat", nargs=2, type=float, default=(0.8, 1.6), metavar=("LOW", "HIGH"),
        help="range of the hard pT in multiples of the window's edges (0.8 1.6)")  # fmt: skip
    add("--setting", action="append", default=[], metavar="STRING", help="further Pythia setting")
    add("--shower", default="simple", help="simple or vincia (simple)")
    add("--seed", type=int, default=0, help="seed (0)")
    add("--workers", type=int, help="local processes (the number of cores)")
    add("--scheduler", metavar="ADDRESS", help="a Dask scheduler instead, such as tcp://host:8786")
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write to")


def _generate(args: argparse.Namespace) -> None:
    from pyg_jets.events import generation
    from pyg_jets.events.summary import summary_table

    files = generation.generate_folder(
        args.process,
        args.jets,
        args.out,
        pt=tuple(args.pt),
        eta_max=args.eta_max,
        radius=args.radius,
        pthat=tuple(args.pthat),
        settings=tuple(args.setting),
        shower=args.shower,
        seed=args.seed,
        workers=args.workers,
        scheduler=args.scheduler,
    )
    print(summary_table(generation.read_summaries(args.out)))
    for path in files.values():
        print(path)


def _report(args: argparse.Namespace) -> None:
    from pyg_jets.report import make_report, summary_table

    print(summary_table(args.runs))
    print(make_report(args.runs, args.out, args.title, _command()).resolve())


def _demo(args: argparse.Namespace) -> None:
    from pyg_jets.report import make_report, summary_table
    from pyg_jets.training.cli import main as train

    start = time.perf_counter()
    configs = _PACKAGE / "configs"
    runs = [args.out / name for name, _, _ in _ARMS]
    for run, (_, overlay, title) in zip(runs, _ARMS, strict=True):
        if not args.fresh and _is_finished(run, args):
            print(f"{run} is finished and kept (--fresh trains again)")
            continue
        print(f"\n{title} → {run}", flush=True)
        words = ["fit", "--config", configs / "tagger.yaml", "--run", run, "--title", title]
        words += ["--overwrite=true", f"--seed_everything={args.seed}"]
        words += ["--config", configs / overlay] if overlay else []
        words += [f"--data.dataset.init_args.root={args.data}"]
        words += [f"--data.dataset.init_args.n_jets={args.jets}"]
        words += [f"--data.dataset.init_args.seed={args.seed}"]
        words += [f"--trainer.max_epochs={args.epochs}"] if args.epochs else []
        train(words)
    page = make_report(runs, args.out / "report", "W against QCD jets", _command())
    print(f"\n{summary_table(runs)}\n")
    print(f"The report: {page.resolve()}")
    print(f"The demo took {time.perf_counter() - start:.0f} s.")


def _command() -> str:
    return " ".join(["pyg-jets", *sys.argv[1:]])


def _is_finished(run: Path, args: argparse.Namespace) -> bool:
    """Whether an arm of the demo is done; refuse one that was made of other jets."""
    if not (run / "metrics.json").exists():
        return False
    made = read_json(run / "provenance.json")
    there, asked = (made["seed"], made["content"]["n_jets"]), (args.seed, args.jets)
    if there != asked:
        raise FileExistsError(
            f"{run} was made with (seed, jets) = {there}, not {asked}: give another --out, "
            "or --fresh to train again."
        )
    return True


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
        args = _parser().parse_args(words)
        {"generate": _generate, "report": _report, "demo": _demo}[args.verb](args)
    except _USER_ERRORS as error:
        ours = _ours(error)
        if ours is None:
            raise
        print(f"pyg-jets: {ours}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
