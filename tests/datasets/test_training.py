"""From files in a public layout to a trained tagger."""

import lightning
import pytest
import torch

from pyg_jets.columns import CANONICAL
from pyg_jets.nn import PFN
from pyg_jets.training import JetDataModule, RunFolder, Tagger
from pyg_jets.training.run_folder import sample_jets
from pyg_jets.transforms import Resimulate
from tests.datasets.layouts.all import LAYOUTS

FRACTIONS = {"split_fractions": (0.5, 0.25, 0.25)}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # lightning's advice
@pytest.mark.parametrize(
    ("name", "options", "transform"),
    [
        ("top_tagging", {"splits": "hash", "max_particles": 30, "order": "pt"}, None),
        ("top_tagging", {"splits": "hash", "features": ["logptrel", "etarel", "phirel"]}, None),
        ("quark_gluon", {}, Resimulate("cms-like", angles=2)),
        ("jet_images", {}, None),
    ],
)
def test_a_tagger_learns_from_files(name, options, transform, written, tmp_path):
    layout = LAYOUTS[name]
    dataset = layout.kind(written(layout), **{**layout.options, **FRACTIONS, **options})
    data = JetDataModule(dataset, train_transform=transform, batch_size=8, spread_angles=2)
    model = Tagger(PFN())
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        callbacks=[RunFolder(tmp_path / "run")],
    )
    trainer.fit(model, data)
    (found, *_) = trainer.test(model, data, verbose=False)
    assert 0 <= found["test/auc"] <= 1
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert (tmp_path / "run" / "predictions.parquet").exists()
    assert sample_jets(data).columns == dataset.columns


def test_a_detector_asks_for_its_columns(written):
    layout = LAYOUTS["quark_gluon"]
    order = [*CANONICAL[:4], "pdgid", "charge"]
    dataset = layout.kind(written(layout), **layout.options, **FRACTIONS, features=order)
    with pytest.raises(ValueError, match=r"needs the columns pt, .*make it with features="):
        JetDataModule(dataset, train_transform=Resimulate("cms-like"))


def test_a_tagger_asks_for_labels(written, tmp_path):
    layout = LAYOUTS["aspen_open_jets"]
    data = JetDataModule(layout.kind(written(layout), **layout.options, **FRACTIONS))
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", default_root_dir=tmp_path, logger=False
    )
    with pytest.raises(ValueError, match="has no labels, expected at least two classes"):
        trainer.fit(Tagger(PFN()), data)


def test_features_by_name_are_made_of_the_columns_at_hand(written):
    layout = LAYOUTS["top_tagging"]
    dataset = layout.kind(written(layout), splits="hash", **FRACTIONS)
    data = JetDataModule(dataset, features=["ptrel"], batch_size=8)
    batch = next(iter(data.val_dataloader()))
    sums = torch.zeros(batch.num_graphs).index_add(0, batch.batch, batch.x[:, 0])
    assert data.n_features == 1
    assert (sums[batch.ptr.diff() > 0] > 0.99).all()  # shares of the sum's pT
    with pytest.raises(ValueError, match="'colour'"):
        JetDataModule(dataset, features=["colour"])
