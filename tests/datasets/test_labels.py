"""Labels and weights of own files: numbers, text and flags of every kind of file, and bad ones."""

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from jsonargparse import ArgumentParser

from pyg_jets import JetArray, JetLoader
from pyg_jets.datasets import JetDataset
from pyg_jets.datasets.jet_files import JetFiles
from pyg_jets.io import write_parquet
from pyg_jets.training.arguments import flatten_arguments

N = 6
COLUMNS = {"pt": "part_pt", "eta": "part_eta", "phi": "part_phi"}


def particles():
    """Columns of padded arrays, each jet its own."""
    rng = np.random.default_rng(3)
    return {name: rng.uniform(0.1, 1, (N, 3)).astype(np.float32) for name in COLUMNS.values()}


def write_npz(path, columns):
    np.savez(path, **particles(), **{n: np.array(v) for n, v in columns.items()})


def write_hdf5(path, columns):
    with h5py.File(path, "w") as file:
        for name, values in {**particles(), **columns}.items():
            values = np.array(values)
            file[name] = values.astype(object) if values.dtype.kind == "U" else values


def write_root(path, columns):
    with uproot.recreate(path) as file:
        jagged = {n: ak.from_regular(ak.Array(v)) for n, v in particles().items()}
        file["jets"] = {**jagged, **{n: ak.Array(v) for n, v in columns.items()}}


def write_arrow(path, columns):
    pq.write_table(pa.table({**{n: v.tolist() for n, v in particles().items()}, **columns}), path)


WRITE = {"npz": write_npz, "h5": write_hdf5, "root": write_root, "parquet": write_arrow}
every_format = pytest.mark.parametrize("suffix", WRITE)


def read(folder, columns, /, suffix="parquet", **arguments):
    """The data set of a file that holds these columns beside the particles."""
    path = folder / f"jets.{suffix}"
    if not path.exists():
        WRITE[suffix](path, columns)
    return JetFiles(folder, path, COLUMNS, **arguments)


def labels(dataset):
    return dataset._data.y.tolist()


FLAGS = {
    "label_QCD": [1, 0, 0, 1, 0, 0],
    "label_Tbqq": [0, 1, 0, 0, 0, 1],
    "label_Tbl": [0, 0, 1, 0, 1, 0],
}


