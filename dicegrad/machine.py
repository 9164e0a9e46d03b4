"""What this machine has to offer."""

import os
from pathlib import Path


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load() -> float:
    """Processes that want to run, for each core; 0 where the system does not say."""
    return os.getloadavg()[0] / cores() if hasattr(os, "getloadavg") else 0.0


def free_memory(device: str) -> float:
    """Bytes of memory that are free now."""
    if device != "cpu":
        import torch

        return float(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = next(line for line in lines if line.startswith("MemAvailable"))
        return 1024.0 * int(found.split()[1])
    except (OSError, StopIteration):  # not on Linux
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / 2
