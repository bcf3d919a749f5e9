"""Run folders → tables, figures, one self-contained HTML page; reads run folders only."""

from pyg_jets.report.page import make_report
from pyg_jets.report.table import summary_table

__all__ = ["make_report", "summary_table"]
