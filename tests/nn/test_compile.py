"""Compiled networks: one graph for batches of any size, and the numbers of the plain network."""

import copy
import os
import shutil
import sysconfig
from pathlib import Path

import pytest
import torch

from pyg_jets.nn import EFN, PFN, ParticleNet

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
NETWORKS = {
    "pfn": lambda: PFN(4, phi=(8, 16), f=(8,)),
    "pfn with a norm": lambda: PFN(4, phi=(8, 16), f=(8,), norm=True, jet_channels=2),
    "efn": lambda: EFN(4, phi=(8, 16), f=(8,), norm=True, scale=6.0),
    "particle net": lambda: ParticleNet(4, channels=((6, 6), (8,)), k=3, fc=(8,), dropout=0.0),
}
#: Particles of each jet, batch by batch.
BATCHES = [(9, 4, 0, 12, 1), (5, 6), (3, 3, 3, 20, 2, 0), (0, 7, 0), (2,) * 12, (30, 1)]


def _has_compiler():
    found = any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++"))
    return found and (Path(sysconfig.get_path("include")) / "Python.h").exists()


def _case(name, backend):
    lacks = backend == "inductor" and not _has_compiler()
    reason = "inductor needs a C++ compiler and the headers of Python"
    marks = [pytest.mark.skipif(lacks, reason=reason)]
    if backend == "inductor":  # which calls a C++ compiler
        marks.append(pytest.mark.slow)
    return pytest.param((name, backend), id=f"{name}-{backend}", marks=marks)


#: A norm in a PFN adds nothing that inductor would not also meet in a ParticleNet.
CASES = [
    *(_case(name, "aot_eager") for name in NETWORKS),
    *(_case(name, "inductor") for name in ("pfn", "particle net")),
]


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    """Once, not twice as other tests of networks: graphs end where kernels begin."""
    monkeypatch.setenv("PYG_JETS_KERNELS", "1")


class Counting:
    """A backend that counts the graphs it is given.

    The first batch may give two: torch takes the numbers of a module as inputs, and then does not.
    """

    def __init__(self, backend):
        self.compile, self.graphs = torch._dynamo.lookup_backend(backend), 0

    def __call__(self, graph, inputs):
        self.graphs += 1
        return self.compile(graph, inputs)


def batch(counts):
    generator = torch.Generator().manual_seed(len(counts))
    ptr = torch.tensor([0, *torch.tensor(counts).cumsum(0)])
    x = torch.randn(int(ptr[-1]), 4, generator=generator)
    return x, ptr, torch.randn(len(x), 2, generator=generator)


def step(run, network, counts):
    """Output and gradients of a batch."""
    x, ptr, pos = batch(counts)
    jet = [torch.ones(len(counts), n) for n in (getattr(network, "jet_channels", 0),) if n]
    network.zero_grad()
    out = run(x.requires_grad_(), ptr, pos, *jet)
    out.square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in network.named_parameters()}
    return out.detach(), {"x": x.grad, **gradients}


def compiled(name, backend="aot_eager", dynamic=True):
    """A network, the same one compiled, and the backend."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    plain = NETWORKS[name]()
    network, counting = copy.deepcopy(plain), Counting(backend)
    # With the whole network in one graph a break would be an error.
    run = torch.compile(network, backend=counting, fullgraph=True, dynamic=dynamic)
    return plain, network, run, counting


@pytest.fixture(scope="module", params=CASES)
def steps(request):
    """Of each batch: what the plain and the compiled network give, and the graphs so far."""
    plain, network, run, counting = compiled(*request.param)
    rows = []
    for counts in BATCHES:
        pair = step(plain, plain, counts), step(run, network, counts)
        rows.append((*pair, counting.graphs))
    yield rows, plain.state_dict(), network.state_dict()
    torch._dynamo.reset()


def test_outputs_are_those_of_the_plain_network(steps):
    for (plain, _), (mine, _), _ in steps[0]:
        torch.testing.assert_close(mine, plain, **TOLERANCE)


def test_gradients_are_those_of_the_plain_network(steps):
    for (_, plain), (_, mine), _ in steps[0]:
        torch.testing.assert_close(mine, plain, **TOLERANCE)


def test_running_statistics_are_those_of_the_plain_network(steps):
    torch.testing.assert_close(steps[2], steps[1], **TOLERANCE)


def test_nothing_is_compiled_after_the_first_batch(steps):
    first, *others = [graphs for _, _, graphs in steps[0]]
    assert first in (1, 2)
    assert others == [first] * (len(BATCHES) - 1)


@pytest.mark.parametrize("name", ["pfn", "particle net"])
@pytest.mark.parametrize("counts", [(0, 0, 1, 0), (1,)], ids=["four jets", "one jet"])
def test_a_single_particle(name, counts):
    plain, network, run, _ = compiled(name)
    (out, grads), (mine, my_grads) = step(plain, plain, counts), step(run, network, counts)
    torch.testing.assert_close(mine, out, **TOLERANCE)
    torch.testing.assert_close(my_grads, grads, **TOLERANCE)


@pytest.mark.parametrize("name", ["pfn", "particle net"])
def test_jets_without_particles(name):
    plain, _, run, _ = compiled(name)
    given = batch((0, 0, 0))
    torch.testing.assert_close(run(*given), plain(*given), **TOLERANCE)


@pytest.mark.parametrize("name", ["pfn", "particle net"])
def test_by_default_the_second_batch_compiles_for_all_others(name):
    _, network, run, counting = compiled(name, dynamic=None)
    graphs = []
    for counts in BATCHES:
        step(run, network, counts)
        graphs.append(counting.graphs)
    assert len(set(graphs[1:])) == 1
