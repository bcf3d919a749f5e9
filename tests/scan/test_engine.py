"""Scans as a user runs them: real processes, killed, starved of disk, interrupted, run twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from pyg_jets.cli import main
from pyg_jets.datasets import ToyJets
from tests.processes import HANGING, Python

CONFIG = "broken_symmetry/base"
COMMAND = ["-m", "pyg_jets.cli", "scan"]
#: Steps of a training that waits, in its second epoch, until a test lets it go on.
WAITING = 18


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("toys")
    ToyJets(folder, n_jets=300)
    return folder


@pytest.fixture
def sweep(tmp_path, data):
    """Writes a sweep file whose points take a second, and gives its path."""

    def write(name="sweep", command=(), **parameters) -> Path:
        fixed = {
            "data.dataset": {"class_path": "pyg_jets.datasets.ToyJets",
                             "init_args": {"root": str(data), "n_jets": 300}},
            "model.network.init_args": {"phi": [8], "f": [8]},
            "trainer": {"max_steps": 4},
            "early_stopping.patience": 100,
        }  # fmt: skip
        tree = {
            "method": "grid",
            "program": "pyg-jets",
            "metric": {"name": "test/auc", "goal": "maximize"},
            "command": ["${env}", "pyg-jets", "fit", f"--config={CONFIG}", *command, "${args}"],
            "parameters": {k: {"value": v} for k, v in fixed.items()} | parameters,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        return path

    return write


def words_of(path: Path, out: Path) -> list[str]:
    return [*COMMAND, str(path), "--out", str(out), "--workers", "1", "--no-report"]


def start(path: Path, out: Path) -> Python:
    return Python(*words_of(path, out))


def finish(process: Python) -> tuple[int, str, str]:
    done = process.wait()
    return done.returncode, done.stdout, done.stderr


def records(out: Path) -> dict[int, dict]:
    """The points' records by their number of steps."""
    found = [json.loads(p.read_text()) for p in out.glob("points/*/point.json")]
    return {r["parameters"]["trainer"]["max_steps"]: r for r in found}


def wait_for(condition):
    end = time.monotonic() + HANGING
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def waits(folder: Path) -> bool:
    """Whether a point waits in the middle of its training, with a checkpoint of its first epoch."""
    return (folder / "waits").exists()


def goes_on(folder: Path) -> bool:
    """Whether a point that was killed has not begun anew, which would write its configuration."""
    written = [(folder / name).stat().st_mtime_ns for name in ("config.yaml", "killed")]
    return written[0] < written[1]


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def workers(process: Python) -> list[psutil.Process]:
    """Its workers, which the server of the tests has forked after it."""
    scan = psutil.Process(process.pid)
    return [c for c in scan.parent().children() if c.create_time() > scan.create_time()]


def finished(out: Path) -> list[Path]:
    """What finished points hold."""
    names = [r["hash"] for r in records(out).values() if r["status"] == "finished"]
    return [out / "points" / name / "metrics.json" for name in names]


def sizes(*values):
    return {"data.batch_size": {"values": list(values)}}


def steps(*numbers, folder: Path | None = None):
    """Points that differ in their steps; long ones wait for a file ``go`` in the folder."""
    wait = {"class_path": "tests.scan.waiting.Wait", "init_args": {"folder": str(folder)}}
    callbacks = {n: [wait] if n >= WAITING and folder else [] for n in numbers}
    return {"trainer": {"values": [{"max_steps": n, "callbacks": callbacks[n]} for n in numbers]}}