class TestFlags:
    @every_format
    def test_columns_name_the_classes(self, tmp_path, suffix):
        dataset = read(tmp_path, FLAGS, suffix, label=list(FLAGS))
        assert dataset.classes == ("QCD", "Tbqq", "Tbl")
        assert labels(dataset) == [0, 1, 2, 0, 2, 1]

    def test_a_map_names_and_orders_them(self, tmp_path):
        dataset = read(tmp_path, FLAGS, label={"top": "label_Tbqq", "lep": "label_Tbl",
                                               "qcd": "label_QCD"})  # fmt: skip
        assert dataset.classes == ("top", "lep", "qcd")
        assert labels(dataset) == [2, 0, 1, 2, 1, 0]
        named = {"top": "label_Tbqq", "lep": "label_Tbl", "qcd": "label_QCD"}
        again = read(tmp_path, FLAGS, classes=["qcd", "lep", "top"], label=named)
        assert again.classes == ("qcd", "lep", "top")
        assert labels(again) == [0, 2, 1, 0, 1, 2]

    def test_two_flags_are_no_field_of_an_array(self, tmp_path):
        two = {"sig": [True, False, True, False, False, True]}
        two["bkg"] = [not flag for flag in two["sig"]]
        dataset = read(tmp_path, two, label=["bkg", "sig"])
        assert dataset.classes == ("bkg", "sig")
        assert labels(dataset) == [1, 0, 1, 0, 0, 1]

    @pytest.mark.parametrize("suffix", ["npz", "h5"])
    def test_an_array_of_flags(self, tmp_path, suffix):
        columns = {"Y": np.array(list(FLAGS.values()), np.float64).T}
        dataset = read(tmp_path, columns, suffix, label="Y", classes=("qcd", "top", "lep"))
        assert labels(dataset) == [0, 1, 2, 0, 2, 1]
        assert read(tmp_path, columns, suffix, label="Y").classes == ("0", "1", "2")

    def test_none_or_several_are_counted_or_dropped(self, tmp_path):
        flags = FLAGS | {"label_QCD": [0, 0, 0, 1, 1, 0]}
        with pytest.raises(
            ValueError,
            match=r"jet 0 is the first of 2 of 6 jets without a label in 'label_QCD', .*"
            r"\(no flag: 1, several flags: 1\).*unlabelled='drop'",
        ):
            read(tmp_path, flags, label=list(FLAGS))
        dataset = read(tmp_path, flags, label=list(FLAGS), unlabelled="drop")
        assert labels(dataset) == [1, 2, 0, 1]
        assert dataset._data.jet_id.tolist() == [1, 2, 3, 5]

    @pytest.mark.parametrize("bad", [0.5, float("nan"), 2])
    def test_what_is_no_flag(self, tmp_path, bad):
        flags = FLAGS | {"label_Tbl": [0, 0, 1, 0, bad, 0]}
        with pytest.raises(ValueError, match=r"holds (0\.5|nan|2(\.0)?) in jet 4, expected flags"):
            read(tmp_path, flags, label=list(FLAGS))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"label": ["label_QCD"]}, "at least two classes, .* the name alone"),
            ({"label": list(FLAGS), "classes": ("a", "b")}, "3 flags a jet, but there are 2"),
            ({"label": ["label_QCD", "label_W", "label_Z"]}, "no 'label_W' and no 'label_Z'"),
            ({"label": {"a": "label_QCD", "b": "label_Tbl"}, "classes": ("a", "c")}, "'c': choose"),
        ],
    )
    def test_that_do_not_fit(self, tmp_path, arguments, message):
        with pytest.raises(ValueError, match=message):
            read(tmp_path, FLAGS, **arguments)


