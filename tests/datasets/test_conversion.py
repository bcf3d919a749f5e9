"""Features, selections, splits and conversions that every data set of files shares."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import vector

from pyg_jets.columns import KINDS
from pyg_jets.datasets import JetNet, QuarkGluon, TopTagging
from pyg_jets.datasets import conversion as module
from pyg_jets.datasets.conversion import Conversion
from pyg_jets.files import read_json
from tests.datasets.layouts.all import LAYOUTS
from tests.processes import HANGING, Python

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def top(written):
    root = written(LAYOUTS["top_tagging"])
    return lambda **extra: TopTagging(root, **extra)


@pytest.fixture
def quark(written):
    root = written(LAYOUTS["quark_gluon"])
    return lambda **extra: QuarkGluon(root, **{"n_files": 2, **extra})


def momenta(data, names=("px", "py", "pz", "e")):
    return vector.array(
        dict(zip(("px", "py", "pz", "E"), data.x[:, : len(names)].double().numpy().T, strict=True))
    )


FEATURES = (
    "px", "py", "pz", "e", "pt", "eta", "rapidity", "phi", "logpt", "loge", "ptrel", "erel",
    "logptrel", "logerel", "etarel", "rapidityrel", "phirel", "deltar",
)  # fmt: skip


def test_features_by_name_agree_with_vector(top):
    for data in top(features=FEATURES):
        if not data.num_nodes:
            continue
        p = momenta(data)
        jet = p.sum()
        expected = {
            "pt": p.pt, "eta": p.eta, "rapidity": p.rapidity, "phi": p.phi, "logpt": np.log(p.pt),
            "loge": np.log(p.E), "ptrel": p.pt / jet.pt, "erel": p.E / jet.E,
            "logptrel": np.log(p.pt / jet.pt), "logerel": np.log(p.E / jet.E),
            "etarel": p.eta - jet.eta, "rapidityrel": p.rapidity - jet.rapidity,
            "phirel": p.deltaphi(jet), "deltar": p.deltaR(jet),
        }  # fmt: skip
        for name, value in expected.items():
            found = data.x[:, FEATURES.index(name)].numpy()
            np.testing.assert_allclose(found, value, rtol=2e-4, atol=2e-4, err_msg=name)
        assert (data.pos[:, 1].abs() < 2).all(), "the azimuth is wrapped"
        np.testing.assert_allclose(
            data.jet[0].numpy(), [jet.pt, jet.eta, jet.phi, jet.mass], rtol=1e-3, atol=1e-3
        )


def test_kinds_are_one_hot(quark):
    dataset = quark(features=["pdgid", "charge", "pdgid_onehot"])
    assert dataset.columns == ("pdgid", "charge", *KINDS)
    for data in dataset:
        pdgid, charge = data.x[:, 0], data.x[:, 1]
        assert (data.x[:, 2:].sum(1) <= 1).all()
        kinds = dict(zip(KINDS, data.x[:, 2:].T.bool(), strict=True))
        assert (kinds["isphoton"] == (pdgid == 22)).all()
        assert (kinds["ischargedhadron"] == ((charge != 0) & (pdgid.abs() > 100))).all()


def test_coordinates(top):
    data = top(coordinates=("rapidityrel", "phirel"), features=("rapidity", "eta"))[0]
    assert data.pos.shape == (data.num_nodes, 2)
    offset = data.x[:, 0] - data.pos[:, 0]
    np.testing.assert_allclose(offset, offset[0], atol=1e-5)
    assert "pos" not in top(coordinates=())[0]


def test_max_particles_are_the_hardest(quark):
    whole, cut = quark(), quark(max_particles=10)
    for one, other in zip(whole, cut, strict=True):
        assert other.num_nodes == min(10, one.num_nodes)
        hardest = one.x[:, 0].sort(descending=True, stable=True)
        kept = hardest.indices[:10].sort().values
        assert (one.x[kept] == other.x).all(), "in the order of the file"
        assert (one.pos[kept] == other.pos).all(), "relative to the axis of the whole jet"
        assert (one.jet == other.jet).all()


def test_order_and_min_pt(quark):
    for one, other in zip(quark(), quark(order="pt", min_pt=2.0), strict=True):
        pt = one.x[:, 0]
        assert other.x[:, 0].tolist() == sorted(pt[pt >= 2].tolist(), reverse=True)


def test_windows(top):
    whole = top()
    pt, mass = (np.array([float(d.jet[0, i]) for d in whole]) for i in (0, 3))
    low, high = np.quantile(pt, (0.25, 0.75))
    inside = top(pt=(low, high), mass=(10, 1000))
    wanted = (pt >= low) & (pt < high) & (mass >= 10)
    ids = np.array([int(d.jet_id) for d in whole])
    assert [int(d.jet_id) for d in inside] == ids[wanted].tolist()
    assert 0 < len(inside) < len(whole)
    with pytest.raises(ValueError, match=r"leaves no jet of train\.h5"):
        top(pt=(1, 2))


def test_splits_by_hash_are_stable(quark):
    """The same jets, whatever is asked of them, and whichever files stand before theirs."""
    for split in ("train", "val", "test"):
        ids = quark(split=split).jet_id.tolist()
        assert (
            quark(split=split, features=["pt"], order="pt", max_particles=5).jet_id.tolist() == ids
        )
        first = quark(split=split, n_files=1).jet_id.tolist()
        assert first == [i for i in ids if i < 1 << 32]


def test_splits_by_hash_where_the_publisher_has_some(top):
    parts = [set(top(split=s, splits="hash").jet_id.tolist()) for s in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(top()) == len(set.union(*parts))
    assert parts[0] != set(top(split="train").jet_id.tolist())


def test_only_the_files_of_the_split_are_needed(written, tmp_path):
    shutil.copytree(written(LAYOUTS["top_tagging"]) / "raw", tmp_path / "raw")
    for name in ("val.h5", "test.h5"):
        (tmp_path / "raw" / name).unlink()
    assert len(TopTagging(tmp_path, split="train"))


def test_no_raw_file_is_needed_once_processed(written, tmp_path, monkeypatch):
    monkeypatch.setenv("PYG_JETS_MIRROR", str(tmp_path / "nowhere"))
    shutil.copytree(written(LAYOUTS["top_tagging"]) / "raw", tmp_path / "raw")
    first = TopTagging(tmp_path)
    for path in (tmp_path / "raw").iterdir():
        path.unlink()
    assert len(TopTagging(tmp_path)) == len(first)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"features": []}, "at least one feature"),
        ({"features": ["pt", "pt"]}, "named once"),
        ({"features": ["charge"]}, "Unknown feature of TopTagging 'charge': choose from pt"),
        ({"coordinates": ("etarel", "colour")}, "Unknown coordinate of TopTagging 'colour'"),
        ({"max_particles": 0}, "max_particles of at least 1"),
        ({"max_particles": 2.5}, "max_particles of at least 1"),
        ({"min_pt": -1}, "min_pt of at least 0"),
        ({"min_pt": float("nan")}, "min_pt of at least 0"),
        ({"order": "mass"}, "Unknown order 'mass': choose from pt"),
        ({"pt": (600, 500)}, "Expected pt as a window"),
        ({"mass": (1, 2, 3)}, "Expected mass as a window"),
        ({"splits": "random"}, "Unknown kind of splits of TopTagging 'random'"),
        ({"bad_jets": "keep"}, "Unknown treatment of bad jets 'keep'"),
        ({"split_fractions": (1, 1, 1), "splits": "hash"}, "sum to 1"),
    ],
)
def test_bad_arguments(top, extra, said):
    with pytest.raises(ValueError, match=said):
        top(**extra)


def test_a_feature_that_the_set_cannot_give(written):
    layout = LAYOUTS["jet_net"]
    for name in ("px", "phi", "mass", "charge"):
        with pytest.raises(ValueError, match=f"Unknown feature of JetNet '{name}': choose from pt"):
            JetNet(written(layout), **{**layout.options, "features": ["pt", name]})


def stored(dataset):
    """The bytes of every file of a processed data set but the notes of where it came from."""
    folder = Path(dataset.processed_dir)
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix == ".npy"}


@pytest.fixture
def fresh(written, tmp_path):
    """Roots that hold the same raw files, with nothing processed."""

    def make(name):
        shutil.copytree(written(LAYOUTS["quark_gluon"]) / "raw", tmp_path / name / "raw")
        return tmp_path / name

    return make


def test_several_processes_make_the_same_files(fresh):
    one = QuarkGluon(fresh("one"), n_files=2)
    two = QuarkGluon(fresh("two"), n_files=2, workers=2)
    assert stored(one) == stored(two)


def test_without_kernels_the_files_are_the_same(fresh, monkeypatch):
    one = QuarkGluon(fresh("one"), n_files=2)
    monkeypatch.setenv("PYG_JETS_KERNELS", "0")
    assert stored(one) == stored(QuarkGluon(fresh("two"), n_files=2))


def test_chunks_do_not_matter(fresh, monkeypatch):
    one = QuarkGluon(fresh("one"), n_files=2)
    monkeypatch.setattr(module, "_CHUNK", 3)
    assert stored(one) == stored(QuarkGluon(fresh("two"), n_files=2))


def test_an_interrupted_conversion_continues(fresh, monkeypatch):
    root, seen = fresh("one"), []
    monkeypatch.setattr(module, "_CHUNK", 4)
    convert = Conversion.convert

    def stop_at_the_fourth(self, chunk, raw_file):
        seen.append(int(chunk.jets.ids[0]))
        if len(seen) == 4:
            raise KeyboardInterrupt
        return convert(self, chunk, raw_file)

    monkeypatch.setattr(Conversion, "convert", stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        QuarkGluon(root, n_files=2)
    assert not list(root.glob("processed/[!.]*"))
    again = QuarkGluon(root, n_files=2)
    assert seen[:5] == [0, 4, 8, 12, 12], "it goes on where it stopped"
    assert stored(again) == stored(QuarkGluon(fresh("two"), n_files=2))


def test_a_changed_file_is_not_continued(fresh, monkeypatch):
    root = fresh("one")
    monkeypatch.setattr(module, "_CHUNK", 4)
    LAYOUTS["quark_gluon"].wrong["label"][0](root)
    broken = (root / "raw" / "QG_jets.npz").read_bytes()
    (root / "raw" / "QG_jets_1.npz").write_bytes(broken)
    shutil.copy(fresh("whole") / "raw" / "QG_jets.npz", root / "raw")
    with pytest.raises(ValueError, match=r"QG_jets_1.npz: jet 2 has the label"):
        QuarkGluon(root, n_files=2)
    shutil.copytree(fresh("mended") / "raw", root / "raw", dirs_exist_ok=True)
    assert stored(QuarkGluon(root, n_files=2)) == stored(QuarkGluon(fresh("two"), n_files=2))


SLOW = """
import sys, time
from pyg_jets.datasets import QuarkGluon, conversion
from pyg_jets.io import flat_writer
conversion._CHUNK, flat_writer._JOURNAL_INTERVAL = 1, 0
convert = conversion.Conversion.convert
def slow(self, chunk, raw_file):
    time.sleep(0.05)
    return convert(self, chunk, raw_file)
