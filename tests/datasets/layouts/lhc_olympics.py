"""The LHC Olympics' rows: 700 × (pt, eta, phi) and a label, in a frame of pandas of one block."""

from __future__ import annotations

from math import inf
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from pyg_jets import JetArray
from pyg_jets.datasets import LHCOlympics
from tests.datasets.layouts.layout import Layout, padded
from tests.events.by_hand import by_hand

FILES = ("events_anomalydetection.h5", "more.h5")
FIRST, SECOND = FILES
OPTIONS = {"radius": 1.0, "min_jet_pt": 200.0, "files": FILES}
_OF_ROW = ("pt", "eta", "phi")


def as_events(jets: JetArray) -> JetArray:
    """The particles of two jets as those of one event each; one without particles is added."""
    ptr = np.append(jets.ptr[::2], jets.ptr[-1])
    ptr = np.insert(ptr[: len(jets) // 2 + 1], 3, ptr[3])
    return JetArray(jets.particles[: ptr[-1]], jets.columns, ptr, np.arange(len(ptr) - 1) % 3 // 2)


def rows(events: JetArray, n_particles: int = 700) -> np.ndarray:
    """The rows of events, hardest particles first."""
    order = np.lexsort((-events.column("pt"), np.repeat(np.arange(len(events)), events.counts)))
    events = JetArray(events.particles[order], events.columns, events.ptr, events.labels)
    columns = {name: events.column(name) for name in _OF_ROW}
    table = padded(events, columns, n_particles).reshape(len(events), -1)
    return np.column_stack((table, events.labels))


def write(root: Path, jets: JetArray) -> None:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    events = as_events(jets)
    for name, part in zip(FILES, (events[:8], events[8:]), strict=True):
        put(root, rows(part), name)


def put(root: Path, table: np.ndarray, name: str = FIRST) -> None:
    frame = pd.DataFrame(table)
    frame.to_hdf(root / "raw" / name, key="df", mode="w", complib="blosc", complevel=5)


def read(root: Path, name: str = FIRST) -> np.ndarray:
    return pd.read_hdf(root / "raw" / name, "df").to_numpy().copy()


def jets_by_hand(root: Path):
    """(constituents (pt, eta, phi, mass), label) of each jet, by pandas and FastJet."""
    for name in FILES:
        table = read(root, name)
        particles = [row[row[:, 0] > 0] for row in table[:, :-1].reshape(len(table), -1, 3)]
        massless = [np.column_stack((one, np.zeros(len(one)))) for one in particles]
        for event, *_, members in by_hand(massless, 1.0, pt=(200.0, inf), eta_max=2.5):
            own = massless[event][members]
            yield own[np.argsort(-own[:, 0], kind="stable")], table[event, -1]


def change(edit, name: str = FIRST):
    """Rewrite a file after ``edit`` had its rows."""
    return lambda root: put(root, edit(read(root, name)), name)


def value(at, new):
    def edit(table):
        table[at] = new
        return table

    return edit


def text_instead(root: Path) -> None:
    """Put text in the place of the numbers."""
    with h5py.File(root / "raw" / FIRST, "a") as file:
        shape = file["df/block0_values"].shape
        del file["df/block0_values"]
        file["df/block0_values"] = np.full(shape, b"warm")


LAYOUT = Layout(
    LHCOlympics,
    write,
    lambda root: [jet for jet, _ in jets_by_hand(root)],
    lambda root: np.array([label for _, label in jets_by_hand(root)], int),
    options=OPTIONS,
    has_empty_jets=False,
    wrong={
        "columns": (
            change(lambda table: table[:, 1:]),
            rf"{FIRST}: the rows of 'df' have 2100 numbers, expected 2101 = 700 × \(pt, eta, phi\)"
            r" \+ label: give EventFiles\(…, classes=\(\)\) for rows without a label",
        ),
        "dtype": (text_instead, f"{FIRST}: 'df/block0_values' holds .*S4, expected columns of num"),
        "nan": (change(value((1, 1), np.nan)), f"{FIRST}: event 1 has a NaN.*eta = nan"),
        "negative": (change(value((1, 0), -3.0)), f"{FIRST}: event 1 has .* negative"),
        "count": (
            change(lambda table: np.column_stack((table, table[:, :3]))),
            f"{FIRST}: the rows of 'df' have 2104 numbers, expected 2101",
        ),
        "label": (change(value((2, -1), 7)), "event 2 has the label 7.0, but there are 2 classes"),
        "second": (
            change(lambda table: table[:, :-2], SECOND),
            f"{SECOND}: the rows of 'df' have 2099 numbers, expected 2101",
        ),
    },
)
