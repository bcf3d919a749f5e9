"""Jet columns that a data set computes: against the observables of the particles it hands out."""

import logging

import numpy as np
import pytest
import torch

from pyg_jets import JetArray
from pyg_jets.datasets import JetFiles, PFNano, PythiaJets, ToyJets
from pyg_jets.io import write_parquet
from pyg_jets.substructure import substructure
from pyg_jets.transforms import FlatWeights
from tests.conftest import random_jets
from tests.datasets.layouts.all import LAYOUTS

WANTED = {"tau21": "tau21", "c2_beta2": "c2_beta2", "efp_01_12": "efp_01_12", "girth": "girth"}
WANTED |= {"own_mass": "mass", "own_n": "multiplicity", "own_tau1": "tau1_onepass_wta_kt"}


def values(dataset, column):
    if column in dataset.jet_columns:
        return dataset._data.jet[:, dataset.jet_columns.index(column)].numpy()
    return dataset._data[column].numpy()


def by_hand(dataset, columns, attribute="x"):
    """The observables of the particles of each graph."""
    graphs = [data[attribute].numpy() for data in dataset]
    ptr = np.cumsum([0, *map(len, graphs)])
    return substructure(JetArray(np.concatenate(graphs), columns, ptr), names=WANTED)


def same(dataset, wanted, prefix):
    for name, value in wanted.items():
        found = values(dataset, f"{prefix}{name}")
        assert found.dtype == (np.int64 if name == "own_n" else np.float32)
        # Features are float32: momenta of one direction may have a mass by rounding.
        np.testing.assert_allclose(found, value, rtol=2e-3, atol=0.02 * ("mass" in name) + 1e-5)
    assert values(dataset, f"{prefix}tau21").std() > 0


@pytest.mark.parametrize("name", LAYOUTS)
def test_of_every_data_set_of_files(name, written):
    layout = LAYOUTS[name]
    on_a_plane = layout.kind.axis == "origin"
    features = ["pt", "eta", "phi"] if on_a_plane else ["px", "py", "pz", "e"]
    if name == "jet_net":  # which publishes no azimuth of jets, and no masses
        features = ["pt", "eta", "phirel"]
    options = {**layout.options, "features": features}
    if name == "sparse_mnist":  # of all pixels, not of the brightest
        options["n_pixels"] = 784
    dataset = layout.kind(written(layout), jet_columns=WANTED, **options)
    columns = [feature.removesuffix("rel") for feature in features]
    prefix = f"{dataset.level}_" if dataset.level else ""
    same(dataset, by_hand(dataset, columns), prefix)
    plain = layout.kind(written(layout), **options)
    assert plain.processed_dir != dataset.processed_dir
    assert not {f"{prefix}{name}" for name in WANTED} & {*plain.jet_columns, *plain._data.keys()}
    before = len(plain.jet_columns)
    assert dataset.jet_columns[:before] == plain.jet_columns
    if before:
        assert torch.equal(dataset._data.jet[:, :before], plain._data.jet)


@pytest.fixture
def files(tmp_path):
    """Thirty random jets in parquet, and what `JetFiles` needs to read them."""
    jets = random_jets(30)
    write_parquet(jets, tmp_path / "jets.parquet")

    def make(**options):
        columns = {"pt": "particles.pt", "eta": "particles.eta", "phi": "particles.phi"}
        arguments = {"root": tmp_path, "files": tmp_path / "jets.parquet", "columns": columns}
        return JetFiles(**(arguments | options))

    return make


def test_neither_cuts_of_particles_nor_windows_change_them(files):
    names = ["tau32", "softdrop_mass", "multiplicity", "pt"]
    whole = files(jet_columns=names)
    low, high = np.quantile(values(whole, "pt"), (0.3, 0.8))
    cut = files(jet_columns=names, max_particles=5, min_pt=1.0, pt=(float(low), float(high)))
    assert 5 < len(cut) < len(whole)
    places = np.searchsorted(whole.jet_id.numpy(), cut.jet_id.numpy())
    assert torch.equal(cut._data.jet, whole._data.jet[places])
    assert torch.equal(cut.multiplicity, whole.multiplicity[places])
    assert max(data.num_nodes for data in cut) == 5


def test_observables_that_are_there_are_not_computed_again(written):
    layout = LAYOUTS["lhc_olympics"]
    plain = layout.kind(written(layout), **layout.options)
    dataset = layout.kind(written(layout), jet_columns=["tau1", "lha", "mass"], **layout.options)
    assert dataset.jet_columns == (*plain.jet_columns, "reco_lha")


def test_columns_of_the_files_make_way_and_are_kept(written, caplog):
    layout = LAYOUTS["pf_nano"]
    options = {**layout.options, "features": ["px", "py", "pz", "e"]}
    with caplog.at_level(logging.WARNING):
        dataset = PFNano(written(layout), jet_columns=["tau32", "softdrop_mass"], **options)
    assert "the files have softdrop_mass themselves, which are kept as softdrop_mass_file" in (
        caplog.text
    )
    plain = PFNano(written(layout), **options)
    for name in plain.jet_columns:
        kept = name + "_file" * (name == "reco_softdrop_mass")
        np.testing.assert_array_equal(values(dataset, kept), values(plain, name))
    graphs = [data.x.numpy() for data in dataset]
    particles = JetArray(
        np.concatenate(graphs), options["features"], np.cumsum([0, *map(len, graphs)])
    )
    want = substructure(particles, names=["tau32", "softdrop_mass"])
    for name, value in want.items():
        np.testing.assert_allclose(values(dataset, f"reco_{name}"), value, rtol=2e-3, atol=0.02)
    assert abs(want["softdrop_mass"] - values(plain, "reco_softdrop_mass")).max() > 1


