"""What a Ctrl-C does to a scan: workers end without a word, a sentence says what is kept."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

__all__ = ["ended_quietly", "interruptible"]


@contextmanager
def interruptible() -> Iterator[None]:
    """Say what a Ctrl-C leaves behind, and end with the shell's code for it."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nStopped. What is finished is kept: the same command goes on.", file=sys.stderr)
        raise SystemExit(130) from None


@contextmanager
def ended_quietly(connect: Callable[[], AbstractContextManager[Any]]) -> Iterator[Any]:
    """A cluster's client; after a Ctrl-C nothing is logged of connections that break as it ends."""
    before = logging.root.manager.disable
    try:
        with connect() as client:
            try:
                yield client
            except KeyboardInterrupt:
                logging.disable(logging.CRITICAL)
                raise
    finally:
        logging.disable(before)
