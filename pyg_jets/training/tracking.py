"""W&B's part in a run: its logger, offline where there is no key, and its end."""

from __future__ import annotations

import netrc
import os
import sys
from pathlib import Path
from urllib.parse import urlparse

from lightning.pytorch.loggers import WandbLogger

__all__ = ["finish_wandb", "wandb_logger"]


def wandb_logger(folder: Path) -> WandbLogger:
    """W&B, offline unless there is a key or ``WANDB_MODE`` says otherwise."""
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
    """End the run, so that the next one in this process is not written into it."""
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
