"""What a jet is made of: clustering, grooming, and the observables of the constituents."""

from pyg_jets.substructure.clustering import Clustering, Subjets, cluster, exclusive_axes
from pyg_jets.substructure.correlators import correlator_ratios, energy_correlators
from pyg_jets.substructure.energy_flow import (
    energy_flow_polynomials,
    multigraphs,
    prime_multigraphs,
)
from pyg_jets.substructure.grooming import Groomed, SoftDrop, soft_drop, trim
from pyg_jets.substructure.inputs import four_momenta
from pyg_jets.substructure.observables import substructure
from pyg_jets.substructure.subjettiness import n_subjettiness

__all__ = [
    "Clustering",
    "Groomed",
    "SoftDrop",
    "Subjets",
    "cluster",
    "correlator_ratios",
    "energy_correlators",
    "energy_flow_polynomials",
    "exclusive_axes",
    "four_momenta",
    "multigraphs",
    "n_subjettiness",
    "prime_multigraphs",
    "soft_drop",
    "substructure",
    "trim",
]
