"""What a worker says of its device's memory."""

import sys
from types import SimpleNamespace

import pytest

from searches import memory, tasks


def test_on_a_cpu_it_is_the_machines_and_what_this_process_holds():
    total, held = memory.of_device("")
    assert total is not None
    assert held is not None
    assert 10_000_000 < held < total


def test_a_containers_limit_is_all_that_there_is(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    limit.write_text(f"{2**28}\n")
    monkeypatch.setattr(memory, "MEMORY_LIMIT", limit)
    assert memory.machine_bytes() == 2**28
    limit.write_text("max\n")
    assert memory.machine_bytes() > 2**28


@pytest.mark.parametrize("is_used", [False, True])
def test_a_cuda_device_is_asked_once_it_is_used(monkeypatch, is_used):
    cuda = SimpleNamespace(
        is_initialized=lambda: is_used,
        get_device_properties=lambda i: SimpleNamespace(total_memory=80 * 2**30),
        memory_reserved=lambda i: 2**30,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert memory.of_device("1") == ((80 * 2**30, 2**30) if is_used else (None, None))


@pytest.mark.django_db
def test_a_beat_tells_it(monkeypatch):
    from searches.models import Worker

    monkeypatch.setattr(memory, "of_device", lambda cuda: (1000, 10))
    tasks.beat()
    row = Worker.objects.get()
    assert (row.memory_bytes, row.memory_used_bytes) == (1000, 10)
