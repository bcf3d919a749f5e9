"""`JetArray`, the ragged table of jets that every source and every reader hands on."""

from pyg_jets.jets.array import JetArray

__all__ = ["JetArray"]
