"""Random damages of files: each is read in a child with little memory and an alarm clock."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.stress import fork
from tests.stress.damage import KINDS, kind
from tests.stress.formats import OTHERS, OURS, Format
from tests.stress.outcome import OUTCOMES, content_of, damage_one, outcome

#: Damages of each format in a full run.
COUNT = 1000
#: Seconds after which a reading hangs, and bytes that it may take beyond what is taken already.
_ALARM, _MEMORY = 30, 3 << 30


def _write(format: Format, folder: Path) -> None:
    folder.mkdir(parents=True)
    format.write(folder)
    format.read(folder)


def _try(format: Format, folder: Path, numbers: list[int], seed: int, results: Path) -> None:
    """Damage and read once for each number, and note each outcome as soon as it is known."""
    whole, original = content_of(folder), format.read(folder)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with results.open("a") as notes:
        for number in numbers:
            signal.alarm(_ALARM)  # nobody catches the signal, which ends the process
            chosen = damage_one(folder, whole, number, seed)
            result, said = outcome(format, folder, original)
            notes.write(json.dumps([number, chosen, result, said]) + "\n")
            notes.flush()


def damages(format: Format, count: int, seed: int, folder: Path) -> dict[str, Any]:
    """Damage a format ``count`` times, and count the outcomes by kind of damage."""
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    log, results, place = folder / "log.txt", folder / "results.jsonl", folder / "files"
    fork.run(_write, format, place, log=log)
    whole = content_of(place)
    noted: list[list] = []
    left = list(range(count))
    while left:
        ended = fork.start(_try, format, place, left, seed, results, log=log).wait()
        lines = results.read_text().splitlines() if results.exists() else []
        noted = [json.loads(line) for line in lines]
        left = [number for number in range(count) if number not in {note[0] for note in noted}]
        if left and not ended.well:
            died = {signal.SIGALRM: "hang", signal.SIGKILL: "hang"}.get(ended.signal, "crash")
            name = ended.code if ended.signal is None else signal.Signals(ended.signal).name
            with results.open("a") as notes:
                notes.write(json.dumps([left[0], "", died, str(name)]) + "\n")
            left = left[1:]
        for name, content in whole.items():
            (place / name).write_bytes(content)
    noted = [json.loads(line) for line in results.read_text().splitlines()]
    table = {of: dict.fromkeys(OUTCOMES, 0) for of in KINDS}
    for number, _, result, _ in noted:
        table[kind(number)][result] += 1
    bad = [note for note in noted if note[2] not in ("refused", "unharmed")]
    return {
        "format": format.name,
        "ours": format.ours,
        "count": count,
        "bytes": sum(map(len, whole.values())),
        "kinds": table,
        "total": dict(Counter(note[2] for note in noted)),
        "bad": bad[:200],
        "seconds": round(time.monotonic() - started, 1),
    }


def broken_promises(result: dict[str, Any]) -> list[str]:
    """What of a format's outcomes was promised not to happen."""
    forbidden = ["foreign error"] + ["read wrong", "crash", "hang"] * result["ours"]
    counts = {name: result["total"].get(name, 0) for name in forbidden}
    return [f"{result['format']}: {n} × {name}" for name, n in counts.items() if n]


FORMATS = {format.name: format for format in (*OURS, *OTHERS)}
