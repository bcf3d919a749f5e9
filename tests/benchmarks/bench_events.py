"""Events to jets: rows as the LHC Olympics publish them, on one core, against FastJet by hand.

Ours reads the file, clusters, and computes all observables of each jet; the peer clusters the same
events one particle at a time through FastJet's Python bindings, and computes pT, η, φ and mass.
"""

from __future__ import annotations

from math import inf
from pathlib import Path

import h5py
import numpy as np
import torch

from pyg_jets.datasets.event_reader import EventReader
from pyg_jets.datasets.event_sources import EventRowsReader
from pyg_jets.datasets.reader import RawFile
from pyg_jets.events.clustering import NEUTRINOS, ClusteringOptions
from pyg_jets.jets import JetArray
from tests.benchmarks.harness import Row, alternate
from tests.events.by_hand import by_hand

__all__ = ["OPTIONS", "find_all", "massless", "olympics_like", "run"]

N_EVENTS, N_PARTICLES = 1000, 700
OPTIONS = ClusteringOptions(radius=1.0, pt=(200, inf), eta_max=2.5)
#: QCD dijets and a W′ of 3.5 TeV that decays to W and Z, both to quarks.
_PROCESSES = (
    ("HardQCD:all = on", "PhaseSpace:pTHatMin = 1200"),
    ("NewGaugeBoson:ffbar2Wprime = on", "34:m0 = 3500", "34:onMode = off", "34:onIfMatch = 24 23",
     "24:onMode = off", "24:onIfAny = 1 2 3 4 5", "23:onMode = off", "23:onIfAny = 1 2 3 4 5",
     "Wprime:coup2WZ = 1"),
)  # fmt: skip


def olympics_like(path: Path, n_events: int = N_EVENTS, seed: int = 5) -> Path:
    """Write Pythia's events in the layout of the LHC Olympics, a tenth of them signal.

    A row has the 700 hardest visible particles with |η| < 2.5 as (pt, eta, phi), zero-padded, and
    the label, in a frame of pandas in the fixed format.
    """
    import pandas as pd
    import pythia8mc

    n_signal = n_events // 10
    rows = np.zeros((n_events, 3 * N_PARTICLES + 1))
    for label, (n, first) in enumerate(((n_events - n_signal, 0), (n_signal, n_events - n_signal))):
        pythia = pythia8mc.Pythia("", False)
        for line in (*_PROCESSES[label], "Beams:eCM = 13000", "Print:quiet = on",
                     "Random:setSeed = on", f"Random:seed = {seed}"):  # fmt: skip
            if not pythia.readString(line):
                raise ValueError(f"Pythia rejects {line!r}.")
        pythia.init()
        for row, event in zip(rows[first:], pythia.nextBatch(n).prt, strict=False):
            stable = (event.status > 0) & ~np.isin(np.abs(event.id), NEUTRINOS)
            px, py, pz = (np.asarray(event.p[name][stable]) for name in ("px", "py", "pz"))
            pt = np.hypot(px, py)
            particles = np.stack((pt, np.arcsinh(pz / pt), np.arctan2(py, px)), -1)
            particles = particles[(np.abs(particles[:, 1]) < 2.5)]
            particles = particles[np.argsort(-particles[:, 0])][:N_PARTICLES]
            row[: particles.size] = particles.ravel()
        rows[first : first + n, -1] = label
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_hdf(path, key="df", mode="w", complevel=5)
    return path


def find_all(path: Path) -> JetArray:
    """The jets of a file, in blocks of events."""
    reader = EventReader(EventRowsReader(2, N_PARTICLES), OPTIONS)
    names = reader.file_columns(path).particles
    chunks = reader.chunks(RawFile(path, 0), names, 0, 512, False)
    return JetArray.concatenate([chunk.jets for chunk in chunks])


def massless(path: Path) -> list[np.ndarray]:
    """The particles of each event as (pt, eta, phi, 0), by h5py."""
    with h5py.File(path) as file:
        table = file["df/block0_values"][:, :-1].reshape(-1, N_PARTICLES, 3)
    return [np.column_stack((row[real := row[:, 0] > 0], np.zeros(real.sum()))) for row in table]


def run() -> list[Row]:
    """Milliseconds an event on one core."""
    path = Path("data/benchmarks") / f"olympics-{N_EVENTS}.h5"
    if not path.exists():
        olympics_like(path)
    events, threads = massless(path), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours, peer = alternate(
            lambda: find_all(path),
            lambda: by_hand(events, OPTIONS.radius, "antikt", OPTIONS.pt, OPTIONS.eta_max),
            3,
        )
    finally:
        torch.set_num_threads(threads)
    rate, jets = len(events) / ours, len(find_all(path))
    return [
        Row(
            "events to jets, LHC Olympics",
            ours=ours / len(events) * 1e3,
            peer=peer / len(events) * 1e3,
            ratio=peer / ours,
            unit="ms/event",
            asked="≥ 500 events/s a core",
            fulfilled=rate >= 500,
            note=f"{rate:.0f} events/s a core; {jets:,} jets of {len(events):,} events with "
            f"{np.mean([len(event) for event in events]):.0f} particles; peer: FastJet by hand, "
            "without observables",
        )
    ]