class TestValues:
    @every_format
    def test_text(self, tmp_path, suffix):
        column = {"kind": ["top", "qcd", "W±", "qcd", "top", "top"]}
        dataset = read(tmp_path, column, suffix, label="kind")
        assert dataset.classes == ("W±", "qcd", "top")
        assert labels(dataset) == [2, 1, 0, 1, 2, 2]
        ordered = read(tmp_path, column, suffix, label="kind", classes=("top", "qcd", "W±"))
        assert labels(ordered) == [0, 1, 2, 1, 0, 0]

    @pytest.mark.parametrize("suffix", ["npz", "h5", "parquet"])
    def test_bytes_are_text(self, tmp_path, suffix):
        values = np.array([b"top", b"qcd"] * 3)
        dataset = read(tmp_path, {"kind": values.tolist() if suffix == "parquet" else values},
                       suffix, label="kind")  # fmt: skip
        assert dataset.classes == ("qcd", "top")

    @every_format
    @pytest.mark.parametrize(
        ("values", "classes", "wanted"),
        [
            ([21, -5, 5, 21, 5, 5], ("-5", "5", "21"), [2, 0, 1, 2, 1, 1]),
            ([-1, 1, 1, -1, 1, 1], ("-1", "1"), [0, 1, 1, 0, 1, 1]),
            ([2.0, 0.0, 2.0, 0.0, 0.0, 0.0], ("0", "2"), [1, 0, 1, 0, 0, 0]),
            ([True, False, True, False, True, True], ("False", "True"), [1, 0, 1, 0, 1, 1]),
        ],
    )
    def test_numbers(self, tmp_path, suffix, values, classes, wanted):
        dataset = read(tmp_path, {"y": values}, suffix, label="y")
        assert dataset.classes == classes
        assert labels(dataset) == wanted
        assert dataset.num_classes == len(classes)

    def test_classes_with_their_values(self, tmp_path):
        column = {"pdgid": [21, 1, 5, 3, 2, 21]}
        merged = {"light": [1, 2, 3], "b": 5, "g": 21}
        dataset = read(tmp_path, column, label="pdgid", classes=merged)
        assert dataset.classes == ("light", "b", "g")
        assert labels(dataset) == [2, 0, 1, 0, 0, 2]
        in_order = read(tmp_path, column, label="pdgid", classes=[21, 5, 3, 2, 1])
        assert in_order.classes == ("21", "5", "3", "2", "1")
        assert labels(in_order) == [0, 4, 1, 2, 3, 0]

    def test_classes_are_known_when_opened_again(self, tmp_path):
        first = read(tmp_path, {"y": [7, 9, 7, 9, 9, 9]}, label="y")
        again = read(tmp_path, {}, label="y")
        assert again.content_hash == first.content_hash
        assert again.classes == ("7", "9")

    def test_of_all_files_together(self, tmp_path):
        for name, values in (("a", [5, 5, 1]), ("b", [9, 1, 5])):
            shared = {n: v[:3].tolist() for n, v in particles().items()}
            pq.write_table(pa.table({**shared, "y": values}), tmp_path / f"{name}.parquet")
        dataset = JetFiles(tmp_path, [tmp_path / "*.parquet"], COLUMNS, label="y")
        assert dataset.classes == ("1", "5", "9")
        assert labels(dataset) == [1, 1, 0, 2, 0, 1]

    @pytest.mark.parametrize("kind", ["text", "numbers", "bools", "nan"])
    def test_gaps_are_counted_or_dropped(self, tmp_path, kind):
        values = {
            "text": ["a", None, "b", "", "a", "b"],
            "numbers": [3, None, 4, None, 3, 4],
            "bools": [False, None, True, None, False, True],
            "nan": [3.0, float("nan"), 4.0, float("nan"), 3.0, 4.0],
        }[kind]
        with pytest.raises(
            ValueError, match=r"jet 1 is the first of 2 of 6 jets without a label in 'y' \(none: 2"
        ):
            read(tmp_path, {"y": values}, label="y")
        dataset = read(tmp_path, {"y": values}, label="y", unlabelled="drop")
        assert labels(dataset) == [0, 1, 0, 1]
        assert dataset._data.jet_id.tolist() == [0, 2, 4, 5]

    @pytest.mark.parametrize(
        ("values", "arguments", "message"),
        [
            ([0, 1, 3, 0, 3, 1], {"classes": ("a", "b")},
             r"jet 2 is .* 2 of 6 .* \(3: 2\), expected one of a, b, numbered from 0 to 1: "),
            (list("aabbcz"), {"classes": ("a", "b")}, r"2 of 6 .*'c': 1, 'z': 1.*one of a, b: "),
            ([0, 1, 5, 0, 1, 1], {"classes": {"a": 0, "b": [1, 2]}}, r"\(5: 1\), expected one of"),
            ([0.5, 1, 0, 0, 1, 1], {}, "holds 0.5 in jet 0, expected a class as a whole number"),
            ([float("inf"), 1, 0, 0, 1, 1], {}, "holds inf in jet 0, expected a class"),
            ([[1], [1, 2], [], [1], [1], [1]], {}, "holds lists, expected one number a jet"),
            ([b"\xff\xfe"] * 6, {}, "bytes that are no text"),
            ([0] * 6, {"classes": ("a", "b", "a")}, "each class once in classes=, but got a twice"),
            ([0] * 6, {"classes": {"a": 1, "b": [1, 2]}}, "each value in one class"),
            ([0] * 6, {"classes": {"a": 0.5}}, "names with numbers or text of the file"),
            ([0] * 6, {"unlabelled": "ignore"}, "'ignore': choose from raise, drop"),
        ],
    )  # fmt: skip
    def test_bad_ones(self, tmp_path, values, arguments, message):
        with pytest.raises(ValueError, match=message):
            read(tmp_path, {"y": values}, label="y", **arguments)

    def test_too_many_different_values(self, tmp_path):
        pt = np.ones((200, 1), np.float32)
        np.savez(tmp_path / "jets.npz", pt=pt, y=np.arange(200))
        with pytest.raises(ValueError, match=r"more than 100 different values \(0, 1, .*classes="):
            JetFiles(tmp_path, tmp_path / "jets.npz", {"pt": "pt"}, label="y", coordinates=())

    def test_text_in_one_file_and_numbers_in_another(self, tmp_path):
        for name, values in (("a", [5] * N), ("b", ["x"] * N)):
            write_arrow(tmp_path / f"{name}.parquet", {"y": values})
        with pytest.raises(ValueError, match=r"b\.parquet: 'y' holds text and numbers"):
            JetFiles(tmp_path, [tmp_path / "*.parquet"], COLUMNS, label="y")

    def test_pickled_labels_are_never_loaded(self, tmp_path):
        held = np.array(["a", None] * 3, object)
        np.savez(tmp_path / "jets.npz", **particles(), y=held)
        with pytest.raises(ValueError, match="Python objects"):
            read(tmp_path, {}, "npz", label="y")

    def test_a_file_without_the_column_is_read_without_labels(self, tmp_path):
        with pytest.raises(ValueError, match="has no 'y', it holds"):
            read(tmp_path, {}, label="y")
        dataset = read(tmp_path, {}, label=None, classes=("qcd", "top"))
        assert dataset.classes == ()
        assert "y" not in dataset[0]


