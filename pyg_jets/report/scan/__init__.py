"""A scan's folder → tables, figures, one page; studies → a page of results in Markdown."""

from pyg_jets.report.scan.page import make_scan_report
from pyg_jets.report.scan.results import write_results
from pyg_jets.report.scan.text import scan_table

__all__ = ["make_scan_report", "scan_table", "write_results"]
