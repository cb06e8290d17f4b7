"""How much memory a worker's device has, and how much of it this process holds. Loads no torch."""

import os
import sys
from pathlib import Path

MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
PAGES = Path("/proc/self/statm")


def limit_bytes() -> int | None:
    """Memory that a container's limit leaves; None where there is no limit below the machine's."""
    try:
        return int(MEMORY_LIMIT.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def machine_bytes() -> int | None:
    """Memory of this machine, or of the container that this process is in; None where the system does not say."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return limit_bytes()
    return min(physical, limit_bytes() or physical)


def held_bytes() -> int | None:
    """Memory that this process holds now; None where the system does not say."""
    try:
        return int(PAGES.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def of_device(cuda: str) -> tuple[int | None, int | None]:
    """(all memory of the device, what this process holds of it), None for what is not known yet.

    `cuda` is empty for the CPU. A CUDA device is never asked before the training has begun to use it, and only for
    what torch knows by itself: a beat must not disturb the capture of a graph.
    """
    if not cuda:
        return machine_bytes(), held_bytes()
    torch = sys.modules.get("torch")
    if torch is None or not getattr(torch, "cuda", None) or not torch.cuda.is_initialized():
        return None, None
    return torch.cuda.get_device_properties(0).total_memory, torch.cuda.memory_reserved(0)