class TestJetColumns:
    def test_names_stay_as_they_are(self, tmp_path):
        columns = {"jet_btag": [0.5] * N, "tau21": [0.25] * N, "nLepton": list(range(N))}
        dataset = read(tmp_path, columns, jets=["jet_btag", "tau21"])
        assert dataset.jet_columns == ("pt", "eta", "phi", "mass", "jet_btag", "tau21")
        renamed = read(tmp_path, columns, jets={"btag": "jet_btag", "multiplicity": "nLepton"})
        assert renamed.jet_columns == ("pt", "eta", "phi", "mass", "btag")
        assert renamed._data.multiplicity.tolist() == list(range(N))
        assert set(renamed.observables(None)) == {*renamed.jet_columns, "multiplicity"}

    def test_of_a_level(self, tmp_path):
        dataset = read(tmp_path, {"btag": [0.5] * N}, jets=["btag"], level="gen")
        assert dataset.jet_columns == ("gen_pt", "gen_eta", "gen_phi", "gen_mass", "gen_btag")

    def test_particle_columns_by_name(self, tmp_path):
        write_arrow(tmp_path / "jets.parquet", {})
        dataset = JetFiles(
            tmp_path, tmp_path / "jets.parquet", ["part_pt", "part_eta"], coordinates=()
        )
        assert dataset.columns == ("part_pt", "part_eta")

    def test_weight_is_no_plain_column(self, tmp_path):
        with pytest.raises(ValueError, match=r"other names than weight, .*weight="):
            read(tmp_path, {"weight": [1.0] * N}, jets=["weight"])


