"""What a command line sets up in its process: memory that is kept, and the W&B run."""

from __future__ import annotations

import ctypes
import netrc
import os
import sys
from pathlib import Path
from urllib.parse import urlparse

from lightning.pytorch.loggers import WandbLogger

__all__ = ["finish_wandb", "keep_memory", "wandb_logger"]


def keep_memory() -> None:
    """Make glibc keep freed memory for the next step instead of giving it back to the system.

    The kernel zeroes each page that it hands out, which takes longer than the arithmetic on it: a
    step of a small network is up to three times as fast with this. The setting is one of the whole
    process, so it is for a command line, a script or a benchmark, not for a library.

    Examples:
        >>> keep_memory()
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        trim_threshold, mmap_threshold = -1, -3
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)


def wandb_logger(folder: Path) -> WandbLogger:
    """The logger of a run: W&B, offline unless there is a key or ``WANDB_MODE`` says otherwise."""
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    mode = os.environ.get("WANDB_MODE", "online" if _has_key() else "offline")
    folder.mkdir(parents=True, exist_ok=True)
    logger = WandbLogger(
        name=folder.name,
        save_dir=folder,
        project=os.environ.get("WANDB_PROJECT", "pyg_jets"),
        mode=mode,
        settings=wandb.Settings(silent=True, console="off"),
    )
    # lightning 2.6 hands on an argument that wandb 0.31 only warns of
    getattr(logger, "_wandb_init", {}).pop("anonymous", None)
    return logger


def finish_wandb(exit_code: int) -> None:
    """End the W&B run, so that the next run of this process is not logged into it."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and getattr(wandb, "run", None) is not None:
        wandb.finish(exit_code=exit_code)


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    server = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return netrc.netrc().authenticators(server or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False
