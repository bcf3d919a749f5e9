"""Models: one architecture a file, called as ``model(x, ptr)``."""

from pyg_jets.nn.models.fcn import FCN
from pyg_jets.nn.models.pfn import PFN

__all__ = ["FCN", "PFN"]
