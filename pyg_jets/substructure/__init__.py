"""What a jet is made of: the observables of its constituents."""

from pyg_jets.substructure.observables import substructure

__all__ = ["substructure"]
