"""JetLoader in worker processes, over epochs, and under Lightning with one and two processes."""

import json
import os
import pickle
from itertools import chain
from pathlib import Path

import pytest
import torch
from torch.utils.data import DistributedSampler
from torch_geometric.loader import DataLoader

from pyg_jets.loader import JetLoader
from tests.batches import dataset_of, same_batch
from tests.ddp_loader import Stamp
from tests.processes import python

ROOT = Path(__file__).parent.parent


@pytest.mark.filterwarnings("ignore:JetLoader leaves:UserWarning")
@pytest.mark.parametrize("shape", ["edges", "strings", "num_nodes", "dtypes"])
def test_forked_workers(shape):
    dataset = dataset_of(shape)
    loader = JetLoader(dataset, 3, True, num_workers=2, multiprocessing_context="fork")
    for _ in range(2):
        batches = list(loader)
        for ours, theirs in zip(
            batches, DataLoader(dataset, 3, sampler=loader.sampler), strict=True
        ):
            same_batch(ours, theirs)
            assert ours.ptr.is_shared()


def test_spawned_persistent_workers_learn_the_epoch():
    dataset = dataset_of("edges")
    loader = JetLoader(
        dataset,
        4,
        batch_transform=Stamp(),
        num_workers=1,
        multiprocessing_context="spawn",
        persistent_workers=True,
        prefetch_factor=4,
    )
    told, sources = [], None
    for epoch in (None, None, 7, None):
        if epoch is not None:
            loader.set_epoch(epoch)
        batches = list(loader)
        told.append({batch.epoch for batch in batches})
        for ours, theirs in zip(batches, DataLoader(dataset, 4), strict=True):
            ours.epoch = None
            same_batch(ours, theirs)
        sources = sources or loader._iterator._workers
        assert loader._iterator._workers is sources
    assert told == [{0}, {1}, {7}, {7}]


def test_epochs_without_workers():
    def told(loader):
        return {batch.epoch for batch in loader}.pop()

    dataset = dataset_of("jets")
    loader = JetLoader(dataset, 3, shuffle=True, batch_transform=Stamp())
    assert [told(loader) for _ in range(3)] == [0, 1, 2]
    loader.sampler.set_epoch(9)  # as Lightning does
    assert told(loader) == told(loader) == 9
    loader.set_epoch(4)
    loader.sampler.set_epoch(11)
    assert told(loader) == 4

    sampler = DistributedSampler(dataset, num_replicas=2, rank=1)
    loader = JetLoader(dataset, 3, sampler=sampler, batch_transform=Stamp())
    assert told(loader) == 0
    sampler.set_epoch(3)
    assert told(loader) == 3
    first = torch.cat([batch.jet_id for batch in loader])
    loader.set_epoch(5)
    assert sampler.epoch == told(loader) == 5
    assert not torch.equal(first, torch.cat([batch.jet_id for batch in loader]))


@pytest.mark.parametrize("persistent", [False, True])
def test_the_epoch_is_that_of_the_first_batch(persistent):
    workers = {"num_workers": 1, "multiprocessing_context": "fork", "persistent_workers": True}
    options = {"batch_transform": Stamp(), "generator": torch.Generator().manual_seed(1)}
    options |= workers if persistent else {}
    loader = JetLoader(dataset_of("jets"), 3, True, **options)
    seen = []
    for epoch in (8, 2, 8):
        batches = iter(loader)
        loader.sampler.set_epoch(epoch)  # as Lightning does, after the first iter
        drawn = list(batches)
        seen.append(torch.cat([batch.jet_id for batch in drawn]).tolist())
        assert {batch.epoch for batch in drawn} == {epoch}
    assert seen[0] == seen[2] != seen[1]


def test_workers_draw_other_numbers_in_each_epoch():
    options = {"num_workers": 1, "multiprocessing_context": "fork", "batch_transform": draw}
    loader = JetLoader(dataset_of("jets"), 7, **options)
    state = torch.get_rng_state()
    drawn = [next(iter(loader)).drawn.item() for _ in range(2)]
    assert drawn[0] != drawn[1]
    assert torch.equal(torch.get_rng_state(), state)
    loader.set_epoch(0)
    assert next(iter(loader)).drawn.item() == drawn[0]


def draw(batch):
    """A transform that draws from the global generator of the worker."""
    batch.drawn = torch.rand(1)
    return batch


def test_what_goes_to_a_worker_holds_the_data_once():
    dataset = dataset_of("jets")
    loader = JetLoader(dataset, 3)
    iter(loader)
    assert len(pickle.dumps(loader._batches)) < 1.5 * len(pickle.dumps(dataset))
    again = pickle.loads(pickle.dumps(loader))
    same_batch(next(iter(again)), next(iter(loader)))


def _seen(folder, devices):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = ("-m", "tests.ddp_loader", folder, devices)
    done = python(*words, folder=ROOT, environment=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [path.read_text().splitlines() for path in sorted(folder.glob(f"seen-{devices}-*"))]
    return [[json.loads(line) for line in each] for each in lines]


@pytest.mark.parametrize("devices", [1, 2])
def test_lightning(devices, tmp_path):
    ranks = _seen(tmp_path, devices)
    assert len(ranks) == devices
    for row in (row for rank in ranks for row in rank):
        assert row["rows"] == sum(i % 5 for i in row["ids"])
        assert row["told"] == row["epoch"]

    def jets(stage, epoch=None):
        """The jets that each rank saw in a stage."""
        rows = [[r for r in rank if r["stage"] == stage] for rank in ranks]
        return [[i for r in rank if epoch in (None, r["epoch"]) for i in r["ids"]] for rank in rows]

    def everyone(*args):
        return sorted(chain.from_iterable(jets(*args)))

    for epoch in (0, 1):
        assert everyone("fit", epoch) == list(range(20))
    assert jets("fit", 0) != jets("fit", 1)
    assert everyone("test") == list(range(20))
    assert everyone("predict") == list(range(19))
