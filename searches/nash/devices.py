"""Where a training runs: device, precision, threads, memory, and the numeric path on which bits are promised.

torch is imported inside the functions, so that a process can prepare another's environment without loading it.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CPU_INFO = Path("/proc/cpuinfo")
FAST_BFLOAT16 = {"amx_bf16": "amx", "avx512_bf16": "avx512bf16"}
"""CPU flags that make bfloat16 faster than float32, the better one first, and how a numeric path names them."""
OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")
HUGE_PAGES_AND_KEPT_MEMORY = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0"


STEPS_AHEAD = 30
"""Steps that the host may run ahead of a CUDA device: enough to keep it busy, few enough to stop at once."""


class OutOfMemory(RuntimeError):
    """The training did not fit into the device's memory; half a batch at a time may."""


def process_environment(memory_bytes: int | None = None) -> dict[str, str]:
    """Environment that a training process is started with: waiting threads sleep soon, freed memory is kept.

    A thread that waits for the others looks some 2,000 times whether they are done before it sleeps: to be woken
    takes longer than most pieces of a small network. libgomp takes that number before the policy, other libraries
    know the policy alone.
    `memory_bytes`: the process's share of the machine's memory, all of it by default. glibc reads its part before
    main(), so it cannot be set later.
    Source: measured, see docs/architecture.md; without it a training step spends a third of its time in mmap.
    """
    memory = memory_bytes or _machine_memory_bytes()
    kept = f"glibc.malloc.trim_threshold={memory // 3}:glibc.malloc.top_pad={min(memory // 64, 2**28)}"
    return {
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "2000",
        "GLIBC_TUNABLES": f"{HUGE_PAGES_AND_KEPT_MEMORY}:{kept}",
        # cuBLAS repeats its bits only with a workspace of fixed size.
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }


def _machine_memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; auto: CUDA if there is one, else the CPU. Raises ValueError if it is not there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device={name!r}: not a device; give auto, cpu, cuda or cuda:1") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device={name!r}: this machine has {torch.cuda.device_count()} CUDA devices; give cpu")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device={name!r}: give auto, cpu, cuda or cuda:1")
    return device


@cache
def cpu_bfloat16() -> str | None:
    """How this CPU computes bfloat16 fast, or None where it does not."""
    try:
        flags = set(re.findall(r"\w+", CPU_INFO.read_text()))
    except OSError:
        return None
    return next((name for flag, name in FAST_BFLOAT16.items() if flag in flags), None)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 beats float32 there: CUDA from compute capability 8 on, CPUs with AMX or AVX512-BF16."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and cpu_bfloat16() is not None


def training_dtype(device: torch.device, precision: str) -> torch.dtype:
    """torch.bfloat16 or torch.float32 for a setting auto, bfloat16 or float32. Raises ValueError for others."""
    import torch

    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if precision not in ("bfloat16", "float32"):
        raise ValueError(f"precision={precision!r}: give auto, bfloat16 or float32")
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def numeric_path(device: torch.device | str, precision: str) -> str:
    """The path on which the same seed gives the same bits, such as cpu-bfloat16-amx-1 (the last: threads).

    Trainings whose paths differ may differ in their last bits; a resumed one must go on along its own.
    """
    import torch

    device = torch.device(device)
    dtype = str(training_dtype(device, precision)).removeprefix("torch.")
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"cuda-{dtype}-sm{major}{minor}"
    kind = torch.backends.cpu.get_cpu_capability().lower()
    if dtype == "bfloat16":
        kind = cpu_bfloat16() or kind
    return f"cpu-{dtype}-{kind}-{torch.get_num_threads()}"


class Pace:
    """Keeps the host at most STEPS_AHEAD steps before a CUDA device; on a CPU there is nothing to keep."""

    def __init__(self, device: torch.device) -> None:
        self._events: deque[torch.cuda.Event] | None = deque() if device.type == "cuda" else None

    def mark(self) -> None:
        """Note that a step has been queued."""
        if self._events is not None:
            import torch

            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
            self._events.append(event)

    def wait(self) -> None:
        """Wait until the device is near enough."""
        if self._events is not None and len(self._events) >= STEPS_AHEAD:
            self._events.popleft().synchronize()


class HostCopy:
    """A tensor's values as they are when this is made, copied to the host without waiting for the device."""

    def __init__(self, values: torch.Tensor) -> None:
        import torch

        self._event: torch.cuda.Event | None = None
        if values.device.type != "cuda":
            self._values = values.clone()
            return
        self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        self._values.copy_(values, non_blocking=True)
        self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._event.record()

    def is_there(self) -> bool:
        """Whether the copy has ended."""
        return self._event is None or bool(self._event.query())  # type: ignore[no-untyped-call]

    def tolist(self) -> list[float]:
        """The values; waits for them."""
        if self._event is not None:
            self._event.synchronize()
        return self._values.tolist()


def repeat_bits(device: torch.device, deterministic: bool = True) -> None:
    """Let a CUDA device repeat its bits by torch's rules, or choose what is fastest; a CPU repeats them always.

    Raises nothing here; an operation without a deterministic form raises RuntimeError when it is called.
    Source: torch.use_deterministic_algorithms; cuBLAS needs CUBLAS_WORKSPACE_CONFIG (process_environment).
    """
    import torch

    if device.type == "cuda":
        torch.backends.cudnn.benchmark = not deterministic
        torch.use_deterministic_algorithms(deterministic)
        # Every value that is read was written: nothing to fill. (torch gives this module no types.)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run a block of code with `n` CPU threads, so that its bits do not depend on who runs it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def out_of_memory_named() -> Iterator[None]:
    """Turn each way in which torch and Python say that memory is short into OutOfMemory."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(str(error) or "the machine's memory is used up") from error
    except RuntimeError as error:
        if any(words in str(error).lower() for words in OUT_OF_MEMORY_WORDS):
            raise OutOfMemory(str(error).splitlines()[0]) from error
        raise


def reset_peak_memory(device: torch.device) -> None:
    """Let the next peak_memory_bytes count from now on, where the system allows it."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # not Linux, or not allowed: the peak then counts from the start of the process


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory in use since reset_peak_memory: of the device, on a CPU of this whole process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
