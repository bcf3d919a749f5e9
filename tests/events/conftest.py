"""Pythia's jets that several tests share, and FastJet as the oracle."""

import numpy as np
import pytest

from pyg_jets import JetArray, kinematics
from pyg_jets.events.chunk import generate_chunk
from pyg_jets.events.cutflow import CutFlow
from pyg_jets.events.options import PythiaOptions
from pyg_jets.events.processes import PROCESSES

OPTIONS = PythiaOptions(seed=7, events_per_chunk=180)


@pytest.fixture(scope="session")
def chunks() -> dict[str, tuple[JetArray, CutFlow]]:
    """Chunk 3 of every process, 180 events at 500–600 GeV."""
    return {process: generate_chunk(process, OPTIONS, 3) for process in PROCESSES}


def cartesian(jets: JetArray) -> np.ndarray:
    """(px, py, pz, E) of every particle, float64."""
    columns = (jets.column(name).astype(float) for name in ("pt", "eta", "phi", "mass"))
    return np.stack(kinematics.to_cartesian(*columns), -1)
