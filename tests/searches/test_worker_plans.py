"""How many workers a machine gets, and what each is told by its environment."""

import pytest

from searches import memory, worker_plans
from searches.slots import usable_cores
from searches.worker_plans import cuda_devices, parse_nvidia_smi, plan_workers

TWO_GPUS = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb)
"""
ONE_DIVIDED = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)
  MIG 3g.40gb     Device  0: (UUID: MIG-1111-2222)
  MIG 3g.40gb     Device  1: (UUID: MIG-3333-4444)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb)
"""


@pytest.fixture
def machine(monkeypatch):
    """machine(devices) makes torch a CUDA build on a machine with these devices."""

    def make(devices: tuple[str, ...]) -> None:
        monkeypatch.setattr(worker_plans, "_torch_is_cpu_only", lambda: False)
        monkeypatch.setattr(worker_plans, "_listed_by_nvidia_smi", lambda: devices)
        monkeypatch.setattr(worker_plans, "_device_files", lambda: ())

    return make


def test_without_a_gpu_there_is_a_worker_for_each_core_and_no_cuda(machine):
    machine(())
    plans = plan_workers(environ={})
    assert len(plans) == len(usable_cores())
    assert len({plan.name for plan in plans}) == len(plans)
    for plan in plans:
        assert plan.device == "CPU"
        assert plan.environment["CUDA_VISIBLE_DEVICES"] == ""
        assert plan.environment["OMP_NUM_THREADS"] == "1"
        assert plan.environment["OMP_WAIT_POLICY"] == "passive"
        assert "mmap_max=0" in plan.environment["GLIBC_TUNABLES"]
        assert plan.environment["NASH_WORKER"] == plan.name


def test_there_is_a_worker_for_each_cuda_device_and_more_share_them(machine):
    machine(("0", "1"))
    assert [plan.environment["CUDA_VISIBLE_DEVICES"] for plan in plan_workers(environ={})] == ["0", "1"]
    assert [plan.environment["CUDA_VISIBLE_DEVICES"] for plan in plan_workers(3, environ={})] == ["0", "1", "0"]


def test_a_devices_number_is_nvidia_smis_unless_the_environment_has_chosen_its_own(machine):
    machine(("0", "1"))
    assert {plan.environment["CUDA_DEVICE_ORDER"] for plan in plan_workers(environ={})} == {"PCI_BUS_ID"}
    (chosen,) = plan_workers(environ={"CUDA_VISIBLE_DEVICES": "1"})
    assert "CUDA_DEVICE_ORDER" not in chosen.environment


@pytest.mark.parametrize(("chosen", "expected"), [("", ()), ("-1", ()), ("1", ("1",)), ("2, 0", ("2", "0"))])
def test_devices_chosen_by_the_environment_are_kept(machine, chosen, expected):
    machine(("0", "1", "2"))
    assert cuda_devices({"CUDA_VISIBLE_DEVICES": chosen}) == expected


def test_the_cpu_build_of_torch_sees_no_device(machine, monkeypatch):
    machine(("0",))
    monkeypatch.setattr(worker_plans, "_torch_is_cpu_only", lambda: True)
    assert cuda_devices({}) == ()


def test_the_listing_of_nvidia_smi_names_devices_and_the_parts_of_divided_ones():
    assert parse_nvidia_smi(TWO_GPUS) == ("0", "1")
    assert parse_nvidia_smi(ONE_DIVIDED) == ("MIG-1111-2222", "MIG-3333-4444", "1")
    assert parse_nvidia_smi("No devices were found\n") == ()


def test_device_files_are_counted_from_zero(tmp_path, monkeypatch):
    for name in ("nvidia3", "nvidia7", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(worker_plans, "DEVICE_FILES", tmp_path)
    assert worker_plans._device_files() == ("0", "1")


def test_the_memory_that_workers_keep_is_shared_out(machine, monkeypatch, tmp_path):
    machine(())
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "MEMORY_LIMIT", limit)
    limit.write_text(f"{6 * 2**30}\n")
    tunables = plan_workers(2, environ={})[0].environment["GLIBC_TUNABLES"]
    assert f"trim_threshold={2**30}:" in tunables  # a third of half of 6 GiB
    limit.write_text("max\n")
    assert memory.limit_bytes() is None


def test_small_children_share_a_cuda_device(machine):
    machine(("0", "1"))
    plans = plan_workers(environ={}, per_device=2)
    assert [plan.environment["CUDA_VISIBLE_DEVICES"] for plan in plans] == ["0", "1", "0", "1"]
    machine(())
    assert len(plan_workers(environ={}, per_device=2)) == len(usable_cores())


def test_a_host_may_have_no_worker_but_not_fewer():
    assert plan_workers(0) == []
    with pytest.raises(ValueError, match="workers=-1: at least 0"):
        plan_workers(-1)


def test_workers_of_two_data_folders_on_one_database_have_names_of_their_own(tmp_path):
    names = [[plan.name for plan in plan_workers(2, environ={}, site=tmp_path / folder)] for folder in "aab"]
    assert names[0] == names[1]
    assert not set(names[0]) & set(names[2])
    assert [name.rpartition(":")[2] for name in names[0]] == ["cpu-0", "cpu-1"]
