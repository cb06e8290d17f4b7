"""Which worker processes a machine gets: one per CUDA device, else one per core. Loads no torch."""

import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from searches.memory import limit_bytes
from searches.nash.devices import process_environment
from searches.slots import usable_cores

DEVICE_FILES = Path("/dev")
NVIDIA_SMI_SECONDS = 10


@dataclass(frozen=True)
class WorkerPlan:
    """One worker process to start."""

    name: str  # in the list of workers and in leases: host:cpu-0, host:gpu-1
    device: str  # in words: "CPU", "CUDA device 1"
    environment: Mapping[str, str]  # over that of `up`


def plan_workers(
    n_workers: int | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    per_device: int = 1,
    site: Path | None = None,
) -> list[WorkerPlan]:
    """Plan `n_workers` workers (None: `per_device` for each CUDA device, without any as many as cores).

    More workers than devices share them in turn. `site` is the data folder where workers of others may stand in the
    same list: their names then differ although host and number are the same.
    Raises ValueError for a number below 0.
    """
    if n_workers is not None and n_workers < 0:
        raise ValueError(f"workers={n_workers}: at least 0")
    devices = cuda_devices(environ)
    count = (len(devices) * per_device or len(usable_cores())) if n_workers is None else n_workers
    if not count:
        return []
    mark = "" if site is None else f".{hashlib.sha256(str(site).encode()).hexdigest()[:4]}"
    memory = limit_bytes()
    common = process_environment(memory // count if memory else None)
    if devices and "CUDA_VISIBLE_DEVICES" not in environ:
        # The numbers are nvidia-smi's then, which counts along the bus; CUDA by itself begins with the fastest.
        common["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    # What a process may use before it has a job; a job sets its own number of threads.
    threads = max(1, len(usable_cores()) // count)
    plans = []
    for i in range(count):
        device = devices[i % len(devices)] if devices else None
        name = f"{socket.gethostname()}{mark}:{'cpu' if device is None else 'gpu'}-{i}"
        environment = {
            **common,
            "NASH_WORKER": name,
            "OMP_NUM_THREADS": str(threads),
            "CUDA_VISIBLE_DEVICES": device or "",
        }
        plans.append(WorkerPlan(name, "CPU" if device is None else f"CUDA device {device}", environment))
    return plans


def cuda_devices(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Values of CUDA_VISIBLE_DEVICES, one per device of this machine; () where torch cannot use any."""
    if _torch_is_cpu_only():
        return ()
    chosen = environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return tuple(word for word in re.split(r"[,\s]+", chosen) if word not in {"", "-1"})
    return _listed_by_nvidia_smi() or _device_files()


def _torch_is_cpu_only() -> bool:
    try:
        return metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return True


def _listed_by_nvidia_smi() -> tuple[str, ...]:
    """Devices by number; where a GPU is divided (MIG), its parts by their UUID instead of the whole."""
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=NVIDIA_SMI_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_nvidia_smi(listing)


def parse_nvidia_smi(listing: str) -> tuple[str, ...]:
    """Devices in the lines of `nvidia-smi -L`."""
    devices: list[str] = []
    for line in listing.splitlines():
        if gpu := re.match(r"GPU (\d+):", line):
            devices.append(gpu[1])
        elif part := re.match(r"\s+MIG .*\(UUID: (MIG-[\w/-]+)\)", line):
            if devices and devices[-1].isdigit():
                devices.pop()
            devices.append(part[1])
    return tuple(devices)


def _device_files() -> tuple[str, ...]:
    """Numbered from 0, as CUDA does it, whatever the files' own numbers are (a container may see only nvidia3)."""
    files = [path for path in DEVICE_FILES.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return tuple(str(i) for i in range(len(files)))
