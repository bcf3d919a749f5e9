"""Run folders → tables, figures, one self-contained HTML page; a jet on axes of your own."""

from pyg_jets.report.generated import is_generated
from pyg_jets.report.generated_page import generated_table, make_generated_report
from pyg_jets.report.lund import plot_lund
from pyg_jets.report.page import make_report
from pyg_jets.report.plot import plot_jet
from pyg_jets.report.table import summary_table

__all__ = [
    "generated_table",
    "is_generated",
    "make_generated_report",
    "make_report",
    "plot_jet",
    "plot_lund",
    "summary_table",
]
