"""``python -m pyg_jets.cli``."""

import sys

from pyg_jets.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
