"""Every network, layer and loss works under autocast, forward and backward."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from pyg_jets.losses import ChamferLoss, ClassificationLoss, InvarianceLoss, ResponseLoss, VAELoss
from pyg_jets.nn import (
    AUTOENCODERS,
    DynamicEdgeConv,
    EdgeConvBlock,
    GraphVAE,
)
from pyg_jets.ops import knn, ptr_to_batch
from tests.nn.test_models import COUNTS, every_case, jets

half = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)


def check_gradients(module):
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    assert trained
    for name, parameter in trained.items():
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32, name
        assert parameter.grad.isfinite().all(), name


@half
@pytest.mark.parametrize("training", [True, False])
@every_case
def test_taggers(case, dtype, training):
    model, (x, ptr, pos, *jet) = case.make().train(training), case.jets()
    batch = Batch(y=torch.tensor([0, 1, 1, 0]), variant_of=torch.tensor([0, 0, 1, 1]))
    for loss in (ClassificationLoss(), InvarianceLoss(a=1, b=1)):
        model.zero_grad()
        with torch.autocast("cpu", dtype):
            logits = model(x, ptr, pos, *jet)
            value = loss(logits, batch)
        assert value.dtype == torch.float32
        value.backward()
        check_gradients(model)
    torch.testing.assert_close(logits.float(), model(x, ptr, pos, *jet), rtol=0.05, atol=0.02)
    with torch.autocast("cpu", dtype), torch.no_grad():
        model(x[:1], torch.tensor([0, 1]), pos[:1], *(value[:1] for value in jet))
        model(x[:0], torch.tensor([0, 0]), pos[:0], *(value[:1] for value in jet))


@half
@pytest.mark.parametrize("cls", AUTOENCODERS, ids=lambda cls: cls.__name__)
def test_autoencoders(cls, dtype):
    torch.manual_seed(0)
    small = {"latent": 4, "components": 1} if issubclass(cls, GraphVAE) else {}
    model = cls(**small)
    x, ptr = torch.rand(sum(COUNTS), 3) + 0.1, torch.tensor([0, 3, 3, 4, 11])
    with torch.autocast("cpu", dtype):
        made = model(x, ptr, x, ptr, torch.tensor([0, 1, 0, 1]))
        loss = ResponseLoss(kinds=1) if model.from_gen else VAELoss(pt=0.1, mass=0.1)
        value = loss(made)
    assert value.dtype == torch.float32
    value.backward()
    check_gradients(model)
    with torch.autocast("cpu", dtype), torch.no_grad():
        if issubclass(cls, GraphVAE):
            model.fit_prior([Data(x=x, ptr=ptr)])
        particles, _ = model.sample(4, (x, ptr) if model.from_gen else None)
    assert particles.dtype == torch.float32


@half
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("aggr", ["mean", "max", "sum"])
def test_edge_conv_blocks(aggr, norm, dtype):
    x, ptr, pos = jets()
    block = EdgeConvBlock(4, (6, 5), aggr=aggr, norm=norm)
    index = knn(pos, ptr, 3)
    with torch.autocast("cpu", dtype):
        out = block(x, index, ptr)
        deeper = EdgeConvBlock(5, (5,), aggr=aggr, norm=norm)(out, index, ptr)
    deeper.float().square().sum().backward()
    check_gradients(block)
    torch.testing.assert_close(out.float(), block(x, index, ptr), rtol=0.05, atol=0.05)


@half
def test_dynamic_edge_convolutions(dtype):
    x, ptr, _ = jets()
    conv, jet = DynamicEdgeConv(nn.Linear(8, 5), k=3), ptr_to_batch(ptr)
    with torch.autocast("cpu", dtype):
        out = conv(x, jet)
        pair = conv((out[:, :4], x), (jet, jet))
    (out.float().sum() + pair.float().sum()).backward()
    check_gradients(conv)


@half
def test_chamfer_of_sets_of_different_precision(dtype):
    x, ptr, _ = jets()
    made = x.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype):
        value = ChamferLoss()(made, ptr, x + 1, ptr)
    value.backward()
    assert value.dtype == torch.float32
    assert made.grad.isfinite().all()
