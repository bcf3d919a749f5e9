"""Checksums of what the package itself has made below a folder: generated and converted jets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyg_jets.events.folder import MARKER, verify_generated_folder
from pyg_jets.io.flat import META, verify_flat

__all__ = ["verify_made"]


def verify_made(root: str | Path) -> Iterator[tuple[Path, str]]:
    """Compare every file of generated and of converted jets below a folder with its checksum.

    What is still being made, in hidden folders, is left out.

    Args:
        root: The folder, such as the root of a data set.

    Yields:
        Each file with ``"ok"``, ``"unverified"`` (an earlier version stored no checksum),
        ``"missing"``, or what is wrong with it.

    Examples:
        >>> import tempfile
        >>> from pyg_jets.datasets import ToyJets
        >>> root = tempfile.mkdtemp()
        >>> _ = ToyJets(root, n_jets=20)
        >>> {status for _, status in verify_made(root)}
        {'ok'}
    """
    root = Path(root)
    for marker, verify in ((MARKER, verify_generated_folder), (META, verify_flat)):
        for path in sorted(root.rglob(marker)):
            if not any(part.startswith(".") for part in path.relative_to(root).parts):
                for name, status in verify(path.parent).items():
                    yield path.parent / name, status
