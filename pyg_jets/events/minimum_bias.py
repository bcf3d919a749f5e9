"""Minimum-bias events: the pool from which :class:`pyg_jets.detector.Pileup` draws pile-up."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from pyg_jets.columns import CANONICAL, GENERATED
from pyg_jets.errors import FolderInUseError, InputError
from pyg_jets.events.chunk import (
    chunk_seed,
    particle_table,
    require_generators,
    simulate_events,
)
from pyg_jets.events.clustering import NEUTRINOS
from pyg_jets.events.options import PythiaOptions, check_count, check_positive
from pyg_jets.events.processes import COMMON
from pyg_jets.files import claim_folder, locked, remove_unfinished
from pyg_jets.io import read_parquet, write_parquet
from pyg_jets.io.checksums import read_checked_json, write_checked_json
from pyg_jets.jets import JetArray
from pyg_jets.provenance import versions

__all__ = ["ETA_MAX", "generate_pool", "lacks_events"]

#: No detector of the package sees particles beyond this \\|η\\|.
ETA_MAX = 3.0
#: The file that marks a folder of minimum-bias events.
MARKER = "minimum_bias.json"

_NAME = "minimum_bias"
_SETTINGS = (*COMMON, "SoftQCD:inelastic = on")
_EVENTS_PER_CHUNK = 500


def generate_pool(
    n_events: int = 5000,
    seed: int = 1,
    eta_max: float = ETA_MAX,
    out: str | Path | None = None,
    progress: bool = True,
) -> JetArray:
    """Generate inelastic proton collisions at 13 TeV with Pythia 8 (``SoftQCD:inelastic``).

    Args:
        n_events: Number of events. The first events of a seed do not depend on it.
        seed: Seed of the random numbers, not negative.
        eta_max: Largest \\|η\\| of the particles that are kept.
        out: A folder for chunks of 500 events. Those that it has are not generated again, so a
            stopped generation continues. Default: in memory.
        progress: Whether to show a progress bar.

    Returns:
        An event for each jet of the array, with the stable particles except neutrinos and the
        canonical columns; an event may be empty.

    Raises:
        FileExistsError: If the folder contains something else, or events of other arguments.
        ValueError: For an argument outside its range.
        ModuleNotFoundError: If events lack, and pythia8mc or fastjet is not installed.

    Examples:
        >>> generate_pool(20)  # doctest: +SKIP
        JetArray(20 jets, 1787 particles, columns=(pt, eta, phi, mass, charge, pdgid))
    """
    n_events, seed = check_count("n_events", n_events), check_count("seed", seed, least=0)
    eta_max = check_positive("eta_max", eta_max, 10)
    chunks = range(-(-n_events // _EVENTS_PER_CHUNK))
    bar = tqdm(chunks, _NAME.replace("_", " "), unit="chunk", disable=not progress)
    if out is None:
        return JetArray.concatenate([_generate(seed, eta_max, c) for c in bar])[:n_events]
    out = Path(out)
    with locked(out):
        _claim(out, {"seed": seed, "eta_max": eta_max})
        parts = []
        for chunk in bar:
            events = _read(out, chunk)
            if events is None:
                require_generators()
                _check(out, _version())
                events = _generate(seed, eta_max, chunk)
                write_parquet(events, _file(out, chunk))
            parts.append(events)
    return JetArray.concatenate(parts)[:n_events]


def lacks_events(out: str | Path, n_events: int) -> bool:
    """Whether events have to be generated for a pool of so many in this folder."""
    chunks = range(-(-n_events // _EVENTS_PER_CHUNK))
    return any(_read(Path(out), chunk) is None for chunk in chunks)


def _claim(out: Path, options: dict[str, Any]) -> None:
    """Make the folder, or check that its events are of the same arguments."""
    claim_folder(out, MARKER, "minimum-bias events")
    remove_unfinished(out)
    if not any(out.glob("*.parquet")):  # nothing is made with another version yet
        write_checked_json(out / MARKER, options | _version())
    _check(out, options)


def _version() -> dict[str, Any]:
    """Another version of Pythia gives other events."""
    return {"pythia8mc": versions(("pythia8mc",))["pythia8mc"]}


def _check(out: Path, wanted: dict[str, Any]) -> None:
    existing = read_checked_json(out / MARKER, "give another folder")
    different = [
        f"{name} = {existing.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if existing.get(name) != value
    ]
    if different:
        raise FolderInUseError(
            f"{out} holds minimum-bias events made with {'; '.join(different)}, which would give "
            "other events: give another folder, or the same arguments and version."
        )


def _file(out: Path, chunk: int) -> Path:
    return out / f"{_NAME}-{chunk:08d}.parquet"


def _read(out: Path, chunk: int) -> JetArray | None:
    """The events of a chunk, or ``None`` if its file is missing or damaged."""
    try:
        return read_parquet(_file(out, chunk))
    except (FileNotFoundError, InputError):
        return None


@lru_cache(maxsize=1)
def _start(seed: int) -> Any:
    pythia = require_generators()[0].Pythia("", False)
    for line in (*_SETTINGS, f"Random:seed = {chunk_seed(seed, _NAME)}"):
        pythia.readString(line)
    pythia.init()
    return pythia


def _generate(seed: int, eta_max: float, chunk: int) -> JetArray:
    """One chunk of events. It depends on the seed and the chunk's number only."""
    pythia = _start(seed)
    options = PythiaOptions(seed=seed, events_per_chunk=_EVENTS_PER_CHUNK)
    record = simulate_events(pythia, _NAME, options, chunk)
    rows = np.flatnonzero(record["status"] > 0)
    near = np.abs(record["pz"][rows]) < np.tanh(eta_max) * np.sqrt(
        sum(record[name][rows] ** 2 for name in ("px", "py", "pz"))
    )
    rows = rows[near & ~np.isin(np.abs(record["id"][rows]), NEUTRINOS)]
    ids = chunk * _EVENTS_PER_CHUNK + np.arange(len(record))
    offsets = np.searchsorted(rows, record.offsets)
    events = JetArray(particle_table(pythia, record, rows), GENERATED, offsets, ids=ids)
    return events.select(CANONICAL)
