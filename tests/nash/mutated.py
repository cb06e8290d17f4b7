"""A pytest plugin that breaks one function before anything of the tests is imported: `-p tests.nash.mutated`.

The environment's NASH_MUTATION says which: {"function": dotted name below searches.nash, "old": text, "new": text}.
The function keeps its identity and gets the code that its source would have after the replacement, so that it is
broken for all who hold it already.
"""

import inspect
import json
import os
import textwrap
from types import FunctionType
from typing import Any

from tests.nash.test_paper_map import resolved


def mutate(function: FunctionType, old: str, new: str) -> None:
    """Replace the code of a function. Raises ValueError where its source does not have `old` exactly once."""
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(old) != 1:
        raise ValueError(f"{function.__qualname__} has {old!r} {source.count(old)} times, not once")
    namespace: dict[str, Any] = dict(function.__globals__)  # a copy: the definition itself must bind nothing there
    exec(compile("from __future__ import annotations\n" + source.replace(old, new), "mutation", "exec"), namespace)
    function.__code__ = namespace[function.__name__].__code__


def pytest_configure() -> None:
    mutation = json.loads(os.environ["NASH_MUTATION"])
    function = resolved(mutation["function"])
    assert isinstance(function, FunctionType)
    mutate(function, mutation["old"], mutation["new"])
