"""Observables of the jet: from the columns of a data set through a batch into the network."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from sklearn.metrics import roc_auc_score
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

import pyg_jets
from pyg_jets import JetArray
from pyg_jets.cli import main
from pyg_jets.datasets import JetFiles, ToyJets
from pyg_jets.io import write_parquet
from pyg_jets.nn import PFN, GraphVAE
from pyg_jets.runs import load_run
from pyg_jets.training import Generator, JetDataModule, Tagger, predict
from pyg_jets.transforms import JetFeatures
from tests.training.test_graphs import small_trainer

NAMES = ["reco_mass", "reco_tau21", "multiplicity"]


def write_jets(path, n=400):
    """Jets whose particles say nothing of their class, which their observables do."""
    rng = np.random.default_rng(0)
    counts = rng.integers(2, 7, n)
    label = np.arange(n) % 2
    tau1 = rng.uniform(0.1, 0.3, n)
    jets = {
        "reco_mass": 80 + 40 * label + rng.normal(0, 20, n),
        "reco_tau1": tau1,
        "reco_tau2": tau1 * (0.6 - 0.3 * label + rng.normal(0, 0.1, n)),
    }
    particles = np.stack([rng.exponential(9, counts.sum()) + 0.5,
                          *rng.normal(0, 0.2, (2, counts.sum()))], -1)  # fmt: skip
    write_parquet(
        JetArray(
            particles.astype(np.float32),
            ("pt", "eta", "phi"),
            np.concatenate(([0], counts.cumsum())),
            labels=label,
            ids=np.arange(n),
            jets={name: value.astype(np.float32) for name, value in jets.items()},
        ),
        path,
    )
    return jets | {"multiplicity": counts}, label


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("observables")


@pytest.fixture(scope="module")
def written(folder):
    return write_jets(folder / "jets.parquet")


def jets_of(folder, **options):
    return JetFiles(folder, folder / "jets.parquet", classes=["qcd", "top"], **options)


def settings(folder, **network):
    dataset = {"root": str(folder), "files": str(folder / "jets.parquet"),
               "classes": ["qcd", "top"]}  # fmt: skip
    arguments = {"phi": [8], "f": [8], "norm": True, "jet_channels": -1, **network}
    return {
        "model": {
            "network": {"class_path": "pyg_jets.nn.PFN", "init_args": arguments},
            "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.02}},
        },
        "data": {
            "dataset": {"class_path": "pyg_jets.datasets.JetFiles", "init_args": dataset},
            "jet_features": NAMES,
            "batch_size": 32,
        },
        "trainer": {"max_epochs": 6, "accelerator": "cpu", "logger": False,
                    "enable_progress_bar": False},
    }  # fmt: skip


def fit(folder, tree, run="run"):
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    return main(["fit", "--config", str(folder / "config.yaml"), "--run", str(folder / run)])


@pytest.fixture(scope="module")
def run(folder, written):
    assert fit(folder, settings(folder)) == 0
    return folder / "run"


def by_hand(written, ids):
    columns, _ = written
    ratio = columns["reco_tau2"] / columns["reco_tau1"]
    return np.stack([columns["reco_mass"], ratio, columns["multiplicity"]], -1)[ids]


def test_a_network_learns_from_the_observables_of_jets(run, written):
    saved = load_run(run)
    auc = roc_auc_score(saved.predictions.labels, saved.predictions.scores)
    assert auc > 0.9  # without them .5
    assert saved.metrics["test/auc"] == pytest.approx(auc, abs=1e-6)
    assert saved.provenance["jet_features"] == NAMES


def test_they_are_standardised_by_the_training_jets(run, written, folder):
    tagger = pyg_jets.load_run(run).tagger()
    ids = jets_of(folder, split="train").jet_id.flatten().numpy()
    train = by_hand(written, ids)
    np.testing.assert_allclose(tagger.jet_shift, train.mean(0), rtol=1e-5)
    np.testing.assert_allclose(1 / tagger.jet_scale, train.std(0), rtol=1e-4)


def test_the_loaded_tagger_gives_the_scores_of_the_run(run, written, folder):
    tagger, kept = pyg_jets.load_run(run).tagger(), load_run(run).predictions
    jets = jets_of(folder)
    data = JetDataModule(jets, jet_features=NAMES)
    (batch,) = data.predict_dataloader()
    ids = batch.jet_id.flatten().numpy()
    torch.testing.assert_close(
        batch.jet_features, torch.tensor(by_hand(written, ids), dtype=torch.float32)
    )
    with torch.no_grad():
        scores = tagger.of_batch(batch).flatten().numpy()
    order = np.argsort(ids)
    np.testing.assert_allclose(scores[order], kept.scores[np.argsort(kept.ids)], atol=1e-5)
    with pytest.raises(ValueError, match=r"reads 3 observables of each jet, but got none"):
        tagger(batch.x, batch.ptr, batch.pos)
    path = predict(run, folder / "jets.parquet", folder / "scores.parquet")
    predicted = pq.read_table(path)["score"].to_numpy()  # all jets, in the order of the file
    np.testing.assert_allclose(predicted[ids], scores, atol=1e-5)


def test_ratios_are_zero_where_both_are():
    jets = Data(jet=torch.tensor([[0.0, 0.0], [0.4, 0.1]]))
    out = JetFeatures(["gen_tau32"], ["gen_tau2", "gen_tau3"])(jets)
    assert out.jet_features.tolist() == [[0.0], [0.25]]
    assert "jet_features" not in jets


def test_unknown_observables_are_named(folder, written, tmp_path):
    jets = jets_of(folder)
    with pytest.raises(ValueError, match=r"'reco_mas'.*multiplicity.*mean 'reco_mass'"):
        JetDataModule(jets, jet_features=["reco_mas"])
    with pytest.raises(ValueError, match="'reco_tau32': choose from"):
        JetDataModule(jets, jet_features=["reco_tau32"])
    with pytest.raises(ValueError, match="has no observables of jets"):
        JetDataModule(ToyJets(tmp_path, n_jets=40), jet_features=["gen_mass"])


@pytest.mark.parametrize(
    ("channels", "names", "message"),
    [
        (0, NAMES, "reads the 3 observables .* PFN reads none: set its jet_channels to 3"),
        (2, NAMES, "PFN reads 2: set its jet_channels to 3, or to -1"),
        (-1, None, r"PFN reads observables of jets \(jet_channels=-1\), but there are none"),
    ],
)
def test_network_and_data_must_agree(folder, written, channels, names, message):
    data = JetDataModule(jets_of(folder), jet_features=names)
    with pytest.raises(ValueError, match=message):
        small_trainer().fit(Tagger(PFN(jet_channels=channels)), datamodule=data)


class Own(nn.Module):
    """A network of one's own, which reads particles alone."""

    def forward(self, x, ptr, pos=None):
        return ptr.diff().float().unsqueeze(1)


