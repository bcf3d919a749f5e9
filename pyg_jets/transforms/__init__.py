"""PyG transforms, and batch transforms, which act on the whole gathered ``Batch``."""

from pyg_jets.transforms.base import BatchTransform, Compose
from pyg_jets.transforms.brightest_pixels import BrightestPixels
from pyg_jets.transforms.detect import Detect
from pyg_jets.transforms.features import FEATURES, TAGGER_FEATURES, Features
from pyg_jets.transforms.graph import KNNGraph, RadiusGraph
from pyg_jets.transforms.jet_features import JetFeatures
from pyg_jets.transforms.leading_particles import LeadingParticles
from pyg_jets.transforms.resimulate import Resimulate
from pyg_jets.transforms.weights import FlatWeights

__all__ = [
    "FEATURES",
    "TAGGER_FEATURES",
    "BatchTransform",
    "BrightestPixels",
    "Compose",
    "Detect",
    "Features",
    "FlatWeights",
    "JetFeatures",
    "KNNGraph",
    "LeadingParticles",
    "RadiusGraph",
    "Resimulate",
]
