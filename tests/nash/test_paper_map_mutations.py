"""The rows of docs/paper-map.md say the truth: break a row's function, and the row's test fails.

For a sample of rows from all parts of the paper, one mistake that somebody could make in each. The test runs in a
process of its own, once as it is and once with the mistake.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nash.mutated import mutate
from tests.nash.test_paper_map import ROWS

ROOT = Path(__file__).resolve().parents[2]
FAILED = 1  # pytest's exit code where tests ran and some failed; 2 to 5 are other troubles

MISTAKES = [
    # row's function, row's test, the line as it is, and with the mistake
    (
        "inheritance.weights.deepen_weights",
        "test_a_deepened_block_is_dirac_with_a_batchnorm_that_is_the_identity_on_the_data",
        'f"{name}.bn.running_var": stored',
        'f"{name}.bn.running_var": torch.ones_like(stored)',
    ),
    (
        "inheritance.weights.gathered_inputs",
        "test_a_second_time_after_a_concat",
        "new[:, kept] =",  # slices at the front instead of at their offset
        "new[:, : len(kept)] =",
    ),
    (
        "network.Mix.forward",
        "test_a_forward_pass_computes_what_the_architecture_says_node_by_node",
        "(1 - self.lam)",
        "self.lam",
    ),
    ("draws.draw", "test_types_and_arguments_are_drawn_uniformly", "rng.randrange(len(types))", "-1"),
    ("hillclimb.winner", "test_the_next_step_grows_from_the_best_and_the_final_training_ends_it", "max(", "min("),
    ("curves.cosine_lr", "test_the_rate_falls_along_a_cosine", "math.pi * step", "2 * math.pi * step"),
    (
        "execution.augmentation_of",
        "test_padding_and_flip_are_the_data_sets_unless_set",
        "max(height, width) // 8",
        "max(height, width) // 4",
    ),
]


def run_of(tests: list[str], *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *arguments, *tests]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def node_of(function: str, test: str) -> str:
    """Where pytest finds the test of a row; the row must be there."""
    (file,) = [f for _, named, f, t in ROWS if (named, t) == (function, test)]
    return f"tests/nash/{file}::{test}"


@pytest.mark.slow
def test_without_a_mistake_the_tests_of_the_sample_pass():
    run = run_of([node_of(function, test) for function, test, *_ in MISTAKES])
    assert run.returncode == 0, run.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("function", "test", "old", "new"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_in_the_function_of_a_row_makes_its_test_fail(function, test, old, new):
    mutation = json.dumps({"function": function, "old": old, "new": new})
    run = run_of([node_of(function, test)], "-p", "tests.nash.mutated", NASH_MUTATION=mutation)
    assert run.returncode == FAILED, run.stdout + run.stderr
    assert test in run.stdout


def test_a_mutation_reaches_those_who_hold_the_function_already_and_must_fit():
    def doubled(x):
        return x * 2

    for text, times in (("x * 4", 0), ("x", 2)):
        with pytest.raises(ValueError, match=f"{times} times, not once"):
            mutate(doubled, text, "0")
    held = doubled
    mutate(doubled, "x * 2", "x * 3")
    assert held(5) == 15
