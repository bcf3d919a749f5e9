"""Networks on ragged batches: tensors in, tensors out.

``MODELS`` lists every model; each is called as ``model(x, ptr)`` and gives logits ``[J, classes]``.
"""

from pyg_jets.nn.layers import MLP, DeepSum
from pyg_jets.nn.models import FCN, PFN

MODELS: tuple[type, ...] = (FCN, PFN)

__all__ = ["MLP", "MODELS", "DeepSum", *(model.__name__ for model in MODELS)]
