"""Files are whole or not there; locks exclude; kernels split and cache."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from pyg_jets import files
from pyg_jets.ops import kernel, pointer
from tests.processes import HANGING, python


def test_write_aside_leaves_the_old_file_after_an_error(tmp_path):
    path = tmp_path / "note"
    path.write_text("old")
    with pytest.raises(IsADirectoryError), files.write_aside(path) as part:
        tmp_path.write_text(str(part.write_text("new")))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["note"]


def test_write_aside_writes_folders(tmp_path):
    with files.write_aside(tmp_path / "folder") as part:
        part.mkdir()
        (part / "a").write_text("1")
    assert (tmp_path / "folder" / "a").read_text() == "1"


def test_lock_excludes_another_process(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from pyg_jets.files import locked\n"
        f"with locked({str(tmp_path / 'x')!r}):\n"
        "    print('in', flush=True); time.sleep(1)\n"
        f"    Path({str(tmp_path / 'left')!r}).touch()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()
    with files.locked(tmp_path / "x"):
        assert (tmp_path / "left").exists()
    other.wait()


def test_content_hash(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    assert files.content_hash(tmp_path / "a") == files.content_hash(tmp_path / "b")
    assert files.content_hash("ab", "c") != files.content_hash("a", "bc")
    assert files.content_hash({"a": 1, "b": 2}) == files.content_hash({"b": 2, "a": 1})


def test_claim_folder(tmp_path):
    files.claim_folder(tmp_path / "new", "marker", "this")
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(FileExistsError, match=r"something else \(new, thesis.tex\)"):
        files.claim_folder(tmp_path, "marker", "this")
    with pytest.raises(FileExistsError, match="is a file"):
        files.claim_folder(tmp_path / "thesis.tex", "marker", "this")
    (tmp_path / "marker").write_text("")
    files.claim_folder(tmp_path, "marker", "this")


def test_a_lock_that_is_held_is_not_waited_for(tmp_path):
    code = (
        "import sys, time; from pyg_jets.files import locked\n"
        f"with locked({str(tmp_path / 'point')!r}) as ours:\n"
        "    print(ours, flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "True\n"
    with files.locked(tmp_path / "point", wait=False) as ours:
        assert not ours
    holder.kill()
    holder.wait()
    with files.locked(tmp_path / "point", wait=False) as ours:
        assert ours


def test_require_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastjet", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pyg-jets\[generate\]'"):
        files.require("fastjet", "generate")


def test_read_json_names_the_file(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"x\.json is not a JSON file"):
        files.read_json(tmp_path / "x.json")


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_over_jets_covers_each_jet_once(threads):
    ptr = np.concatenate(([0], np.cumsum(np.random.default_rng(0).integers(0, 9, 100))))
    visits = np.zeros(100, int)
    names = set()

    def run(start, stop):
        names.add(threading.current_thread().name)
        visits[start:stop] += 1

    kernel.over_jets(run, ptr, threads)
    assert (visits == 1).all()
    assert len(names) <= (threads or 2)


def test_over_jets_survives_a_fork():
    code = """
import os, numpy as np
from pyg_jets.ops.kernel import over_jets
ptr = np.arange(0, 200001, 100)
over_jets(lambda a, b: None, ptr, 2)
child = os.fork()
if child == 0:
    visits = np.zeros(2000, int)
    over_jets(lambda a, b: visits.__setitem__(slice(a, b), 1), ptr, 2)
    os._exit(0 if visits.all() else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert python("-c", code).returncode == 0


def test_over_jets_hands_on_errors():
    def fail(start, stop):
        raise ArithmeticError("in a thread")

    with pytest.raises(ArithmeticError):
        kernel.over_jets(fail, np.array([0, 5, 9]), 2)


def test_kernels_can_be_switched_off(monkeypatch):
    monkeypatch.delenv("PYG_JETS_KERNELS", raising=False)
    x = torch.ones(1)
    assert kernel.use_kernels(x)
    assert not kernel.use_kernels(x.double())
    monkeypatch.setenv("PYG_JETS_KERNELS", "0")
    assert not kernel.use_kernels(x)


def test_pointer_conversions():
    ptr = torch.tensor([0, 0, 3, 3, 5, 5])
    assert torch.equal(pointer.batch_to_ptr(pointer.ptr_to_batch(ptr), 5), ptr)
    assert torch.equal(pointer.counts_to_ptr(ptr.diff()), ptr)
    with pytest.raises(ValueError, match="sorted"):
        pointer.batch_to_ptr(torch.tensor([1, 0]))


def test_import_is_light():
    heavy = ("lightning", "wandb", "optuna", "dask", "distributed", "ot", "matplotlib", "pythia8mc")
    code = f"import pyg_jets, pyg_jets.nn, sys; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_package_lists_its_exports_before_they_are_loaded():
    code = (
        "import pyg_jets, sys\n"
        "print(set(pyg_jets.__all__) <= set(dir(pyg_jets)), 'torch' in sys.modules)\n"
        "print(pyg_jets.JetArray.__name__, pyg_jets.JetLoader.__name__)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["True", "False", "JetArray", "JetLoader"]


def test_dask_workers_do_not_run_the_callers_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\n"
        "from pyg_jets.files import dask_client\n"
        "with dask_client(workers=1) as client:\n"
        "    print(client.submit(sum, [1, 2]).result())\n"
        "assert __file__ is not None\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert run.stdout.split() == ["once", "3"], run.stderr


def test_a_dask_worker_may_ask_for_a_client():
    with files.dask_client(workers=1) as client:
        assert client.submit(_in_a_worker).result(timeout=HANGING) == 3


def _in_a_worker() -> int:
    with files.dask_client(workers=2) as inner:
        return inner.submit(sum, [1, 2]).result(timeout=HANGING)
