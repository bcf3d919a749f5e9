"""One chunk of events, from Pythia through FastJet to jets: what a worker does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.columns import GENERATED
from pyg_jets.errors import InputError
from pyg_jets.events.options import Options
from pyg_jets.events.processes import PROCESSES
from pyg_jets.events.substructure import substructure
from pyg_jets.events.summary import Summary
from pyg_jets.events.truth import EventRecord, find_truth, match
from pyg_jets.files import require
from pyg_jets.jets import JetArray

__all__ = ["check_installed", "check_settings", "generate_chunk", "inside_pythia"]

_NEUTRINOS = (12, 14, 16)
_LARGEST_SEED = 900_000_000  # Pythia's
_STRIDE = 715_827_883  # prime, so that no two chunks of a process share a seed
# Particles further than this many radii outside eta_max are spared the clustering: they alter no
# jet inside it (2,500 QCD and top jets stayed the same to the bit at 2 radii already).
_BEYOND = 3
_PARTON_SHARE = 0.5  # of the radius, within which a jet holds its hard parton
# Bits of a jet's id, from the highest: process, chunk, event in the chunk, jet in the event.
_CHUNK_BITS, _EVENT_BITS, _JET_BITS = 28, 16, 8


def check_installed() -> tuple[Any, Any]:
    """Return the modules pythia8mc and fastjet, or say which extra installs them."""
    return require("pythia8mc", "generate"), require("fastjet", "generate")


def check_settings(process: str, options: Options) -> None:
    """Let Pythia read all settings, without starting it.

    Raises:
        ValueError: Naming the setting that Pythia rejects.
    """
    _configured(process, options)


def _configured(process: str, options: Options) -> Any:
    pythia = check_installed()[0].Pythia("", False)
    for line in options.pythia_settings(process):
        if not pythia.readString(line, False):
            raise InputError(
                f"Pythia rejects the setting {line!r}: look up its name and range in the manual "
                "(https://pythia.org/latest-manual)."
            )
    return pythia


@lru_cache(maxsize=2)
def _initialised(process: str, options: Options) -> Any:
    """A Pythia that is ready, kept by each worker: starting one costs as much as 40 events."""
    pythia = _configured(process, options)
    # The start draws random numbers too, so it has a seed that all chunks share.
    pythia.readString(f"Random:seed = {_seed(options.seed, process)}")
    if not pythia.init():
        raise InputError(
            f"Pythia could not start process {process!r} with pTHat in {options.pthat_range} GeV, "
            f"shower {options.shower!r} and settings {list(options.settings)}: change these."
        )
    return pythia


def _seed(seed: int, process: str, chunk: int = 0) -> int:
    digest = hashlib.sha256(f"{seed}/{process}".encode()).digest()
    return 1 + (int.from_bytes(digest[:8], "big") + chunk * _STRIDE) % _LARGEST_SEED


_watch: list[float] | None = None


@contextmanager
def inside_pythia() -> Iterator[list[float]]:
    """Note the seconds of each call of Pythia's event loop within the block, for benchmarks."""
    global _watch
    _watch = []
    try:
        yield _watch
    finally:
        _watch = None


def generate_chunk(process: str, options: Options, chunk: int) -> tuple[JetArray, Summary]:
    """Generate one chunk: its jets depend on process, options and number only.

    Args:
        process: A name of :data:`pyg_jets.events.processes.PROCESSES`.
        options: What shapes the jets.
        chunk: Number of the chunk, 0 or more.

    Returns:
        The jets over the margin, with every ``gen_…`` column, and the count of losses.

    Raises:
        RuntimeError: If Pythia gives up more than half of the events.
    """
    pythia = _initialised(process, options)
    record = _events(pythia, process, options, chunk)
    reach = options.eta_max + _BEYOND * options.radius
    particles = _visible(record, reach)
    event, momenta, members, member_ptr = _cluster(record, particles, options)
    pt, eta, phi, mass = kinematics.to_cylindrical(*momenta.T)
    y = kinematics.rapidity(pt, eta, mass)
    recipe = PROCESSES[process]
    truth = find_truth(record, recipe.resonance)
    within = options.radius * (1.0 if recipe.resonance else _PARTON_SHARE)
    matched, flavour = match(truth, event, y, phi, within)
    inside, below_top = np.abs(eta) < options.eta_max, pt < options.margin[1]
    wanted = inside & below_top
    keep = wanted & (matched | (not recipe.drop_unmatched))
    lost = wanted & ~keep
    table = _table(pythia, record, members)
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.lexsort((-pt[chosen], event[chosen]))]
    jets = _jets(table, member_ptr, chosen)
    jets = _named(jets, process, chunk, event[chosen])
    found = substructure(jets, options.radius)
    jets = jets.with_jets(
        **{f"gen_{name}": value for name, value in found.items()},
        event=jets.ids >> _JET_BITS,
        matched=matched[chosen].astype(np.int64),
        flavour=flavour[chosen],
    )
    summary = Summary(
        events=len(record),
        failed=options.events_per_chunk - len(record),
        found=len(pt),
        outside_eta=int((~inside).sum()),
        above_margin=int((inside & ~below_top).sum()),
        unmatched=int(lost.sum()),
        unmatched_in_window=_about_window(pt[lost], options)[1],
        **dict(
            zip(("below", "in_window", "above"), _about_window(found["pt"], options), strict=True)
        ),
    )
    return jets, summary


