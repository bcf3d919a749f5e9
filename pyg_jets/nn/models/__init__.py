"""Models: one architecture a file, called as ``model(x, ptr, pos)``."""

from pyg_jets.nn.models.efn import EFN
from pyg_jets.nn.models.fcn import FCN
from pyg_jets.nn.models.particle_net import ParticleNet, ParticleNetLite
from pyg_jets.nn.models.pfn import PFN

__all__ = ["EFN", "FCN", "PFN", "ParticleNet", "ParticleNetLite"]
