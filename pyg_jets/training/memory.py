"""What the C library does with memory that is freed."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_memory"]


def keep_memory() -> None:
    """Have glibc keep what is freed, and not fetch it from the system again in every step.

    Each page that comes anew is zeroed by the kernel, which takes longer than the arithmetic on it:
    a step of a small network is up to three times as fast with this. It holds for the process, so
    it is for whoever owns that: the command line, a script, a benchmark.

    Examples:
        >>> keep_memory()
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        trim_threshold, mmap_threshold = -1, -3
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)
