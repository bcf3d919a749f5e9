"""Jets as variable-length PyTorch Geometric graphs, from the file to the loss."""

from pyg_jets.jets import JetArray
from pyg_jets.loader import JetLoader

__version__ = "0.1.0"

__all__ = ["JetArray", "JetLoader", "__version__"]
