"""The command ``pyg-jets``."""

from pyg_jets.cli.main import main

__all__ = ["main"]
