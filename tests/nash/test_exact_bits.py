"""The same seed and the same number of threads are the same bits, in one process and in any other."""

import json
import os
import subprocess
import sys

import pytest

from searches.nash.devices import process_environment, threads
from searches.nash.export import weights_sha256
from searches.nash.runner import run_search
from tests.nash.images import TINY, few_digits

SEARCH = """
import json, sys
from tests.nash.test_exact_bits import bits_of_a_search
print(json.dumps(bits_of_a_search(int(sys.argv[1]), *sys.argv[2:])))
"""


def bits_of_a_search(n_threads: int, precision: str, device: str = "cpu") -> list[str]:
    """Every validation accuracy and the final weights of a search in which every kind of training occurs."""
    config = TINY.replace(precision=precision, widen_init="random", n_NM=4)
    with threads(n_threads):
        result = run_search(config, few_digits(), device=device)
    return [*(repr(o.val_accuracy) for o in result.history), weights_sha256(result.network)]


def in_a_fresh_process(n_threads: int, precision: str, hash_seed: int, device: str = "cpu") -> list[str]:
    """The same of a process of its own, as workers are started, whose sets of strings have an order of their own."""
    own = {"PYTHONHASHSEED": str(hash_seed), "OMP_NUM_THREADS": str(n_threads)}
    run = subprocess.run(
        [sys.executable, "-c", SEARCH, str(n_threads), precision, device],
        env={**os.environ, **process_environment(), **own}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_two_fresh_processes_and_two_searches_in_this_one_find_the_same_bits(n_threads, precision):
    here = [bits_of_a_search(n_threads, precision) for _ in range(2)]
    there = [in_a_fresh_process(n_threads, precision, hash_seed) for hash_seed in (1, 2)]
    assert len(here[0]) == 1 + TINY.n_steps * TINY.n_neigh + 1 + 1
    assert here[0] == here[1] == there[0] == there[1]
