"""Generation: the share of one core's time that is spent inside Pythia's event loop."""

from __future__ import annotations

from statistics import median
from time import perf_counter

from pyg_jets.events import PythiaOptions
from pyg_jets.events.chunk import generate_chunk, time_in_pythia
from tests.benchmarks.harness import Row

CHUNKS = 5


def measure(process: str) -> Row:
    """One chunk of each number after another, the start of Pythia and compilation left out."""
    options = PythiaOptions(seed=1)
    generate_chunk(process, options, 0)
    shares, rates = [], []
    for chunk in range(1, CHUNKS + 1):
        with time_in_pythia() as seconds:
            began = perf_counter()
            jets, _ = generate_chunk(process, options, chunk)
            wall = perf_counter() - began
        shares.append(sum(seconds) / wall)
        rates.append((wall, sum(seconds), len(jets) / wall))
    events = options.events_per_chunk
    wall, inside, rate = (median(column) for column in zip(*rates, strict=True))
    return Row(
        f"generation, {process}",
        ours=wall / events * 1e3,
        peer=inside / events * 1e3,
        ratio=median(shares),
        at_least=0.75,
        goal=0.92,
        unit="ms/event",
        note=f"ours: all, substructure too; peer: Pythia alone; {rate:.0f} jets/s per core",
    )


def run() -> list[Row]:
    """The share for QCD and W jets of 500–600 GeV."""
    return [measure(process) for process in ("qcd", "w")]
