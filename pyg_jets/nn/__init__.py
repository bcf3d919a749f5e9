"""Networks on ragged batches: tensors in, tensors out.

``MODELS`` lists every tagger; each is called as ``model(x, ptr, pos)`` and gives logits
``[J, classes]``. ``AUTOENCODERS`` lists what makes jets: ``model(x, ptr, target, target_ptr, y)``
in training, and ``model.sample(n_jets, condition)``. ``GENERATORS`` has the autoregressive
network too, which gives a likelihood in training.
"""

from pyg_jets.nn.layers import MLP, ComparisonFeatures, DeepSum, DynamicEdgeConv, EdgeConvBlock
from pyg_jets.nn.models import (
    EFN,
    FCN,
    PFN,
    AutoregressiveJets,
    ConditionalGraphVAE,
    ConvVAE,
    GraphVAE,
    JetVAE,
    ParticleNet,
    ParticleNetLite,
    Reconstruction,
    Response,
    VariationalAutoencoder,
)

MODELS: tuple[type, ...] = (FCN, PFN, EFN, ParticleNetLite, ParticleNet)
AUTOENCODERS: tuple[type, ...] = (ConvVAE, GraphVAE, JetVAE, ConditionalGraphVAE)
GENERATORS: tuple[type, ...] = (*AUTOENCODERS, AutoregressiveJets)

__all__ = [
    "AUTOENCODERS",
    "GENERATORS",
    "MLP",
    "MODELS",
    "ComparisonFeatures",
    "DeepSum",
    "DynamicEdgeConv",
    "EdgeConvBlock",
    "Reconstruction",
    "Response",
    "VariationalAutoencoder",
    *(model.__name__ for model in (*MODELS, *GENERATORS)),
]
