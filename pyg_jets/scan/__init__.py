"""One W&B sweep file, run offline: read, proposed point by point, one run folder a point."""

from typing import TYPE_CHECKING, Any

from pyg_jets.scan.command import command_line, point_arguments
from pyg_jets.scan.hyperband import Hyperband
from pyg_jets.scan.proposals import Proposals
from pyg_jets.scan.sweep import Metric, Sweep, read_sweep

if TYPE_CHECKING:
    from pyg_jets.scan.engine import run_scan

__all__ = [
    "Hyperband",
    "Metric",
    "Proposals",
    "Sweep",
    "command_line",
    "point_arguments",
    "read_sweep",
    "run_scan",
]


def __getattr__(name: str) -> Any:
    # Lightning takes seconds to load, which reading a sweep file need not wait for.
    if name == "run_scan":
        from pyg_jets.scan.engine import run_scan

        return run_scan
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
