"""`JetLoader`: PyG's batches, gathered at once from flat storage."""

from pyg_jets.loader.jet_loader import JetLoader

__all__ = ["JetLoader"]
