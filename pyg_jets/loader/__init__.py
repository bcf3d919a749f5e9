"""`JetLoader`: PyG's batches, gathered at once from flat storage."""

from pyg_jets.loader.jet_loader import JetLoader
from pyg_jets.loader.sampling import Share

__all__ = ["JetLoader", "Share"]
