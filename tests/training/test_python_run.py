"""`RunFolder` in a trainer that Python made: checkpoints, configuration, and the model of them."""

import lightning
import pyarrow.parquet as pq
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch_geometric.data.lightning import LightningDataset

import pyg_jets
from pyg_jets.datasets import ToyJets
from pyg_jets.io.checksums import is_sealed
from pyg_jets.losses import InvarianceLoss
from pyg_jets.nn import PFN
from pyg_jets.ops import segment_sum
from pyg_jets.training import JetDataModule, RunFolder, Tagger, predict
from tests.training.test_graphs import plain_graphs

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore:.*pin_memory")


class Kept(nn.Module):
    """A network that keeps its argument."""

    def __init__(self, width: int = 4):
        super().__init__()
        self.width = width
        self.layer = nn.Linear(3, width)

    def forward(self, x, ptr, pos=None):
        return self.layer(segment_sum(x, ptr)).sum(1, keepdim=True)


class Unkept(Kept):
    """One that does not."""

    def __init__(self, width: int, scale: float):
        super().__init__(width)
        self.layer = nn.Linear(3, width)


def fitted(folder, network, data, loss=None, callbacks=()):
    tagger = Tagger(network, loss)
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[RunFolder(folder, samples=0), *callbacks],
    )  # fmt: skip
    trainer.fit(tagger, datamodule=data)
    trainer.test(tagger, datamodule=data, verbose=False, ckpt_path="best", weights_only=True)
    return tagger.eval()


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    toys = ToyJets(tmp_path_factory.mktemp("toys"), n_jets=100)
    return JetDataModule(toys, ["eta", "phi", "pt"], batch_size=20)


def same_scores(folder, tagger, data):
    loaded, run = pyg_jets.load_run(folder).tagger(), pyg_jets.load_run(folder)
    batch = next(iter(data.predict_dataloader()))
    scores = loaded(batch.x, batch.ptr)
    assert torch.equal(scores, tagger(batch.x, batch.ptr))
    order = batch.jet_id.argsort()
    assert scores.flatten()[order].tolist() == pytest.approx(run.predictions.scores.tolist())
    return loaded


@pytest.mark.parametrize("network", [PFN(phi=(8,), f=(8,), norm=True), Kept(5)], ids=["PFN", "own"])
def test_a_run_gives_its_model_back(network, toys, tmp_path):
    tagger = fitted(tmp_path / "run", network, toys, InvarianceLoss(b=7.0))
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {
        "checkpoints", "config.yaml", "metrics.csv", "metrics.json", "predictions.parquet"
    }  # fmt: skip
    assert is_sealed(tmp_path / "run" / "checkpoints" / "best.ckpt")
    loaded = same_scores(tmp_path / "run", tagger, toys)
    assert repr(loaded.loss) == repr(tagger.loss)
    table = pq.read_table(predict(tmp_path / "run", toys.dataset, tmp_path / "scores.parquet"))
    scores = dict(zip(table["jet_id"].to_pylist(), table["score"].to_pylist(), strict=True))
    predictions = pyg_jets.load_run(tmp_path / "run").predictions
    assert len(scores) == len(toys.dataset)
    assert [scores[i] for i in predictions.ids] == pytest.approx(predictions.scores, rel=1e-5)


def test_checkpoints_with_a_place_stay_there(toys, tmp_path):
    kept = ModelCheckpoint(tmp_path / "elsewhere", monitor="val/auc", mode="max")
    tagger = fitted(tmp_path / "run", Kept(), toys, callbacks=[kept])
    assert kept.best_model_path.startswith(str(tmp_path / "elsewhere"))
    same_scores(tmp_path / "run", tagger, toys)


def test_a_network_that_plain_values_do_not_describe_is_said_to_be_so(toys, tmp_path):
    tagger = fitted(tmp_path / "run", Unkept(3, scale=2.0), toys)
    with pytest.raises(
        ValueError, match=r"because Unkept keeps no plain value of its argument scale: build it"
    ):
        pyg_jets.load_run(tmp_path / "run").tagger()
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    loaded = Tagger.load_from_checkpoint(best, network=Unkept(3, scale=2.0))
    assert all(map(torch.equal, loaded.state_dict().values(), tagger.state_dict().values()))


def test_a_checkpoint_alone_names_what_builds_the_network(toys, tmp_path):
    fitted(tmp_path / "run", Kept(), toys)
    with pytest.raises(ValueError, match=r"holds weights, .*load_run\('.*/run'\)\.tagger\(\)"):
        Tagger.load_from_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt")


@pytest.mark.parametrize("parts", [3, 1], ids=["three parts", "no validation"])
def test_data_modules_of_others(parts, tmp_path):
    graphs = plain_graphs()
    data = LightningDataset(graphs[:40], *[graphs[40:50], graphs[50:]][: parts - 1], batch_size=8)
    folder = tmp_path / "run"
    if parts == 3:
        fitted(folder, PFN(phi=(8,), f=(8,)), data)
        assert pyg_jets.load_run(folder).predictions.labels.tolist() == [0, 1] * 5
    else:
        trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", logger=False,
                                    enable_progress_bar=False, enable_model_summary=False,
                                    callbacks=[RunFolder(folder)])  # fmt: skip
        trainer.fit(Tagger(PFN(phi=(8,), f=(8,))), datamodule=data)
    tagger = pyg_jets.load_run(folder).tagger()
    assert tagger(graphs[0].x, torch.tensor([0, 3])).shape == (1, 1)
