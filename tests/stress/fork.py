"""Children that can be killed: forks of a process that has imported everything and no threads.

A fork starts in milliseconds, where a new interpreter that imports torch takes seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Seconds after which a child that has not ended counts as hanging.
HANGS = 600


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, or the signal that ended it, and after how long."""

    code: int | None
    signal: int | None
    seconds: float

    @property
    def well(self) -> bool:
        """Whether it ran to its end without an error."""
        return self.code == 0


@dataclass(frozen=True)
class Child:
    """A running child, the leader of its own group of processes."""

    pid: int
    started: float
    log: Path

    def kill(self) -> None:
        """Kill it and all that it has started."""
        os.killpg(self.pid, signal.SIGKILL)

    def ended(self) -> Ended | None:
        """How it ended; ``None`` while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        seconds = time.monotonic() - self.started
        if os.WIFSIGNALED(status):
            return Ended(None, os.WTERMSIG(status), seconds)
        return Ended(os.WEXITSTATUS(status), None, seconds)

    def wait(self, kill_after: float | None = None) -> Ended:
        """Wait for its end, or kill it after some seconds; in any case nothing of it is left."""
        while (ended := self.ended()) is None:
            passed = time.monotonic() - self.started
            if passed > HANGS or (kill_after is not None and passed >= kill_after):
                self.kill()
                _, status = os.waitpid(self.pid, 0)
                return Ended(None, os.WTERMSIG(status), time.monotonic() - self.started)
            left = HANGS if kill_after is None else kill_after - passed
            time.sleep(max(0.0, min(0.002, left)))
        return ended


def start(function: Callable[..., Any], *args: Any, log: Path) -> Child:
    """Run a function in a child, whose output goes to a file."""
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a process that has threads must not be forked")
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):  # it is dead already
            os.setpgid(pid, pid)  # here too: it may be killed before it comes to it
        return Child(pid, time.monotonic(), log)
    code = 1
    try:
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # it ends when its parent does
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        function(*args)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(function: Callable[..., Any], *args: Any, log: Path) -> Ended:
    """Run a function in a child to its end, and raise an error if that is a bad one."""
    ended = start(function, *args, log=log).wait()
    if not ended.well:
        said = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"{function.__name__} ended with {ended}:\n{said}")
    return ended


def call(function: Callable[..., Any], *args: Any, log: Path) -> Any:
    """Call a function in a child, since it may start threads, and return its plain values."""
    answer = log.with_name("answer.json")
    run(_answer, answer, function, *args, log=log)
    return json.loads(answer.read_text())


def _answer(path: Path, function: Callable[..., Any], *args: Any) -> None:
    path.write_text(json.dumps(function(*args)))
