"""One point of a scan, run inside a worker that lives on."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError
from pyg_jets.files import locked
from pyg_jets.runs import LOG, METRICS, Points, is_finished
from pyg_jets.scan.point import setting_hash

__all__ = ["Job", "run_point"]

#: Trainings share seeds, streams and the working directory of their process.
_ONE = threading.Lock()


@dataclass(frozen=True)
class Job:
    """A point to run.

    Args:
        scan: The scan's folder.
        name: The point's name.
        parameters: Its parameters by dotted name.
        arguments: The arguments after ``pyg-jets`` that it runs.
        place: The folder to run in, to which paths in the arguments refer.
        started: When the scan started: a point that failed later is not run again by it.
        threads: Threads of each worker.
        goal: Name and goal of the metric, for stopping early.
        early: When to stop early, if at all.
    """

    scan: str
    name: str
    parameters: Mapping[str, Any]
    arguments: Sequence[str]
    place: str
    started: str = ""
    threads: int = 1
    goal: tuple[str, str] | None = None
    early: Any = None


def run_point(job: Job) -> dict[str, Any]:
    """Run a point unless it is finished or another process runs it; return its record.

    An error of the point ends up in its record, so that the scan goes on. The record's status is
    ``"elsewhere"`` if another process has the point.
    """
    points = Points(job.scan)
    with _ONE, locked(points.folder(job.name), wait=False) as ours:
        if not ours:
            return {"hash": job.name, "status": "elsewhere"}
        record = points.record(job.name)
        if record.get("status") == "finished" or _failed_meanwhile(record, job):
            return record
        start = time.perf_counter()
        try:
            return _run(points, job, start)
        except Exception as error:
            return _failed(points, job, error, start)
        finally:
            gc.collect()  # a trainer and its data hold each other, and a memory map each


def _failed_meanwhile(record: Mapping[str, Any], job: Job) -> bool:
    """Whether another scan has run the point, since this one started, and it failed."""
    failed = record.get("status") == "failed"
    return failed and "" < job.started < record.get("date", "")


def _run(points: Points, job: Job, start: float) -> dict[str, Any]:
    killed = points.record(job.name).get("status") == "running"  # whoever ran it has left its lock
    if killed:
        folder = points.folder(job.name)
    else:
        folder = points.begin(job.name, job.parameters, job.arguments, setting_hash(job.arguments))
    stopped, before = _train(job, folder, resume=killed)
    if not is_finished(folder):
        raise RuntimeError(f"The training ended without {METRICS}: was it interrupted?")
    seconds = before + time.perf_counter() - start
    facts = {"seconds": round(seconds, 2), "stopped_early": stopped}
    return points.write(job.name, job.parameters, "finished", **facts)


def _failed(points: Points, job: Job, error: Exception, start: float) -> dict[str, Any]:
    text = f"{type(error).__name__}: {error}"
    facts = {"error": text, "seconds": round(time.perf_counter() - start, 2)}
    with contextlib.suppress(OSError):  # on a full disk even that may not be written
        with (points.folder(job.name) / LOG).open("a") as log:
            log.write("".join(traceback.format_exception(error)))
        return points.write(job.name, job.parameters, "failed", **facts)
    return {"hash": job.name, "parameters": dict(job.parameters), "status": "failed", **facts}


def _train(job: Job, folder: Path, resume: bool) -> tuple[bool, float]:
    """Train in this process, or go on, and log what is printed.

    Returns:
        Whether the training was stopped early, and how many seconds it took before it was killed.
    """
    import torch

    from pyg_jets.scan.stopping import StopEarly
    from pyg_jets.training import RunFolder
    from pyg_jets.training.cli import main

    if gc.get_freeze_count() == 0:
        gc.freeze()  # what was imported stays, and is not looked through after each point
    torch.set_num_threads(job.threads)
    os.chdir(job.place)
    callbacks = []
    if job.early is not None and job.goal is not None:
        callbacks = [StopEarly(folder, *job.goal, job.early)]
    with (
        (folder / LOG).open("a" if resume else "w") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        try:
            arguments = [*job.arguments, f"--run={folder}", *["--resume"] * resume]
            cli = main(arguments, callbacks=callbacks)
        except SystemExit as error:  # of a parser
            raise InputError(f"The command line is refused (see {folder / LOG}).") from error
    writers: list[Any] = [] if cli is None else cli.trainer.callbacks  # type: ignore[attr-defined]
    before = sum(each.trained_before for each in writers if isinstance(each, RunFolder))
    return any(stopper.stopped for stopper in callbacks), before
