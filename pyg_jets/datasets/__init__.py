"""PyG data sets of jets, one a file."""

from pyg_jets.datasets.base import JetDataset
from pyg_jets.datasets.pythia import PythiaJets
from pyg_jets.datasets.quark_gluon import QuarkGluon
from pyg_jets.datasets.top_tagging import TopTagging
from pyg_jets.datasets.toy import ToyJets

#: Every data set; exports, docs and contract tests follow it.
DATASETS = (PythiaJets, QuarkGluon, TopTagging, ToyJets)

__all__ = ["DATASETS", "JetDataset", "PythiaJets", "QuarkGluon", "TopTagging", "ToyJets"]
