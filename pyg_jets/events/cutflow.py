"""`CutFlow`, the number of events and jets that each step of the selection keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

__all__ = ["CutFlow", "cut_flow_table"]


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

    def __add__(self, other: CutFlow) -> CutFlow:
        return CutFlow(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    @property
    def kept(self) -> int:
        """Jets that are kept, in the window and on both sides of it."""
        return self.below + self.in_window + self.above

    @property
    def matched_share(self) -> float:
        """Fraction of the jets in the window that pass truth matching."""
        return self.in_window / max(1, self.in_window + self.unmatched_in_window)

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
