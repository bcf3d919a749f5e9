"""A user's own events: HepMC3 here, two files, plain and gzip, with neutrinos and decayed beams."""

from __future__ import annotations

import gzip
from math import inf
from pathlib import Path

import numpy as np
import pyhepmc

from pyg_jets import JetArray
from pyg_jets.datasets import EventFiles
from tests.datasets.layouts.layout import Layout
from tests.datasets.layouts.lhc_olympics import as_events
from tests.datasets.layouts.momenta import cartesian
from tests.events.by_hand import by_hand

FILES = ("events_0.hepmc", "events_1.hepmc.gz")
FIRST, SECOND = FILES
OPTIONS = {"files": ["events_*.hepmc*"], "radius": 0.8, "min_jet_pt": 300.0, "level": "reco"}


def hepmc_event(particles, number: int, weights=()) -> pyhepmc.GenEvent:
    """An event of (px, py, pz, E, mass, pdgid) of final particles, with beams and a neutrino."""
    event = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
    event.event_number = number
    if weights:
        event.run_info = pyhepmc.GenRunInfo()
        event.run_info.weight_names = list(weights)
        event.weights = list(weights.values())
    vertex = pyhepmc.GenVertex()
    for sign in (1, -1):
        vertex.add_particle_in(pyhepmc.GenParticle((0, 0, sign * 6500, 6500), 2212, 4))
    everything = [(*row, 1) for row in particles] + [
        (90, 0, 0, 90, 0, -14, 1),
        (1, 2, 3, 5, 3, 24, 2),
    ]
    for *momentum, mass, pdgid, status in everything:
        particle = pyhepmc.GenParticle(tuple(map(float, momentum)), int(pdgid), status)
        particle.generated_mass = float(mass)
        vertex.add_particle_out(particle)
    event.add_vertex(vertex)
    return event


def write_hepmc(path: Path, events, format: str = "hepmc3") -> None:
    """Write events, with the ending that says how to pack them."""
    with pyhepmc.open(path, "w", format=format) as file:
        for number, particles in enumerate(events):
            file.write(hepmc_event(particles, number))


def momenta(jets: JetArray) -> list[np.ndarray]:
    p = cartesian(jets)
    columns = [p["px"], p["py"], p["pz"], p["e"], jets.column("mass"), jets.column("pdgid")]
    return np.split(np.stack(columns, -1), jets.ptr[1:-1])


def write(root: Path, jets: JetArray) -> None:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    events = momenta(as_events(jets))
    for name, part in zip(FILES, (events[:8], events[8:]), strict=True):
        write_hepmc(root / "raw" / name, part)


def read(root: Path, name: str) -> list[np.ndarray]:
    """(pt, eta, phi, mass) of the visible final state, line by line."""
    opened = gzip.open if name.endswith(".gz") else open
    events = []
    with opened(root / "raw" / name, "rt") as file:
        for line in file:
            word = line.split()
            if word[:1] == ["E"]:
                events.append([])
            elif word[:1] == ["P"] and word[9] == "1" and abs(int(word[3])) not in (12, 14, 16):
                px, py, pz, _, mass = map(float, word[4:9])
                pt = np.hypot(px, py)
                events[-1].append((pt, np.arcsinh(pz / pt), np.arctan2(py, px), mass))
    return [np.array(event).reshape(-1, 4) for event in events]


def expected(root: Path) -> list[np.ndarray]:
    out = []
    for name in FILES:
        events = read(root, name)
        for event, *_, members in by_hand(events, 0.8, pt=(300.0, inf), eta_max=2.5):
            own = events[event][members]
            out.append(own[np.argsort(-own[:, 0], kind="stable")])
    return out


def edit(change, name: str = FIRST):
    """Rewrite a file after ``change`` had its text."""

    def spoil(root: Path) -> None:
        path = root / "raw" / name
        content = path.read_bytes()
        text = gzip.decompress(content) if name.endswith(".gz") else content
        made = change(text)
        path.write_bytes(gzip.compress(made) if name.endswith(".gz") else made)

    return spoil


def particle(new: bytes):
    """Replace the first number of the momentum of the third particle of the second event."""

    def change(text: bytes) -> bytes:
        start = text.index(b"\nP 5 ", text.index(b"\nE 1 ")) + 1
        words = text[start : text.index(b"\n", start)].split(b" ")
        return text.replace(b" ".join(words), b" ".join([*words[:4], new, *words[5:]]), 1)

    return change


LAYOUT = Layout(
    EventFiles,
    write,
    expected,
    options=OPTIONS,
    has_empty_jets=False,
    wrong={
        "columns": (
            edit(lambda text: text.replace(b"\nP 5 ", b"\nX 5 ", 1)),
            f"{FIRST} is cut short or damaged after 0 events",
        ),
        "dtype": (
            edit(lambda text: text.replace(b"HepMC::Asciiv3", b"HepMC::Binary")),
            f"{FIRST} is of another kind .* expected HepMC3 or HepMC2 events",
        ),
        "nan": (edit(particle(b"nan")), f"{FIRST}: event 1 has a NaN"),
        "count": (
            edit(lambda text: text[: text.index(b"\nE 3 ")]),
            f"{FIRST} is cut short or damaged after 3 events .*END_EVENT_LISTING",
        ),
        "second": (
            edit(lambda text: b'{"not": "HepMC"}' * 20, SECOND),
            f"{SECOND} is of another kind",
        ),
    },
    exempt={
        "negative": "momenta are Cartesian, and the energy is that of momentum and mass",
        "label": "HepMC has no labels",
    },
)
