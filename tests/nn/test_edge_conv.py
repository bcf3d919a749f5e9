"""Edge convolutions: equal to PyG's on the same edges, and to weaver's network on padded jets."""

import copy

import pytest
import torch
from torch import nn
from torch_geometric.nn import EdgeConv

from pyg_jets.nn import DynamicEdgeConv, EdgeConvBlock, ParticleNet
from pyg_jets.ops import knn, knn_graph, ptr_to_batch

COUNTS = (30, 17, 0, 45, 1, 20, 9)
BLOCKS = [(16, (8, 8, 8)), (16, (8, 12)), (16, (16,))]


def batch(width=4, counts=COUNTS, dtype=torch.float32, seed=3):
    torch.manual_seed(seed)
    ptr = torch.tensor([0, *torch.tensor(counts).cumsum(0)])
    x = torch.randn(int(ptr[-1]), width, dtype=dtype)
    return x, ptr, torch.randn(len(x), 2, dtype=dtype)


def edges(index):
    there = index >= 0
    nodes = torch.arange(len(index)).repeat_interleave(there.sum(1))
    return torch.stack((index[there], nodes))


def _plain(linear):
    """The same layer, as PyTorch has it."""
    plain = nn.Linear(linear.in_channels, linear.out_channels, bias=linear.bias is not None)
    plain.load_state_dict(linear.state_dict())
    return plain


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("aggr", ["mean", "max", "sum"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_block_is_pygs_edge_conv(aggr, dtype, training):
    x, ptr, pos = batch(dtype=dtype)
    block = EdgeConvBlock(4, (6, 5), aggr=aggr, shortcut=False).to(dtype).train(training)
    for norm in block.norms:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.running_mean)
    layers = []
    for linear, norm in zip(block.linears, block.norms, strict=True):
        layers += [_plain(linear), copy.deepcopy(norm), nn.ReLU()]
    peer = EdgeConv(nn.Identity(), aggr=aggr)  # which draws the weights of its network anew
    peer.nn = nn.Sequential(*layers).to(dtype).train(training)
    index = knn(pos, ptr, 7)
    mine, other = block(x, index, ptr), peer(x, edges(index))
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {}
    torch.testing.assert_close(mine, other, **tolerance)
    for norm, layer in zip(block.norms, layers[1::3], strict=True):
        torch.testing.assert_close(norm.running_mean, layer.running_mean, **tolerance)
        torch.testing.assert_close(norm.running_var, layer.running_var, **tolerance)


def test_a_block_without_norm():
    x, ptr, pos = batch()
    block = EdgeConvBlock(4, (6, 4), norm=False)
    index = knn(pos, ptr, 5)
    peer = EdgeConv(
        nn.Sequential(block.linears[0], nn.ReLU(), block.linears[1], nn.ReLU()), aggr="mean"
    )
    want = torch.relu(peer(x, edges(index)) + x)  # as wide as the input: the shortcut is x itself
    torch.testing.assert_close(block(x, index, ptr), want, rtol=1e-4, atol=1e-5)
    assert repr(block) == "EdgeConvBlock(4, (6, 4), aggr='mean', norm=False, shortcut=True)"


@pytest.mark.parametrize("aggr", ["max", "mean", "add"])
def test_dynamic_edge_conv_counts_a_node_itself(aggr):
    x, ptr, _ = batch()
    layer, jet = nn.Linear(8, 5), ptr_to_batch(ptr)
    conv, peer = DynamicEdgeConv(layer, k=4, aggr=aggr), EdgeConv(layer, aggr)
    own = torch.arange(len(x)).expand(2, -1)
    both = torch.cat((knn_graph(x, 3, jet), own), 1)
    torch.testing.assert_close(conv(x, jet), peer(x, both), rtol=1e-4, atol=1e-5)


def nearest_sources(source, target, source_ptr, target_ptr, k):
    """Edges to each target from its nearest sources, jet by jet, as PyG's knn gives them."""
    edges = []
    for j in range(len(source_ptr) - 1):
        rows = torch.arange(source_ptr[j], source_ptr[j + 1])
        for i in range(target_ptr[j], target_ptr[j + 1]):
            apart = torch.cdist(target[i : i + 1].double(), source[rows].double())[0]
            edges += [(int(rows[m]), i) for m in apart.argsort()[:k]]
    return torch.tensor(edges).T


@pytest.mark.parametrize("numbers", [1 << 24, 50])
@pytest.mark.parametrize("aggr", ["max", "mean"])
def test_dynamic_edge_conv_of_a_pair_is_pygs(aggr, numbers, monkeypatch):
    """Neighbours of the second set, out of the first; sets without particles on either side."""
    monkeypatch.setattr("pyg_jets.nn.layers.dynamic_edge_conv._MAX_NUMBERS", numbers)
    source, source_ptr, _ = batch(counts=(6, 0, 3, 9))
    target, target_ptr, _ = batch(counts=(2, 4, 0, 5), seed=4)
    conv, peer = DynamicEdgeConv(nn.Linear(8, 5), k=4, aggr=aggr), EdgeConv(nn.Identity(), aggr)
    peer.nn = conv.nn
    jets = ptr_to_batch(source_ptr), ptr_to_batch(target_ptr)
    wanted = nearest_sources(source, target, source_ptr, target_ptr, 4)
    source.requires_grad_()
    mine, other = conv((source, target), jets), peer((source, target), wanted)
    torch.testing.assert_close(mine, other)
    gradients = [torch.autograd.grad(out.square().sum(), source)[0] for out in (mine, other)]
    torch.testing.assert_close(*gradients)


def test_dynamic_edge_conv_of_a_set_and_itself():
    x, ptr, _ = batch()
    conv, jet = DynamicEdgeConv(nn.Linear(8, 5), k=4), ptr_to_batch(ptr)
    want = conv(x, jet)
    torch.testing.assert_close(conv((x, x), (jet, jet)), want)
    torch.testing.assert_close(conv((x, x.clone()), (jet, jet.clone())), want)
    alone, alone_too = conv(x[:9]), conv((x[:9], x[:9].clone()))
    torch.testing.assert_close(alone, alone_too)
    torch.testing.assert_close(conv((x[:9], x[:9]), (None, None)), alone)


@pytest.mark.parametrize(
    ("x", "batch", "message"),
    [
        (None, None, "Expected x as a tensor .* but got None"),
        ((torch.ones(2, 4),), None, "Expected x .* got a tuple of Tensor"),
        ((torch.ones(2, 4), None), None, "Expected x .* got a tuple of Tensor, NoneType"),
        ((torch.ones(2, 4), torch.ones(3, 5)), None, r"shapes \[2, 4\] and \[3, 5\]"),
        ((torch.ones(2, 4), torch.ones(4)), None, r"shapes \[2, 4\] and \[4\]"),
        (torch.ones(2, 4), [0, 1], "Expected batch .* got a list of int, int"),
        (
            (torch.ones(2, 4), torch.ones(3, 4)),
            torch.tensor([0, 1]),
            r"batch vector \[3\] of the second set, but got \[2\]: give a pair",
        ),
        (
            (torch.ones(2, 4), torch.ones(3, 4)),
            (torch.tensor([1, 0]), torch.tensor([0, 0, 1])),
            "sorted batch vector",
        ),
    ],
)
def test_dynamic_edge_conv_refuses(x, batch, message):
    with pytest.raises(ValueError, match=message):
        DynamicEdgeConv(nn.Linear(8, 5), k=4)(x, batch)


def padded(values, ptr, length):
    out = torch.zeros(len(ptr) - 1, values.size(1), length, dtype=values.dtype)
    for j, n in enumerate(ptr.diff().tolist()):
        out[j, :, :n] = values[ptr[j] : ptr[j] + n].t()
    mask = torch.arange(length) < ptr.diff().unsqueeze(1)
    return out, mask.unsqueeze(1)


def weavers(fusion, dropout=0.1):
    weaver = pytest.importorskip("weaver.nn.model.ParticleNet")
    torch.manual_seed(5)
    return weaver.ParticleNet(
        4, 3, BLOCKS, [(16, dropout), (8, dropout)], use_fusion=fusion, trim=False
    )


@pytest.mark.parametrize("fusion", [True, False])
def test_logits_are_weavers(fusion):
    theirs = weavers(fusion)
    x, ptr, pos = batch(counts=(30, 17, 45, 20, 19))
    (points, mask), (features, _) = padded(pos, ptr, 50), padded(x, ptr, 50)
    for _ in range(3):  # statistics of its own
        theirs(points, features, mask)
    theirs.eval()
    ours = ParticleNet.from_weaver(theirs.state_dict()).eval()
    with torch.no_grad():
        single = theirs(points, features, mask), ours(x, ptr, pos)
        theirs.double(), ours.double()
        double = (
            theirs(points.double(), features.double(), mask),
            ours(x.double(), ptr, pos.double()),
        )
    assert double[0].std(0).min() > 1e-4  # jets differ
    torch.testing.assert_close(*double, rtol=0, atol=1e-6)
    torch.testing.assert_close(*single, rtol=0, atol=1e-3)


def test_training_is_weavers_where_nothing_is_padded():
    theirs = weavers(fusion=True, dropout=0.0)
    ours = ParticleNet.from_weaver(theirs.state_dict(), dropout=0.0)
    sgd = [torch.optim.Adam(m.parameters(), lr=1e-3) for m in (theirs, ours)]
    for step in range(8):
        x, ptr, pos = batch(counts=(20,) * 16, seed=step)
        y = torch.randint(3, (16,))
        (points, mask), (features, _) = padded(pos, ptr, 20), padded(x, ptr, 20)
        losses = [
            nn.functional.cross_entropy(out, y)
            for out in (theirs(points, features.requires_grad_(), mask), ours(x, ptr, pos))
        ]
        assert abs(losses[0] - losses[1]) < 1e-3
        for loss, optimizer in zip(losses, sgd, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def test_weights_of_another_network():
    state = weavers(fusion=False).state_dict()
    prefixed = {f"mod.{name}": tensor for name, tensor in state.items()}
    assert ParticleNet.from_weaver(prefixed).fc.channels == (16, 8)
    wrong = {**state, "edge_convs.1.convs.0.weight": torch.zeros(8, 20, 1, 1)}
    with pytest.raises(
        ValueError, match=r"edge_convs\.1\.convs\.0\.weight of shape \[8, 20\] does"
    ):
        ParticleNet.from_weaver(wrong)
    with pytest.raises(ValueError, match=r"conv1\.weight is no weight of weaver's ParticleNet"):
        ParticleNet.from_weaver({"conv1.weight": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"There is no edge_convs\.0\.convs\.0\.weight"):
        ParticleNet.from_weaver({"fc.0.weight": torch.zeros(3, 3)})
    less = {name: t for name, t in state.items() if not name.startswith("bn_fts")}
    with pytest.raises(ValueError, match=r"There is no weight for norm\.weight"):
        ParticleNet.from_weaver(less)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: EdgeConvBlock(0, (4,)), "in_channels of at least 1, or -1"),
        (lambda: EdgeConvBlock(3, ()), "one or more layers"),
        (lambda: EdgeConvBlock(3, (4,), aggr="median"), "Unknown aggr 'median': choose from mean"),
        (lambda: ParticleNet(3, k=0), "a k of at least 1"),
        (lambda: ParticleNet(3, channels=((4,), (5,)), k=(3,)), "channels of 2 blocks"),
        (lambda: ParticleNet(3)(torch.ones(4, 3), torch.tensor([0, 4])), r"pos of shape \[4, 2\]"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_another_number_of_features():
    x, ptr, pos = batch()
    block = EdgeConvBlock(4, (6,))
    with pytest.raises(ValueError, match="Expected 4 features of a particle, but got 3"):
        block(x[:, :3], knn(pos, ptr, 3), ptr)


@pytest.mark.parametrize("training", [True, False])
def test_compiles_for_any_batch(training):
    model = ParticleNet(4, channels=((8, 8), (8,)), k=3, fc=(8,), dropout=0.0).train(training)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=True)
    for counts in (COUNTS, (8, 12), (4, 4, 4, 40)):
        x, ptr, pos = batch(counts=counts)
        torch.testing.assert_close(compiled(x, ptr, pos), model(x, ptr, pos), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_many_jets_pass_in_inference_mode(dtype, monkeypatch):
    monkeypatch.setattr("pyg_jets.ops.kernel._default_threads", lambda: 2)
    x, ptr = torch.randn(3000, 3, dtype=dtype), torch.arange(0, 3001, 50)
    index = knn(x, ptr, 8)
    block = EdgeConvBlock(3, (8, 8)).to(dtype).eval()
    wanted = block(x, index, ptr)
    with torch.inference_mode():
        torch.testing.assert_close(block(x.clone(), index, ptr), wanted)
