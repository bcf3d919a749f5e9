"""A folder of generated jets: kills, continuation, other arguments, workers."""

import shutil
import time
from dataclasses import replace

import numpy as np
import pytest

from pyg_jets.events import pythia, schedule
from pyg_jets.events.cutflow import cut_flow_table
from pyg_jets.events.folder import (
    MARKER,
    generate_folder,
    read_cut_flows,
    verify_generated_folder,
)
from pyg_jets.events.options import PythiaOptions
from pyg_jets.io import read_parquet
from pyg_jets.io.checksums import read_checked_json, write_checked_json
from tests.processes import HANGING, Python

OPTIONS = PythiaOptions(pthat=(0.8, 1.6), seed=4, events_per_chunk=30)
SMALL = {"options": OPTIONS, "progress": False}
N_JETS = 40

SCRIPT = """
import sys
from pyg_jets.events import PythiaOptions
from pyg_jets.events.folder import generate_folder
options = PythiaOptions(pthat=(0.8, 1.6), seed=4, events_per_chunk=30)
generate_folder(["w"], int(sys.argv[2]), sys.argv[1], options, workers=1)
"""


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A generation that nothing interrupts."""
    out = tmp_path_factory.mktemp("straight")
    return generate_folder(["w"], N_JETS, out, workers=1, **SMALL)["w"]


@pytest.fixture
def made(monkeypatch):
    """The numbers of the chunks that are generated from here on."""
    numbers, original = [], schedule.generate_chunk

    def counted(process, options, chunk):
        numbers.append(chunk)
        return original(process, options, chunk)

    monkeypatch.setattr(schedule, "generate_chunk", counted)
    return numbers


def test_killed_and_continued(straight, tmp_path, made):
    out = tmp_path / "jets"
    child = Python("-c", SCRIPT, out, N_JETS)
    limit = time.monotonic() + HANGING
    while len(list(out.glob("chunks/*.parquet"))) < 2 and time.monotonic() < limit:
        assert child.running, child.output("stderr")
        time.sleep(0.01)
    child.kill()
    there = len(list(out.glob("chunks/*.parquet")))
    assert there >= 2
    assert not (out / "w.parquet").exists()
    again = generate_folder(["w"], N_JETS, out, workers=1, **SMALL)["w"]
    assert made[0] == there
    assert again.read_bytes() == straight.read_bytes()
    assert not [p for p in out.rglob(".*") if p.is_dir()]


def test_workers_give_the_same_jets(straight, tmp_path):
    files = generate_folder(["w"], N_JETS, tmp_path, workers=2, **SMALL)
    assert files["w"].read_bytes() == straight.read_bytes()


def test_memory_and_folder_agree(straight):
    jets, cut_flow = pythia.generate_with_cut_flow("w", N_JETS, **SMALL)
    assert jets.equals(read_parquet(straight))
    assert read_cut_flows(straight.parent) == {"w": cut_flow}
    assert "matched" in cut_flow_table({"w": cut_flow})
    pt = jets.jets["gen_pt"]
    assert ((pt >= 500) & (pt < 600)).sum() == N_JETS


def test_asked_again(straight, made):
    out, before = straight.parent, straight.read_bytes()
    generate_folder(["w"], N_JETS, out, workers=1, **SMALL)
    assert made == []
    whole = read_parquet(straight)
    less = read_parquet(generate_folder(["w"], 7, out, workers=1, **SMALL)["w"])
    assert made == []
    assert less.equals(whole[: len(less)])
    more = read_parquet(generate_folder(["w"], N_JETS + 20, out, workers=1, **SMALL)["w"])
    assert made
    assert whole.equals(more[: len(whole)])
    generate_folder(["w"], N_JETS, out, workers=1, **SMALL)
    assert straight.read_bytes() == before


def test_broken_files_are_made_again(straight, tmp_path, made):
    out = tmp_path / "jets"
    file = generate_folder(["w"], 15, out, workers=1, **SMALL)["w"]
    whole = file.read_bytes()
    number = len(made)
    assert number >= 2
    for path in (file, out / "chunks" / "w-00000001.parquet"):
        path.write_bytes(path.read_bytes()[:-100])
    (out / "chunks" / "w-00000000.json").write_text('{"events": 3')
    checks = verify_generated_folder(out)
    assert checks["w.parquet"].startswith("cut short")
    assert sum(status != "ok" for status in checks.values()) == 3
    generate_folder(["w"], 15, out, workers=1, **SMALL)
    assert sorted(made[number:]) == [0, 1]
    assert file.read_bytes() == whole
    assert set(verify_generated_folder(out).values()) == {"ok"}


def test_a_damaged_cut_flow_is_not_believed(straight, tmp_path, made):
    out = shutil.copytree(straight.parent, tmp_path / "jets")
    path = out / "chunks" / "w-00000000.json"
    text = path.read_text()
    path.write_text(text.replace('"found": ', '"found": 1', 1))
    straight_again = generate_folder(["w"], N_JETS - 1, out, workers=1, **SMALL)["w"]
    assert made == [0]
    assert path.read_text() == text
    assert len(read_parquet(straight_again)) < len(read_parquet(straight))
    (out / MARKER).write_text((out / MARKER).read_text().replace('"seed": 4', '"seed": 5'))
    with pytest.raises(ValueError, match=r"generation\.json is damaged .*: give another folder"):
        generate_folder(["w"], N_JETS, out, workers=1, **SMALL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 5}, "seed = 4, not 5"),
        ({"radius": 0.4}, r"radius = 0.8, not 0.4"),
        ({"pt": (400, 500)}, r"pt = \[500.0, 600.0\], not \[400.0, 500.0\]"),
        ({"settings": ("Tune:pp = 21",)}, r"settings = \[\], not \['Tune:pp = 21'\]"),
    ],
)
def test_other_arguments_are_refused(straight, arguments, message):
    before = straight.read_bytes()
    other = replace(OPTIONS, **arguments)
    with pytest.raises(FileExistsError, match=message):
        generate_folder(["w"], N_JETS, straight.parent, other, workers=1, progress=False)
    assert straight.read_bytes() == before


def test_other_versions_are_refused_only_for_new_events(straight, tmp_path):
    out = tmp_path / "jets"
    generate_folder(["w"], 3, out, workers=1, **SMALL)
    head = read_checked_json(out / MARKER)
    head["versions"]["pythia8mc"] = "8.100.0"
    write_checked_json(out / MARKER, head)
    generate_folder(["w"], 3, out, workers=1, **SMALL)
    with pytest.raises(FileExistsError, match=r"made with pythia8mc 8\.100\.0, not 8\."):
        generate_folder(["w"], 300, out, workers=1, **SMALL)


def test_a_folder_that_holds_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("…")
    with pytest.raises(FileExistsError, match=r"holds something else \(thesis.tex\)"):
        generate_folder(["w"], 3, tmp_path, workers=1, **SMALL)
    assert [p.name for p in tmp_path.iterdir() if p.name[0] != "."] == ["thesis.tex"]
    with pytest.raises(FileExistsError, match="is a file"):
        generate_folder(["w"], 3, tmp_path / "thesis.tex", workers=1, **SMALL)


def test_no_process(tmp_path):
    with pytest.raises(ValueError, match="Expected a process: choose from qcd"):
        generate_folder([], 3, tmp_path, **SMALL)
    with pytest.raises(ValueError, match="may be named once"):
        generate_folder(["w", "w"], 3, tmp_path, **SMALL)


def test_settings_reach_pythia():
    quiet = pythia.generate(
        "w", 8, replace(OPTIONS, settings=("PartonLevel:MPI = off",)), progress=False
    )
    usual = pythia.generate("w", 8, **SMALL)
    assert quiet.counts.mean() < 0.9 * usual.counts.mean()
    assert np.median(quiet.jets["gen_softdrop_mass"]) == pytest.approx(80.4, abs=8)