def test_both_levels_of_pairs(written):
    root = written(LAYOUTS["pf_nano"])
    dataset = PFNano(
        root, pairs=True, features=["px", "py", "pz", "e"], jet_columns=WANTED, mass=(0, 1e4)
    )
    columns = ("px", "py", "pz", "e")
    same(dataset, by_hand(dataset, columns), "gen_")
    same(dataset, by_hand(dataset, columns, "x_target"), "reco_")


def test_of_toys(tmp_path):
    dataset = ToyJets(tmp_path, n_jets=4, jet_columns=WANTED)
    same(dataset, by_hand(dataset, dataset.columns), "")
    assert "tau21" not in ToyJets(tmp_path, n_jets=4).jet_columns


def test_of_pythia(tmp_path, monkeypatch):
    jets = random_jets(60)
    gen = {f"gen_{n}": v for n, v in substructure(jets).items()}
    jets = JetArray(jets.particles, jets.columns, jets.ptr, jets=gen | {"event": np.arange(60)})
    write_parquet(jets, tmp_path / "qcd.parquet")
    monkeypatch.setattr(
        "pyg_jets.datasets.pythia.generate_folder",
        lambda *arguments: {"qcd": tmp_path / "qcd.parquet"},
    )
    options = {"processes": ("qcd",), "pt": (1, 1e4), "detector": "cms-like"}
    dataset = PythiaJets(tmp_path, jet_columns={**WANTED, "mass": "mass"}, **options)
    same(dataset, by_hand(dataset, dataset.columns), "gen_")
    assert values(dataset, "reco_tau21").std() > 0
    with pytest.raises(ValueError, match=r"column 'tau1' of their own: .* \{'own_tau1': 'tau2'\}"):
        PythiaJets(tmp_path, jet_columns={"tau1": "tau2"}, **options)


def test_weights_that_flatten_a_computed_column(files):
    dataset = files(label="label", jet_columns=["lha"])
    assert dataset.jet_columns[-1] == "lha"
    weights = FlatWeights(["lha"], bins=[3]).fit_statistics([dataset._data], dataset.jet_columns)
    assert weights(dataset._data.clone()).weight.sum() > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jet_columns": ["tau9"]}, "Unknown observable 'tau9'"),
        ({"jet_columns": {"weight": "tau1"}}, "other names than weight"),
        (
            {"jets": {"pt": "jets.gen_pt"}, "jet_columns": ["pt"]},
            r"JetFiles has a jet column 'pt' of its own: .* as \{'own_pt': 'pt'\}",
        ),
        ({"jet_columns": {"mass": "softdrop_mass"}}, "a jet column 'mass' of its own"),
        ({"jet_columns": {"multiplicity": "pt"}}, "a jet column 'multiplicity' of its own"),
        (
            {
                "columns": {"etarel": "particles.eta", "phirel": "particles.phi"},
                "coordinates": (),
                "jet_columns": ["tau1"],
            },
            "lacks what 'tau1' is computed from, its columns are etarel, phirel",
        ),
    ],
    ids=str,
)
def test_what_is_refused(files, options, said):
    with pytest.raises(ValueError, match=said):
        files(**options)


def test_the_azimuth_of_jets_that_is_not_published(written):
    layout = LAYOUTS["jet_net"]
    with pytest.raises(ValueError, match="lacks what 'phi' is computed from"):
        layout.kind(written(layout), jet_columns={"azimuth": "phi"})
    with pytest.raises(ValueError, match="a jet column 'mass' of its own"):
        layout.kind(written(layout), jet_columns=["mass"])


def test_a_tree_and_the_predictions_read_them(files):
    from types import SimpleNamespace

    from pyg_jets.training.data import JetDataModule
    from pyg_jets.training.run_folder import prediction_table

    dataset = files(label="label", jet_columns=["c2", "tau2"], split_fractions=(0.4, 0.2, 0.4))
    data = JetDataModule(dataset)
    data.setup("test")
    data.setup("fit")
    test = data.splits["test"]
    predictions = {"logits": torch.zeros(len(test), 1), "jet_id": test.jet_id, "label": test.y}
    tagger = SimpleNamespace(predictions=predictions)
    table = prediction_table(tagger, data, tree=("c2", "tau2"))
    np.testing.assert_array_equal(table["c2"], test.observables(None)["c2"])
    assert np.unique(table["tree"]).size > 1


def test_a_configuration_names_them(files, tmp_path):
    from jsonargparse import ArgumentParser

    root = files().root
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(JetFiles, "dataset")
    tree = {"class_path": "pyg_jets.datasets.JetFiles",
            "init_args": {"root": root, "files": f"{root}/jets.parquet"}}  # fmt: skip
    for value in (["lha"], {"les_houches": "lha"}):
        tree["init_args"]["jet_columns"] = value
        built = parser.instantiate(parser.parse_object({"dataset": tree})).dataset
        assert built.jet_columns[-1] == next(iter(value))
