"""Try the promises of ``docs/reliability.md``: ``python -m tests.stress [PART …]``.

Each part leaves its result in a folder, and is not run again by the same command; when all are
there, the page is written. The exit code is 1 if a promise is broken.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyg_jets
from tests.stress import damages, kills, together
from tests.stress.tasks import TASKS

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "reliability.md"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
#: One thread: what has threads cannot be forked, and sums are the same in each run.
ENVIRONMENT = dict.fromkeys(_THREADS, "1") | {
    "WANDB_MODE": "disabled",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


def parts(scale: float) -> dict[str, tuple[int, Callable[..., dict[str, Any]]]]:
    """The parts by name, each with its number of tries, and called with seed, folder, and how to
    tell of progress."""

    def damage(name: str, count: int, seed: int, folder: Path, tell: Callable) -> dict[str, Any]:
        return damages.damages(damages.FORMATS[name], count, seed, folder)

    number = lambda full: max(1, round(full * scale))  # noqa: E731
    found: dict[str, tuple[int, Callable[..., dict[str, Any]]]] = {}
    for name in damages.FORMATS:
        found[f"damage: {name}"] = number(damages.COUNT), partial(damage, name)
    for name in together.WAYS:
        found[f"together: {name}"] = number(together.COUNT), partial(together.rounds, name)
    for name, task in TASKS.items():
        found[f"kill: {name}"] = number(kills.COUNT), partial(kills.kill_often, task)
    return found


def broken(result: dict[str, Any]) -> list[str]:
    """The promises that a result breaks."""
    if "format" in result:
        return damages.broken_promises(result)
    return list(result["failures"])


def main() -> int:
    """Run the parts that have no result yet, and write the page."""
    known = parts(1.0)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=f"beginnings of the names of parts: {'; '.join(known)}")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of all moments and places")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full numbers")
    parser.add_argument("--minutes", type=float, default=60, help="begin no part after these")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "stress", help="for results")
    parser.add_argument("--again", action="store_true", help="run also what has a result")
    asked = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        words = [sys.executable, "-m", "tests.stress", *sys.argv[1:]]
        os.execve(sys.executable, words, {**os.environ, **ENVIRONMENT})
    out, started = asked.out.resolve(), time.monotonic()
    wanted = [n for n in known if not asked.parts or n.startswith(tuple(asked.parts))]
    if not wanted:
        parser.error(f"no part begins with {' or '.join(asked.parts)}")
    _import_everything()
    os.environ.pop("PYG_JETS_DATA", None)
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, Any]] = {}
    for name, (count, run) in parts(asked.scale).items():
        file = out / f"{name.replace(': ', '-').replace(' ', '_')}.json"
        head = {"seed": asked.seed, "count": count, "version": pyg_jets.__version__}
        saved = json.loads(file.read_text()) if file.exists() else {}
        if saved.get("head") == head and not asked.again:
            results[name] = saved["result"]
        if name not in wanted or name in results:
            continue
        if time.monotonic() - started > 60 * asked.minutes:
            print(f"{name}: not begun, as {asked.minutes:g} minutes are over", flush=True)
            continue
        print(f"{name}: {count} times, seed {asked.seed}", flush=True)
        folder = out / file.stem
        result = run(count, asked.seed, folder, lambda text: print(f"  {text}", flush=True))
        if not broken(result):
            shutil.rmtree(folder, ignore_errors=True)
        file.write_text(json.dumps({"head": head, "result": result}, indent=1))
        results[name] = result
        print(f"{name}: {_summary(result)} in {result['seconds']:.0f} s", flush=True)
    promises = [text for name in wanted if name in results for text in broken(results[name])]
    print(
        "\n".join(["", "Broken promises:", *promises] if promises else ["", "No broken promise."])
    )
    if len(results) < len(known):
        print(f"{len(results)} of {len(known)} parts have a result; the page needs all.")
    else:
        from tests.stress.page import page

        target = PAGE if asked.scale == 1 else out / PAGE.name
        command = (
            "make stress"
            if len(sys.argv) == 1
            else " ".join(["python -m tests.stress", *sys.argv[1:]])
        )
        target.write_text(page(results, asked.seed, command, f"{datetime.date.today()}"))
        print(f"wrote {target}")
    return int(bool(promises) or not set(wanted) <= set(results))


def _summary(result: dict[str, Any]) -> str:
    if "format" in result:
        return ", ".join(f"{number} {name}" for name, number in result["total"].items())
    return f"{len(result['failures'])} failures"


def _import_everything() -> None:
    """Import what children need, so that each starts at once."""
    import importlib
    import warnings

    warnings.simplefilter("ignore")
    for module in ("pyg_jets.datasets", "pyg_jets.training.cli", "pyg_jets.scan", "pyarrow.parquet",
                   "h5py", "hdf5plugin", "pandas", "tables", "uproot", "awkward", "pythia8mc",
                   "fastjet", "requests", "optuna"):  # fmt: skip
        importlib.import_module(module)


if __name__ == "__main__":
    sys.exit(main())
