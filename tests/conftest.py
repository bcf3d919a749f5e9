"""Jets that several tests share."""

import multiprocessing
from typing import Any

import numpy as np
import pytest

from pyg_jets import JetArray, kinematics
from pyg_jets.columns import CANONICAL
from tests.processes import PRELOAD, start_server


def random_jets(n_jets: int = 20, seed: int = 0, counts=None) -> JetArray:
    """Jet-like random particles; counts include an empty and a one-particle jet."""
    rng = np.random.default_rng(seed)
    if counts is None:
        counts = rng.integers(2, 60, n_jets)
        counts[:2] = (0, 1)
    ptr = np.concatenate(([0], np.cumsum(counts)))
    jet = np.repeat(np.arange(len(counts)), counts)
    n = int(ptr[-1])
    axis_eta, axis_phi = rng.uniform(-2, 2, len(counts)), rng.uniform(-np.pi, np.pi, len(counts))
    eta = axis_eta[jet] + 0.2 * rng.standard_normal(n)
    phi = (axis_phi[jet] + 0.2 * rng.standard_normal(n) + np.pi) % (2 * np.pi) - np.pi
    pdgid = rng.choice([211.0, -211.0, 22.0, 130.0, 11.0, 13.0], n)
    charge = np.where(np.isin(pdgid, (22.0, 130.0)), 0.0, np.sign(pdgid))
    mass = np.select([pdgid == 22, pdgid == 130], [0.0, 0.4976], 0.1396)
    particles = np.stack([rng.exponential(8.0, n) + 0.2, eta, phi, mass, charge, pdgid], -1)
    return JetArray(
        particles,
        CANONICAL,
        ptr,
        labels=np.arange(len(counts)) % 2,
        jets={"gen_pt": rng.uniform(500, 600, len(counts)).astype(np.float32),
              "event": np.arange(len(counts)) // 2},
        ids=np.arange(len(counts)) * 7 + 5,
    )  # fmt: skip


@pytest.fixture
def jets() -> JetArray:
    """Twenty random jets, one empty, one with one particle."""
    return random_jets()


#: The options of the jets of ``chunks``.
CHUNK = {"pthat": (0.8, 1.6), "seed": 7, "events_per_chunk": 180}


@pytest.fixture(scope="session")
def chunks() -> dict[str, tuple[JetArray, Any]]:
    """Pythia's jets and the cut flow of chunk 3 of every process, 180 events at 500–600 GeV."""
    from pyg_jets.events import PythiaOptions
    from pyg_jets.events.chunk import generate_chunk
    from pyg_jets.events.processes import PROCESSES

    return {process: generate_chunk(process, PythiaOptions(**CHUNK), 3) for process in PROCESSES}


def cartesian(jets: JetArray) -> np.ndarray:
    """(px, py, pz, E) of every particle, float64."""
    columns = (jets.column(name).astype(float) for name in ("pt", "eta", "phi", "mass"))
    return np.stack(kinematics.to_cartesian(*columns), -1)


collect_ignore = ["preload.py", "substructure/energyflow_values.py"]  # EnergyFlow is not installed


def pytest_configure(config):
    """Start the server of processes while the first tests run, where tests run in parallel."""
    multiprocessing.set_forkserver_preload(PRELOAD)
    if hasattr(config, "workerinput"):
        start_server()


#: Tests that take long, for each of two processes, which begin with them. What shares jets stays
#: together.
LONG = (("studies/test_quick", "scan/test_engine", "tests/scan", "tests/events",
         "tests/substructure", "test_compile"),
        ("test_contributing", "test_demo", "tests/studies", "test_docs", "tests/training",
         "tests/datasets"))  # fmt: skip


def pytest_collection_modifyitems(items):
    """Each half of the tests, of which a process gets one, begins with those that take long."""

    def take(names):
        for name in names:
            chosen = [item for item in items if name in item.nodeid]
            items[:] = [item for item in items if name not in item.nodeid]
            yield from chosen

    half = len(items) // 2
    first, second = (list(take(names)) for names in LONG)
    rest = max(half - len(first), 0)
    items[:] = first + items[:rest] + second + items[rest:]


def at_epoch(epoch: int, transform, batch):
    """What a transform makes of a batch in an epoch, as a loader would ask."""
    transform.set_epoch(epoch)
    return transform(batch)
