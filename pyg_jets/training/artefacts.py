"""What a rotation leaves in an image, after the detector or before it: a folder of measurements."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from pyg_jets import __version__
from pyg_jets.columns import check_names
from pyg_jets.errors import FolderInUseError, InputError
from pyg_jets.files import claim_folder, locked, read_json, write_aside, write_json
from pyg_jets.io import write_parquet
from pyg_jets.jets import JetArray
from pyg_jets.provenance import invocation, timestamp
from pyg_jets.training.artefact_case import Case
from pyg_jets.training.artefact_sources import SOURCES, Source
from pyg_jets.training.textures import FAINT

__all__ = ["ANGLES", "FEWEST", "FILES", "measure_artefacts"]

#: Angles at which the rotations are compared (degrees). A quarter turn maps square pixels onto each
#: other, but already five degrees from it do not.
ANGLES = (5.0, 22.5, 45.0, 67.5, 85.0, 90.0)
#: Events of a source, at least: fifty of either kind for training and as many for the test.
FEWEST = 200
#: What a finished folder holds; the first marks it as one.
FILES = ("artefacts.json", "samples.parquet", "images.npz")


def measure_artefacts(
    out: str | Path,
    n_events: int = 2000,
    sources: Sequence[str] = ("toy", "jets", "digits"),
    seed: int = 1,
    data: str | Path = "data/pythia",
    n_jets: int = 600,
    angles: Sequence[float] = ANGLES,
    workers: int | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Path:
    """Measure how well rotated images are told from un-rotated ones, and write it into a folder.

    Half of the events stay as they are; the others are turned, once as images after the detector
    and once as particles before it. All become images in the same way and with their sum of
    before, so that energy that the interpolation loses gives nothing away. Boosted trees on
    :func:`~pyg_jets.training.textures.textures`, which tell how an image is filled but not what it
    shows, are trained on one half of each kind and tested on the other. An AUC of 0.5 says that the
    rotation left no trace. Digits, which have an upper side, get a random angle each beforehand;
    toys and jets do not, so that for them also the law of the events is tested.

    The folder gets ``artefacts.json`` (a row for each source, detector, rotation and angle),
    ``samples.parquet`` (an event of each, and its eight variants) and ``images.npz`` (average
    images of each class). One with the same arguments is kept.

    Args:
        out: The folder.
        n_events: Number of toys and of digits each.
        sources: Names out of ``toy, jets, digits``.
        seed: Seed of events and detector.
        data: Folder of generated jets; what is missing there is generated.
        n_jets: Number of jets.
        angles: Angles of the rotation (degrees).
        workers: Local processes for generating jets. Default: the number of cores.
        command: The command that asked for it, for the record. Default: this process's.
        progress: Whether to show a progress bar.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder holds something else, is cut short, or was measured with
            other arguments.
        ValueError: For an unknown source, too few events, or an angle that turns nothing.
    """
    arguments = _arguments(n_events, sources, seed, n_jets, angles)
    out = Path(out)
    with locked(out):
        claim_folder(out, FILES[0], "artefacts")
        if _is_finished(out, arguments):
            return out
        if hidden := sorted(path.name for path in out.iterdir()):
            raise FolderInUseError(
                f"{out} is not empty ({', '.join(hidden[:3])}), but artefacts replace the whole "
                "folder: give a new one."
            )
        started = time.perf_counter()
        made = [_source(name, arguments, data, workers) for name in arguments["sources"]]
        found = _measure(made, arguments, progress)
        record = {
            "arguments": arguments,
            "faint": FAINT,
            "version": __version__,
            "date": timestamp(),
            "command": command or invocation(),
        }
        with write_aside(out) as part:
            _write(part, found, {**record, "seconds": round(time.perf_counter() - started, 1)})
    return out


def _arguments(
    n_events: int, sources: Sequence[str], seed: int, n_jets: int, angles: Sequence[float]
) -> dict[str, Any]:
    named = check_names((sources,) if isinstance(sources, str) else sources, SOURCES, "source")
    if not named:
        raise InputError(f"Expected at least one source, but got none: take {', '.join(SOURCES)}.")
    for name, number in (("n_events", n_events), ("n_jets", n_jets)):
        whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
        if not whole or number < FEWEST:
            raise InputError(
                f"Expected {name} as a whole number of at least {FEWEST}, below which the trees "
                f"have too little to learn from, but got {number!r}."
            )
    turns = [float(angle) for angle in angles]
    if not turns or not all(0 < angle < 360 for angle in turns) or len(set(turns)) < len(turns):
        raise InputError(
            f"Expected different angles between 0 and 360 degrees, but got {list(angles)}."
        )
    return {"n_events": int(n_events), "n_jets": int(n_jets) if "jets" in named else None,
            "sources": list(named), "seed": int(seed), "angles": turns}  # fmt: skip


def _is_finished(out: Path, arguments: dict[str, Any]) -> bool:
    if not (out / FILES[0]).exists():
        return False
    if missing := [name for name in FILES if not (out / name).exists()]:
        raise FolderInUseError(
            f"{out} has lost {', '.join(missing)}: remove the folder to measure again."
        )
    kept = read_json(out / FILES[0]).get("arguments", {})
    if other := [name for name in arguments if kept.get(name) != arguments[name]]:
        there, asked = (
            ", ".join(f"{name} {one.get(name)!r}" for name in other) for one in (kept, arguments)
        )
        raise FolderInUseError(
            f"{out} was measured with {there}, not with {asked}: give another folder, or remove "
            "this one."
        )
    return True


def _source(name: str, arguments: dict[str, Any], data: str | Path, workers: int | None) -> Source:
    if name == "jets":
        return SOURCES[name](arguments["n_jets"], arguments["seed"], data=data, workers=workers)
    return SOURCES[name](arguments["n_events"], arguments["seed"])


def _measure(made: Sequence[Source], arguments: dict[str, Any], progress: bool) -> dict[str, Any]:
    """Rows, cases, samples and average images of all sources and detectors."""
    found: dict[str, Any] = {"rows": [], "cases": [], "samples": [], "images": {}}
    total = sum(source.n_events * len(source.detectors) for source in made)
    with tqdm(total=total, unit="event", disable=not progress) as bar, threadpool_limits(1):
        for source in made:
            for name in source.detectors:
                bar.set_description(f"{source.name}, {name}")
                case = Case(source, name, arguments["seed"], arguments["angles"])
                for chunk in source.chunks():
                    case.add(chunk)
                    bar.update(len(chunk))
                found["rows"] += case.rows()
                found["samples"].append(case.sample(len(found["cases"])))
                found["cases"].append(case.described())
                found["images"] |= case.averages()
    return found


def _write(folder: Path, found: dict[str, Any], record: dict[str, Any]) -> None:
    folder.mkdir()
    write_parquet(JetArray.concatenate(found["samples"]), folder / FILES[1])
    np.savez_compressed(folder / FILES[2], **found["images"])
    write_json(folder / FILES[0], {"rows": found["rows"], "cases": found["cases"], **record})
