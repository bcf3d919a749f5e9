"""Files to and from `JetArray`, and the cards of data sets."""

from pyg_jets.io.cards import card_names, card_path, read_card
from pyg_jets.io.parquet import read_parquet, write_parquet
from pyg_jets.io.root_jets import read_root

__all__ = ["card_names", "card_path", "read_card", "read_parquet", "read_root", "write_parquet"]
