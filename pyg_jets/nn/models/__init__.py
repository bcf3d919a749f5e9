"""Models, one architecture a file: taggers ``model(x, ptr, pos)``, and autoencoders of jets."""

from pyg_jets.nn.models.autoregressive_jets import AutoregressiveJets
from pyg_jets.nn.models.conditional_graph_vae import ConditionalGraphVAE, Response
from pyg_jets.nn.models.conv_vae import ConvVAE
from pyg_jets.nn.models.efn import EFN
from pyg_jets.nn.models.fcn import FCN
from pyg_jets.nn.models.graph_vae import GraphVAE
from pyg_jets.nn.models.jet_vae import JetVAE
from pyg_jets.nn.models.particle_net import ParticleNet, ParticleNetLite
from pyg_jets.nn.models.pfn import PFN
from pyg_jets.nn.models.vae import Reconstruction, VariationalAutoencoder

__all__ = [
    "EFN",
    "FCN",
    "PFN",
    "AutoregressiveJets",
    "ConditionalGraphVAE",
    "ConvVAE",
    "GraphVAE",
    "JetVAE",
    "ParticleNet",
    "ParticleNetLite",
    "Reconstruction",
    "Response",
    "VariationalAutoencoder",
]
