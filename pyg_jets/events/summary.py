"""`Summary`, the count of what was generated, kept and lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

__all__ = ["Summary", "summary_table"]


@dataclass(frozen=True)
class Summary:
    """What became of the events and jets of a process. Two of them add up.

    Args:
        events: Events generated.
        failed: Events that Pythia gave up and skipped.
        found: Jets over the lower end of the margin in pT.
        outside_eta: Of these, beyond the largest \\|η\\|.
        above_margin: Of the rest, over the upper end of the margin.
        unmatched: Of the rest, dropped because they hold no whole decay or hard parton.
        unmatched_in_window: Of the unmatched, those in the pT window.
        below: Jets kept, below the pT window.
        in_window: Jets kept, in the pT window.
        above: Jets kept, above the pT window.

    Examples:
        >>> (Summary(events=2, found=3, in_window=3) + Summary(events=1)).events
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

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    @property
    def kept(self) -> int:
        """Jets kept, in the window and on both sides of it."""
        return self.below + self.in_window + self.above

    @property
    def matched_share(self) -> float:
        """Share of the window's jets that passed the matching."""
        return self.in_window / max(1, self.in_window + self.unmatched_in_window)

    def as_dict(self) -> dict[str, int]:
        """Plain values."""
        return asdict(self)


def summary_table(summaries: Mapping[str, Summary]) -> str:
    """A table of the losses, one row a process.

    Args:
        summaries: The summary of each process.

    Examples:
        >>> print(summary_table({"w": Summary(events=9, found=8, unmatched=2, in_window=6)}))
        process  events  found  outside eta  above margin  unmatched  ...  in window  ...
        w             9      8            0             0          2  ...          6  ...
    """
    losses = ("outside_eta", "above_margin", "unmatched")
    names = ("events", "found", *losses, "below", "in_window", "above")
    rows = [["process", *(name.replace("_", " ") for name in names), "matched"]]
    for process, s in summaries.items():
        counts = [str(getattr(s, name)) for name in names]
        rows.append([process, *counts, f"{s.matched_share:.1%}"])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
