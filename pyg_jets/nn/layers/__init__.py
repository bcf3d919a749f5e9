"""Layers: thin modules around ragged operations."""

from pyg_jets.nn.layers.comparison_features import ComparisonFeatures
from pyg_jets.nn.layers.dynamic_edge_conv import DynamicEdgeConv
from pyg_jets.nn.layers.edge_conv import EdgeConvBlock
from pyg_jets.nn.layers.mlp import MLP, DeepSum

__all__ = ["MLP", "ComparisonFeatures", "DeepSum", "DynamicEdgeConv", "EdgeConvBlock"]
