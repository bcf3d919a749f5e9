"""Files to and from `JetArray`, and the cards of data sets."""

from pyg_jets.io.parquet import read_parquet, write_parquet

__all__ = ["read_parquet", "write_parquet"]
