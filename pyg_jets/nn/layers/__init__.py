"""Layers: thin modules around ragged operations."""

from pyg_jets.nn.layers.mlp import MLP

__all__ = ["MLP"]
