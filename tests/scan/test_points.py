"""Points: what their names depend on, what is run again, and one at a time in a process."""

import contextlib
import json
import threading
import time

import pytest
import yaml

from pyg_jets.runs import Points
from pyg_jets.scan import engine, read_sweep, worker
from pyg_jets.scan.engine import _make_data, _Scan, job_arguments
from pyg_jets.scan.point import point_hash, setting_hash
from pyg_jets.scan.progress import Progress
from pyg_jets.scan.sweep import Metric
from pyg_jets.scan.worker import Job, run_point


def job(scan, words=("fit", "--nonsense=1"), started=""):
    return Job(str(scan), "p", {"a": 1}, list(words), str(scan), started)


def test_a_name_depends_on_options_and_their_values():
    names = [point_hash(["fit", "--a", a, "--b", b]) for a, b in (("1", "2"), ("2", "1"))]
    assert names[0] != names[1]
    assert names[0] == point_hash(["fit", "--b=2", "--a=1"])


@pytest.mark.parametrize("words", [["--config={}"], ["--config", "{}"]])
def test_a_name_depends_on_the_content_of_configurations(tmp_path, words):
    path = tmp_path / "a.yaml"
    given = ["fit", *(word.format(path) for word in words)]
    path.write_text("a: 1\n")
    first = point_hash(given)
    path.write_text("a:   1  # the same\n")
    assert point_hash(given) == first
    path.write_text("a: 2\n")
    assert point_hash(given) != first


