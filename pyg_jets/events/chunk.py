"""One chunk of events, from Pythia through FastJet to jets: the unit of work of a worker.

The steps, in order: Pythia generates events, FastJet clusters their visible particles, jets are
matched to the hard process, selected, and written as a ragged table with their observables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.columns import GENERATED
from pyg_jets.errors import InputError
from pyg_jets.events.clustering import NEUTRINOS, ClusteredJets, cluster_events
from pyg_jets.events.cutflow import CutFlow, SliceFlow
from pyg_jets.events.options import PythiaOptions
from pyg_jets.events.processes import PROCESSES
from pyg_jets.events.slices import selection_hook, slice_of
from pyg_jets.events.truth_matching import EventRecord, find_truth_particles, match_jets
from pyg_jets.files import require
from pyg_jets.jets import JetArray
from pyg_jets.substructure import substructure

__all__ = [
    "chunk_seed",
    "configure_pythia",
    "event_record",
    "generate_chunk",
    "new_pythia",
    "particle_table",
    "require_generators",
    "simulate_events",
    "start_pythia",
    "time_in_pythia",
]

_LARGEST_SEED = 900_000_000  # Pythia's
_STRIDE = 715_827_883  # prime, so that no two chunks of a process share a seed
# Particles further than this many radii outside eta_max are left out of the clustering: they alter
# no jet inside it (2,500 QCD and top jets stayed the same to the bit at 2 radii already).
_BEYOND = 3
# × the window's lower edge: pT of the shower at which events without a hard jet are dropped.
_DROP_SCALE = 0.05
_PARTON_SHARE = 0.5  # of the radius, within which a jet contains its hard parton
# Bits of a jet's id, from the highest: process, chunk, event in the chunk, jet in the event.
_CHUNK_BITS, _EVENT_BITS, _JET_BITS = 28, 16, 8


def generate_chunk(process: str, options: PythiaOptions, chunk: int) -> tuple[JetArray, CutFlow]:
    """Generate one chunk. Its jets depend on process, options and the chunk's number only.

    Args:
        process: A name of :data:`pyg_jets.events.processes.PROCESSES`.
        options: The options of the jets.
        chunk: Number of the chunk, from 0.

    Returns:
        The jets of the margin with every ``gen_…`` column, and the cut flow.

    Raises:
        RuntimeError: If Pythia gives up more than half of the events.
    """
    pythia = start_pythia(process, options)
    record = simulate_events(pythia, process, options, chunk)
    clustered = _cluster(record, options)
    pt, eta, phi, mass = kinematics.to_cylindrical(*clustered.momenta.T)
    y = kinematics.rapidity(pt, eta, mass)

    recipe = PROCESSES[process]
    truth = find_truth_particles(record, recipe.resonance)
    distance = options.radius * (1.0 if recipe.resonance else _PARTON_SHARE)
    matched, flavour = match_jets(truth, clustered.event, y, phi, distance)

    inside, below_top = np.abs(eta) < options.eta_max, pt < options.margin[1]
    selected = inside & below_top
    keep = selected & (matched | (not recipe.drop_unmatched))
    unmatched = selected & ~keep
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.lexsort((-pt[chosen], clustered.event[chosen]))]

    jets = JetArray(particle_table(pythia, record, clustered.members), GENERATED, clustered.ptr)
    jets = jets[chosen]
    hardest_first = np.lexsort((-jets.column("pt"), np.repeat(np.arange(len(jets)), jets.counts)))
    ids = _make_ids(process, chunk, clustered.event[chosen])
    jets = JetArray(jets.particles[hardest_first], GENERATED, jets.ptr, ids=ids)
    observables = substructure(jets, options.radius)
    jets = jets.with_jets(
        **{f"gen_{name}": value for name, value in observables.items()},
        event=jets.ids >> _JET_BITS,
        matched=matched[chosen].astype(np.int64),
        flavour=flavour[chosen],
    )
    weights = _event_weights(record, process, options, chunk)
    jets = jets.with_jets(
        **{name: w[clustered.event[chosen]].astype(np.float32) for name, w in weights.items()}
    )
    low, high = options.pt
    in_window = (observables["pt"] >= low) & (observables["pt"] < high)
    cut_flow = CutFlow(
        events=len(record),
        failed=options.events_per_chunk - len(record),
        found=len(pt),
        outside_eta=int((~inside).sum()),
        above_margin=int((inside & ~below_top).sum()),
        unmatched=int(unmatched.sum()),
        unmatched_in_window=int((unmatched & (pt >= low) & (pt < high)).sum()),
        below=int((observables["pt"] < low).sum()),
        in_window=int(in_window.sum()),
        above=int((observables["pt"] >= high).sum()),
        slices=_slice_flows(
            pythia, record, weights, clustered.event[chosen][in_window], process, options
        ),
    )
    return jets, cut_flow


def _event_weights(
    record: EventRecord, process: str, options: PythiaOptions, chunk: int
) -> dict[str, np.ndarray]:
    """The weights of each event: ``weight``, and ``weight_…`` with the shower varied.

    Raises:
        RuntimeError: If one is negative or not finite.
    """
    nominal = np.ones(len(record))
    if options.is_weighted:
        nominal = options.event_weights(record.events["pthat"], process)
    weights = {"weight": nominal} if options.is_weighted else {}
    weights |= {
        name: nominal * ratio for name, ratio in record.events.items() if name.startswith("weight_")
    }
    for name, values in weights.items():
        wrong = ~np.isfinite(values.astype(np.float32)) | (values < 0)
        if wrong.any():
            raise RuntimeError(
                f"Pythia gave {int(wrong.sum())} of {len(values)} events of process {process!r} "
                f"(chunk {chunk}) a negative or non-finite {name}, such as {values[wrong][0]:g}: "
                "jets with such weights are refused, because an efficiency with negative weights "
                "has no meaning. Leave out the shower variation or the setting that makes them "
                f"(shower_variations={list(options.shower_variations)}, "
                f"settings={list(options.settings)})."
            )
    return weights


def _slice_flows(
    pythia: Any,
    record: EventRecord,
    weights: dict[str, np.ndarray],
    jet_event: np.ndarray,
    process: str,
    options: PythiaOptions,
) -> tuple[SliceFlow, ...]:
    """Events and jets of the window by slice; none without weights."""
    if not options.is_weighted:
        return ()
    slices, weight = options.slices(process), weights["weight"]
    of_event = slice_of(record.events["pthat"], slices)
    flows = []
    for i, (low, high, slice_weight) in enumerate(slices):
        own = weight[of_event == i]
        of_jets = weight[jet_event][of_event[jet_event] == i]
        hard, total = len(own), float(own.sum())
        if options.drop_pt is not None:
            hard = pythia.hook.hard_processes[i]
            total = hard * slice_weight
        sums = float(of_jets.sum()), float((of_jets**2).sum())
        flows.append(SliceFlow(low, high, hard, total, len(own), len(of_jets), *sums))
    return tuple(flows)


def require_generators() -> tuple[Any, Any]:
    """Return the modules pythia8mc and fastjet.

    Raises:
        ModuleNotFoundError: If one is not installed; the message names the extra.
    """
    return require("pythia8mc", "generate"), require("fastjet", "generate")


def configure_pythia(process: str, options: PythiaOptions) -> Any:
    """A Pythia object that has read all settings, but is not started.

    Raises:
        ValueError: Naming the setting that Pythia rejects.
    """
    pythia = _pythia_class()("", False)
    for line in options.pythia_settings(process):
        if not pythia.readString(line, False):
            raise InputError(
                f"Pythia rejects the setting {line!r}: look up its name and range in the manual "
                "(https://pythia.org/latest-manual)."
            )
    return pythia


@lru_cache
def _pythia_class() -> type:
    class Pythia(require_generators()[0].Pythia):  # type: ignore[misc]
        """Pythia with attributes, since its hooks last only as long as something holds them."""

    return Pythia


@lru_cache(maxsize=2)
def start_pythia(process: str, options: PythiaOptions) -> Any:
    """A Pythia object that generates events of a process.

    Each worker keeps it, as starting one takes as long as 40 events.

    Raises:
        ValueError: If Pythia cannot start with these options.
    """
    return new_pythia(process, options)


def new_pythia(process: str, options: PythiaOptions, hard_process_only: bool = False) -> Any:
    """A Pythia object of its own, as :func:`start_pythia` keeps one.

    Args:
        process: The process.
        options: The options of the jets.
        hard_process_only: Whether to leave out showers, multiple interactions and hadrons.

    Raises:
        ValueError: If Pythia cannot start with these options.
    """
    pythia = configure_pythia(process, options)
    # The start draws random numbers too, so it has a seed that all chunks share.
    pythia.readString(f"Random:seed = {chunk_seed(options.seed, process)}")
    if hard_process_only:
        for line in ("PartonLevel:all = off", "HadronLevel:all = off"):
            pythia.readString(line)
    slices = options.slices(process)
    if options.drop_pt is not None:
        eta_max = options.eta_max + 2 * options.radius
        scale = _DROP_SCALE * options.pt[0]
        pythia.hook = selection_hook(slices, options.drop_pt, scale, eta_max, options.radius)
        pythia.setUserHooksPtr(pythia.hook)
    if not pythia.init():
        raise InputError(
            f"Pythia could not start process {process!r} with pTHat from {slices[0].low:g} to "
            f"{slices[-1].high:g} GeV, "
            f"shower {options.shower!r} and settings {list(options.settings)}: change these."
        )
    return pythia


def chunk_seed(seed: int, process: str, chunk: int = 0) -> int:
    """Pythia's seed for a chunk, different for each chunk of a process.

    Args:
        seed: The seed of the options.
        process: The process.
        chunk: 1 + the number of the chunk; 0 for the start of Pythia.
    """
    digest = hashlib.sha256(f"{seed}/{process}".encode()).digest()
    return 1 + (int.from_bytes(digest[:8], "big") + chunk * _STRIDE) % _LARGEST_SEED


_seconds: list[float] | None = None


@contextmanager
def time_in_pythia() -> Iterator[list[float]]:
    """Record the seconds of each call of Pythia's event loop within the block, for benchmarks."""
    global _seconds
    _seconds = []
    try:
        yield _seconds
    finally:
        _seconds = None


