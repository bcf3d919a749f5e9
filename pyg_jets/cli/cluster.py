"""`pyg-jets cluster`: jets of one's own events as a Parquet file."""

from __future__ import annotations

import argparse
from math import inf
from pathlib import Path

from pyg_jets.errors import InputError
from pyg_jets.events.clustering import ALGORITHMS, ClusteringOptions

__all__ = ["add_cluster", "cluster"]


def add_cluster(commands: argparse._SubParsersAction) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "cluster",
        help="find the jets of your own events with FastJet",
        description="Find the jets of events with FastJet, and write them with all their "
        "constituents and observables to a Parquet file, which JetFiles and predict read. FILE is "
        "HepMC (3 or 2, plain, gzip, zstd), NanoAOD with particle-flow candidates, HDF5 with "
        "rows pt, eta, phi, … as those of the LHC Olympics, or has columns px, py, pz, E or pt, "
        "eta, phi, mass (parquet, ROOT, npz, HDF5). What was killed continues where it stopped.",
    )
    add, usual = command.add_argument, ClusteringOptions()
    add("files", nargs="+", metavar="FILE", help="files or patterns; NAME=FILE to label events")
    add("--out", type=Path, required=True, metavar="FILE", help="parquet file to write")
    add("--radius", type=float, default=usual.radius, help=f"radius of the jets ({usual.radius:g})")
    add("--algorithm", default=usual.algorithm,
        help=f"{', '.join(ALGORITHMS)} ({usual.algorithm})")  # fmt: skip
    add("--pt", nargs="+", type=float, default=[usual.pt[0]], metavar="GEV",
        help=f"lowest and maybe highest pT of a jet ({usual.pt[0]:g})")  # fmt: skip
    add("--eta-max", type=float, default=usual.eta_max,
        help=f"largest |eta| of a jet ({usual.eta_max:g})")  # fmt: skip
    add("--max-jets", type=int, metavar="N", help="the N hardest jets of each event (all)")
    add("--grooming", metavar="NAME",
        help="softdrop or trimmed, with parameters such as trimmed_r0.3_f0.05 (none)")  # fmt: skip
    add("--columns", nargs="+", metavar="NAME=COLUMN",
        help="where pt, eta, … of the particles are (found by name)")  # fmt: skip
    add("--label", metavar="COLUMN", help="column with the label of an event")
    add("--classes", nargs="+", default=(), metavar="NAME",
        help="classes in the order of the labels 0, 1, …")  # fmt: skip
    add("--weight", metavar="COLUMN", help="column with the weight of an event, or name in HepMC")
    add("--tree", help="tree of ROOT files that are no NanoAOD")
    add("--level", help="gen or reco, for the names of jet columns (gen for HepMC, else reco)")
    add("--no-puppi", dest="puppi", action="store_false", help="leave PUPPI weights alone")
    add("--drop-bad", action="store_true", help="leave out events with a NaN or a negative energy")
    add("--workers", type=int, help="local processes (the number of cores)")
    add("--scheduler", metavar="ADDRESS", help="a Dask scheduler instead, such as tcp://host:8786")
    add("--overwrite", action="store_true", help="write over a file that is there")


def cluster(args: argparse.Namespace) -> None:
    """Find the jets, and print their number and the file."""
    from pyg_jets.datasets.cluster_files import cluster_files
    from pyg_jets.io.parquet import open_parquet

    if len(args.pt) > 2:
        raise InputError(f"Expected --pt with a lowest and maybe a highest pT, but got {args.pt}.")
    low, high = [*args.pt, inf][:2]
    options = ClusteringOptions(
        args.radius, args.algorithm, (low, high), args.eta_max, args.max_jets, args.grooming
    )
    same = ("label", "weight", "tree", "level", "puppi", "drop_bad", "workers", "scheduler")
    out = cluster_files(
        _by_class(args.files), args.out, options,
        columns=None if args.columns is None else dict(_pair(one) for one in args.columns),
        classes=tuple(args.classes), overwrite=args.overwrite,
        **{name: getattr(args, name) for name in same},
    )  # fmt: skip
    with open_parquet(out) as file:
        print(f"{file.metadata.num_rows:,} jets")
    print(out)


def _by_class(files: list[str]) -> list[str] | dict[str, list[str]]:
    """The files, by their class where each is given as ``NAME=FILE``."""
    named = ["=" in name and not Path(name).exists() for name in files]
    if not any(named):
        return files
    if not all(named):
        raise InputError(
            f"Expected all files as NAME=FILE or none, but got {' '.join(files[:4])}: name a class "
            "for each."
        )
    groups: dict[str, list[str]] = {}
    for name, path in map(_pair, files):
        groups.setdefault(name, []).append(path)
    return groups


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"Expected NAME=VALUE, but got {text!r}.")
    return name, value