conversion.Conversion.convert = slow
QuarkGluon(sys.argv[1], n_files=2)
"""


def test_a_killed_conversion_continues(fresh, monkeypatch):
    root = fresh("one")
    process = Python("-c", SLOW, root)
    deadline = time.monotonic() + HANGING

    def begun():
        journals = list(root.glob("processed/.*.building/journal.json"))
        return any(read_json(path)["place"][1] > 0 for path in journals)

    while not begun():
        assert process.running, process.output("stderr")
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert stored(QuarkGluon(root, n_files=2)) == stored(QuarkGluon(fresh("two"), n_files=2))


def test_two_processes_at_once_end_with_one_good_copy(fresh):
    root = fresh("one")
    code = SLOW.replace("0.05", "0.01") + "print(len(QuarkGluon(sys.argv[1], n_files=2)))"
    both = [Python("-c", code, root) for _ in range(2)]
    assert [process.wait().stdout.split()[-1] for process in both] == ["41", "41"]
    left = [p.name for p in (root / "processed").iterdir() if p.suffix != ".lock"]
    assert len(left) == 1
    assert stored(QuarkGluon(root, n_files=2)) == stored(QuarkGluon(fresh("two"), n_files=2))


def test_raw_files_stay(fresh):
    root = fresh("one")
    QuarkGluon(root, n_files=2, force_reload=True).clear()
    assert sorted(os.listdir(root / "raw")) == ["QG_jets.npz", "QG_jets_1.npz"]
