"""Where a training runs and what it is called."""

import os
import re
import subprocess
import sys

import pytest
import torch

from searches.nash import devices
from searches.nash.devices import (
    STEPS_AHEAD,
    HostCopy,
    OutOfMemory,
    Pace,
    choose_device,
    numeric_path,
    out_of_memory_named,
    peak_memory_bytes,
    process_environment,
    repeat_bits,
    reset_peak_memory,
    threads,
    training_dtype,
)

CPU = torch.device("cpu")
CUDA = torch.device("cuda")


@pytest.fixture
def cpu_flags(tmp_path, monkeypatch):
    def flags(text):
        (tmp_path / "cpuinfo").write_text(f"flags\t\t: fpu avx2 {text}\n")
        monkeypatch.setattr(devices, "CPU_INFO", tmp_path / "cpuinfo")
        devices.cpu_bfloat16.cache_clear()

    yield flags
    devices.cpu_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("flags", "dtype", "path"),
    [
        ("avx512_bf16 amx_bf16", torch.bfloat16, r"cpu-bfloat16-amx-3"),
        ("avx512_bf16", torch.bfloat16, r"cpu-bfloat16-avx512bf16-3"),
        ("avx512f", torch.float32, r"cpu-float32-\w+-3"),
    ],
)
def test_bfloat16_is_taken_where_the_cpu_has_it_fast(cpu_flags, flags, dtype, path):
    cpu_flags(flags)
    assert training_dtype(CPU, "auto") is dtype
    with threads(3):
        assert re.fullmatch(path, numeric_path("cpu", "auto"))


def test_precision_can_be_ordered(cpu_flags):
    cpu_flags("amx_bf16")
    assert training_dtype(CPU, "float32") is torch.float32
    cpu_flags("")
    assert training_dtype(CPU, "bfloat16") is torch.bfloat16
    with pytest.raises(ValueError, match="precision='half': give auto, bfloat16 or float32"):
        training_dtype(CPU, "half")


def test_paths_of_other_precision_or_threads_are_others():
    paths = set()
    for n in (1, 2):
        with threads(n):
            paths |= {numeric_path("cpu", "bfloat16"), numeric_path("cpu", "float32")}
    assert len(paths) == 4


def test_the_thread_count_is_put_back():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), threads(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "mps"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(ValueError, match=rf"device='{name}'.*cpu"):
        choose_device(name)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"),
    ],
)
def test_every_way_of_running_out_of_memory_has_one_name(error):
    with pytest.raises(OutOfMemory), out_of_memory_named():
        raise error


def test_a_true_allocation_failure_is_one_of_them():
    with pytest.raises(OutOfMemory), out_of_memory_named():
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_keep_their_name():
    with pytest.raises(RuntimeError, match="shapes differ") as caught, out_of_memory_named():
        raise RuntimeError("shapes differ")
    assert not isinstance(caught.value, OutOfMemory)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget its peak")
def test_peak_memory_counts_from_the_last_reset():
    reset_peak_memory(CPU)
    before = peak_memory_bytes(CPU)
    held = torch.ones(64 * 2**20, dtype=torch.uint8)
    grown = peak_memory_bytes(CPU)
    assert grown - before > 50 * 2**20
    del held
    reset_peak_memory(CPU)
    assert peak_memory_bytes(CPU) < grown


# --------------------------------------------------- CUDA, as far as it can be seen without one


@pytest.fixture
def torchs_flags():
    """torch's global switches, put back afterwards."""
    benchmark, deterministic = torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.backends.cudnn.benchmark = benchmark
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = fill


@pytest.mark.parametrize("deterministic", [True, False])
def test_deterministic_is_torchs_rules_and_no_race_of_algorithms(torchs_flags, deterministic):
    torch.backends.cudnn.benchmark = deterministic  # the opposite of what is to come
    torch.use_deterministic_algorithms(not deterministic)
    repeat_bits(CUDA, deterministic)
    assert torch.are_deterministic_algorithms_enabled() is deterministic
    assert torch.backends.cudnn.benchmark is not deterministic
    assert not torch.utils.deterministic.fill_uninitialized_memory


def test_on_a_cpu_torchs_switches_stay_as_they_are(torchs_flags):
    for deterministic in (True, False):
        torch.use_deterministic_algorithms(not deterministic)
        repeat_bits(CPU, deterministic)
        assert torch.are_deterministic_algorithms_enabled() is not deterministic


@pytest.fixture
def events(monkeypatch):
    """What CUDA events were told, in order: ("record" or "synchronize", number of the event)."""
    told, numbers = [], iter(range(10**9))

    class Event:
        def __init__(self):
            self.number = next(numbers)

        def record(self):
            told.append(("record", self.number))

        def synchronize(self):
            told.append(("synchronize", self.number))

        def query(self):
            return False

    monkeypatch.setattr(torch.cuda, "Event", Event)
    return told


def test_the_host_is_never_more_than_so_many_steps_ahead_and_waits_for_the_oldest(events):
    pace, n = Pace(CUDA), 3 * STEPS_AHEAD
    for _ in range(n):
        pace.wait()
        pace.mark()
        recorded = sum(what == "record" for what, _ in events)
        assert recorded - (len(events) - recorded) <= STEPS_AHEAD
    assert [number for what, number in events if what == "record"] == list(range(n))
    assert [number for what, number in events if what == "synchronize"] == list(range(n - STEPS_AHEAD))


def test_a_copy_to_the_host_waits_for_the_device_only_when_it_is_read(events, monkeypatch):
    class OnDevice(torch.Tensor):
        """A tensor of the host that says it is on a CUDA device."""

        device = CUDA

    empty = torch.empty  # without a CUDA device there is no pinned memory
    monkeypatch.setattr(torch, "empty", lambda shape, *, dtype, pin_memory: empty(shape, dtype=dtype))
    values = torch.tensor([1.5, 2.0]).as_subclass(OnDevice)
    copy = HostCopy(values)
    values.zero_()
    assert not copy.is_there()
    assert events == [("record", 0)]
    assert copy.tolist() == [1.5, 2.0]
    assert events == [("record", 0), ("synchronize", 0)]


def test_the_environment_of_a_training_process_starts_and_sets_what_it_says():
    environment = {**os.environ, **process_environment(2**30)}
    assert environment["OMP_WAIT_POLICY"] == "passive"
    assert environment["GOMP_SPINCOUNT"] == "2000"
    run = subprocess.run([sys.executable, "-c", "print(1)"], env=environment, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("1\n", "")


def test_devices_loads_no_torch():
    code = "import sys, searches.nash.devices, searches.nash.__main__; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