def _about_window(pt: np.ndarray, options: Options) -> tuple[int, int, int]:
    """How many jets are below, in and above the pT window."""
    low, high = options.pt
    under, over = int((pt < low).sum()), int((pt >= high).sum())
    return under, len(pt) - under - over, over


def _events(pythia: Any, process: str, options: Options, chunk: int) -> EventRecord:
    import awkward as ak

    pythia.rndm.init(_seed(options.seed, process, 1 + chunk))
    began = perf_counter()
    events = pythia.nextBatch(options.events_per_chunk).prt
    if _watch is not None:
        _watch.append(perf_counter() - began)
    if 2 * len(events) < options.events_per_chunk:
        raise RuntimeError(
            f"Pythia gave up {options.events_per_chunk - len(events)} of "
            f"{options.events_per_chunk} events of process {process!r} (chunk {chunk}): "
            f"check the settings {list(options.settings)} and the pT window {options.pt}."
        )
    flat = ak.flatten(events)
    names = ("id", "status", "daughter1", "daughter2", "m")
    columns = {name: ak.to_numpy(flat[name]) for name in names}
    columns |= {name: ak.to_numpy(flat["p", name]) for name in ("px", "py", "pz", "e")}
    return EventRecord(np.concatenate(([0], np.cumsum(ak.to_numpy(ak.num(events))))), columns)


def _visible(record: EventRecord, y_max: float = np.inf) -> np.ndarray:
    """Rows of the final particles but neutrinos, with \\|y\\| < ``y_max``."""
    rows = np.flatnonzero(record["status"] > 0)
    near = np.abs(record["pz"][rows]) < np.tanh(y_max) * record["e"][rows]
    return rows[near & ~np.isin(np.abs(record["id"][rows]), _NEUTRINOS)]


def _cluster(
    record: EventRecord, rows: np.ndarray, options: Options
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Anti-kt jets over the margin: event, momentum, rows of the members, pointer to these."""
    import awkward as ak

    fastjet = check_installed()[1]
    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)
    offsets = np.searchsorted(rows, record.offsets)
    names = {"px": "px", "py": "py", "pz": "pz", "E": "e"}
    content = ak.contents.RecordArray(
        [ak.contents.NumpyArray(record[source][rows]) for source in names.values()], list(names)
    )
    events = ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), content))
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, options.radius)
    sequence = fastjet.ClusterSequence(events, definition)
    found = sequence.inclusive_jets(options.margin[0])
    inside = sequence.constituent_index(options.margin[0])
    flat = ak.flatten(found)
    momenta = np.stack([ak.to_numpy(flat[name]) for name in names], -1)
    event = np.repeat(np.arange(len(record)), ak.to_numpy(ak.num(found)))
    counts = ak.to_numpy(ak.num(ak.flatten(inside, axis=1)))
    places = ak.to_numpy(ak.flatten(inside, axis=None)).astype(np.int64)
    members = rows[np.repeat(offsets[event], counts) + places]
    return event, momenta, members, np.concatenate(([0], np.cumsum(counts)))


def _table(pythia: Any, record: EventRecord, rows: np.ndarray) -> np.ndarray:
    """The columns :data:`pyg_jets.columns.GENERATED` of these particles."""
    pt, eta, phi, _ = kinematics.to_cylindrical(
        *(record[name][rows] for name in ("px", "py", "pz", "e"))
    )
    mass = np.maximum(record["m"][rows], 0.0)
    pdgid = record["id"][rows]
    kinds, kind = np.unique(pdgid, return_inverse=True)
    charges = np.array([pythia.particleData.chargeType(int(k)) / 3 for k in kinds])
    columns = {
        "pt": pt,
        "eta": eta,
        "rapidity": kinematics.rapidity(pt, eta, mass),
        "phi": kinematics.delta_phi(phi, np.zeros_like(phi)),
        "mass": mass,
        "charge": charges[kind] if len(rows) else mass,
        "pdgid": pdgid,
    }
    return np.stack([columns[name] for name in GENERATED], -1).astype(np.float32)


def _jets(table: np.ndarray, ptr: np.ndarray, chosen: np.ndarray) -> JetArray:
    """The chosen jets, the hardest constituent first."""
    jets = JetArray(table, GENERATED, ptr)[chosen]
    jet = np.repeat(np.arange(len(jets)), jets.counts)
    order = np.lexsort((-jets.column("pt"), jet))
    return JetArray(jets.particles[order], GENERATED, jets.ptr)


def _named(jets: JetArray, process: str, chunk: int, event: np.ndarray) -> JetArray:
    """Give each jet its id of process, chunk, event and rank in the event, packed."""
    rank = np.arange(len(event)) - np.searchsorted(event, event)
    name = np.full(len(event), list(PROCESSES).index(process), np.int64)
    name = ((name << _CHUNK_BITS | chunk) << _EVENT_BITS | event) << _JET_BITS | rank
    return JetArray(jets.particles, jets.columns, jets.ptr, ids=name)
