"""One W&B sweep file, run offline: read, proposed point by point, one run folder a point."""

from pyg_jets.scan.command import command_line, point_arguments
from pyg_jets.scan.engine import run_scan
from pyg_jets.scan.hyperband import Hyperband
from pyg_jets.scan.proposals import Proposals
from pyg_jets.scan.sweep import Metric, Sweep, read_sweep

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
