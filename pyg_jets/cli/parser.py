"""The arguments of every command but the training ones, which LightningCLI parses."""

from __future__ import annotations

import argparse
from pathlib import Path

from pyg_jets import __version__
from pyg_jets.cli.study import add_study
from pyg_jets.events import PythiaOptions

__all__ = ["parser"]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyg-jets",
        description="Jets as variable-length PyTorch Geometric graphs, from Pythia to the report.",
    )
    parser.add_argument("--version", action="version", version=f"pyg_jets {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    _add_generate(verbs)
    _add_datasets(verbs)
    for verb, text in (
        ("fit", "train a tagger, test it, leave a run folder (--config FILE, see fit --help)"),
        ("validate", "run the validation of a configuration"),
        ("test", "test a checkpoint"),
        ("predict", "predict with a checkpoint"),
    ):
        verbs.add_parser(verb, help=text, add_help=False)
    _add_scan(verbs)
    report = verbs.add_parser("report", help="make a page of run folders, or of a scan")
    report.add_argument("runs", nargs="+", type=Path, metavar="RUN",
                        help="run folders, or the folder of a scan")  # fmt: skip
    report.add_argument("--out", type=Path,
                        help="folder of the page (of a scan: its folder report)")  # fmt: skip
    report.add_argument("--title", help="title of the page")
    report.add_argument("--group-by", nargs="+", metavar="FACT",
                        help="of a scan: facts that make a cell (detector network_name, labels, "
                        "n_train)")  # fmt: skip
    report.add_argument("--replicate-by", nargs="+", metavar="FACT",
                        help="of a scan: facts that tell training sets apart (data_hash "
                        "sample.replica)")  # fmt: skip
    add_study(verbs)
    demo = verbs.add_parser("demo", help="W against QCD jets, from Pythia to a report, in minutes")
    demo.add_argument("--jets", type=int, default=2000, help="jets of each class (2000)")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder (runs/demo)")
    demo.add_argument("--data", type=Path, default=Path("data/pythia"),
                      help="folder of the generated jets (data/pythia)")  # fmt: skip
    demo.add_argument("--seed", type=int, default=1, help="seed (1)")
    demo.add_argument("--epochs", type=int, help="at most so many epochs an arm")
    demo.add_argument("--fresh", action="store_true", help="train again what is finished")
    return parser


def _add_scan(verbs: argparse._SubParsersAction) -> None:
    scan = verbs.add_parser(
        "scan",
        help="run a W&B sweep file offline, and report on it",
        description="Run the points of a W&B sweep file inside long-lived workers, one folder a "
        "point. A stopped scan continues where it stopped; what is finished is kept. The same file "
        "works with `wandb sweep FILE` and `wandb agent ID`.",
    )
    add = scan.add_argument
    add("file", metavar="FILE", help="the sweep file, or its name such as broken_symmetry/sweep")
    add("--out", type=Path, metavar="DIR", help="folder of the scan (runs/scans/NAME)")
    add("--workers", type=int, help="local processes of one thread (the number of cores)")
    add("--scheduler", metavar="ADDRESS", help="a Dask scheduler instead, such as tcp://host:8786")
    add("--count", type=int, help="at most so many points")
    add("--seed", type=int, default=0, help="seed of the proposals of random and bayes (0)")
    add("--dry-run", action="store_true", help="only print the command line of each point")
    add("--no-report", dest="report", action="store_false", help="make no report at the end")


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
    usual = PythiaOptions()
    add("--pt", nargs=2, type=float, default=usual.pt, metavar=("MIN", "MAX"),
        help="window of jet pT in GeV ({:g} {:g})".format(*usual.pt))  # fmt: skip
    add("--eta-max", type=float, default=usual.eta_max,
        help=f"largest |eta| of a jet ({usual.eta_max:g})")  # fmt: skip
    add("--radius", type=float, default=usual.radius,
        help=f"radius of the anti-kt jets ({usual.radius:g})")  # fmt: skip
    add("--pthat", nargs=2, type=float, default=usual.pthat, metavar=("LOW", "HIGH"),
        help="range of the hard pT in multiples of the window's edges ({:g} {:g})".format(
            *usual.pthat))  # fmt: skip
    add("--setting", action="append", default=[], dest="settings", metavar="STRING",
        help="further Pythia setting")  # fmt: skip
    add("--shower", default=usual.shower, help=f"simple or vincia ({usual.shower})")
    add("--seed", type=int, default=usual.seed, help=f"seed ({usual.seed})")
    add("--events-per-chunk", type=int, default=usual.events_per_chunk, metavar="N",
        help=f"events that are generated at a time ({usual.events_per_chunk})")  # fmt: skip
    add("--workers", type=int, help="local processes (the number of cores)")
    add("--scheduler", metavar="ADDRESS", help="a Dask scheduler instead, such as tcp://host:8786")
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write to")


def _add_datasets(verbs: argparse._SubParsersAction) -> None:
    datasets = verbs.add_parser(
        "datasets",
        help="list, show, fetch and verify public data sets",
        description="The public data sets of jets that this package reads: what each holds, where "
        "it is from, and what of it is on disk.",
    )
    actions = datasets.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="a table of all, with what is on disk")
    listed.add_argument("--root", type=Path, default=Path("data"), metavar="DIR",
                        help="folder that holds a folder for each (data)")  # fmt: skip
    show = actions.add_parser("show", help="what one holds, its columns, known problems, citation")
    show.add_argument("name", metavar="NAME", help="its name, as in the list")
    fetch = actions.add_parser(
        "fetch",
        help="download what is missing",
        description="Download the files of a data set that are missing in DIR/raw. A broken "
        "download is continued, and every hash is checked. The environment variable "
        "PYG_JETS_MIRROR replaces the host of each address: http://localhost:8000/copy, or a "
        "folder.",
    )
    fetch.add_argument("--quiet", action="store_true", help="show no progress bars")
    verify = actions.add_parser(
        "verify",
        help="check sizes and hashes of what is there",
        description="Hold the files in DIR/raw against their sizes and hashes, without a network. "
        "Where no hash is published, that of the first download counts.",
    )
    for action in (fetch, verify):
        action.add_argument("name", metavar="NAME", help="its name, as in the list")
        action.add_argument("--root", type=Path, metavar="DIR", help="its folder (data/NAME)")
        action.add_argument("--only", nargs="+", metavar="FILE", help="only these files")
        action.add_argument("--split", nargs="+", help="only the files of these splits")
        action.add_argument("--part", nargs="+", help="only the files of these parts")
