"""Two processes train and test as one does: every jet once, the same weights, the same metrics."""

import json
import os
from collections import Counter
from itertools import chain, zip_longest
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from sklearn.metrics import roc_auc_score

from pyg_jets.loader import JetLoader
from pyg_jets.training import JetDataModule
from tests.ddp_training import EPOCHS, Multiplicity, jets, network, run, weights
from tests.processes import Python

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TOLERANCE = {"rel": 1e-5, "abs": 1e-5}
TRAINED = ("pfn", "particle_net")
trained = pytest.mark.parametrize("name", TRAINED)


class Replay:
    """Batches of several epochs, written down."""

    def __init__(self, batches, epoch):
        self.batches, self.epoch = batches, epoch

    def __iter__(self):
        return iter(self.batches[self.epoch()])

    def __len__(self):
        return len(self.batches[0])


class Replayed(JetDataModule):
    """Trains on the jets ``batches[epoch][step]``."""

    batches: list

    def train_dataloader(self):
        loader = super().train_dataloader()
        place = {jet: i for i, jet in enumerate(loader.dataset.jet_id.flatten().tolist())}
        rows = [[[place[jet] for jet in step] for step in epoch] for epoch in self.batches]
        order = Replay(rows, lambda: self.trainer.current_epoch)
        return JetLoader(
            loader.dataset, batch_sampler=order, batch_transform=loader.batch_transform
        )


def together(folder):
    """What each of two processes saw, run by run."""
    processes = []
    try:
        for rank in range(2):
            environment = {"OMP_NUM_THREADS": "1", "NODE_RANK": "0", "LOCAL_RANK": str(rank)}
            words = ("-m", "tests.ddp_training", folder, rank)
            processes.append(Python(*words, folder=ROOT, environment={**os.environ, **environment}))
        for process in processes:
            done = process.wait()
            assert done.returncode == 0, done.stderr[-3000:]
    finally:
        for process in processes:
            process.kill()
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


def by_step(of_run, epoch, stage="train", loader=0):
    """The jets of each batch of a process."""
    wanted = {"stage": stage, "epoch": epoch, "loader": loader}
    return [row["ids"] for row in of_run["rows"] if wanted.items() <= row.items()]


def joined(lists):
    return list(chain.from_iterable(lists))


def replay(folder, two, name):
    """One process, on the joined batches of the two."""
    data = jets(folder / "data", Replayed)
    epochs = [zip(*(by_step(rank[name], e) for rank in two), strict=True) for e in range(EPOCHS)]
    data.batches = [[joined(step) for step in epoch] for epoch in epochs]
    return run(name, data, 1)


def all_runs(folder):
    """What one process leaves, the two together, and one on what the two had."""
    alone = run("particle_net", jets(folder / "data"), 1, save=folder / "alone.ckpt")
    two = together(folder)
    return {
        "alone": alone,
        "two": two,
        "one": {name: replay(folder, two, name) for name in TRAINED},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all workers of a test session, in which all is run once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "ddp"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def runs(folder):
    found = folder / "runs.json"
    with FileLock(folder / "lock"):
        if not found.exists():
            found.write_text(json.dumps(all_runs(folder)))
    return json.loads(found.read_text())


@pytest.fixture(scope="module")
def two(runs):
    return runs["two"]


@pytest.fixture(scope="module")
def one(runs):
    return runs["one"]


@pytest.fixture(scope="module")
def data(folder, runs):
    return jets(folder / "data")


def of_ranks(two, name, *which):
    """The jets of each process, in order."""
    return [joined(by_step(rank[name], *which)) for rank in two]


def ids(split):
    return sorted(split.jet_id.flatten().tolist())


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_an_epoch_trains_on_every_jet(two, data, epoch):
    ranks, wanted = of_ranks(two, "pfn", epoch), ids(data.splits["train"])
    assert len(wanted) % 2 == 1
    assert set(ranks[0]) | set(ranks[1]) == set(wanted)
    assert len(ranks[0]) == len(ranks[1]) == len(wanted) // 2 + 1


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_a_process_repeats_one_jet_at_most(two, epoch):
    seen = Counter(joined(of_ranks(two, "pfn", epoch)))
    assert sum(seen.values()) - len(seen) <= 1


def test_each_epoch_has_another_order(two):
    first, second = (of_ranks(two, "pfn", epoch) for epoch in (0, 1))
    assert first[0] != second[0]
    assert first[1] != second[1]


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_validation_sees_every_jet_once(two, data, epoch):
    ranks, wanted = of_ranks(two, "pfn", epoch, "val"), ids(data.splits["val"])
    assert len(wanted) % 2 == 1
    assert sorted(joined(ranks)) == wanted
    assert [len(rank) for rank in ranks] == [len(wanted) // 2 + 1, len(wanted) // 2]


@pytest.mark.parametrize("loader", [0, 1], ids=["plain", "rotated"])
def test_test_sees_every_jet_once(two, data, loader):
    wanted = ids(data.spread_jets if loader else data.splits["test"])
    assert len(wanted) % 2 == 1
    assert sorted(joined(of_ranks(two, "pfn", 0, "test", loader))) == wanted


@pytest.mark.parametrize("which", [("val", 0), ("test", 0), ("test", 1)])
def test_a_process_may_have_no_jets(two, data, which):
    only = ids(data.splits[which[0]][:1])
    assert of_ranks(two, "few", 0, *which) == [only, []]


@pytest.mark.parametrize("name", [*TRAINED, "few"])
def test_processes_agree(two, name):
    first, second = (rank[name] for rank in two)
    for fact in ("curve", "test", "scores", "weights"):
        assert first[fact] == second[fact], fact


@trained
def test_the_weights_are_those_of_one_process(one, two, name):
    assert two[0][name]["weights"] != pytest.approx(weights(network(name)), abs=1e-2)
    assert two[0][name]["weights"] == pytest.approx(one[name]["weights"], **TOLERANCE)


@trained
def test_the_curve_is_that_of_one_process(one, two, name):
    for mine, alone in zip_longest(two[0][name]["curve"], one[name]["curve"]):
        assert {"train/loss", "val/loss", "val/auc"} <= mine.keys()
        assert mine == pytest.approx(alone, **TOLERANCE)


@trained
def test_the_test_is_that_of_one_process(one, two, name):
    mine = two[0][name]["test"]
    wanted = ("auc", "accuracy", "rejection_0.3", "rejection_0.5", "spread")
    assert {f"test/{metric}" for metric in wanted} <= mine.keys()
    assert torch.isfinite(torch.tensor(list(mine.values()))).all()
    assert mine == pytest.approx(one[name]["test"], **TOLERANCE)
    assert two[0][name]["scores"] == pytest.approx(one[name]["scores"], **TOLERANCE)


def test_a_checkpoint_of_one_process_is_tested_by_two(runs):
    mine, alone = runs["two"][0]["checkpoint"], runs["alone"]
    assert mine["weights"] == alone["weights"]
    assert mine["test"] == pytest.approx(alone["test"], **TOLERANCE)
    assert mine["scores"] == pytest.approx(alone["scores"], **TOLERANCE)


def test_ties_across_processes_count_half(two, data):
    batches = list(data.test_dataloader()[0])
    label = torch.cat([batch.y for batch in batches])
    score = torch.cat([Multiplicity()(batch.x, batch.ptr) for batch in batches]).flatten()
    assert len(score.unique()) < len(score) / 3
    assert len(set(score[label == 0].tolist()) & set(score[label == 1].tolist())) > 1
    exact = roc_auc_score(label, score)
    assert two[0]["ties"]["test"]["test/auc"] == pytest.approx(exact, abs=1e-12)
