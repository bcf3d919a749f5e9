"""What a jet is made of: clustering, grooming, shapes, trees, the Lund plane, observables."""

from pyg_jets.substructure.clustering import Clustering, Subjets, cluster, exclusive_axes, subjets
from pyg_jets.substructure.correlators import correlator_ratios, energy_correlators
from pyg_jets.substructure.energy_flow import (
    energy_flow_polynomials,
    multigraphs,
    prime_multigraphs,
)
from pyg_jets.substructure.grooming import Groomed, SoftDrop, soft_drop, trim
from pyg_jets.substructure.inputs import four_momenta
from pyg_jets.substructure.lund import LUND, LundPlane, lund_plane
from pyg_jets.substructure.observables import substructure
from pyg_jets.substructure.subjettiness import n_subjettiness
from pyg_jets.substructure.trees import TREES, Trees, clustering_trees

__all__ = [
    "LUND",
    "TREES",
    "Clustering",
    "Groomed",
    "LundPlane",
    "SoftDrop",
    "Subjets",
    "Trees",
    "cluster",
    "clustering_trees",
    "correlator_ratios",
    "energy_correlators",
    "energy_flow_polynomials",
    "exclusive_axes",
    "four_momenta",
    "lund_plane",
    "multigraphs",
    "n_subjettiness",
    "prime_multigraphs",
    "soft_drop",
    "subjets",
    "substructure",
    "trim",
]