def test_a_killed_scan_goes_on_where_it_was(sweep, tmp_path):
    path, out = sweep(**steps(4, WAITING, folder=tmp_path)), tmp_path / "scan"
    killed = start(path, out)
    wait_for(lambda: waits(tmp_path))
    left = workers(killed)
    assert left
    killed.kill()
    wait_for(lambda: not any(alive(p) for p in left))
    assert {n: r["status"] for n, r in records(out).items()} == {4: "finished", WAITING: "running"}
    (kept,) = out.glob("points/*/metrics.json")
    before = kept.stat().st_mtime_ns
    folder = out / "points" / records(out)[WAITING]["hash"]
    (folder / "killed").touch()
    (tmp_path / "go").touch()
    code, _, complained = finish(start(path, out))
    assert code == 0, complained
    assert {r["status"] for r in records(out).values()} == {"finished"}
    assert kept.stat().st_mtime_ns == before
    assert goes_on(folder)
    assert json.loads((folder / "provenance.json").read_text())["steps"] == WAITING
    assert not (out / "aside").exists()


def test_the_point_of_a_killed_worker_goes_on(sweep, tmp_path):
    out = tmp_path / "scan"
    process = start(sweep(**steps(4, WAITING, folder=tmp_path)), out)
    wait_for(lambda: waits(tmp_path))
    for worker in workers(process):
        worker.kill()
    folder = out / "points" / records(out)[WAITING]["hash"]
    (folder / "killed").touch()
    (tmp_path / "go").touch()
    code, _, complained = finish(process)
    assert code == 0, complained
    assert {r["status"] for r in records(out).values()} == {"finished"}
    assert goes_on(folder)
    assert not (out / "aside").exists()


def test_what_fails_is_listed_and_the_rest_goes_on(sweep, tmp_path, capfd):
    out = tmp_path / "scan"
    path = sweep(
        **sizes(64, 0),
        **{"model.optimizer.init_args.lr": {"values": [0.001, 1e30]}},
    )
    assert main(["scan", str(path), "--out", str(out), "--workers", "1", "--no-report"]) == 1
    said = capfd.readouterr()
    found = [json.loads(p.read_text()) for p in out.glob("points/*/point.json")]
    errors = {(r["parameters"]["data.batch_size"], r["parameters"]["model.optimizer.init_args.lr"]):
              r["error"] for r in found}  # fmt: skip
    assert errors[64, 0.001] is None
    assert "the training diverged" in errors[64, 1e30]
    assert "batch_size of at least 1" in errors[0, 0.001]
    assert sum(line.startswith("failed: ") for line in said.err.splitlines()) == 3
    assert "3 points failed" in said.err
    assert "batch_size of at least 1" in said.err
    # mended, the finished point is not run again, and what failed is
    before = {p: p.stat().st_mtime_ns for p in out.glob("points/*/metrics.json")}
    path = sweep(**sizes(64, 60), **{"model.optimizer.init_args.lr": {"values": [0.001]}})
    assert main(["scan", str(path), "--out", str(out), "--workers", "1", "--no-report"]) == 0
    assert all(p.stat().st_mtime_ns == when for p, when in before.items())
    assert len(list(out.glob("points/*/metrics.json"))) == 2


@pytest.mark.slow  # a process that imports everything itself, and so do its workers
def test_ctrl_c_keeps_what_is_finished(sweep, tmp_path):
    out = tmp_path / "scan"
    command = [sys.executable, *words_of(sweep(**steps(4, WAITING, folder=tmp_path)), out)]
    # a shell ignores Ctrl-C for what it runs in the background, and so would all that it starts
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, preexec_fn=listen)  # fmt: skip
    wait_for(lambda: waits(tmp_path))
    left = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, complained = process.communicate(timeout=HANGING)
    assert process.returncode == 130, complained
    assert "the same command goes on" in complained
    assert "Traceback" not in complained, complained
    wait_for(lambda: not any(alive(p) for p in left))
    assert {n: r["status"] for n, r in records(out).items()} == {4: "finished", WAITING: "running"}


@pytest.mark.slow
def test_two_scans_on_one_folder_never_run_a_point_twice(sweep, tmp_path):
    numbers = (4, WAITING, WAITING + 2, WAITING + 4)
    path, out = sweep(**steps(*numbers, folder=tmp_path)), tmp_path / "scan"
    both = [start(path, out), start(path, out)]
    wait_for(lambda: [r["status"] for r in records(out).values()].count("running") == 2)
    (tmp_path / "go").touch()
    ended = [finish(process) for process in both]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert {r["status"] for r in records(out).values()} == {"finished"}
    assert len(records(out)) == 4
    assert not (out / "aside").exists()  # a point that begins again moves the first one there


