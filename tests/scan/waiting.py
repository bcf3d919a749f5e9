"""A callback for sweep files of tests: the training waits until a test lets it go on."""

import time
from pathlib import Path

import lightning


class Wait(lightning.Callback):
    """Wait in the second epoch until there is a file ``go``; a file ``waits`` says so.

    Args:
        folder: The folder of both files.
    """

    def __init__(self, folder: str):
        super().__init__()
        self.folder = Path(folder)

    def on_train_epoch_start(self, trainer, pl_module):
        """Wait, in the second epoch."""
        if trainer.current_epoch != 1:
            return
        (self.folder / "waits").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.01)
