"""Pythia jets for files in the public layouts."""

from pathlib import Path

import numpy as np
import pytest

from pyg_jets import JetArray


@pytest.fixture(scope="session")
def layout_jets():
    """Forty real jets (labels 0 … 40, taken modulo the classes), and an empty one in the middle."""
    from pyg_jets.events import PythiaOptions, pythia

    parts = [
        pythia.generate(process, 20, PythiaOptions(pthat=(0.8, 1.6), seed=23), workers=1)
        for process in ("qcd", "w")
    ]
    jets = JetArray.concatenate(parts)
    jets = JetArray(jets.particles, jets.columns, jets.ptr)[np.arange(40)]
    ptr = np.insert(jets.ptr, 17, jets.ptr[17])
    return JetArray(jets.particles, jets.columns, ptr, np.arange(41))


@pytest.fixture(scope="session")
def written(tmp_path_factory, layout_jets):
    """The files of each layout, written once; copy them before they are broken."""
    roots: dict[str, Path] = {}

    def write(layout):
        name = layout.kind.__name__
        if name not in roots:
            roots[name] = tmp_path_factory.mktemp(name)
            layout.write(roots[name], layout_jets)
        return roots[name]

    return write
