"""Sources of jets before a detector: Pythia with FastJet, and the toy of deposits on a disk."""

from pyg_jets.events.options import PythiaOptions

__all__ = ["PythiaOptions"]
