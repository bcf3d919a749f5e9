"""The features that a data set was asked for are those that a network reads."""

import numpy as np
import pytest

from pyg_jets.columns import CANONICAL
from pyg_jets.datasets import JetFiles
from pyg_jets.training import JetDataModule
from pyg_jets.transforms import TAGGER_FEATURES, Features, Resimulate

NAMES = (*CANONICAL, "d0")
COLUMNS = {name: ("X", i) for i, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(0)
    particles = rng.normal(0, 0.3, (80, 5, len(NAMES)))
    particles[..., 0] = rng.exponential(10, (80, 5)) + 1
    particles[..., 3:6] = (0.1396, 1, 211)
    path = tmp_path_factory.mktemp("jets") / "jets.npz"
    np.savez(path, X=particles, y=np.arange(80) % 2)
    return path


@pytest.fixture
def jets(file, tmp_path):
    def make(**arguments):
        return JetFiles(
            tmp_path, file, COLUMNS, label="y", classes=("a", "b"), key="pt", **arguments
        )

    return make


def test_those_of_the_data_set_are_used_as_they_are(jets):
    asked = ["logpt", "eta", "phi", "d0"]
    dataset = jets(features=asked)
    data = JetDataModule(dataset)
    assert list(data.names) == asked
    batch = next(iter(data.val_dataloader()))
    assert batch.x.equal(dataset.get_split("val").x)


def test_those_of_the_data_module_come_first(jets):
    dataset = jets(features=["pt", "eta", "phi", "d0"])
    assert JetDataModule(dataset, ["ptrel", "d0"]).names == ("ptrel", "d0")
    features = Features(["d0"], columns=dataset.columns)
    assert JetDataModule(dataset, features).names == ("d0",)


def test_a_column_that_the_default_leaves_out_is_named(jets):
    with pytest.warns(UserWarning, match="reads logptrel, deltar, etarel, phirel, not d0: name"):
        assert JetDataModule(jets()).names == TAGGER_FEATURES


def test_columns_for_a_detector_are_no_features(jets, recwarn):
    data = JetDataModule(jets(features=CANONICAL), train_transform=Resimulate(angles=2))
    assert data.names == TAGGER_FEATURES
    assert not [warning for warning in recwarn if "reads" in str(warning.message)]


def test_a_detector_refuses_features_that_it_cannot_carry(jets):
    with pytest.raises(ValueError, match=r"detector needs .* of x, but .* pt, eta, phi, d0: make"):
        JetDataModule(jets(features=["pt", "eta", "phi", "d0"]), train_transform=Resimulate())
