"""`pyg-jets generate`: jets of Pythia and FastJet as Parquet files."""

from __future__ import annotations

import argparse
from pathlib import Path

from pyg_jets.events import PythiaOptions

__all__ = ["add_generate", "generate"]


def add_generate(commands: argparse._SubParsersAction) -> None:
    """Add the command to a parser."""
    generate = commands.add_parser(
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


def generate(args: argparse.Namespace) -> None:
    """Generate jets, and print a summary and the files."""
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
