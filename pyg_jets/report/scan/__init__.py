"""A scan's folder → cells, tables, figures, one page."""

from pyg_jets.report.scan.cells import Layout, scan_layout
from pyg_jets.report.scan.page import make_scan_report
from pyg_jets.report.scan.tables import scan_table

__all__ = ["Layout", "make_scan_report", "scan_layout", "scan_table"]
