"""`CutFlow`, the number of events and jets that each step of the selection keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from pyg_jets.errors import InputError

__all__ = ["CutFlow", "SliceFlow", "cut_flow_table", "slice_table"]


class SliceFlow(NamedTuple):
    """What became of the events of a slice of pTHat.

    Args:
        low: Its lower edge (GeV).
        high: Its upper edge (GeV).
        hard: Its hard processes.
        hard_weight: The sum of their weights.
        events: Of these, the events that were not dropped for want of a hard jet of partons.
        in_window: Jets that are kept in the pT window.
        weight: The sum of their weights.
        weight2: The sum of the squares of their weights.
    """

    low: float
    high: float
    hard: int
    hard_weight: float
    events: int
    in_window: int
    weight: float
    weight2: float

    def plus(self, other: SliceFlow) -> SliceFlow:
        """The sum over more events of the same slice."""
        added: list[Any] = [a + b for a, b in zip(self[2:], other[2:], strict=True)]
        return SliceFlow(self.low, self.high, *added)


@dataclass(frozen=True)
class CutFlow:
    """How many events and jets of a process pass each step. Two of them add up.

    Args:
        events: Events that were generated.
        failed: Events that Pythia gave up and skipped.
        found: Jets above the lower end of the margin in pT.
        outside_eta: Of these, beyond the largest \\|η\\|.
        above_margin: Of the rest, above the upper end of the margin.
        unmatched: Of the rest, dropped because truth matching failed.
        unmatched_in_window: Of the unmatched jets, those in the pT window.
        below: Jets that are kept, below the pT window.
        in_window: Jets that are kept, in the pT window.
        above: Jets that are kept, above the pT window.
        slices: The same by slice of pTHat, if jets are weighted.

    Examples:
        >>> (CutFlow(events=2, found=3, in_window=3) + CutFlow(events=1)).events
        3
    """

    events: int = 0
    failed: int = 0
    found: int = 0
    outside_eta: int = 0
    above_margin: int = 0
    unmatched: int = 0
    unmatched_in_window: int = 0
    below: int = 0
    in_window: int = 0
    above: int = 0
    slices: tuple[SliceFlow, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "slices", tuple(SliceFlow(*entry) for entry in self.slices))

    def __add__(self, other: CutFlow) -> CutFlow:
        counts = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        if not self.slices or not other.slices:
            return CutFlow(**counts, slices=self.slices or other.slices)
        edges = [[s[:2] for s in flow.slices] for flow in (self, other)]
        if edges[0] != edges[1]:
            raise InputError(
                f"Expected events of the same slices of pTHat, but got {edges[0]} and {edges[1]} "
                "(GeV): another version made the first ones, so give another folder."
            )
        pairs = zip(self.slices, other.slices, strict=True)
        return CutFlow(**counts, slices=tuple(a.plus(b) for a, b in pairs))

    @property
    def kept(self) -> int:
        """Jets that are kept, in the window and on both sides of it."""
        return self.below + self.in_window + self.above

    @property
    def matched_share(self) -> float:
        """Fraction of the jets in the window that pass truth matching."""
        return self.in_window / max(1, self.in_window + self.unmatched_in_window)

    @property
    def effective_share(self) -> float:
        """N_eff / N of the jets in the window, (Σw)² / (N Σw²); 1 without weights."""
        weight, weight2 = (sum(getattr(s, n) for s in self.slices) for n in ("weight", "weight2"))
        return weight**2 / (self.in_window * weight2) if weight2 else 1.0

    def as_dict(self) -> dict[str, Any]:
        """The counts by name; the slices only where there are some."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        return counts | ({"slices": [list(s) for s in self.slices]} if self.slices else {})


_COUNTS = tuple(f.name for f in fields(CutFlow) if f.name != "slices")


def cut_flow_table(cut_flows: Mapping[str, CutFlow]) -> str:
    """A text table of cut flows, one row for each process.

    Args:
        cut_flows: The cut flow of each process.

    Examples:
        >>> print(cut_flow_table({"w": CutFlow(events=9, found=8, unmatched=2, in_window=6)}))
        process  events  found  outside eta  above margin  unmatched  ...  in window  ...
        w             9      8            0             0          2  ...          6  ...
    """
    losses = ("outside_eta", "above_margin", "unmatched")
    names = ("events", "found", *losses, "below", "in_window", "above")
    rows = [["process", *(name.replace("_", " ") for name in names), "matched"]]
    for process, cut_flow in cut_flows.items():
        counts = [str(getattr(cut_flow, name)) for name in names]
        rows.append([process, *counts, f"{cut_flow.matched_share:.1%}"])
    return _align(rows)


def slice_table(
    cut_flows: Mapping[str, CutFlow],
    cross_sections: Mapping[str, tuple[float, float, tuple[float, ...]]] = {},
) -> str:
    """A text table of the slices of pTHat of each process, empty if none has weights.

    ``weight`` is the mean weight of a slice's hard processes, ``events`` those that were not
    dropped, ``share`` the slice's part of the weights of the jets in the window, ``N_eff / N`` that
    of all jets in the window.

    Args:
        cut_flows: The cut flow of each process.
        cross_sections: Cross section, error and those of the slices (pb) of each process.

    Examples:
        >>> low, main = (280, 400, 90, 270, 30, 3, 9, 27), (400, 960, 12, 12, 10, 6, 6, 6)
        >>> slices = (low, main)
        >>> print(slice_table({"qcd": CutFlow(events=40, in_window=9, slices=slices)}))
        process  pTHat (GeV)  sigma (pb)  weight  hard  events  ...  jets / event  share  N_eff / N
        qcd          280-400                3.00    90      30  ...         0.100  60.0%      75.8%
        qcd          400-960                1.00    12      10  ...         0.600  40.0%
    """
    head = ("process", "pTHat (GeV)", "sigma (pb)", "weight", "hard", "events", "in window")
    rows = [[*head, "jets / event", "share", "N_eff / N"]]
    for process, cut_flow in cut_flows.items():
        total = sum(s.weight for s in cut_flow.slices)
        sigma = cross_sections[process][2] if process in cross_sections else ()
        for i, s in enumerate(cut_flow.slices):
            n = max(1, s.events)
            cells = [process, f"{s.low:g}-{s.high:g}", f"{sigma[i]:.4g}" if sigma else ""]
            cells += [f"{s.hard_weight / max(1, s.hard):.2f}", str(s.hard)]
            cells += [str(s.events), str(s.in_window)]
            cells += [f"{s.in_window / n:.3f}", f"{s.weight / (total or 1):.1%}"]
            rows.append([*cells, "" if i else f"{cut_flow.effective_share:.1%}"])
    return _align(rows) if rows[1:] else ""


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
