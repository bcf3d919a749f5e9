"""`load_run`: the folder of a run as plain data, and its model when it is asked for.

The data alone, without torch models, is :func:`pyg_jets.runs.load_run`; this room adds the models,
which :mod:`pyg_jets.training` builds, so that neither room needs the other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from pyg_jets import runs

if TYPE_CHECKING:
    from pyg_jets.training import Generator, Tagger

__all__ = ["SavedRun", "load_run"]


@dataclass(frozen=True)
class SavedRun(runs.Run):
    """A :class:`~pyg_jets.runs.Run` that also gives its trained model."""

    def tagger(self) -> Tagger:
        """The trained tagger, see :func:`pyg_jets.training.load_tagger`."""
        from pyg_jets.training import load_tagger

        return load_tagger(self)

    def generator(self) -> Generator:
        """The trained generator, see :func:`pyg_jets.training.load_generator`."""
        from pyg_jets.training import load_generator

        return load_generator(self)


def load_run(folder: str | Path) -> SavedRun:
    """Read the folder of a run; its model is built when ``tagger()`` or ``generator()`` is called.

    Args:
        folder: The folder.

    Raises:
        MissingFileError: If there is no such folder.
        InputError: If it is no run folder, or one of its files is damaged.

    Examples:
        >>> import tempfile
        >>> from pyg_jets.runs import RunWriter
        >>> folder = tempfile.mkdtemp()
        >>> RunWriter(folder).write_metrics({"test/auc": 0.9})
        >>> load_run(folder).metrics
        {'test/auc': 0.9}
    """
    run = runs.load_run(folder)
    return SavedRun(**{field.name: getattr(run, field.name) for field in fields(run)})