def simulate_events(pythia: Any, process: str, options: PythiaOptions, chunk: int) -> EventRecord:
    """The event records of a chunk.

    Args:
        pythia: From :func:`start_pythia`.
        process: The process.
        options: The options of the jets.
        chunk: Number of the chunk, from 0.

    Raises:
        RuntimeError: If Pythia gives up more than half of the events.
    """
    pythia.rndm.init(chunk_seed(options.seed, process, 1 + chunk))
    began = perf_counter()
    if (hook := getattr(pythia, "hook", None)) is not None:
        hook.start_counting()
    batch = pythia.nextBatch(options.events_per_chunk)
    if _seconds is not None:
        _seconds.append(perf_counter() - began)
    if 2 * len(batch) < options.events_per_chunk:
        raise RuntimeError(
            f"Pythia gave up {options.events_per_chunk - len(batch)} of "
            f"{options.events_per_chunk} events of process {process!r} (chunk {chunk}): "
            f"check the settings {list(options.settings)} and the pT window {options.pt}."
        )
    return event_record(batch, options.shower_variations)


def event_record(batch: Any, variations: Sequence[str] = ()) -> EventRecord:
    """The event records and weights that ``Pythia.nextBatch`` hands out, as flat columns.

    Args:
        batch: What it handed out.
        variations: Names of the shower variations, in the order in which Pythia was given them.
    """
    import awkward as ak

    events = batch.prt
    flat = ak.flatten(events)
    names = ("id", "status", "daughter1", "daughter2", "m")
    columns = {name: ak.to_numpy(flat[name]) for name in names}
    columns |= {name: ak.to_numpy(flat["p", name]) for name in ("px", "py", "pz", "e")}
    offsets = np.concatenate(([0], np.cumsum(ak.to_numpy(ak.num(events)))))
    of_events = {"pthat": np.sqrt(ak.to_numpy(batch.info.pT2Hat))}
    if variations:
        # The nominal weight comes first, then those of the variations in the order asked for.
        weights = ak.to_numpy(batch.info.weights)
        for i, name in enumerate(variations):
            of_events[f"weight_{name}"] = weights[:, 1 + i] / weights[:, 0]
    return EventRecord(offsets, columns, of_events)