class TestWeights:
    @every_format
    def test_travel_with_the_jets(self, tmp_path, suffix):
        values = np.array([0.5, 2, 0, 1e-6, 3, 1])
        dataset = read(tmp_path, {"w": values}, suffix, weight="w")
        assert np.allclose(dataset._data.weight, values)
        batch = next(iter(JetLoader(dataset[[4, 1]], batch_size=2)))
        assert batch.weight.tolist() == [3, 2]
        assert JetArray.from_pyg(batch, dataset.columns).jets["weight"].tolist() == [3, 2]
        assert "weight" not in dataset.jet_columns

    def test_of_our_own_parquet(self, tmp_path):
        jets = JetArray(np.ones((3, 1)), ("pt",), [0, 1, 3], jets={"weight": np.array([2.0, 5.0])})
        write_parquet(jets, tmp_path / "jets.parquet")
        dataset = JetFiles(tmp_path, tmp_path / "jets.parquet", coordinates=())
        assert dataset._data.weight.tolist() == [2, 5]

    @pytest.mark.parametrize("bad", [-0.5, float("nan"), float("inf"), 1e-60])
    def test_bad_ones_are_refused_or_dropped(self, tmp_path, bad):
        values = {"w": [1.0, 1, bad, 1, bad, 1]}
        with pytest.raises(
            ValueError, match=r"jet 2 has the weight .* in 'w' \(it is one of 2 such among 6"
        ):
            read(tmp_path, values, weight="w")
        dataset = read(tmp_path, values, weight="w", bad_jets="drop")
        assert dataset._data.jet_id.tolist() == [0, 1, 3, 5]
        assert dataset._data.weight.tolist() == [1] * 4

    def test_text_is_no_weight(self, tmp_path):
        with pytest.raises(ValueError, match=r"'w' holds .*expected numbers"):
            read(tmp_path, {"w": list("abcdef")}, weight="w")

    def test_every_argument_makes_its_own_file(self, tmp_path):
        columns = {"y": [0, 1] * 3, "w": [1.0] * N, "v": [2.0] * N}
        asked = [{}, {"weight": "w"}, {"weight": "v"}, {"label": "y"}, {"classes": ("a", "b")},
                 {"label": "y", "classes": ("a", "b")}, {"label": "y", "classes": {"a": 0, "b": 1}},
                 {"label": "y", "unlabelled": "drop"}]  # fmt: skip
        hashes = {read(tmp_path, columns, **arguments).content_hash for arguments in asked}
        assert len(hashes) == len(asked) - 1  # classes without labels change nothing


class TestCommandLine:
    @pytest.mark.parametrize(
        ("options", "classes"),
        [
            (["--data.dataset.label=[label_QCD, label_Tbqq, label_Tbl]"], ("QCD", "Tbqq", "Tbl")),
            (["--data.dataset.label={a: label_QCD, b: label_Tbqq, c: label_Tbl}"], ("a", "b", "c")),
            (["--data.dataset.label=[bkg, sig]"], ("bkg", "sig")),
            (["--data.dataset.label=id"], ("-1", "5", "21")),
            (["--data.dataset.label=id", "--data.dataset.classes=[21, -1, 5]"], ("21", "-1", "5")),
            (["--data.dataset.label=id", "--data.dataset.classes={g: 21, q: [-1, 5]}"], ("g", "q")),
            (["--data.dataset.label=text", "--data.dataset.classes=[z, a]"], ("z", "a")),
            (["--data.dataset.label=gaps", "--data.dataset.unlabelled=drop"], ("0", "1")),
            ([], ()),
        ],
    )
    def test_takes_every_kind_of_label(self, tmp_path, options, classes):
        columns = {"bkg": [1, 1, 1, 0, 0, 0], "sig": [0, 0, 0, 1, 1, 1], "w": [0.5] * N,
                   "id": [-1, 5, 21] * 2, "text": list("azazaz"), "gaps": [0, 1, None] * 2,
                   "btag": [0.1] * N}  # fmt: skip
        write_arrow(tmp_path / "jets.parquet", {**columns, **FLAGS})
        fixed = [f"root={tmp_path}", f"files={tmp_path}/jets.parquet", f"columns={COLUMNS}",
                 "weight=w", "jets=[btag]"]  # fmt: skip
        arguments = ["--data.dataset=JetFiles", *(f"--data.dataset.{text}" for text in fixed)]
        parser = ArgumentParser()  # as that of pyg-jets fit, which takes a second to make
        parser.add_argument("--data.dataset", type=JetDataset)
        parsed = parser.parse_args([*arguments, *flatten_arguments(options)])
        dataset = parser.instantiate(parsed).data.dataset
        assert dataset.classes == classes
        assert dataset.jet_columns[-1] == "btag"
        assert dataset._data.weight.tolist() == [0.5] * len(dataset)
