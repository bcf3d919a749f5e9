"""`pyg-jets generate`: jets of Pythia and FastJet as Parquet files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pyg_jets.events import PythiaOptions
from pyg_jets.events.variations import HADRONIZATIONS, SHOWER_VARIATIONS, TUNES

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
    add("--pthat", nargs="+", action=_PtHat, default=usual.pthat, metavar="X",
        help="pT of the hard process: sliced, biased, LOW HIGH in multiples of the window's edges, "
        f"or slices LOW:HIGH:WEIGHT ({usual.pthat})")  # fmt: skip
    add("--setting", action="append", default=[], dest="settings", metavar="STRING",
        help="further Pythia setting")  # fmt: skip
    add("--shower", default=usual.shower, help=f"simple or vincia ({usual.shower})")
    add("--seed", type=int, default=usual.seed, help=f"seed ({usual.seed})")
    add("--events-per-chunk", type=int, default=usual.events_per_chunk, metavar="N",
        help=f"events that are generated at a time ({usual.events_per_chunk})")  # fmt: skip
    add("--tune", type=_tune, default=usual.tune, metavar="T",
        help=f"tune: {', '.join(TUNES)}, or Pythia's number of it")  # fmt: skip
    add("--hadronization", default=usual.hadronization, metavar="H",
        help=f"{', '.join(HADRONIZATIONS)} ({usual.hadronization})")  # fmt: skip
    add("--shower-variations", nargs="*", action=_Variations, default=usual.shower_variations,
        metavar="V", help="a weight for each of these scales of the shower, all without a name: "
        + ", ".join(SHOWER_VARIATIONS))  # fmt: skip
    add("--workers", type=int, help="local processes (the number of cores)")
    add("--scheduler", metavar="ADDRESS", help="a Dask scheduler instead, such as tcp://host:8786")
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write to")


class _PtHat(argparse.Action):
    """A word, a pair of numbers, or slices ``LOW:HIGH:WEIGHT``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        try:
            parts: Any = [[float(v) for v in word.split(":")] for word in values]
        except ValueError:
            parts = values if len(values) > 1 else values[0]
        else:
            if all(len(part) == 1 for part in parts):
                parts = [part[0] for part in parts]
        setattr(namespace, self.dest, parts)


class _Variations(argparse.Action):
    """Names, or none for all of them."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, tuple(values) or True)


def _tune(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def generate(args: argparse.Namespace) -> None:
    """Generate jets, and print a summary and the files."""
    from dataclasses import fields

    from pyg_jets.events import PythiaOptions, folder
    from pyg_jets.events.cutflow import cut_flow_table, slice_table

    options = PythiaOptions(**{f.name: getattr(args, f.name) for f in fields(PythiaOptions)})
    files = folder.generate_folder(
        args.process, args.jets, args.out, options, args.workers, args.scheduler
    )
    cut_flows = folder.read_cut_flows(args.out)
    print(cut_flow_table(cut_flows))
    if by_slice := slice_table(cut_flows, folder.read_cross_sections(args.out)):
        print(by_slice)
    for path in files.values():
        print(path)
