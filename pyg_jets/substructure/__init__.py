"""What a jet is made of: clustering inside jets, and the observables of the constituents."""

from pyg_jets.substructure.clustering import Clustering, Subjets, cluster, exclusive_axes
from pyg_jets.substructure.inputs import four_momenta
from pyg_jets.substructure.observables import substructure

__all__ = ["Clustering", "Subjets", "cluster", "exclusive_axes", "four_momenta", "substructure"]
