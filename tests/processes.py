"""Python processes for tests, forked from a server that has imported the package once.

A process that imports torch and Lightning itself spends six seconds on it. These are processes of
their own all the same: they can be killed, have their own folder, environment and streams, and run
what ``python -m MODULE``, ``python -c CODE`` and ``python FILE`` run.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

from pyg_jets.files.workers import spawn_without_main

#: Guards against hanging only; a busy machine is slow, not broken.
HANGING = 600.0
#: What the server imports; modules that start threads cannot be among them.
PRELOAD = ["tests.preload", "distributed"]


def start_server() -> None:
    """Start the server, unless it runs; it imports while the first tests run."""
    with spawn_without_main():
        forkserver.ensure_running()


class Python:
    """A running process; the leader of a session of its own, so that its group can be signalled.

    Args:
        words: What would follow ``python``: ``-m MODULE …``, ``-c CODE …`` or ``FILE …``.
        folder: Its working folder. Default: that of the tests.
        environment: Its whole environment. Default: that of the tests.
    """

    def __init__(self, *words: Any, folder: Any = None, environment: Any = None) -> None:
        self.words = [str(word) for word in words]
        self.files = tempfile.TemporaryDirectory()
        place = os.fspath(folder or os.getcwd())
        task = (self.words, place, dict(environment or os.environ), self.files.name)
        self.process = multiprocessing.get_context("forkserver").Process(target=_run, args=task)
        with spawn_without_main():
            self.process.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.exitcode is None

    def output(self, name: str = "stdout") -> str:
        """What it has printed so far."""
        path = Path(self.files.name, name)
        return path.read_text() if path.exists() else ""

    def kill(self) -> None:
        """Kill it and all processes of its group that it has started by itself."""
        self.process.kill()
        self.process.join()

    def wait(self) -> subprocess.CompletedProcess:
        """Wait until it ends; its exit code and what it printed."""
        self.process.join(HANGING)
        if self.running:
            self.kill()
            raise AssertionError(f"{self.words} hangs:\n{self.output()}\n{self.output('stderr')}")
        code = self.process.exitcode
        assert code is not None
        return subprocess.CompletedProcess(
            self.words, code, self.output("stdout"), self.output("stderr")
        )


def python(*words: Any, folder: Any = None, environment: Any = None) -> Any:
    """Run a process to its end, see :class:`Python`."""
    return Python(*words, folder=folder, environment=environment).wait()


def _run(words: list[str], folder: str, environment: dict[str, str], files: str) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(files, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    # its own workers come from the same server, which Python's documentation promises
    server = forkserver._forkserver  # type: ignore[attr-defined]
    server.ensure_running = resource_tracker.ensure_running
    code: Any = 0
    try:
        _execute(words)
    except SystemExit as error:
        code = error.code
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    atexit._run_exitfuncs()  # which multiprocessing leaves out
    sys.exit(code)


def _execute(words: list[str]) -> None:
    kind, *rest = words
    sys.argv = ["-c", *rest[1:]] if kind == "-c" else [*rest] if kind == "-m" else words
    sys.path.insert(0, os.path.dirname(os.path.abspath(kind)) if kind[0] != "-" else os.getcwd())
    if kind == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(kind, run_name="__main__")
