"""PyG data sets of jets, one a file.

A data set of your own is a subclass of ``GeneratedDataset`` (jets that code makes) or of
``FileDataset`` (published files). Data sets that PyG itself has are used as PyG has them, through
:class:`~pyg_jets.JetLoader`.
"""

from pyg_jets.datasets.aspen_open_jets import AspenOpenJets
from pyg_jets.datasets.base import GeneratedDataset, JetDataset
from pyg_jets.datasets.event_files import EventFiles
from pyg_jets.datasets.file_dataset import FileDataset
from pyg_jets.datasets.jet_class import JetClass
from pyg_jets.datasets.jet_files import JetFiles
from pyg_jets.datasets.jet_images import JetImages
from pyg_jets.datasets.jet_net import JetNet
from pyg_jets.datasets.lhc_jets import LHCJets
from pyg_jets.datasets.lhc_olympics import LHCOlympics
from pyg_jets.datasets.pf_nano import PFNano
from pyg_jets.datasets.pythia import PythiaJets
from pyg_jets.datasets.quark_gluon import QuarkGluon
from pyg_jets.datasets.sparse_mnist import SparseMNIST
from pyg_jets.datasets.top_tagging import TopTagging
from pyg_jets.datasets.toy import ToyJets

#: Every data set; exports, docs and contract tests follow it.
DATASETS = (
    AspenOpenJets,
    EventFiles,
    JetClass,
    JetFiles,
    JetImages,
    JetNet,
    LHCJets,
    LHCOlympics,
    PFNano,
    PythiaJets,
    QuarkGluon,
    SparseMNIST,
    TopTagging,
    ToyJets,
)

__all__ = [
    "DATASETS",
    "FileDataset",
    "GeneratedDataset",
    "JetDataset",
    *(kind.__name__ for kind in DATASETS),
]