def test_what_cannot_read_them_is_refused(folder, written, tmp_path):
    data = JetDataModule(jets_of(folder), jet_features=NAMES)
    with pytest.raises(ValueError, match="Own reads none: set its jet_channels to 3"):
        small_trainer().fit(Tagger(Own()), datamodule=data)
    with pytest.raises(ValueError, match="jet_features is of taggers"):
        small_trainer().fit(Generator(GraphVAE(latent=2)), datamodule=data)


def test_loaders_of_others_bring_them_along():
    def graphs(value):
        return [
            Data(
                x=torch.rand(3, 2),
                y=torch.tensor([i % 2]),
                jet_features=torch.tensor([[4.0 + 2 * (i % 2), value]]),
            )
            for i in range(8)
        ]

    tagger = Tagger(PFN(jet_channels=2, norm=True))
    small_trainer().fit(tagger, DataLoader(graphs(3.0), 7))  # the last batch has one jet
    torch.testing.assert_close(tagger.jet_shift, torch.tensor([5.0, 3.0]))
    torch.testing.assert_close(tagger.jet_scale, torch.tensor([1.0, 1.0]))
    with pytest.raises(ValueError, match=r"Observables \[1\] of jet_features .* NaN"):
        small_trainer().fit(Tagger(PFN(jet_channels=2)), DataLoader(graphs(torch.nan), 8))
