"""Checkpoints with a checksum: written aside and renamed, and refused in words where damaged.

A checkpoint is a zip archive of torch, with a seal in the archive's comment, which torch, Lightning
and ``zipfile`` skip.

Examples:
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "best.ckpt"
    >>> write_checkpoint({"epoch": 3, "state_dict": {"shift": torch.zeros(2)}}, path)
    >>> read_checkpoint(path)["epoch"]
    3
    >>> _ = path.write_bytes(path.read_bytes()[:-100])
    >>> read_checkpoint(path)
    Traceback (most recent call last):
    ...
    pyg_jets.errors.InputError: ...best.ckpt is cut short or damaged (it has no end), expected a
    whole checkpoint: train again.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import write_aside
from pyg_jets.io.checksums import SEAL_BYTES, is_sealed, seal
from pyg_jets.io.file_type import describe, refusal

__all__ = ["SealedCheckpointIO", "read_checkpoint", "use_seals", "write_checkpoint"]


def write_checkpoint(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint and its seal; after a kill at any moment ``path`` is whole or as before.

    Args:
        checkpoint: Plain values and tensors.
        path: The file; one that is there is replaced.
    """
    archive = io.BytesIO()  # torch itself says nothing of a full disk when it writes to a file
    torch.save(checkpoint, archive)
    with write_aside(path) as part:
        part.write_bytes(archive.getbuffer())
        with part.open("r+b") as stream:  # an archive ends with the length of its comment
            stream.seek(-2, os.SEEK_END)
            stream.write(SEAL_BYTES.to_bytes(2, "little"))
        seal(part)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, and nothing but plain values and tensors.

    One without a seal, of an earlier version or of Lightning, is held against the checksums that
    torch wrote into the archive.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, cut short, no checkpoint, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no checkpoint {path}: {_remedy(path)}.")
    if state := _damage(path):
        raise refusal(path, state, "a whole checkpoint", _remedy(path))
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        state = "of something else than plain values and tensors, which could run code"
        raise refusal(path, state, "a checkpoint of pyg-jets", _remedy(path)) from None
    except MemoryError:
        raise
    except Exception as error:  # torch raises nearly anything for an archive that is none of its
        state = f"not readable as a checkpoint ({type(error).__name__})"
        raise refusal(path, state, "a whole checkpoint", _remedy(path)) from None
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        state = "a file of torch without the weights of a network (state_dict)"
        raise refusal(path, state, "a checkpoint", _remedy(path))
    return checkpoint


def _damage(path: Path) -> str | None:
    """What is wrong with the bytes of a checkpoint, in words."""
    if (kind := describe(path)) != "a zip archive":
        return kind
    try:
        if is_sealed(path):
            return None
    except InputError as error:
        return str(error)
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # zipfile raises nearly anything for damaged bytes
        reason = "it has no end" if "not a zip file" in str(error) else type(error).__name__
        return f"cut short or damaged ({reason})"
    return None if broken is None else f"damaged (in {broken})"


def _remedy(path: Path) -> str:
    others = sorted(other.name for other in path.parent.glob("*.ckpt") if other.name != path.name)
    beside = f"use {' or '.join(others)} beside it, or " if others else ""
    return f"{beside}train again"


class SealedCheckpointIO(TorchCheckpointIO):
    """How a trainer writes and reads the checkpoints of a run: with a seal, and checked by it.

    Remote addresses, such as ``s3://…``, are left to Lightning.

    Examples:
        >>> from lightning import Trainer
        >>> trainer = Trainer(plugins=[SealedCheckpointIO()], accelerator="cpu", logger=False)
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint aside, seal it, and rename it."""
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
        else:
            write_checkpoint(checkpoint, path)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Check a checkpoint by its seal, and read plain values and tensors, whatever is asked."""
        if "://" in str(path):
            return super().load_checkpoint(path, map_location, weights_only=True)
        return read_checkpoint(path)


def use_seals(trainer: lightning.Trainer) -> None:
    """Have a trainer write and read checkpoints with a seal, unless a plugin does it otherwise.

    Args:
        trainer: The trainer.
    """
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = SealedCheckpointIO()