def _cluster(record: EventRecord, options: PythiaOptions) -> ClusteredJets:
    """Cluster the stable particles of each event except neutrinos; members are its rows."""
    rows = np.flatnonzero(record["status"] > 0)
    reach = np.tanh(options.eta_max + _BEYOND * options.radius)
    near = np.abs(record["pz"][rows]) < reach * record["e"][rows]
    rows = rows[near & ~np.isin(np.abs(record["id"][rows]), NEUTRINOS)]
    momenta = np.stack([record[name][rows] for name in ("px", "py", "pz", "e")], -1)
    offsets = np.searchsorted(rows, record.offsets)
    jets = cluster_events(momenta, offsets, options.radius, min_pt=options.margin[0])
    return jets._replace(members=rows[jets.members])


def particle_table(pythia: Any, record: EventRecord, rows: np.ndarray) -> np.ndarray:
    """The columns :data:`pyg_jets.columns.GENERATED` of particles of the event record.

    Args:
        pythia: From :func:`start_pythia`.
        record: The events.
        rows: Rows of the particles, ``[n]``.
    """
    pt, eta, phi, _ = kinematics.to_cylindrical(
        *(record[name][rows] for name in ("px", "py", "pz", "e"))
    )
    mass = np.maximum(record["m"][rows], 0.0)
    pdgid = record["id"][rows]
    species, index = np.unique(pdgid, return_inverse=True)
    charges = np.array([pythia.particleData.chargeType(int(code)) / 3 for code in species])
    columns = {
        "pt": pt,
        "eta": eta,
        "rapidity": kinematics.rapidity(pt, eta, mass),
        "phi": kinematics.delta_phi(phi, np.zeros_like(phi)),
        "mass": mass,
        "charge": charges[index] if len(rows) else mass,
        "pdgid": pdgid,
    }
    return np.stack([columns[name] for name in GENERATED], -1).astype(np.float32)


def _make_ids(process: str, chunk: int, event: np.ndarray) -> np.ndarray:
    """Ids of jets: process, chunk, event and rank in the event, packed in 64 bits."""
    rank = np.arange(len(event)) - np.searchsorted(event, event)
    ids = np.full(len(event), list(PROCESSES).index(process), np.int64)
    return ((ids << _CHUNK_BITS | chunk) << _EVENT_BITS | event) << _JET_BITS | rank
