"""Kills at random moments, after which the same command runs to its end.

A task is what is killed: how it runs in a folder, and what it has made there. It runs undisturbed
first, which gives the time from which the moments are drawn, and what has to come out.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.stress import fork

#: Kills of each task in a full run.
COUNT = 50


@dataclass(frozen=True)
class Task:
    """Something that can be killed.

    Args:
        name: Its name.
        run: Runs it in a folder; ``again`` says that it was begun there.
        made: What it has made in a folder, to compare, as plain values.
        kept: What of a folder, after a kill, is finished and must not be made again: a path and
            what identifies its content.
        prepare: Makes what it needs in a folder.
        every: Of every so many kills, the last runs with ``variant``.
        variant: Another way to run it.
    """

    name: str
    run: Callable[[Path, bool], None]
    made: Callable[[Path], Any]
    kept: Callable[[Path], dict[str, Any]]
    prepare: Callable[[Path], None] = lambda folder: folder.mkdir(parents=True)
    every: int = 5
    variant: Callable[[Path, bool], None] | None = None


def files(folder: Path, pattern: str) -> dict[str, Any]:
    """Files by name, with what changes when one is written again."""
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    return {
        str(path.relative_to(folder)): (stat.st_ino, stat.st_mtime_ns)
        for path in paths
        for stat in [path.stat()]
    }


def contents(folder: Path, pattern: str) -> dict[str, str]:
    """A hash of the bytes of files by name."""
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def differences(expected: Any, made: Any, name: str = "") -> list[str]:
    """Where two results differ; numbers may by a millionth."""
    if isinstance(expected, dict) and isinstance(made, dict):
        return [
            text
            for key in {**expected, **made}
            for text in (
                differences(expected[key], made[key], f"{name}{key} ")
                if key in expected and key in made
                else [f"{name}{key} is {'missing' if key in expected else 'too much'}"]
            )
        ]
    if isinstance(expected, float) and isinstance(made, float):
        return [] if np.isclose(expected, made, 1e-6, 1e-9, equal_nan=True) else [f"{name}differs"]
    return [] if expected == made else [f"{name}differs"]


def leftovers(folder: Path) -> list[str]:
    """Files and folders that are only there while something is written; locks may stay."""
    hidden = (path for path in folder.rglob(".*") if path.suffix != ".lock")
    return sorted(str(path.relative_to(folder)) for path in hidden)


def kill_often(
    task: Task, count: int, seed: int, folder: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Kill a task ``count`` times, and run it to its end after each.

    A kill that is drawn after the end of its run is drawn again.
    """
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    log = folder / "log.txt"
    expected: dict[bool, Any] = {}
    seconds: dict[bool, float] = {}
    ways = {False: task.run} | ({True: task.variant} if task.variant else {})
    for other, way in ways.items():
        for name in ("warm", "undisturbed"):  # the first one compiles what is not yet compiled
            place = folder / f"{name}-{other}"
            fork.run(task.prepare, place, log=log)
            seconds[other] = fork.run(way, place, False, log=log).seconds
        expected[other] = fork.call(task.made, place, log=log)
        tell(f"{task.name}: {seconds[other]:.1f} s undisturbed")
    rng = np.random.default_rng([seed, sum(task.name.encode())])
    failures: list[str] = []
    killed = 0
    for number in range(3 * count):
        if killed == count:
            break
        other = task.variant is not None and number % task.every == task.every - 1
        place, moment = folder / f"killed-{number}", float(rng.uniform(0, seconds[other]))
        fork.run(task.prepare, place, log=log)
        first = fork.start(ways[other], place, False, log=log).wait(kill_after=moment)
        killed += first.signal is not None
        kept = task.kept(place)
        said: list[str] = []
        try:
            fork.run(ways[other], place, True, log=log)
        except RuntimeError as error:
            said.append(str(error))
        else:
            made = fork.call(task.made, place, log=log)
            said += differences(expected[other], made)
            now = task.kept(place)
            said += [f"{name} was made twice" for name in kept if now.get(name) != kept[name]]
            said += [f"{name} was left behind" for name in leftovers(place)]
        if said:
            failures.append(f"kill {number} after {moment:.2f} s: {'; '.join(said[:5])}")
            tell(f"{task.name}: {failures[-1]}")
        else:
            shutil.rmtree(place)
        if number % 10 == 9:
            tell(f"{task.name}: {killed} of {count} kills, {len(failures)} failures")
    if killed < count:
        failures.append(f"only {killed} of {count} kills came before the end of their runs")
    return {
        "task": task.name,
        "count": count,
        "killed": killed,
        "undisturbed": round(seconds[False], 2),
        "failures": failures,
        "seconds": round(time.monotonic() - started, 1),
    }
