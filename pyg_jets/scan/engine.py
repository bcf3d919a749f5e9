"""`scan`: the points of a sweep file, run inside long-lived Dask workers, resumable."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from pyg_jets import __version__
from pyg_jets.errors import InputError, MissingExtraError
from pyg_jets.files import (
    claim_folder,
    config_name,
    config_path,
    dask_client,
    require,
)
from pyg_jets.provenance import timestamp
from pyg_jets.runs import SCAN, Point, Points
from pyg_jets.scan.check import check_sweep
from pyg_jets.scan.command import command_line
from pyg_jets.scan.point import job_arguments, point_hash
from pyg_jets.scan.progress import Progress
from pyg_jets.scan.proposals import Proposals
from pyg_jets.scan.sweep import Sweep, read_sweep
from pyg_jets.scan.worker import Job, run_point

__all__ = ["folder_of", "interruptible", "run_scan"]

#: What each worker needs: wandb imports its launcher, for two seconds, in each run.
_PRELOAD = ("pyg_jets.training.cli", "wandb.sdk.launch")
#: Seconds between two looks at a point that another scan runs.
_PATIENCE = 2.0


def run_scan(
    file: str | Path,
    out: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    count: int | None = None,
    dry_run: bool = False,
    seed: int = 0,
    command: str | None = None,
    after: Callable[[Point], None] | None = None,
) -> dict[str, int]:
    """Run the points of a W&B sweep file that are not finished yet.

    Each point has a folder ``OUT/points/HASH``, named by what it runs. Finished points are kept,
    half-finished ones go on from their last complete epoch, failed ones are moved to ``OUT/aside``
    and run again. Several scans may share a folder: no point is run twice.

    Args:
        file: The sweep file, or the name of one of the package such as ``tagging/sweep``.
        out: The scan's folder. Default: ``runs/scans/`` and the name, or the file's stem.
        workers: Local processes, one thread each. Default: the number of cores.
        scheduler: Address of a Dask scheduler instead; its workers must see the same folders.
        count: Number of points, at most.
        dry_run: Only print the command line of each point.
        seed: Seed of the proposals of ``random`` and ``bayes``.
        command: The command, for the record.
        after: Called in this process with each point that was run, as soon as it is finished.

    Returns:
        How many points are ``finished`` and ``failed``.

    Raises:
        InputError: For a sweep file that cannot be run, with the key named; for no workers.
        UnreachableError: If no scheduler answers.
        MissingFileError: If there is no such file.
        FolderInUseError: If ``out`` holds something else.
    """
    if workers is not None and workers < 1:
        raise InputError(f"Expected workers as a whole number above 0, but got {workers}.")
    sweep = read_sweep(file)
    check_sweep(sweep)
    if dry_run:
        for point in _asked(Proposals(sweep, seed, count=count)):
            print(command_line(sweep, point))
        return {"finished": 0, "failed": 0}
    require("distributed", "scan")
    folder = folder_of(file, out)
    points = Points(folder.resolve())
    run = _Scan(sweep, points, workers or os.cpu_count() or 1, seed, count, after)
    _record(claim_folder(folder, SCAN, "a scan"), sweep, command)
    return run(lambda: dask_client(scheduler, run.workers, 0, _PRELOAD))


def folder_of(file: str | Path, out: str | Path | None = None) -> Path:
    """The folder of a scan."""
    if out is not None:
        return Path(out)
    path = config_path(file)
    return Path("runs/scans") / (config_name(path) or path.stem)


def _asked(proposals: Proposals) -> Iterator[dict[str, Any]]:
    while (point := proposals.ask()) is not None:
        yield point


def _record(folder: Path, sweep: Sweep, command: str | None) -> None:
    varied = [n for n, d in sweep.parameters.items() if d.choices is None or len(d.choices) > 1]
    metric = sweep.metric
    record = {
        "name": sweep.name,
        "file": config_name(sweep.path) or str(sweep.path),
        "method": sweep.method,
        "metric": None if metric is None else {"name": metric.name, "goal": metric.goal},
        "parameters": varied,
        "command": command,
        "version": __version__,
        "date": timestamp(),
    }
    Points(folder).write_scan(record, sweep.path.read_bytes())


class _Scan:
    """The loop that hands points to workers and takes what comes back.

    Args:
        sweep: The sweep.
        points: The points' folders.
        workers: Number of local workers.
        seed: Seed of the proposals.
        count: Number of points, at most.
        after: Called with each point that was run to its end.
    """

    def __init__(
        self,
        sweep: Sweep,
        points: Points,
        workers: int,
        seed: int,
        count: int | None,
        after: Callable[[Point], None] | None = None,
    ):
        self.sweep, self.points, self.workers, self.after = sweep, points, workers, after
        self.metric = sweep.metric
        self.started = timestamp()
        self.asked: set[str] = set()
        self.elsewhere: deque[tuple[float, Job]] = deque()
        self.met: set[str] = set()
        records = list(self._others())
        done = [one for one in records if one["status"] == "finished"]
        history = [(one["parameters"], self._value(one["hash"])) for one in done]
        begun = [one["parameters"] for one in records if one["status"] != "finished"]
        self.proposals = Proposals(sweep, seed, history, count, begun)

    def _others(self) -> Iterator[dict[str, Any]]:
        """Records, not met before, of points that the sweep file, as it stands, would run alike."""
        for name in self.points.names():
            if name in self.met or name in self.asked or not (record := self.points.record(name)):
                continue  # one without a record is about to get it
            self.met.add(name)
            if set(record.get("parameters", ())) == set(self.sweep.parameters):
                arguments = job_arguments(self.sweep, record["parameters"])
                if point_hash(arguments) == name:
                    yield record

    def _meet_others(self) -> None:
        """Count what other scans on this folder have begun in the meantime."""
        if self.sweep.method == "grid":
            return
        for record in self._others():
            self.proposals.meet(record["parameters"])

    def _value(self, name: str) -> float | None:
        return None if self.metric is None else self.points.value(name, self.metric.name)

    def __call__(self, connect: Callable[[], AbstractContextManager[Any]]) -> dict[str, int]:
        """Run everything; the cluster is started only if a point is to be run."""
        total = self.proposals.total
        earlier = (
            [] if self.sweep.method == "grid" else [value for _, value in self.proposals.history]
        )
        with Progress(total, self.workers, self.metric, earlier) as progress:
            if (first := self._next(progress)) is not None:
                _make_data(first)
                with _ended_quietly(connect) as client:
                    self._work(client, first, progress)
            return progress.counts

    def _work(self, client: Any, first: Job, progress: Progress) -> None:
        waiting = require("distributed", "scan").as_completed()
        slots = len(client.nthreads()) or self.workers  # a process trains one point at a time
        running: dict[str, Job] = {}
        job: Job | None = first
        while True:
            while job is not None:
                key = f"point-{job.name}-{time.monotonic_ns()}"
                running[key] = job
                waiting.add(client.submit(run_point, job, key=key, pure=False, retries=0))
                job = self._next(progress) if len(running) < slots else None
            progress.running(len(running))
            if running:
                future = next(waiting)
                self._take(_outcome(future, running.pop(future.key)), progress)
            elif self.elsewhere:
                time.sleep(_PATIENCE)
            else:
                return
            job = self._next(progress)

    def _next(self, progress: Progress) -> Job | None:
        """The next job to submit: a new point, else one that another scan may have left."""
        self._meet_others()
        while (point := self.proposals.ask()) is not None:
            arguments = job_arguments(self.sweep, point)
            name = point_hash(arguments)
            if name in self.asked:
                self.proposals.tell(point, self._value(name))
                continue
            self.asked.add(name)
            if self.points.is_finished(name):
                value = self._value(name)
                self.proposals.tell(point, value)
                progress.kept(name, value)
                continue
            return self._job(name, point, arguments)
        if self.elsewhere and self.elsewhere[0][0] <= time.monotonic():
            return self.elsewhere.popleft()[1]
        return None

    def _job(self, name: str, point: dict[str, Any], arguments: list[str]) -> Job:
        goal = None if self.metric is None else (self.metric.name, self.metric.goal)
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        return Job(
            scan=str(self.points.scan),
            name=name,
            parameters=point,
            arguments=arguments,
            place=os.getcwd(),
            started=self.started,
            threads=threads,
            goal=goal,
            early=self.sweep.early_terminate,
        )

    def _take(self, outcome: dict[str, Any], progress: Progress) -> None:
        job = outcome.pop("job")
        if outcome["status"] == "elsewhere":
            self.elsewhere.append((time.monotonic() + _PATIENCE, job))
            return
        failed = outcome["status"] != "finished"
        value = None if failed else self._value(job.name)
        self.proposals.tell(dict(job.parameters), value)
        progress.done(job, outcome, value)
        if self.after is not None and not failed:
            self.after(self.points.point(job.name))


def _make_data(job: Job) -> None:
    """Make the data of a point with all cores; what fails here fails in the points too.

    Raises:
        MissingExtraError: If a package is not installed, which would fail each of the points.
    """
    from pyg_jets.training.cli import make_data

    try:
        make_data(job.arguments)
    except (Exception, SystemExit) as error:  # a parser that refuses exits
        for each in (error, error.__cause__):  # jsonargparse raises errors of its own from ours
            if isinstance(each, MissingExtraError):
                raise each from None


def _outcome(future: Any, job: Job) -> dict[str, Any]:
    """What a point came to; also if its workers died again and again, or the cluster is gone."""
    try:
        return {**future.result(), "job": job}
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        return {"hash": job.name, "status": "failed", "error": text, "seconds": None, "job": job}


@contextmanager
def interruptible() -> Iterator[None]:
    """Say what a Ctrl-C leaves behind, and end with the shell's code for it."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nStopped. What is finished is kept: the same command goes on.", file=sys.stderr)
        raise SystemExit(130) from None


@contextmanager
def _ended_quietly(connect: Callable[[], AbstractContextManager[Any]]) -> Iterator[Any]:
    """A cluster's client; after a Ctrl-C nothing is logged of connections that break as it ends."""
    before = logging.root.manager.disable
    try:
        with connect() as client:
            try:
                yield client
            except KeyboardInterrupt:
                logging.disable(logging.CRITICAL)
                raise
    finally:
        logging.disable(before)
