"""How jets are split over threads."""

import threading
from itertools import pairwise

import numba
import numpy as np
import torch

from pyg_jets.ops import kernel
from tests.processes import Python


def test_the_first_call_ends_before_threads_start(monkeypatch):
    # numba cannot compile in two threads at the same time
    monkeypatch.setattr(kernel, "_called", set())
    monkeypatch.setattr(kernel, "_default_threads", lambda: 3)
    events = []

    def run(start, stop):
        events.append(("begins", start))
        events.append(("ends", start))

    kernel.over_jets(run, np.arange(0, 401, 100), threads=4)
    assert events[:2] == [("begins", 0), ("ends", 0)]
    assert sorted(start for _, start in events) == [0, 0, 1, 1, 2, 2, 3, 3]

    def square(item):
        return item * item, threading.current_thread() is threading.main_thread()

    squares = kernel.in_threads(square, range(9))
    assert [value for value, _ in squares] == [item * item for item in range(9)]
    assert [in_main for _, in_main in squares] == [True] + [False] * 8


def test_ranges_of_jets_cover_all_jets():
    ptr = torch.tensor([0, 5, 5, 6, 30, 31, 32, 32])
    for n_particles in (1, 4, 100):
        ranges = kernel.split_jets(ptr, n_particles)
        assert [ranges[0][0], ranges[-1][1]] == [0, 7]
        assert all(before[1] == after[0] for before, after in pairwise(ranges))


def test_the_first_compilation_of_a_process_is_announced(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kernel, "_cache_folder", lambda: str(tmp_path))
    monkeypatch.setattr(kernel._note, "said", False)

    def double(value):
        return 2 * value

    def compiled():
        return kernel.kernel(double)

    with monkeypatch.context() as patch:  # as in the worker of a loader
        patch.setattr(kernel.multiprocessing, "parent_process", lambda: "the loader")
        assert kernel.kernel(lambda value: 3 * value)(1) == 3
    own, first = numba.njit(lambda value: value + 1), compiled()
    assert own(1) == 2
    assert capsys.readouterr().err == ""
    assert first(1) == 2
    said = capsys.readouterr().err
    assert said.startswith("pyg_jets: compiling kernels (once; cached in ")
    assert str(tmp_path) in said
    assert first(1.5) == 3.0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(kernel._note, "said", False)
    assert compiled()(1) == 2  # by the cache on disk
    assert capsys.readouterr().err == ""


COMPILE = """
import sys, time
from pathlib import Path
from pyg_jets.ops import kernel
folder, number = Path(sys.argv[1]), sys.argv[2]
kernel._cache_folder = lambda: str(folder / "cache")

class Count(kernel.event.Listener):
    def on_start(self, compilation):
        (folder / f"compiled-{number}").touch()
    def on_end(self, compilation):
        pass

def double(value):
    return 2 * value

kernel.event.register("numba:compile", Count())
compiled = kernel.kernel(double)
(folder / f"ready-{number}").touch()
while len(list(folder.glob("ready-*"))) < 2:
    time.sleep(0.001)
print(compiled(21))
"""


def test_of_two_processes_one_compiles(tmp_path):
    script = tmp_path / "script.py"  # numba caches functions of files only
    script.write_text(COMPILE)
    both = [Python(script, tmp_path, number) for number in range(2)]
    assert [process.wait().stdout for process in both] == ["42\n", "42\n"]
    assert len(list(tmp_path.glob("compiled-*"))) == 1
