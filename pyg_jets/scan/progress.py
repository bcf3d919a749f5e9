"""The progress of a scan: a bar on a terminal, a line for each point elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from pyg_jets.scan.sweep import Metric

__all__ = ["Progress"]


class Progress:
    """Points done, running and failed, the best so far, and the time left.

    Args:
        total: Number of points, if it is known.
        slots: Points that run at once.
        metric: What makes a point the best.
        earlier: Values of the points that were finished before.
    """

    def __init__(
        self,
        total: int | None,
        slots: int,
        metric: Metric | None,
        earlier: Sequence[float | None] = (),
    ):
        from tqdm import tqdm

        self.total, self.slots, self.metric = total, slots, metric
        self.before, self.finished, self.n_running = len(earlier), 0, 0
        self.failures: list[tuple[str, str]] = []
        self.best: float | None = None
        for value in earlier:
            self._finish(value)
        self.start, self.ran = time.monotonic(), 0
        self.is_terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=total,
            initial=len(earlier),
            unit="point",
            disable=not self.is_terminal,
            bar_format="{n_fmt}/{total_fmt} |{bar:24}| {desc}",
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        for name, error in self.failures:
            print(f"failed: {name}: {error}", file=sys.stderr)

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of points that are finished and that failed."""
        return {"finished": self.finished, "failed": len(self.failures)}

    def running(self, number: int) -> None:
        """Tell how many points run now."""
        self.n_running = number
        self.bar.set_description_str(self.state())

    def kept(self, name: str, value: float | None) -> None:
        """Count a point that was finished by an earlier scan."""
        self.before += 1
        self._finish(value)
        self.bar.update()

    def done(self, job: Any, outcome: dict[str, Any], value: float | None) -> None:
        """Count a point that was run, and say how it went."""
        self.ran += 1
        if outcome["status"] == "finished":
            self._finish(value)
            result = (
                "" if value is None or self.metric is None else f"{self.metric.name} {value:.4g}, "
            )
            result += f"{outcome['seconds']:.0f} s"
        else:
            error = str(outcome.get("error")).splitlines()[0]
            self.failures.append((job.name, error))
            result = f"FAILED: {error}"
        line = f"{job.name}  {_short(job.parameters)}: {result}"
        self.bar.update()
        if self.is_terminal:
            self.bar.set_description_str(self.state())
            if outcome["status"] != "finished":
                self.bar.write(line, file=sys.stderr)
        else:
            number = self.finished + len(self.failures)
            print(f"[{number}/{self.total or '?'}] {line} · {self.state()}", flush=True)

    def _finish(self, value: float | None) -> None:
        self.finished += 1
        if value is not None and self.metric is not None:
            better = max if self.metric.goal == "maximize" else min
            self.best = value if self.best is None else better(self.best, value)

    def state(self) -> str:
        """The state as a sentence."""
        parts = [f"{self.n_running} running", f"{len(self.failures)} failed"]
        if self.best is not None and self.metric is not None:
            parts.append(f"best {self.metric.name} {self.best:.4g}")
        if (left := self.seconds_left()) is not None:
            parts.append(f"{left / 60:.0f} min left" if left > 90 else f"{left:.0f} s left")
        return ", ".join(parts)

    def seconds_left(self) -> float | None:
        """An estimate from the points that this scan ran."""
        if self.total is None or not self.ran:
            return None
        left = self.total - self.finished - len(self.failures)
        return left * (time.monotonic() - self.start) / self.ran


def _short(parameters: Any) -> str:
    """The last part of each parameter's name, and its value without YAML's marks."""
    texts = []
    for name, value in parameters.items():
        text = str(value)
        for part in (".yaml", "'", "{", "}"):
            text = text.replace(part, "")
        texts.append(f"{name.rpartition('.')[2]}={text}")
    return " ".join(texts)
