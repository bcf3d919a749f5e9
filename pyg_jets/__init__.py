"""Jets as variable-length PyTorch Geometric graphs, from the file to the loss."""

from pyg_jets.jets import JetArray

__version__ = "0.1.0"

__all__ = ["JetArray", "__version__"]
