"""Peak memory of what a benchmark runs."""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import torch


def peak_memory(action: Callable[[], object], on_gpu: bool) -> float:
    """MB (10^6 bytes) that an action adds at its highest point.

    Args:
        action: What to run, once.
        on_gpu: Count what torch has allocated there; else the memory of this process (Linux).
    """
    gc.collect()
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        action()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    ctypes.CDLL(None).malloc_trim(0)  # hand freed memory back, so that it counts when used again
    Path("/proc/self/clear_refs").write_text("5")  # set the high-water mark to what is in use now
    before = _resident("VmRSS")
    action()
    return (_resident("VmHWM") - before) / 1e6


def _resident(field: str) -> int:
    """A memory figure of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise KeyError(field)
