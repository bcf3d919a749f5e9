"""Data sets of PyG and torch train a tagger: LightningDataset, Subset, plain graphs, parts."""

import lightning
import pytest
import torch
from torch.utils.data import Subset
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.data.lightning import LightningDataset
from torch_geometric.loader import DataLoader

from pyg_jets.datasets import ToyJets
from pyg_jets.nn import PFN, GraphVAE, ParticleNetLite
from pyg_jets.training import Generator, JetDataModule, Tagger

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore:.*pin_memory")


def plain_graphs(n_graphs=60):
    """Graphs as somebody else makes them: x and y, no ids, no positions, no jet columns."""
    generator = torch.Generator().manual_seed(0)
    return [
        Data(x=torch.randn(3 + i % 4, 3, generator=generator) + i % 2, y=torch.tensor([i % 2]))
        for i in range(n_graphs)
    ]


def in_memory(graphs):
    dataset = InMemoryDataset()
    dataset.data, dataset.slices = dataset.collate(graphs)
    return dataset


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    return ToyJets(tmp_path_factory.mktemp("toys"), n_jets=120)


def small_trainer(**arguments):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return lightning.Trainer(
        max_epochs=1, accelerator="cpu", enable_checkpointing=False, **quiet, **arguments
    )


def trained(data, **loaders):
    """The predictions of a tagger after a fit and a test."""
    tagger, trainer = Tagger(PFN(phi=(8,), f=(8,))), small_trainer()
    if loaders:
        trainer.fit(tagger, **loaders)
        trainer.test(tagger, loaders["val_dataloaders"], verbose=False)
    else:
        trainer.fit(tagger, datamodule=data)
        trainer.test(tagger, datamodule=data, verbose=False)
    assert torch.isfinite(trainer.callback_metrics["test/loss"])
    return tagger


def test_lightning_dataset_of_pyg():
    graphs = plain_graphs()
    data = LightningDataset(graphs[:40], graphs[40:50], graphs[50:], batch_size=4)
    tagger = trained(data)
    assert tagger.predictions["jet_id"].tolist() == list(range(10))
    assert tagger.predictions["label"].tolist() == [0, 1] * 5
    x = torch.cat([graph.x for graph in graphs[:40]])
    torch.testing.assert_close(tagger.shift, x.mean(0))


def test_loaders_of_pyg():
    graphs = plain_graphs()
    loaders = {"train_dataloaders": DataLoader(graphs[:50], 8),
               "val_dataloaders": DataLoader(graphs[50:], 4)}  # fmt: skip
    assert trained(None, **loaders).predictions["jet_id"].tolist() == list(range(10))


@pytest.mark.parametrize(
    "make",
    [
        in_memory,
        lambda graphs: graphs,
        lambda graphs: Subset(in_memory(graphs), range(5, 60)),
        lambda graphs: (graphs[:40], in_memory(graphs[40:50]), Subset(graphs, range(50, 60))),
    ],
    ids=["InMemoryDataset", "list", "Subset", "three parts"],
)
def test_data_modules_of_plain_graphs(make):
    data = JetDataModule(make(plain_graphs()), batch_size=8)
    assert data.names == ("x0", "x1", "x2")
    tagger = trained(data)
    assert tagger.predictions["jet_id"].tolist() == data.splits["test"].jet_id.tolist()
    ids = [set(part.jet_id.tolist()) for part in data.splits.values()]
    assert len(set.union(*ids)) == sum(map(len, ids))


def test_a_subset_keeps_the_splits_of_its_jets(toys):
    for part in (Subset(toys, range(20, 100)), toys[20:100]):
        data = JetDataModule(part, batch_size=16)
        for split, jets in data.splits.items():
            whole = toys.get_split(split).jet_id.tolist()
            chosen = toys[20:100].jet_id.tolist()
            assert jets.jet_id.tolist() == [i for i in whole if i in chosen]
    trained(data)


def test_three_parts_of_jets(toys):
    parts = tuple(toys.get_split(split) for split in ("train", "val", "test"))
    data = JetDataModule(parts)
    assert data.classes == toys.classes
    assert data.splits["test"].jet_id.equal(parts[2].jet_id)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([Data(y=torch.tensor([1]))] * 9, r"graphs with particles x \[n, F\], but .* none"),
        ((plain_graphs(), plain_graphs()), r"three of them as \(train, val, test\), but got 2"),
        ({"train": 1}, "Expected a data set of PyG, a Subset of one, or a list of Data, but got"),
        (plain_graphs(2), "split of .* is empty"),
    ],
)  # fmt: skip
def test_what_is_no_data_set_is_refused(data, said):
    with pytest.raises(ValueError, match=said):
        JetDataModule(data)


def test_what_a_task_lacks_is_named():
    graphs = plain_graphs()
    unlabelled = [Data(x=graph.x) for graph in graphs]
    with pytest.raises(ValueError, match="has no labels"):
        small_trainer().fit(Tagger(PFN()), datamodule=JetDataModule(unlabelled))
    with pytest.raises(TypeError, match="batches of PyG with x, ptr and y, but got"):
        small_trainer().fit(Tagger(PFN()), DataLoader(unlabelled, 4))
    tagger, generator = Tagger(ParticleNetLite(k=2)), Generator(GraphVAE(latent=2))
    with pytest.raises(ValueError, match=r"Expected pos of shape"):
        small_trainer().fit(tagger, datamodule=JetDataModule(graphs))
    with pytest.raises(TypeError, match=r"Expected a JetDataModule, .* got LightningDataset"):
        small_trainer().fit(generator, datamodule=LightningDataset(graphs))
