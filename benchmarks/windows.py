"""Windows of measurement in processes that take turns: one works while the others wait, so noise meets all alike.

The parent asks for a window by a line on stdin, {"seconds": 3, "tail": 0, "steps": 1}; the process works so long and
answers {"n": images done, "seconds": what they took}. It starts nothing between windows, and ends with its stdin.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from time import perf_counter
from typing import Any, Self, TextIO

from benchmarks.processes import Failed, start


class Ended(Exception):
    """Nobody asks for another window."""


class Windows:
    """In the measured process: call it after each step with what the step has done; raises Ended at the end.

    It blocks while no window is asked for. A window is at least `seconds` and `steps` long and ends with a step;
    in the `tail` after it the work goes on uncounted, so that a neighbour's window is not measured beside nobody.
    """

    def __init__(self, ask: TextIO, answer: TextIO) -> None:
        self._ask, self._answer = ask, answer
        self._course = self._windows()
        next(self._course)

    def __call__(self, n: int) -> None:
        self._course.send(n)

    def _windows(self) -> Generator[None, int, None]:
        yield  # what came before the first window
        for line in self._ask:
            asked = json.loads(line)
            n, seconds = yield from _lasting(asked["seconds"], asked["steps"])
            yield from _lasting(asked["tail"], 0)
            print(json.dumps({"n": n, "seconds": seconds}), file=self._answer, flush=True)
        raise Ended


def _lasting(seconds: float, steps: int) -> Generator[None, int, tuple[int, float]]:
    """Let steps pass; what they did and how long it took."""
    began, n, done = perf_counter(), 0, 0
    while done < steps or perf_counter() - began < seconds:
        n += yield
        done += 1
    return n, perf_counter() - began


class Measured:
    """A process that measures one kind of work (benchmarks/measured.py) on some cores whenever it is asked to."""

    def __init__(self, kind: str, cores: Sequence[int], environment: Mapping[str, str], **options: Any) -> None:
        self.kind = kind
        told = json.dumps({"kind": kind, "cores": list(cores), **options})
        self._process: subprocess.Popen[str] = start("benchmarks.measured", [told], environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, seconds: float, *, tail: float = 0.0, steps: int = 1) -> None:
        assert self._process.stdin is not None
        asked = json.dumps({"seconds": seconds, "tail": tail, "steps": steps})
        try:
            print(asked, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise Failed(f"the process that measures {self.kind} has ended") from None

    def rate(self) -> float:
        """What was done in a second of the window that was asked for. Raises Failed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"the process that measures {self.kind} ended with exit code {self._process.wait()}")
        answer = json.loads(line)
        return float(answer["n"] / answer["seconds"])


Group = Sequence[Measured]
"""Processes that work at the same time; their rates add up."""
WarmUp = tuple[float, int]
"""At least so many seconds and steps."""
Rates = dict[str, list[float]]
"""Windows of each group, in what it does a second."""


def take_turns(groups: Mapping[str, Group], *, seconds: float, warm_up: WarmUp, repeats: int) -> Rates:
    """Rates of each group, `repeats` windows each, the groups in turn; the first round is warm-up and not counted."""
    rates: Rates = {name: [] for name in groups}
    for group in groups.values():
        _window(group, *warm_up)
    for _ in range(repeats):
        for name, group in groups.items():
            rates[name].append(_window(group, seconds))
    return rates


def _window(group: Group, seconds: float, steps: int = 1) -> float:
    for process in group:
        process.ask(seconds, steps=steps, tail=seconds / 5 if len(group) > 1 else 0.0)
    return sum(process.rate() for process in group)


def measure(groups: Mapping[str, Callable[[], Group]], *, seconds: float, warm_up: WarmUp, repeats: int) -> Rates:
    """As take_turns, with processes that live as long as that takes."""
    with ExitStack() as stack:
        started = {name: [stack.enter_context(process) for process in make()] for name, make in groups.items()}
        return take_turns(started, seconds=seconds, warm_up=warm_up, repeats=repeats)


def medians(rates: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: median(values) for name, values in rates.items()}
