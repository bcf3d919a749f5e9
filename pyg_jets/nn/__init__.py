"""Networks on ragged batches: tensors in, tensors out.

``MODELS`` lists every model; each is called as ``model(x, ptr, pos)`` and gives logits
``[J, classes]``.
"""

from pyg_jets.nn.layers import MLP, DeepSum, DynamicEdgeConv, EdgeConvBlock
from pyg_jets.nn.models import EFN, FCN, PFN, ParticleNet, ParticleNetLite

MODELS: tuple[type, ...] = (FCN, PFN, EFN, ParticleNetLite, ParticleNet)

__all__ = [
    "MLP",
    "MODELS",
    "DeepSum",
    "DynamicEdgeConv",
    "EdgeConvBlock",
    *(model.__name__ for model in MODELS),
]
