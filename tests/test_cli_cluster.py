"""`pyg-jets cluster`: events to a file of jets, which survives a kill, and what it refuses."""

import numpy as np
import pytest

from pyg_jets.cli import main
from pyg_jets.datasets import EventFiles, JetFiles, cluster_files
from pyg_jets.io import read_parquet
from tests.events.by_hand import random_events

EVENTS = random_events(23)
LOW = ["--pt", "20", "--radius", "0.8"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two files of padded columns in the working folder, with labels."""
    monkeypatch.chdir(tmp_path)
    for name, part in {"a": EVENTS[:12], "b": EVENTS[12:]}.items():
        table = np.zeros((len(part), 90, 4))
        for row, event in zip(table, part, strict=True):
            row[: len(event)] = event
        columns = dict(
            zip(("p_pt", "p_eta", "p_phi", "p_m"), np.moveaxis(table, 2, 0), strict=True)
        )
        np.savez(f"{name}.npz", **columns, y=np.arange(len(part)) % 2)
    return tmp_path


def test_jets_are_those_of_the_data_set(files, capsys):
    words = ["cluster", "a.npz", "b.npz", "--out", "jets.parquet", *LOW, "--label", "y",
             "--classes", "qcd", "new", "--workers", "1"]  # fmt: skip
    assert main(words) == 0
    jets = read_parquet("jets.parquet")
    assert capsys.readouterr().out.splitlines() == [f"{len(jets)} jets", "jets.parquet"]
    same = EventFiles("made", ["a.npz", "b.npz"], min_jet_pt=20, label="y", classes=("qcd", "new"))
    assert jets.ids.tolist() == same._data.jet_id.tolist()
    assert jets.labels.tolist() == same._data.y.tolist()
    assert jets.jets["event"].tolist() == same._data.event.tolist()
    np.testing.assert_array_equal(jets.jets["reco_pt"], same.observables("reco")["pt"])
    np.testing.assert_array_equal(jets.select(same.columns).particles, same._data.x)
    again = JetFiles("again", "jets.parquet", classes=("qcd", "new"))
    assert again._data.y.tolist() == jets.labels.tolist()
    assert not list(files.glob(".jets.parquet.parts"))


def test_classes_by_file_window_and_grooming(files):
    options = [
        "--workers",
        "1",
        "--pt",
        "20",
        "60",
        "--max-jets",
        "2",
        "--grooming",
        "softdrop",
        "--level",
        "gen",
    ]
    assert main(["cluster", "w=a.npz", "top=b.npz", "--out", "j.parquet", *options]) == 0
    jets = read_parquet("j.parquet")
    assert (jets.labels == jets.ids >> 32).all()
    assert jets.labels.max() == 1
    assert jets.jets["gen_pt"].max() < 60
    assert (jets.ids % 256).max() == 1


def test_a_killed_command_continues(files, monkeypatch):
    whole = cluster_files.cluster_files(["a.npz", "b.npz"], "w.parquet", workers=1, progress=False)
    done = []

    def part_of(*arguments, limit):
        if len(done) == limit:
            raise KeyboardInterrupt
        done.append(arguments[1].path.name)
        return clustered(*arguments)

    clustered = cluster_files.cluster_part
    for limit in (1, 9):
        monkeypatch.setattr(
            cluster_files, "cluster_part", lambda *arguments, n=limit: part_of(*arguments, limit=n)
        )
        words = ["cluster", "a.npz", "b.npz", "--out", "jets.parquet", "--workers", "1"]
        if limit == 1:
            with pytest.raises(KeyboardInterrupt):
                main(words)
            assert not (files / "jets.parquet").exists()
        else:
            assert main(words) == 0
    assert done == ["a.npz", "b.npz"]
    assert read_parquet("jets.parquet").equals(read_parquet(whole))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.npz", "--out", "jets.root"], "Expected out as a file that ends in .parquet"),
        (["a.npz", "--out", "j.parquet", "--algorithm", "cone"], "Unknown jet algorithm 'cone'"),
        (["a.npz", "--out", "j.parquet", "--radius", "0"], "Expected radius as a number above 0"),
        (["a.npz", "--out", "j.parquet", "--pt", "1", "2", "3"], "Expected --pt with a lowest"),
        (["a.npz", "qcd=b.npz", "--out", "j.parquet"], "all files as NAME=FILE or none"),
        (["a.npz", "--out", "j.parquet", "--columns", "pt"], "Expected NAME=VALUE, but got 'pt'"),
        (["a.npz", "--out", "j.parquet", "--columns", "pt=q", "eta=q", "phi=q"], "has no 'q'"),
        (["c.npz", "--out", "j.parquet"], "There is no file c.npz"),
        (["a.npz", "--out", "j.parquet", "--label", "z"], "has no 'z'"),
    ],
)
def test_bad_words(files, capsys, words, said):
    assert main(["cluster", *words]) == 2
    assert said in capsys.readouterr().err
    assert not (files / "j.parquet").exists()


def test_a_file_that_is_there_stays(files, capsys):
    (files / "j.parquet").write_text("mine")
    assert main(["cluster", "a.npz", "--out", "j.parquet", *LOW]) == 2
    assert "j.parquet is there already" in capsys.readouterr().err
    assert (files / "j.parquet").read_text() == "mine"
    assert main(["cluster", "a.npz", "--out", "j.parquet", *LOW, "--overwrite"]) == 0
    assert len(read_parquet("j.parquet")) > 20


@pytest.mark.slow
def test_processes_give_the_same_jets(files):
    made = [
        cluster_files.cluster_files(
            ["a.npz", "b.npz"], f"{n}.parquet", workers=n, progress=False,
            options=cluster_files.ClusteringOptions(pt=(20, 1e9)),
        )
        for n in (1, 2)
    ]  # fmt: skip
    assert read_parquet(made[0]).equals(read_parquet(made[1]))