def test_a_name_depends_on_what_a_configuration_overrides(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 1\n")
    config = f"--config={tmp_path / 'a.yaml'}"
    assert point_hash(["fit", "--a=2", config]) != point_hash(["fit", config, "--a=2"])
    assert point_hash(["fit", config, "--b=1", "--a=2"]) == point_hash(
        ["fit", config, "--a=2", "--b=1"]
    )


def test_a_name_depends_on_which_of_two_values_counts():
    assert point_hash(["fit", "--a=1", "--a=2"]) != point_hash(["fit", "--a=2", "--a=1"])
    assert point_hash(["fit", "--a=1", "--a=2", "--b=3"]) == point_hash(
        ["fit", "--a=1", "--b=3", "--a=2"]
    )


def test_words_of_a_point_are_those_of_its_name(tmp_path):
    for name, text in (("a", "a: 1"), ("b", "b: 2")):
        (tmp_path / f"{name}.yaml").write_text(text)
    tree = {
        "method": "grid",
        "command": ["pyg-jets", "fit", "-c", "${args_no_equals}"],
        "parameters": {"config": {"value": 1}},
    }
    tree["command"] = ["pyg-jets", "fit", "-c", f"['{tmp_path}/a.yaml', '{tmp_path}/b.yaml']",
                       "${args_no_equals}"]  # fmt: skip
    tree["parameters"] = {"lr": {"values": [1, 2]}, "m": {"value": {"a": 1}}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(tree))
    words = job_arguments(read_sweep(tmp_path / "s.yaml"), {"lr": 1, "m": {"a": 1}})
    assert words[1:5] == [
        f"--config={tmp_path}/a.yaml", f"--config={tmp_path}/b.yaml", "--lr=1", "--m.a=1"
    ]  # fmt: skip
    assert point_hash(json.loads(json.dumps(words))) == point_hash(words)


def test_a_setting_is_the_same_for_samples_and_seeds(tmp_path):
    words = ["fit", "--lr=1", "--data.sample.replica=3", "--seed_everything=2", "--x.seed=1"]
    assert setting_hash(words) == setting_hash(["fit", "--lr=1"])
    assert setting_hash(words) != setting_hash(["fit", "--lr=2"])
    points = Points(tmp_path)
    points.begin("p", {}, words, setting_hash(words))
    assert points.write("p", {}, "finished")["setting"] == setting_hash(words)


def test_what_failed_in_another_scan_since_the_start_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a point is run its process stays
    points = Points(tmp_path)
    points.begin("p", {"a": 1}, ["fit"])
    points.write("p", {"a": 1}, "failed", error="boom")
    assert run_point(job(tmp_path, started="2020-01-01T00:00:00+00:00"))["error"] == "boom"
    assert not (tmp_path / "aside").exists()
    for number, started in enumerate(("2999-01-01T00:00:00+00:00", ""), 1):
        again = run_point(job(tmp_path, started=started))
        assert again["status"] == "failed"
        assert again["error"] != "boom"
        assert (tmp_path / "aside" / f"p-{number}").exists()


def test_threads_of_a_worker_train_one_after_the_other(tmp_path, monkeypatch):
    running, most = [], []

    def run(points, job, start):
        running.append(job)
        most.append(len(running))
        time.sleep(0.1)
        running.pop()
        return {}

    monkeypatch.setattr(worker, "_run", run)
    jobs = [Job(str(tmp_path), name, {}, [], str(tmp_path)) for name in "abc"]
    threads = [threading.Thread(target=run_point, args=(one,)) for one in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def note_and_wait(job):
    """Stands for a training: writes when it began and ended."""
    with open(f"{job.scan}/log", "a") as log:
        log.write("+")
        log.flush()
        time.sleep(0.2)
        log.write("-")
    return {"hash": job.name, "status": "finished", "seconds": 0.2}


def test_a_worker_of_several_threads_has_one_slot(tmp_path, monkeypatch):
    import distributed

    monkeypatch.setattr(engine, "run_point", note_and_wait)
    monkeypatch.setattr(engine, "_make_data", lambda job: None)
    sweep = write_sweep(tmp_path / "s.yaml", "random")
    with distributed.Client(
        n_workers=1, threads_per_worker=4, processes=False, dashboard_address="127.0.0.1:0"
    ) as client:
        scan = _Scan(sweep, Points(tmp_path), 4, 0, None)
        assert scan(lambda: contextlib.nullcontext(client))["finished"] == 4
    assert (tmp_path / "log").read_text() == "+-" * 4


def test_data_that_cannot_be_made_are_left_to_the_points(tmp_path, capsys):
    _make_data(job(tmp_path))  # its parser exits


def write_sweep(path, method):
    tree = {
        "method": method,
        "metric": {"name": "val/loss", "goal": "minimize"},
        "run_cap": 4,
        "command": ["pyg-jets", "fit", "${args}"],
        "parameters": {"lr": {"min": 0.0, "max": 1.0}},
    }
    path.write_text(yaml.safe_dump(tree))
    return read_sweep(path)


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_search_takes_up_what_was_begun_and_counts_what_others_run(tmp_path, method):
    sweep = write_sweep(tmp_path / "s.yaml", method)
    points = Points(tmp_path / "scan")
    for rate, status in ((0.25, "finished"), (0.5, "running"), (0.75, "failed")):
        words = job_arguments(sweep, {"lr": rate})
        points.begin(point_hash(words), {"lr": rate}, words)
        points.write(point_hash(words), {"lr": rate}, status)
    scan = _Scan(sweep, points, 1, 0, None)
    with Progress(4, 1, None) as progress:
        first, second = (scan._next(progress).parameters["lr"] for _ in range(2))
        assert {first, second} == {0.5, 0.75}
        words = job_arguments(sweep, {"lr": 0.125})
        points.begin(point_hash(words), {"lr": 0.125}, words)  # by another scan
        assert scan._next(progress) is None


def write_points(sweep, points, *found):
    """Points of a sweep with their learning rate and status."""
    for rate, status in found:
        words = job_arguments(sweep, {"lr": rate})
        points.begin(point_hash(words), {"lr": rate}, words)
        points.write(point_hash(words), {"lr": rate}, status)


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_what_is_outside_of_the_space_is_not_counted_as_finished(tmp_path, method):
    sweep = write_sweep(tmp_path / "s.yaml", method)
    points = Points(tmp_path / "scan")
    write_points(sweep, points, (0.25, "finished"), (7.0, "finished"))
    assert [point for point, _ in _Scan(sweep, points, 1, 0, None).proposals.history] == [
        {"lr": 0.25}
    ]


def test_a_scan_starts_with_the_best_of_its_history(tmp_path):
    sweep = write_sweep(tmp_path / "s.yaml", "random")
    points = Points(tmp_path / "scan")
    rates = [(0.1, "finished"), (0.2, "finished"), (0.3, "finished"), (0.4, "finished")]
    write_points(sweep, points, *rates, (7.0, "finished"))
    counts = _Scan(sweep, points, 1, 0, None)(lambda: pytest.fail("nothing is left to run"))
    assert counts == {"finished": 4, "failed": 0}


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_point_whose_record_is_not_yet_written_counts_later(tmp_path, method):
    sweep = write_sweep(tmp_path / "s.yaml", method)
    points = Points(tmp_path / "scan")
    scan = _Scan(sweep, points, 1, 0, 2)
    words = job_arguments(sweep, {"lr": 0.125})
    points.folder(point_hash(words)).mkdir(parents=True)
    with Progress(2, 1, None) as progress:
        assert scan._next(progress) is not None
        points.write(point_hash(words), {"lr": 0.125}, "running", words=words)
        assert scan._next(progress) is None


def test_the_best_so_far_is_of_all_points():
    metric = Metric("val/auc", "maximize")
    with Progress(9, 1, metric, [0.6, 0.7, None]) as progress:
        assert "best val/auc 0.7" in progress.state()
        assert progress.counts["finished"] == 3


def test_records_that_were_cut_short_are_none(tmp_path):
    points = Points(tmp_path)
    points.begin("p", {}, ["fit"])
    (points.folder("p") / "point.json").write_text(json.dumps({"a": 1})[:-2])
    assert points.record("p") == {}
    assert list(points.finished()) == []


def test_a_point_killed_while_its_first_record_was_written_leaves_nothing(tmp_path):
    points = Points(tmp_path)
    (points.folder("p") / ".point.json.abcd1234").mkdir(parents=True)
    folder = points.begin("p", {"a": 1}, ["fit"])
    assert [path.name for path in folder.iterdir()] == ["point.json"]
    assert not (tmp_path / "aside").exists()
