"""ROOT: what uproot wrote comes back by any spelling of its names; broken files are refused."""

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_jets.io.root import open_tree
from tests.io import broken

PARTICLES = ("part_px", "part_py")


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 12, 1000)  # some jets are empty
    return {
        **{n: ak.unflatten(rng.random(counts.sum(), np.float32), counts) for n in PARTICLES},
        "jet_pt": rng.random(1000, np.float32),
        "label_QCD": rng.integers(0, 2, 1000) == 1,
        "run": rng.integers(0, 2**40, 1000),
    }


def _write(path, arrays, kind, name):
    with uproot.recreate(path) as file:
        if kind == "RNTuple":
            file.mkrntuple(name, arrays)
            return
        types = {n: v.dtype if isinstance(v, np.ndarray) else v.type for n, v in arrays.items()}
        types = {n: v if isinstance(v, np.dtype) else "var * float32" for n, v in types.items()}
        file.mktree(name, types)
        for start in range(0, 1000, 250):  # several baskets
            file[name].extend({n: v[start : start + 250] for n, v in arrays.items()})


@pytest.fixture(params=["TTree", "RNTuple"])
def path(request, tmp_path, arrays):
    path = tmp_path / "jets.root"
    _write(path, arrays, request.param, "Events")
    return path


def _read_all(path, tree="Events"):
    with open_tree(path, tree) as reader:
        return ak.concatenate(list(reader.chunks([*PARTICLES, "run"], 100)))


@pytest.mark.parametrize(("size", "start"), [(1000, 0), (5000, 0), (300, 0), (64, 333), (7, 990)])
def test_chunks_are_those_that_were_written(path, arrays, size, start):
    names = ["part_px", "jet_pt", "label_QCD", "run", "part_py"]
    with open_tree(path, "Events") as reader:
        chunks = list(reader.chunks(names, size, start))
        assert reader.num_entries == 1000
        assert set(arrays) <= set(reader.names)
    assert [len(chunk) for chunk in chunks[:-1]] == [min(size, 1000)] * (len(chunks) - 1)
    joined = ak.concatenate(chunks)
    assert ak.fields(joined) == names
    for name in names:
        assert ak.to_list(joined[name]) == ak.to_list(arrays[name][start:])
        assert ak.type(joined[name]).content == ak.type(ak.Array(arrays[name])).content


def test_no_entries_after_the_last(path):
    with open_tree(path, "Events") as reader:
        assert list(reader.chunks(["run"], 10, 1000)) == []


def test_names_match_without_case_and_come_as_asked(path, arrays):
    with open_tree(path, "EVENTS") as reader:
        assert reader.find("PART_PX") == "part_px"
        assert reader.has("Jet_Pt")
        assert not reader.has("jet_eta")
        chunk = next(reader.chunks(["Part_Px"], 1000, optional=["JET_PT", "jet_eta"]))
    assert ak.fields(chunk) == ["Part_Px", "JET_PT"]
    assert ak.to_list(chunk["Part_Px"]) == ak.to_list(arrays["part_px"])


def test_a_missing_branch_names_the_closest(path):
    with open_tree(path, "Events") as reader:
        with pytest.raises(ValueError, match=r"no branch 'part_p', the closest are part_p[xy], "):
            reader.find("part_p")
        with pytest.raises(ValueError, match=r"no branch '@', it has .*jet_pt"):
            next(reader.chunks(["@"], 10))


def test_a_missing_tree_lists_those_there(path):
    with pytest.raises(ValueError, match=r"has no tree 'tree', its trees are Events;1: give"):
        _read_all(path, "tree")


def test_exact_names_come_first_and_doubtful_ones_are_refused(tmp_path):
    with uproot.recreate(tmp_path / "x.root") as file:
        for name in ("Tree", "tree"):
            file.mktree(name, {"PT": "f8", "Pt": "f8", "pt": "f8"})
            file[name].extend({"PT": [1.0], "Pt": [2.0], "pt": [3.0 if name == "tree" else 4.0]})
    with open_tree(tmp_path / "x.root", "tree") as reader:
        assert next(reader.chunks(["pt"], 1)).to_list() == [{"pt": 3.0}]
        with pytest.raises(ValueError, match=r"several branches like 'pT' \(PT, Pt, pt\)"):
            reader.find("pT")
    with pytest.raises(ValueError, match=r"several trees like 'TREE' \(Tree, tree\)"):
        _read_all(tmp_path / "x.root", "TREE")


def test_folders_and_cycles(tmp_path):
    path = tmp_path / "x.root"
    for cycle in (1, 2):
        with (uproot.update if cycle > 1 else uproot.recreate)(path) as file:
            file.mktree("deep/Events", {"x": "f8"})
            file["deep/Events"].extend({"x": [float(cycle)]})
    assert "deep/Events;2" in uproot.open(path).keys()  # noqa: SIM118
    for tree, value in [("deep/Events", 2), ("/Deep/events;1", 1), ("deep/Events;2", 2)]:
        with open_tree(path, tree) as reader:
            assert next(reader.chunks(["X"], 5)).to_list() == [{"X": value}]
    with pytest.raises(ValueError, match=r"no tree 'deep/Events;3', its trees are deep/Events;"):
        _read_all(path, "deep/Events;3")


def test_other_files_are_refused(tmp_path):
    broken.refuses_others(tmp_path / "x.root", "a ROOT file", _read_all)


def test_cut_files_are_refused(path):
    broken.refuses_cuts(path, _read_all, (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999))


@pytest.mark.parametrize("place", [0.01, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95])
def test_damage_inside_gives_no_traceback(path, place):
    raw = bytearray(path.read_bytes())
    at = int(len(raw) * place)
    raw[at : at + 200] = b"\xff" * len(raw[at : at + 200])
    path.write_bytes(raw)
    try:
        _read_all(path)
    except ValueError as error:
        assert broken.is_sentence(error, path) or "has no " in str(error)  # noqa: PT017
