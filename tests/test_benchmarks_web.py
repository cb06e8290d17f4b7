"""make bench-web: a smoke run of its parts on a real site."""

import json
import subprocess
import sys

import pytest

from benchmarks.images import BUILD, ROOT
from benchmarks.web.site import percentile


@pytest.mark.slow
def test_a_quick_run_measures_every_part_and_loses_nothing():
    command = [sys.executable, "-m", "benchmarks.web", "--quick", "--only", "push"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=180)
    found = json.loads((BUILD / "bench-quick.json").read_text())
    assert found["push_lost"]["value"] == 0
    assert found["push_p99_ms_200"]["value"] > 0


def test_a_percentile_is_a_value_that_was_measured():
    assert percentile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert percentile([2.0], 0.99) == 2.0
