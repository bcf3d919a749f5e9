"""Files to and from `JetArray`, the cards of data sets, and their files."""

from pyg_jets.io.cards import card_files, card_names, card_path, read_card
from pyg_jets.io.download import fetch, verify
from pyg_jets.io.parquet import read_parquet, write_parquet
from pyg_jets.io.root import read_root
from pyg_jets.io.tables import open_table

__all__ = [
    "card_files",
    "card_names",
    "card_path",
    "fetch",
    "open_table",
    "read_card",
    "read_parquet",
    "read_root",
    "verify",
    "write_parquet",
]