@pytest.mark.slow
def test_a_full_disk_fails_points_and_loses_nothing(sweep, tmp_path):
    out = tmp_path / "small"
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(out)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system can be mounted by root only")
    try:
        path = sweep(**steps(*range(4, 18, 2)))
        code, _, complained = finish(start(path, out))
        assert code == 1
        assert "No space left" in complained
        kept = {p: p.stat().st_mtime_ns for p in finished(out)}
        assert 0 < len(kept) < 7
        subprocess.run(["mount", "-o", "remount,size=100m", str(out)], check=True)
        code, _, complained = finish(start(path, out))
        assert code == 0, complained
        assert len(finished(out)) == 7
        assert all(p.stat().st_mtime_ns == when for p, when in kept.items())
    finally:
        subprocess.run(["umount", str(out)], check=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "annealing"}, "annealing"),
        ({"parameters": {"data.batch_size": {"values": []}}}, "data.batch_size"),
        ({"parameters": {"data.batch_size": {"min": 9, "max": 3}}}, "data.batch_size"),
        ({"parameters": {"data.colour": {"values": [1, 2]}}}, "data.colour"),
        ({"parameters": {"model.network.init_args.depth": {"value": 2}}}, "depth"),
        ({"parameters": {"config": {"values": ["nowhere.yaml"]}}}, "nowhere.yaml"),
    ],
    ids=["method", "no values", "min above max", "unknown key", "unknown argument", "no file"],
)
def test_wrong_sweep_files_are_refused_before_anything_runs(
    sweep, tmp_path, capfd, change, message
):
    path = sweep()
    tree = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(tree | change))
    for words in ([], ["--dry-run"]):
        assert main(["scan", str(path), "--out", str(tmp_path / "scan"), *words]) == 2
        said = capfd.readouterr().err
        assert message in said
        assert path.name in said
    assert not (tmp_path / "scan").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "0"], "workers as a whole number above 0, but got 0"),
        (["--workers", "-1"], "workers as a whole number above 0, but got -1"),
        (["--count", "0"], "count as a whole number above 0, but got 0"),
        (["--scheduler", "tcp://127.0.0.1:9"], "No Dask scheduler answers at tcp://127.0.0.1:9"),
    ],
)
def test_wrong_options_are_refused_and_leave_a_scan_as_it_was(
    sweep, tmp_path, capfd, words, message
):
    import dask

    out = tmp_path / "scan"
    out.mkdir()
    for name in ("scan.json", "sweep.yaml"):
        (out / name).write_text("{}")
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert main(["scan", str(sweep()), "--out", str(out), *words]) == 2
    assert message in capfd.readouterr().err
    if "--scheduler" not in words:
        assert (out / "scan.json").read_text() == (out / "sweep.yaml").read_text() == "{}"


def test_a_point_without_a_test_is_refused(sweep, tmp_path, capfd):
    path = sweep(test_after_fit={"values": [True, False]})
    assert main(["scan", str(path), "--out", str(tmp_path / "scan")]) == 2
    assert "Expected test_after_fit as true" in capfd.readouterr().err


def test_the_file_in_the_folder_is_as_good(sweep, tmp_path, capfd):
    out = tmp_path / "scan"
    words = ["--out", str(out), "--workers", "1", "--no-report"]
    assert main(["scan", str(sweep()), *words]) == 0
    before = (out / "sweep.yaml").read_bytes()
    assert main(["scan", str(out / "sweep.yaml"), *words]) == 0
    assert (out / "sweep.yaml").read_bytes() == before
    assert len(records(out)) == 1


def test_a_folder_of_something_else_is_not_written_to(sweep, tmp_path, capfd):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("")
    assert main(["scan", str(sweep()), "--out", str(tmp_path / "thesis")]) == 2
    assert "holds something else" in capfd.readouterr().err
    assert main(["scan", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capfd.readouterr().err
