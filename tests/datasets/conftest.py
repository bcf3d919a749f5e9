"""Pythia jets for files in the public layouts."""

import numpy as np
import pytest

from pyg_jets import JetArray


@pytest.fixture(scope="session")
def layout_jets():
    """Forty real jets (labels 0 … 40, taken modulo the classes), and an empty one in the middle."""
    from pyg_jets.events import pythia

    parts = [pythia.generate(process, 20, seed=23, workers=1) for process in ("qcd", "w")]
    jets = JetArray.concatenate(parts)
    jets = JetArray(jets.particles, jets.columns, jets.ptr)[np.arange(40)]
    ptr = np.insert(jets.ptr, 17, jets.ptr[17])
    return JetArray(jets.particles, jets.columns, ptr, np.arange(41))
