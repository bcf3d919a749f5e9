"""What a jet is made of: clustering, grooming, and the observables of the constituents."""

from pyg_jets.substructure.clustering import Clustering, Subjets, cluster, exclusive_axes
from pyg_jets.substructure.grooming import Groomed, SoftDrop, soft_drop, trim
from pyg_jets.substructure.inputs import four_momenta
from pyg_jets.substructure.observables import substructure

__all__ = [
    "Clustering",
    "Groomed",
    "SoftDrop",
    "Subjets",
    "cluster",
    "exclusive_axes",
    "four_momenta",
    "soft_drop",
    "substructure",
    "trim",
]
